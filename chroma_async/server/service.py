"""What every route of the server shares: the API behind it, the numbers that bound it, and the door to threads."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar, TypeVarTuple

from aiohttp import web

from chroma_async.api import ChromaAPI
from chroma_async.config.settings import Settings

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

#: Work on more JSON than this leaves the event loop: parsing it takes longer than a thread hop, and long enough to hold up others.
OFFLOAD_BYTES = 64 * 1024


class Run(Protocol):
    """Calls a function in a thread, as :meth:`chroma_async.threads.Threads.run` does."""

    def __call__(self, work: Callable[[*Ts], T], /, *args: *Ts) -> Awaitable[T]:
        """The result of ``work``, or its exception."""


@dataclass(slots=True)
class Service:
    """One server. ``in_flight`` are the tasks of requests being answered; ``draining`` is set when it stops accepting."""

    api: ChromaAPI
    settings: Settings
    run: Run
    clock: Callable[[], int]
    in_flight: set[asyncio.Task[object]] = field(default_factory=set)
    draining: bool = False

    async def sized(self, size: int, work: Callable[[*Ts], T], *args: *Ts) -> T:
        """``work`` over about ``size`` bytes of JSON: here when it is short, in a thread when it is long."""
        if size <= OFFLOAD_BYTES:
            return work(*args)
        return await self.run(work, *args)


#: Where an application keeps its service.
SERVICE = web.AppKey("service", Service)
