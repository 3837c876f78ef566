"""How late the event loop comes: whatever keeps it makes everybody wait, and is seen nowhere else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from aiohttp import web

from chroma_async.measures import Histogram
from chroma_async.server.service import SERVICE

#: How often it is looked at. Costs 20 microseconds of a second.
LOOK_S = 0.25


async def watch_loop(app: web.Application) -> AsyncIterator[None]:
    """A context of the application's: while it runs, the lag of its loop goes to its traffic."""
    task = asyncio.create_task(_watch(app[SERVICE].traffic.loop_lag), name="loop lag")
    try:
        yield
    finally:
        task.cancel()


async def _watch(lags: Histogram) -> None:
    loop = asyncio.get_running_loop()
    while True:
        due_s = loop.time() + LOOK_S
        await asyncio.sleep(LOOK_S)
        lags.observe(max(0.0, loop.time() - due_s))
