"""One engine per data directory and process. Clients of one path share it; the last one to close it ends it.

An engine belongs to one event loop. While that loop runs, another loop's client is refused; when it was closed without closing its clients
(``asyncio.run`` ended around them), the engine is abandoned: its lock is dropped, and the next opening replays the log.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, field

from chroma_async.config import Settings
from chroma_async.engine.engine import Engine
from chroma_async.errors import ClosedError, ValidationError, WrongLoopError


@dataclass
class _Shared:
    """An engine, or its opening, and how many clients hold it."""

    loop: asyncio.AbstractEventLoop
    settings: Settings
    opening: asyncio.Task[Engine]
    holders: int = 0
    closing: asyncio.Task[None] | None = field(default=None)


_shared: dict[str, _Shared] = {}


class Lease:
    """One client's hold on an engine."""

    def __init__(self, engine: Engine, location: str | None) -> None:
        self._engine: Engine | None = engine
        self._location = location

    def engine(self) -> Engine:
        """:raises ClosedError: this client was closed."""
        if self._engine is None:
            raise ClosedError("the client is closed")
        return self._engine

    async def aclose(self) -> None:
        """Give the engine up; the last holder closes it. Idempotent."""
        engine, self._engine = self._engine, None
        if engine is None:
            return
        if self._location is None:
            await engine.aclose()
            return
        shared = _shared[self._location]
        shared.holders -= 1
        if shared.holders == 0:
            if shared.closing is None:
                shared.closing = asyncio.get_running_loop().create_task(_close(self._location, shared))
            await asyncio.shield(shared.closing)


async def _close(location: str, shared: _Shared) -> None:
    try:
        await asyncio.wait([shared.opening])
        if _opened(shared):
            await shared.opening.result().aclose()
    finally:
        if _shared.get(location) is shared:
            del _shared[location]


def _real(path: str) -> str:
    """A few lstat calls: cheaper here than a hop to a thread."""
    return os.path.realpath(path)


async def share_engine(path: str | None, settings: Settings, *, refuse_when_full: bool) -> Lease:
    """See :func:`chroma_async.api.local.open_local`."""
    if path is None:
        return Lease(await Engine.open(None, settings, refuse_when_full=refuse_when_full), None)
    loop = asyncio.get_running_loop()
    location = _real(path)
    while (shared := _shared.get(location)) is not None:
        if shared.closing is not None and shared.loop is loop:
            await asyncio.wait([shared.closing])
            continue
        if shared.loop.is_closed():
            await _abandon(location, shared)
            continue
        if shared.loop is not loop:
            raise WrongLoopError(f"{location} is open in another event loop of this process; share one client, or run the server")
        if shared.settings != settings:
            raise ValidationError(f"{location} is open in this process with different settings")
        break
    if shared is None:
        opening = loop.create_task(Engine.open(location, settings, refuse_when_full=refuse_when_full))
        shared = _shared[location] = _Shared(loop, settings, opening)
    shared.holders += 1
    try:
        engine = await asyncio.shield(shared.opening)
    except BaseException:
        shared.holders -= 1
        if shared.opening.done() and not _opened(shared):
            if _shared.get(location) is shared:
                del _shared[location]
        elif shared.holders == 0 and shared.closing is None:
            # The caller went away and nobody else waits: without a holder nobody would ever close what is being opened.
            shared.closing = loop.create_task(_close(location, shared))
        raise
    return Lease(engine, location)


def _opened(shared: _Shared) -> bool:
    """Whether the opening has ended, and with an engine."""
    opening = shared.opening
    return opening.done() and not opening.cancelled() and opening.exception() is None


async def _abandon(location: str, shared: _Shared) -> None:
    """Let go of an engine whose loop was closed under it."""
    del _shared[location]
    if _opened(shared):
        await shared.opening.result().abandon()
