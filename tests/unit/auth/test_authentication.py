from __future__ import annotations

import pytest

from chroma_async.auth.authentication import Authentication
from chroma_async.auth.authentication import authentication_from as from_settings
from chroma_async.auth.caller import ANONYMOUS, Caller
from chroma_async.auth.keys import INITIAL, Keys, make_key
from chroma_async.config.settings import Settings, SettingsError
from chroma_async.errors import AuthorizationError


def authentication_from(settings: Settings, keys: Keys | None = None) -> Authentication:
    return from_settings(settings, keys or Keys((), lambda: 0.0))


def test_without_credentials_and_provider_nobody_is_asked() -> None:
    assert not authentication_from(Settings()).can_let_in


@pytest.mark.parametrize("provider", ["", "token", "chromadb.auth.token_authn.TokenAuthenticationServerProvider"])
async def test_credentials_switch_tokens_on_with_a_provider_and_without(provider: str) -> None:
    authentication = authentication_from(Settings(auth_provider=provider, auth_credentials="good"))
    assert await authentication.caller(["Bearer good"], []) == ANONYMOUS


@pytest.mark.parametrize("header", ["x-chroma-token", "x_chroma_token"])
async def test_the_header_that_is_set_is_the_only_one(header: str) -> None:
    authentication = authentication_from(Settings(auth_token_header=header, auth_credentials="good"))
    assert await authentication.caller([], ["good"]) == ANONYMOUS
    with pytest.raises(AuthorizationError, match="send X-Chroma-Token"):
        await authentication.caller(["Bearer good"], [])


async def test_all_unknown_credentials_are_refused_in_the_same_words() -> None:
    authentication = authentication_from(Settings(auth_credentials="good\ngood-too"))
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


async def test_keys_are_known_beside_tokens() -> None:
    key, text = make_key(Caller("ann"), 0.0)
    authentication = authentication_from(Settings(auth_credentials="good"), Keys([key], lambda: 1.0))
    assert await authentication.caller([f"Bearer {text}"], []) == Caller("ann")
    assert await authentication.caller([], ["good"]) == ANONYMOUS


async def test_who_shows_nothing_is_told_of_the_first_token_while_it_is_the_only_credential() -> None:
    first, _ = make_key(Caller(INITIAL), 0.0, id=INITIAL)
    second, _ = make_key(Caller("ann"), 0.0)
    said = []
    for settings, keys in ((Settings(), [first]), (Settings(), [first, second]), (Settings(auth_credentials="good"), [first])):
        for shown in ([], ["wrong"]):
            with pytest.raises(AuthorizationError) as refused:
                await authentication_from(settings, Keys(keys, lambda: 1.0)).caller([], shown)
            said.append("initial-token in the server's data directory" in refused.value.message())
    assert said == [True, True, False, False, False, False]
