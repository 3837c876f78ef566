"""Compaction on demand over a whole store, with its progress."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

from chroma_async.engine.collection import Collection
from chroma_async.engine.engine import Engine
from chroma_async.errors import NotFoundError


@dataclass(frozen=True, slots=True)
class Step:
    """How far a compaction is: ``done`` of ``total`` units of the ``phase`` of one collection."""

    collection: str
    phase: str
    done: int
    total: int


async def compact_store(engine: Engine) -> AsyncIterator[Step]:
    """Run the attached functions, flush, merge, vacuum and index every collection, then delete what nothing names any longer."""
    await engine.functions.finish()
    for id in await engine.context.backends.catalog.collection_ids():
        async for step in _compact_unless_deleted(engine, id):
            yield step
    await engine.ticker.sweep()


async def _compact_unless_deleted(engine: Engine, id: UUID) -> AsyncIterator[Step]:
    try:
        async with engine.registry.holding(id) as collection:
            async for step in _compact(collection):
                yield step
    except NotFoundError:
        return


async def _compact(collection: Collection) -> AsyncIterator[Step]:
    loop = asyncio.get_running_loop()
    steps: asyncio.Queue[Step | None] = asyncio.Queue()
    name = collection.row.name

    def told(phase: str, done: int, total: int) -> None:
        loop.call_soon_threadsafe(steps.put_nowait, Step(name, phase, done, total))

    def ended(_: asyncio.Task[None]) -> None:
        steps.put_nowait(None)

    work = loop.create_task(collection.finish(told))
    work.add_done_callback(ended)
    while (step := await steps.get()) is not None:
        yield step
    await work
    yield Step(name, "done", 1, 1)
