from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from chroma_async.auth.attempts import attempts_from
from chroma_async.auth.authentication import authentication_from
from chroma_async.auth.caller import Caller
from chroma_async.auth.credential import Token
from chroma_async.auth.guard import Guard
from chroma_async.auth.key_file import read_keys
from chroma_async.auth.key_store import KeyStore
from chroma_async.auth.keys import Keys
from chroma_async.auth.policy import policy_from
from chroma_async.config.settings import Settings
from chroma_async.errors import InvalidArgumentError, NotFoundError, UnavailableError

ROLES = "roles_mapping: {reader: {actions: ['collection:get']}}"
NOW_S = 1000.0


def guard_of(settings: Settings) -> Guard:
    authentication = authentication_from(settings, Keys((), lambda: NOW_S), asyncio.to_thread)
    return Guard(authentication, policy_from(settings), attempts_from(settings))


@pytest.fixture
def guard() -> Guard:
    return guard_of(Settings(authz_config=ROLES, auth_credentials="good"))


@pytest.fixture
def keys(guard: Guard, tmp_path: Path) -> KeyStore:
    return KeyStore(guard, tmp_path, asyncio.to_thread, lambda: NOW_S)


async def test_a_key_counts_at_once_and_for_good_until_it_is_revoked(keys: KeyStore, guard: Guard, tmp_path: Path) -> None:
    ann = Caller("ann", "reader", "acme", ("prod",))
    key, text = await keys.create(ann, NOW_S + 60)
    assert await guard.authentication.caller(Token(text)) == ann
    assert read_keys(tmp_path) == (key,)
    other, other_text = await keys.create(Caller("bob"))
    assert {each.id for each in keys.listed()} == {key.id, other.id}
    await keys.revoke(key.id)
    assert await guard.authentication.caller(Token(text)) is None
    assert await guard.authentication.caller(Token(other_text)) == Caller("bob")
    assert read_keys(tmp_path) == (other,)
    with pytest.raises(NotFoundError, match=key.id):
        await keys.revoke(key.id)


async def test_keys_that_are_made_at_the_same_time_are_all_there(keys: KeyStore, tmp_path: Path) -> None:
    made = await asyncio.gather(*(keys.create(Caller(f"user{number}")) for number in range(20)))
    assert {key.id for key in read_keys(tmp_path)} == {key.id for key, _ in made}


async def test_what_makes_no_sense_is_refused_and_changes_nothing(keys: KeyStore, tmp_path: Path) -> None:
    for caller, expires_s, said in (
        (Caller("ann", "writer"), None, "role: there is no role 'writer'"),
        (Caller("ann"), NOW_S, "expires_at: 1000.0 is over"),
    ):
        with pytest.raises(InvalidArgumentError, match=said):
            await keys.create(caller, expires_s)
    assert read_keys(tmp_path) == ()
    without_roles = KeyStore(guard_of(Settings(auth_credentials="good")), tmp_path, asyncio.to_thread)
    with pytest.raises(InvalidArgumentError, match="there is no role 'reader'"):
        await without_roles.create(Caller("ann", "reader"))


async def test_there_is_an_end_to_how_many_there_are(keys: KeyStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chroma_async.auth.key_store.KEYS_AT_MOST", 2)
    for _ in range(2):
        await keys.create(Caller("ann"))
    with pytest.raises(InvalidArgumentError, match="2 keys already"):
        await keys.create(Caller("ann"))


async def test_a_key_that_cannot_be_written_does_not_count(keys: KeyStore, guard: Guard, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UnavailableError, match="the keys could not be written: No space left"):
        await keys.create(Caller("ann"))
    assert keys.listed() == []
    assert not guard.authentication.keys


async def test_a_caller_who_leaves_leaves_disk_and_memory_alike(guard: Guard, tmp_path: Path) -> None:
    going = asyncio.Event()

    async def slow(work: Any, /, *args: Any, **kwargs: Any) -> Any:
        going.set()
        await asyncio.sleep(0)
        return work(*args, **kwargs)

    keys = KeyStore(guard, tmp_path, slow, lambda: NOW_S)
    making = asyncio.create_task(keys.create(Caller("ann")))
    await going.wait()
    making.cancel()
    await asyncio.gather(making, return_exceptions=True)
    async with guard.turn:
        assert [key.id for key in keys.listed()] == [key.id for key in read_keys(tmp_path)]
    assert len(keys.listed()) == 1
