from __future__ import annotations

import pytest

from chroma_async.auth.authentication import authentication_from
from chroma_async.auth.caller import ANONYMOUS
from chroma_async.config.settings import Settings, SettingsError
from chroma_async.errors import AuthorizationError


def test_without_credentials_and_provider_nobody_is_asked() -> None:
    assert authentication_from(Settings()) is None


@pytest.mark.parametrize("provider", ["", "token", "chromadb.auth.token_authn.TokenAuthenticationServerProvider"])
async def test_credentials_switch_tokens_on_with_a_provider_and_without(provider: str) -> None:
    authentication = authentication_from(Settings(auth_provider=provider, auth_credentials="good"))
    assert authentication is not None
    assert await authentication.caller(["Bearer good"], []) == ANONYMOUS


@pytest.mark.parametrize("header", ["x-chroma-token", "x_chroma_token"])
async def test_the_header_that_is_set_is_the_only_one(header: str) -> None:
    authentication = authentication_from(Settings(auth_token_header=header, auth_credentials="good"))
    assert authentication is not None
    assert await authentication.caller([], ["good"]) == ANONYMOUS
    with pytest.raises(AuthorizationError, match="send X-Chroma-Token"):
        await authentication.caller(["Bearer good"], [])


async def test_all_unknown_credentials_are_refused_in_the_same_words() -> None:
    authentication = authentication_from(Settings(auth_credentials="good\ngood-too"))
    assert authentication is not None
    said = set()
    for token in ("goo", "good-", "GOOD", "x" * 8000):
        with pytest.raises(AuthorizationError) as refused:
            await authentication.caller([], [token])
        said.add(refused.value.message())
    assert said == {"the credential is not one that is known here"}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"auth_provider": "token"}, "auth_provider = 'token' .*there are no credentials.*CHROMA_SERVER_AUTHN_CREDENTIALS"),
        ({"auth_provider": "tokens", "auth_credentials": "secret"}, "unknown provider; did you mean token"),
        ({"auth_credentials": "secret word"}, r"auth_credentials = '\*\*\*\*\*\*\*\*' .*line 1"),
    ],
)
def test_what_cannot_be_used_is_refused_at_start_without_the_credential(settings: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError, match=said) as refused:
        authentication_from(Settings(**settings))
    assert "secret" not in refused.value.message()
