"""Garbage: whatever no manifest names, nobody reads and nobody is making."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from chroma_async.engine.snapshot.file_pins import PinningStore
from chroma_async.storage.base.catalog import Inventory
from chroma_async.threads import Threads

logger = logging.getLogger(__name__)


class Janitor:
    """Sweeps the segment store. At start that removes what a crash left behind; later what manifests have dropped."""

    def __init__(self, inventory: Inventory, store: PinningStore, threads: Threads, in_doubt: Callable[[], bool]) -> None:
        """:param in_doubt: whether a commit may or may not have become durable."""
        self._in_doubt = in_doubt
        self._inventory = inventory
        self._store = store
        self._threads = threads
        self._sweeping = asyncio.Lock()
        #: Whether the last sweep met garbage that was still being read.
        self.waiting = False

    async def sweep(self) -> int:
        """Delete all garbage; how many files that was.

        The order of the three questions matters. A file leaves the set of those being made only after its manifest is committed, so one
        that is listed is found in one of the two sets asked later, unless it is garbage. And while a commit is in doubt nothing is: the
        next opening may find that it was durable, with files that the catalog does not name now.
        """
        async with self._sweeping:
            listed = await self._threads.run(self._store.list)
            pinned, read = self._store.pinned(), self._store.read()
            named = await self._inventory.named_files()
            unnamed = [name for name in listed if name not in named]
            self.waiting = any(name in read for name in unnamed)
            garbage = [name for name in unnamed if name not in pinned]
            if not garbage or self._in_doubt():
                return 0
            logger.debug("deleting %d files that nothing names", len(garbage))
            await self._threads.run(self._store.delete, garbage)
            return len(garbage)
