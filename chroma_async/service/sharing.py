"""One engine per data directory and process. Clients of one path share it; the last one to close it ends it.

An engine belongs to one event loop. While that loop runs, another loop's client is refused; when it was closed without closing its clients
(``asyncio.run`` ended around them), the engine is abandoned: its lock is dropped, and the next opening replays the log. A forked child
shares nothing with its parent; it may open what the parent has not.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass, field

from chroma_async.config.settings import TABLE, Settings
from chroma_async.engine.engine import Engine
from chroma_async.errors import ClosedError, ValidationError, WrongLoopError


@dataclass(eq=False)
class _Shared:
    """An engine, or its opening, and how many clients hold it."""

    location: str
    loop: asyncio.AbstractEventLoop
    settings: Settings
    opening: asyncio.Task[Engine]
    pid: int = field(default_factory=os.getpid)
    holders: int = 0
    closing: asyncio.Task[None] | None = None

    def let_go(self) -> None:
        """One holder fewer; the last one ends the engine, also one that is still being opened."""
        self.holders -= 1
        if self.holders == 0 and self.closing is None:
            self.closing = self.loop.create_task(self._close())

    async def _close(self) -> None:
        try:
            await asyncio.wait([self.opening])
            engine = self.opened()
            if engine is not None:
                await engine.aclose()
        finally:
            self.forget()

    def opened(self) -> Engine | None:
        """The engine, if its opening has succeeded."""
        opening = self.opening
        return opening.result() if opening.done() and not opening.cancelled() and opening.exception() is None else None

    async def abandon(self) -> None:
        """Let go of an engine whose loop was closed under it."""
        self.forget()
        engine = self.opened()
        if engine is not None:
            await engine.abandon()

    def forget(self) -> None:
        """The next client opens the directory anew."""
        if _shared.get(self.location) is self:
            del _shared[self.location]


_shared: dict[str, _Shared] = {}
os.register_at_fork(after_in_child=_shared.clear)


class Lease:
    """One client's hold on an engine."""

    def __init__(self, engine: Engine, shared: _Shared | None) -> None:
        self._engine: Engine | None = engine
        self._shared = shared

    def engine(self) -> Engine:
        """:raises ClosedError: this client was closed."""
        if self._engine is None:
            raise ClosedError("the client is closed")
        return self._engine

    async def aclose(self) -> None:
        """Give the engine up; the last holder closes it. Idempotent. A forked child has nothing to give up.

        :raises WrongLoopError: it belongs to another event loop, which is not closed.
        """
        shared = self._shared
        if shared is not None and shared.pid == os.getpid() and shared.loop is not asyncio.get_running_loop():
            if not shared.loop.is_closed():
                raise WrongLoopError(f"the engine of {shared.location} belongs to another event loop; close it there")
            if _shared.get(shared.location) is shared:
                await shared.abandon()
            self._engine = None
        engine, self._engine = self._engine, None
        if engine is None:
            return
        if shared is None:
            await engine.aclose()
        elif shared.pid == os.getpid():
            shared.let_go()
            if shared.closing is not None:
                await asyncio.shield(shared.closing)


async def share_engine(path: str | None, settings: Settings, *, refuse_when_full: bool) -> Lease:
    """See :func:`chroma_async.service.local.open_local`."""
    if path is None:
        return Lease(await Engine.open(None, settings, refuse_when_full=refuse_when_full), None)
    loop = asyncio.get_running_loop()
    location = _real(path)
    while True:
        shared = _shared.get(location)
        if shared is None or shared.loop.is_closed():
            # Taken at once, so that whoever comes next waits for this opening and what it has to clear away.
            opening = loop.create_task(_open(location, settings, refuse_when_full, shared))
            shared = _shared[location] = _Shared(location, loop, settings, opening)
        elif shared.loop is not loop:
            raise WrongLoopError(f"{location} is open in another event loop of this process; share one client, or run the server")
        elif shared.closing is not None:
            await asyncio.wait([shared.closing])
            continue
        elif shared.settings != settings:
            different = ", ".join(_differences(shared.settings, settings))
            raise ValidationError(
                f"{location} is open in this process with different settings: {different}; give the same, or close the other"
            )
        break
    shared.holders += 1
    try:
        return Lease(await asyncio.shield(shared.opening), shared)
    except BaseException:
        if shared.opening.done() and shared.opened() is None:
            shared.forget()
        # The last one to go away closes what nobody would ever close.
        shared.let_go()
        raise


def _differences(held: Settings, given: Settings) -> Iterator[str]:
    """What differs, as it was given and as the store was opened with; secrets masked."""
    for row in TABLE.values():
        opened, asked = getattr(held, row.name), getattr(given, row.name)
        if opened != asked:
            yield f"{row.name}={row.masked(asked)!r} (opened with {row.masked(opened)!r})"


async def _open(location: str, settings: Settings, refuse_when_full: bool, left: _Shared | None) -> Engine:
    """Open a directory; first let go of what a closed loop has ``left`` of it."""
    if left is not None:
        await left.abandon()
    return await Engine.open(location, settings, refuse_when_full=refuse_when_full)


def _real(path: str) -> str:
    """One spelling for one directory. It reads a few links, and no file."""
    return os.path.realpath(path)
