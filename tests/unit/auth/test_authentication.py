from __future__ import annotations

import asyncio
from typing import Any

import pytest

from chroma_async.auth.authentication import Authentication
from chroma_async.auth.authentication import authentication_from as from_settings
from chroma_async.auth.caller import ANONYMOUS, Caller
from chroma_async.auth.credential import Password, Token
from chroma_async.auth.keys import INITIAL, Keys, make_key
from chroma_async.config.settings import Settings, SettingsError

#: "word", at the least cost that bcrypt has.
HTPASSWD = "ann:$2b$04$iQhxt3YreUz0FxVzRkRkJu.LyQMZxe8Z55M8XHoNPnMNrM0veta1u"
BASIC = "chromadb.auth.basic_authn.BasicAuthenticationServerProvider"


def authentication_from(keys: Keys | None = None, **settings: Any) -> Authentication:
    return from_settings(Settings(**settings), keys or Keys((), lambda: 0.0), asyncio.to_thread)


def test_without_credentials_and_provider_nobody_is_asked() -> None:
    assert not authentication_from().can_let_in


@pytest.mark.parametrize("provider", ["", "token", "chromadb.auth.token_authn.TokenAuthenticationServerProvider"])
async def test_credentials_switch_tokens_on_with_a_provider_and_without(provider: str) -> None:
    authentication = authentication_from(auth_provider=provider, auth_credentials="good")
    assert authentication.can_let_in
    assert await authentication.caller(Token("good")) == ANONYMOUS
    assert await authentication.caller(Token("goo")) is None
    assert await authentication.caller(Password("ann", "good")) is None


@pytest.mark.parametrize("named", [{"auth_provider": "basic"}, {"auth_provider": BASIC}])
async def test_a_provider_for_passwords_reads_the_credentials_as_such(named: dict[str, str]) -> None:
    authentication = authentication_from(auth_credentials=HTPASSWD, **named)
    assert await authentication.caller(Password("ann", "word")) == Caller("ann")
    assert await authentication.caller(Password("ann", "wordy")) is None
    assert await authentication.caller(Token("word")) is None


async def test_keys_are_known_beside_tokens_and_beside_passwords() -> None:
    key, text = make_key(Caller("ann"), 0.0)
    for settings in ({"auth_credentials": "good"}, {"auth_provider": "basic", "auth_credentials": HTPASSWD}, {}):
        authentication = authentication_from(Keys([key], lambda: 1.0), **settings)
        assert await authentication.caller(Token(text)) == Caller("ann")


def test_it_is_known_whether_there_is_only_what_a_first_start_made() -> None:
    first, _ = make_key(Caller(INITIAL), 0.0, id=INITIAL)
    keys = Keys([first], lambda: 1.0)
    assert authentication_from(keys).is_initial_only
    assert not authentication_from(keys, auth_credentials="good").is_initial_only
    assert not authentication_from().is_initial_only


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"auth_provider": "token"}, r"auth_provider = 'token' .*there are no credentials.*CHROMA_SERVER_AUTHN_CREDENTIALS"),
        ({"auth_provider": "tokens", "auth_credentials": "secret"}, "unknown provider; did you mean token"),
        ({"auth_credentials": "secret word"}, r"auth_credentials = '\*\*\*\*\*\*\*\*' .*line 1"),
        ({"auth_provider": "basic", "auth_credentials": "ann:secret"}, r"auth_credentials = '\*\*\*\*\*\*\*\*' .*line 1"),
    ],
)
def test_what_cannot_be_used_is_refused_at_start_without_the_credential(settings: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError, match=said) as refused:
        authentication_from(**settings)
    assert "secret" not in refused.value.message()
