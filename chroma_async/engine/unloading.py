"""Which collections leave memory, and when."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from uuid import UUID

from chroma_async.config.settings import Settings
from chroma_async.costs import TICK_COLLECTION, items_at_once
from chroma_async.engine.collection import Collection


async def unload_idle(
    loaded: OrderedDict[UUID, Collection], held: int, mapped: int, most_mapped: int, settings: Settings, now: float
) -> None:
    """Unload idle collections, the longest unused first, while more bytes are held than allowed.

    Descriptors do not grow: when too many are taken, what nobody uses at this moment counts as idle.

    :param loaded: the longest unused first; what is unloaded is taken out.
    :param held: bytes of all of them. :param mapped: files that they map, at most ``most_mapped`` of them for long.
    """
    at_once = items_at_once(TICK_COLLECTION)
    for number, collection in enumerate(list(loaded.values()), 1):
        pressing = mapped > most_mapped
        if not pressing and (held <= settings.cache_bytes or now - collection.last_used < settings.collection_idle_s):
            return
        if collection.idle and loaded.get(collection.id) is collection:
            held, mapped = held - collection.bytes, mapped - collection.mapped
            del loaded[collection.id]
            await collection.aclose(flush=False)
        if number % at_once == 0:
            await asyncio.sleep(0)
