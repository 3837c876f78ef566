"""The engine: one store, opened, and what it consists of."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Callable
from contextlib import AsyncExitStack
from uuid import UUID

# numpy.unique loads it when it is first called. That is when a write which is durable already is applied, and a process that has no
# descriptor left then would lose it until the next opening.
import numpy.ma  # noqa: F401

from chroma_async.config.settings import Settings
from chroma_async.engine.compaction.janitor import Janitor
from chroma_async.engine.context import Context
from chroma_async.engine.forking import fork_collection
from chroma_async.engine.functions.attached_functions import AttachedFunctions
from chroma_async.engine.guard import Guard
from chroma_async.engine.read.search_plan import PlanSettings
from chroma_async.engine.recovery import pending_facts
from chroma_async.engine.registry import Registry
from chroma_async.engine.removal import Removal
from chroma_async.engine.snapshot.file_pins import PinningStore
from chroma_async.engine.snapshot.filter_cache import FilterCache
from chroma_async.engine.snapshot.segment import SegmentOpener
from chroma_async.engine.tasks import Tasks
from chroma_async.engine.ticker import Ticker
from chroma_async.engine.write.log_writer import LogWriter
from chroma_async.engine.write.retention import Retention
from chroma_async.errors import ChromaError
from chroma_async.format.logbatch import Facts
from chroma_async.index.kernels import set_threads
from chroma_async.spans import Spans
from chroma_async.storage.base.backends import Backends
from chroma_async.storage.base.collections import CollectionRow
from chroma_async.storage.filesystem import FileSystem
from chroma_async.storage.open import abandon_backends, close_backends, open_backends
from chroma_async.threads import Threads
from chroma_async.types import Scope, Seq

logger = logging.getLogger(__name__)


class Engine:
    """Made by :meth:`open`, ended by :meth:`aclose`. Belongs to one event loop and one process.

    :ivar context: what all collections share.
    :ivar guard: whether it may be used here and now.
    :ivar registry: the collections.
    :ivar removal: what deletes them.
    :ivar functions: what is attached to them.
    :ivar ticker: what looks after them.
    """

    def __init__(self, context: Context, facts: dict[UUID, Facts], logged: dict[UUID, Seq]) -> None:
        """:param facts: what the log says of collections. :param logged: the last operation that it holds of each."""
        self.context = context
        self.guard = Guard(context.backends.lease)
        #: Closes what the context consists of.
        self._ends = AsyncExitStack()
        self._janitor = Janitor(context.backends.catalog, context.store, context.threads, lambda: context.log_writer.poisoned is not None)
        self.registry = Registry(context, self.guard, facts, logged)
        self.functions = AttachedFunctions(context, self.registry.holding, self.registry.loaded.get)
        self.removal = Removal(context, self.guard, self.registry, self.functions, self._janitor)
        self.ticker = Ticker(context, self.registry, self.removal, self.functions, self._janitor)
        self._closing: asyncio.Task[None] | None = None

    @classmethod
    async def open(
        cls,
        location: str | None,
        settings: Settings,
        *,
        refuse_when_full: bool = False,
        automatic: bool = True,
        verify: bool = True,
        files: FileSystem | None = None,
        wrap: Callable[[Backends], Backends] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        clock: Callable[[], int] = time.time_ns,
        new_key: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> Engine:
        """
        :param location: a directory, or ``None`` for memory.
        :param refuse_when_full: full queues raise RateLimitError instead of waiting.
        :param automatic: flush and maintenance start by themselves.
        :param verify: read every byte of a file when it is opened.
        :param files: the file system; for tests that stop it.
        :param wrap: puts decorators around the backends; for tests that stop them.
        :raises StoreError: the directory is locked, foreign, or of a newer release.
        :raises CorruptionError: catalog or log are damaged.
        """
        async with AsyncExitStack() as opened:
            threads = Threads(settings.query_threads, settings.background_threads, settings.index_threads, set_threads)
            opened.push_async_callback(threads.aclose)
            found = await _backends(location, settings, threads, clock, files)
            backends = found if wrap is None else wrap(found)
            opened.push_async_callback(close_backends, backends, threads)
            tasks = Tasks()
            log_writer = LogWriter(backends.log, backends.lease, tasks, backends.poison)
            opened.push_async_callback(log_writer.aclose)
            store = PinningStore(backends.segments)
            context = Context(
                settings=settings,
                backends=backends,
                threads=threads,
                tasks=tasks,
                log_writer=log_writer,
                retention=Retention(backends.log, await backends.catalog.tails()),
                store=store,
                opener=SegmentOpener(store, FilterCache(settings.filter_cache_bytes), verify=verify),
                plan=PlanSettings(tail_codes_rows=settings.tail_codes_rows),
                monotonic=monotonic,
                clock=clock,
                new_key=new_key,
                refuse_when_full=refuse_when_full,
                automatic=automatic,
                spans=Spans(settings.otel_granularity),
            )
            facts, logged = await pending_facts(backends.log), await backends.log.collections()
            engine = cls(context, facts, logged)
            await engine._recover(logged)
            await engine.functions.load()
            engine._ends = opened.pop_all()
        if automatic:
            engine.ticker.start()
        return engine

    async def _recover(self, logged: dict[UUID, Seq]) -> None:
        """Forget log entries of collections that are gone, and files that no manifest names."""
        known = set(await self.context.backends.catalog.collection_ids())
        for id in logged.keys() - known:
            await self.removal.forget(id)
        await self._janitor.sweep()

    async def fork_collection(self, scope: Scope, id: UUID, name: str) -> CollectionRow:
        """See :func:`~chroma_async.engine.forking.fork_collection`."""
        return await fork_collection(self.context, self.registry, scope, id, name)

    # --------------------------------------------------------------------------------------------------------------------------- end

    async def aclose(self, *, flush: bool = True) -> None:
        """Finish the writes that wait, flush what is worth a chunk, stop compaction, release everything. Idempotent: a second call waits
        for the first, and cancelling a caller does not stop it.

        :param flush: off leaves all rows in the log, from which the next opening replays them.
        """
        if self._closing is None:
            self.guard.close()
            self._closing = asyncio.get_running_loop().create_task(self._close(flush), name="closing")
        await asyncio.shield(self._closing)

    async def _close(self, flush: bool) -> None:
        self.ticker.stop()
        await self.functions.aclose()
        await self.registry.settled()
        keeps = self.context.backends.location is not None
        async with self._ends:
            for collection in list(self.registry.loaded.values()):
                await collection.aclose(flush=flush and keeps and collection.worth_flushing)
            await self.context.log_writer.aclose()
            await self.context.tasks.aclose()
            self.registry.loaded.clear()
            if flush and keeps:
                await self._sweep_last()

    async def _sweep_last(self) -> None:
        """What cannot be swept now is swept by the next opening; the store is closed either way."""
        try:
            await self._janitor.sweep()
        except ChromaError as error:
            logger.warning("what nothing names stays on the disk until the store is opened again: %s", error)

    async def abandon(self) -> None:
        """Release the files of an engine whose event loop was closed under it. What its tasks were doing is lost, not what was durable."""
        self.guard.close()
        for collection in self.registry.loaded.values():
            collection.abandon()
        try:
            await abandon_backends(self.context.backends, self.context.threads)
        except ChromaError as error:
            logger.warning("an engine whose event loop was closed could not be closed in order: %s", error)
        await self.context.threads.aclose()


async def _backends(
    location: str | None, settings: Settings, threads: Threads, clock: Callable[[], int], files: FileSystem | None
) -> Backends:
    return await open_backends(
        location,
        threads,
        log_checkpoint_bytes=settings.log_checkpoint_bytes,
        sqlite_connections=settings.sqlite_connections,
        open_files=settings.open_files,
        clock=clock,
        files=files,
    )
