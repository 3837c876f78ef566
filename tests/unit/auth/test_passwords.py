from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Any

import bcrypt
import pytest

from chroma_async.auth.caller import Caller
from chroma_async.auth.credential import Password
from chroma_async.auth.passwords import Passwords, read_passwords
from chroma_async.errors import RateLimitError


def hashed(password: str, prefix: str = "$2b$") -> str:
    made = bcrypt.hashpw(password.encode()[:72], bcrypt.gensalt(4)).decode()
    return prefix + made.removeprefix("$2b$")


class Runs:
    """A way to a thread that counts, and waits until told."""

    def __init__(self) -> None:
        self.count = 0
        self.go = asyncio.Event()
        self.go.set()

    async def __call__(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        self.count += 1
        await self.go.wait()
        return work(*args, **kwargs)


def ann_and_bob(run: Any) -> Passwords:
    return read_passwords(f"# people\n\nann:{hashed('wörd')}\n  bob:{hashed('other', '$2y$')}  \n", run)


async def test_a_user_is_known_by_its_own_password_only() -> None:
    passwords = ann_and_bob(Runs())
    assert await passwords.caller(Password("ann", "wörd")) == Caller("ann")
    assert await passwords.caller(Password("bob", "other")) == Caller("bob")
    for user, word in (("ann", "other"), ("ann", ""), ("ANN", "wörd"), ("eve", "wörd"), ("ann", "wörd ")):
        assert await passwords.caller(Password(user, word)) is None


async def test_a_good_password_is_checked_once_and_a_bad_one_each_time_also_of_unknown_users() -> None:
    run = Runs()
    passwords = ann_and_bob(run)
    for _ in range(3):
        await passwords.caller(Password("ann", "wörd"))
    assert run.count == 1
    for user in ("ann", "eve"):
        for _ in range(2):
            await passwords.caller(Password(user, "bad"))
    assert run.count == 5


async def test_a_password_that_many_show_at_once_is_checked_once_though_the_first_leaves() -> None:
    run = Runs()
    passwords = ann_and_bob(run)
    run.go.clear()
    many = [asyncio.create_task(passwords.caller(Password("ann", "wörd"))) for _ in range(20)]
    await asyncio.sleep(0)
    many[0].cancel()
    run.go.set()
    assert await asyncio.gather(*many[1:]) == [Caller("ann")] * 19
    assert run.count == 1


async def test_what_is_remembered_is_bounded_and_holds_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chroma_async.auth.passwords._REMEMBERED", 2)
    run = Runs()
    passwords = read_passwords("\n".join(f"user{n}:{hashed(f'secret{n}')}" for n in range(3)), run)
    for n in (0, 1, 0, 2, 0, 1):
        assert await passwords.caller(Password(f"user{n}", f"secret{n}")) is not None
    assert run.count == 4, "the one that was used least lately had to go"
    assert "secret" not in repr(vars(passwords))


async def test_there_is_an_end_to_how_many_wait_to_be_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chroma_async.auth.passwords._CHECKS", 3)
    run = Runs()
    passwords = ann_and_bob(run)
    run.go.clear()
    waiting = [asyncio.create_task(passwords.caller(Password("ann", f"guess{number}"))) for number in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(RateLimitError, match="too many passwords"):
        await passwords.caller(Password("ann", "guess3"))
    run.go.set()
    assert await asyncio.gather(*waiting) == [None] * 3
    assert await passwords.caller(Password("ann", "wörd")) == Caller("ann")


async def test_of_a_long_password_the_part_counts_that_bcrypt_takes() -> None:
    passwords = read_passwords(f"ann:{hashed('x' * 100)}", Runs())
    assert await passwords.caller(Password("ann", "x" * 100)) == Caller("ann")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no user"),
        ("# nobody", "no user"),
        ("ann:secret", "line 1"),
        ("ann:{SHA}secret=", "line 1"),
        ("ann:$apr1$secret$x", "line 1"),
        ("ann:$2b$99$" + "s" * 53, "line 1"),
        (":$2b$04$" + "s" * 53, "line 1"),
        ("ann:$2b$04$" + "s" * 53 + "\nann:$2b$04$" + "t" * 53, "line 2: the user 'ann' is there twice"),
    ],
)
def test_what_is_no_such_file_is_refused_without_a_hash(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said) as refused:
        read_passwords(text, asyncio.to_thread)
    assert "secret" not in str(refused.value)
    assert "sss" not in str(refused.value)


def test_without_bcrypt_the_extra_that_has_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bcrypt", None)
    with pytest.raises(ValueError, match=r"chroma-async\[server\]"):
        read_passwords(f"ann:{'x' * 60}", asyncio.to_thread)
