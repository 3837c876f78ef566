"""Garbage: whatever no manifest names, nobody reads and nobody is making."""

from __future__ import annotations

import asyncio
import logging

from chroma_async.engine.pins import PinningStore
from chroma_async.storage.base import Catalog
from chroma_async.threads import Threads

logger = logging.getLogger(__name__)


class Janitor:
    """Sweeps the segment store. At start that removes what a crash left behind; later what manifests have dropped."""

    def __init__(self, catalog: Catalog, store: PinningStore, threads: Threads) -> None:
        self._catalog = catalog
        self._store = store
        self._threads = threads
        self._sweeping = asyncio.Lock()

    async def sweep(self) -> int:
        """Delete all garbage; how many files that was.

        The order of the three questions matters. A file leaves the set of those being made only after its manifest is committed, so one
        that is listed is found in one of the two sets asked later, unless it is garbage.
        """
        async with self._sweeping:
            listed = await self._threads.run(self._store.list)
            kept = self._store.pinned()
            kept |= await self._catalog.named_files()
            garbage = [name for name in listed if name not in kept]
            if garbage:
                logger.debug("deleting %d files that nothing names", len(garbage))
                await self._threads.run(self._store.delete, garbage)
            return len(garbage)
