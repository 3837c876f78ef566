from __future__ import annotations

import asyncio

import pytest

from chroma_async.auth.attempts import Attempts
from chroma_async.auth.authentication import authentication_from
from chroma_async.auth.caller import Caller
from chroma_async.auth.guard import Guard
from chroma_async.auth.keys import INITIAL, Key, Keys, make_key
from chroma_async.auth.policy import policy_from
from chroma_async.config.settings import Settings
from chroma_async.errors import AuthorizationError, ChromaAuthError, RateLimitError
from tests.unit.auth.test_authentication import HTPASSWD

HERE = "192.0.2.1"


def guard_of(settings: Settings, *keys: Key) -> Guard:
    authentication = authentication_from(settings, Keys(keys, lambda: 1.0), asyncio.to_thread)
    return Guard(authentication, policy_from(settings), Attempts(3, 5.0, lambda: 0.0))


async def refusal_of(guard: Guard, *headers: list[str]) -> AuthorizationError:
    with pytest.raises(AuthorizationError) as refused:
        await guard.permission(*(headers or ([], [])), HERE)
    return refused.value


async def test_a_known_caller_comes_in_and_an_unknown_one_is_refused_in_the_same_words_for_all() -> None:
    guard = guard_of(Settings(auth_credentials="good\ngood-too"))
    assert (await guard.permission([], ["good"], HERE)).caller.user == "anonymous"
    said = {(await refusal_of(guard, [], [token])).message() for token in ("goo", "GOOD", "x" * 8000)}
    assert said == {"the credential is not one that is known here"}


async def test_who_may_do_none_of_the_actions_is_told_which() -> None:
    roles = "roles_mapping: {anonymous: {actions: ['collection:query']}}"
    guard = guard_of(Settings(auth_credentials="good", authz_config=roles))
    permission = await guard.permission([], ["good"], HERE)
    guard.admit(permission, ("collection:get", "collection:query"))
    with pytest.raises(ChromaAuthError, match="'anonymous' may not do collection:add or collection:get"):
        guard.admit(permission, ("collection:add", "collection:get"))


@pytest.mark.parametrize("header", ["x-chroma-token", "x_chroma_token"])
async def test_the_header_that_is_set_is_the_only_one(header: str) -> None:
    guard = guard_of(Settings(auth_token_header=header, auth_credentials="good"))
    assert await guard.permission([], ["good"], HERE)
    assert "send X-Chroma-Token" in (await refusal_of(guard, ["Bearer good"], [])).message()


async def test_guesses_have_to_wait_but_not_what_was_good_nor_what_is_no_guess() -> None:
    guard = guard_of(Settings(auth_credentials="good\ngood-too"))
    assert await guard.permission([], ["good"], HERE)
    for _ in range(20):
        await refusal_of(guard, ["Bearer"], [])
    for _ in range(3):
        await refusal_of(guard, [], ["wrong"])
    for guess in ("wrong", "good-too"):
        with pytest.raises(RateLimitError) as refused:
            await guard.permission([], [guess], HERE)
        assert refused.value.retry_after_s == 5.0
    assert await guard.permission([], ["good"], HERE)
    assert await guard.permission([], ["good-too"], "192.0.2.2")


async def test_the_challenge_says_how_callers_show_who_they_are() -> None:
    assert (await refusal_of(guard_of(Settings(auth_credentials="good")))).challenge == "Bearer"
    passwords = Settings(auth_provider="basic", auth_credentials=HTPASSWD)
    assert (await refusal_of(guard_of(passwords))).challenge.startswith("Basic realm=")


async def test_who_shows_nothing_is_told_of_the_first_token_while_it_is_the_only_credential() -> None:
    first, _ = make_key(Caller(INITIAL), 0.0, id=INITIAL)
    second, _ = make_key(Caller("ann"), 0.0)
    guards = guard_of(Settings(), first), guard_of(Settings(), first, second), guard_of(Settings(auth_credentials="good"), first)
    refusals = [await refusal_of(guard, [], shown) for guard in guards for shown in ([], ["wrong"])]
    said = ["initial-token in the server's data directory" in refusal.message() for refusal in refusals]
    assert said == [True, True, False, False, False, False]
