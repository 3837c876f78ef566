"""The keys of a server that serves: made, listed and revoked, each at once and for good."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from chroma_async.auth.caller import Caller
from chroma_async.auth.guard import Guard
from chroma_async.auth.key_file import write_keys
from chroma_async.auth.keys import Key, Keys, make_key
from chroma_async.errors import InvalidArgumentError, NotFoundError, UnavailableError
from chroma_async.threads import Run

T = TypeVar("T")

#: Keys that a server has at the most. All of them are read at its start, and written at each change.
KEYS_AT_MOST = 10_000


class KeyStore:
    """Changes the keys of a data directory, and with them what its guard knows."""

    def __init__(self, guard: Guard, directory: Path, run: Run, clock_s: Callable[[], float] = time.time) -> None:
        """:param run: a way to a thread. :param clock_s: seconds since 1970."""
        self._guard = guard
        self._directory = directory
        self._run = run
        self._clock_s = clock_s

    def listed(self) -> Sequence[Key]:
        """All of them, those that have expired too, by the time at which they were made."""
        return sorted(self._guard.authentication.keys, key=lambda key: (key.created_s, key.id))

    async def create(self, caller: Caller, expires_s: float | None = None) -> tuple[Key, str]:
        """A new key, durable and in use, and its text: the only time that it is shown.

        :param expires_s: seconds since 1970.
        :raises InvalidArgumentError: no such role, an end that is over, or too many keys.
        :raises UnavailableError: it could not be written.
        """
        self._check(caller, expires_s)
        return await _whole(self._create(caller, expires_s))

    async def revoke(self, id: str) -> None:
        """Let the key count no more. :raises NotFoundError: there is none of that id. :raises UnavailableError: it could not be written."""
        await _whole(self._revoke(id))

    def _check(self, caller: Caller, expires_s: float | None) -> None:
        if caller.role is not None and not self._guard.policy.has_role(caller.role):
            raise InvalidArgumentError(f"role: there is no role {caller.role!r:.200}")
        if expires_s is not None and expires_s <= self._clock_s():
            raise InvalidArgumentError(f"expires_at: {expires_s} is over")

    async def _create(self, caller: Caller, expires_s: float | None) -> tuple[Key, str]:
        async with self._guard.turn:
            present = tuple(self._guard.authentication.keys)
            if len(present) >= KEYS_AT_MOST:
                raise InvalidArgumentError(f"there are {KEYS_AT_MOST} keys already; revoke some")
            key, text = make_key(caller, self._clock_s(), expires_s)
            await self._change([*present, key])
        return key, text

    async def _revoke(self, id: str) -> None:
        async with self._guard.turn:
            present = tuple(self._guard.authentication.keys)
            rest = [key for key in present if key.id != id]
            if len(rest) == len(present):
                raise NotFoundError(f"Key [{id:.200}] does not exist")
            await self._change(rest)

    async def _change(self, keys: Sequence[Key]) -> None:
        try:
            await self._run(write_keys, self._directory, keys)
        except OSError as error:
            raise UnavailableError(f"the keys could not be written: {error.strerror or type(error).__name__}") from error
        self._guard.authentication = replace(self._guard.authentication, keys=Keys(keys, self._clock_s))


async def _whole(change: Coroutine[Any, Any, T]) -> T:
    """The change, made to its end though its caller leaves: what is on the disk and what counts must not differ."""
    return await asyncio.shield(asyncio.ensure_future(change))
