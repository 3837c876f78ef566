"""Looking at an engine from outside: its counters, and what its collections hold at this moment. Nothing is changed by it."""

from __future__ import annotations

import asyncio
import shutil

from chroma_async.costs import TICK_COLLECTION, items_at_once
from chroma_async.engine.engine import Engine
from chroma_async.index.kernels import simd_level
from chroma_async.statistics import (
    CacheStatistics,
    CollectionStatistics,
    DiskStatistics,
    LogStatistics,
    StoreStatistics,
)
from chroma_async.storage.base.catalog import Inventory


async def inspect(engine: Engine) -> StoreStatistics:
    """How the store is. Costs a look at each loaded collection, in slices between which the event loop goes on.

    :raises ClosedError: it was closed.
    """
    engine.guard.check()
    context, registry = engine.context, engine.registry
    catalog: Inventory = context.backends.catalog
    writer, filters = context.log_writer, context.opener.filter_cache
    return StoreStatistics(
        collections=await _collections(engine),
        total_collections=len(await catalog.collection_ids()),
        damaged=len(registry.damaged),
        memory_limit_bytes=context.settings.cache_bytes,
        log=LogStatistics(
            appends=writer.appends.copy(),
            syncs=context.backends.log.syncs.copy(),
            rows=writer.rows,
            bytes=writer.bytes,
            size_bytes=await context.backends.log.size_bytes(),
        ),
        lanes=tuple(context.threads.statistics()),
        work={kind: work.copy() for kind, work in context.work.items()},
        filter_cache=CacheStatistics(filters.bytes, context.settings.filter_cache_bytes, filters.hits, filters.misses),
        disk=None if context.backends.location is None else await context.threads.run(_disk, context.backends.location),
        poisoned=writer.poisoned is not None,
        simd=simd_level(),
    )


async def _collections(engine: Engine) -> tuple[CollectionStatistics, ...]:
    found = []
    at_once = items_at_once(TICK_COLLECTION)
    for number, collection in enumerate(list(engine.registry.loaded.values()), 1):
        found.append(collection.statistics())
        if number % at_once == 0:
            await asyncio.sleep(0)  # there may be thousands
    return tuple(found)


def _disk(location: str) -> DiskStatistics:
    """Blocking, as file systems may hang."""
    usage = shutil.disk_usage(location)
    return DiskStatistics(usage.free, usage.total)
