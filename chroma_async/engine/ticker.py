"""The ticker: the engine's look at what is due, about twice a second."""

from __future__ import annotations

import asyncio
import logging

from chroma_async.costs import TICK_COLLECTION, items_at_once
from chroma_async.engine.collection import Collection
from chroma_async.engine.compaction.janitor import Janitor
from chroma_async.engine.context import Context
from chroma_async.engine.functions.attached_functions import AttachedFunctions
from chroma_async.engine.registry import Registry
from chroma_async.engine.removal import Removal
from chroma_async.engine.unloading import unload_idle
from chroma_async.errors import ChromaError

logger = logging.getLogger(__name__)

#: How often collections are looked at for idle flushes and maintenance.
TICK_S = 0.5
#: The least time between two sweeps for garbage.
SWEEP_S = 5.0
#: Files that may be mapped whatever the system's limit is.
LEAST_MAPPED = 64


class Ticker:
    """Looks after one store: flushes, maintains and runs what is due, unloads what is idle, sweeps what is left behind.

    :ivar context: what it works with.
    """

    def __init__(self, context: Context, registry: Registry, removal: Removal, functions: AttachedFunctions, janitor: Janitor) -> None:
        self.context = context
        self._registry = registry
        self._removal = removal
        self._functions = functions
        self._janitor = janitor
        self._swept_at = context.monotonic()
        #: Files that may be mapped: a half of the descriptors that SQLite connections leave.
        self.most_mapped = max(LEAST_MAPPED, (context.backends.descriptors - context.settings.sqlite_connections) // 2)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Tick until :meth:`stop`."""
        self._task = self.context.tasks.start(self._run(), "ticker")

    def stop(self) -> None:
        """Tick no more by itself."""
        if self._task is not None:
            self._task.cancel()

    async def tick(self) -> None:
        """Look once."""
        held, mapped = await self._look_after_collections()
        await self._removal.forget_the_rest()
        self._functions.tick()
        context = self.context
        if context.backends.location is not None:
            await unload_idle(self._registry.loaded, held, mapped, self.most_mapped, context.settings, context.monotonic())
        await self._sweep_sometimes()

    async def sweep(self) -> int:
        """Delete stored files that nothing needs; how many."""
        self.context.store.litter = False
        self._swept_at = self.context.monotonic()
        return await self._janitor.sweep()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            try:
                await self.tick()
            except ChromaError as error:
                logger.warning("looking after the store failed, and is tried again: %s", error)
            except Exception:
                logger.exception("looking after the store failed, and is tried again")

    async def _look_after_collections(self) -> tuple[int, int]:
        """The bytes and the mapped files that all loaded collections hold."""
        held = mapped = 0
        at_once = items_at_once(TICK_COLLECTION)
        for number, collection in enumerate(list(self._registry.loaded.values()), 1):
            await self._look_after(collection)
            held, mapped = held + collection.bytes, mapped + collection.mapped
            if number % at_once == 0:
                await asyncio.sleep(0)  # there may be thousands
        return held, mapped

    async def _look_after(self, collection: Collection) -> None:
        try:
            await collection.tick()
        except ChromaError as error:
            logger.warning("collection %s: %s", collection.id, error)
        except Exception:
            logger.exception("looking after collection %s failed, and is tried again", collection.id)

    async def _sweep_sometimes(self) -> None:
        """Sweep when manifests have dropped files, jobs have failed or collections are gone, but not all the time."""
        litter = self.context.store.litter or self._janitor.waiting
        if litter and self.context.monotonic() - self._swept_at >= SWEEP_S:
            await self.sweep()
