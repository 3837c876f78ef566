"""The engine: one store, opened. Collections are loaded on first use and unloaded when idle and many."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from uuid import UUID

from chroma_async.config.settings import Settings
from chroma_async.costs import TICK_COLLECTION, items_at_once
from chroma_async.engine.collection import Collection
from chroma_async.engine.compaction.janitor import Janitor
from chroma_async.engine.context import Context
from chroma_async.engine.functions.attached_functions import AttachedFunctions
from chroma_async.engine.read.search_plan import PlanSettings
from chroma_async.engine.recovery import forked, pending_facts
from chroma_async.engine.snapshot.file_pins import PinningStore
from chroma_async.engine.snapshot.filter_cache import FilterCache
from chroma_async.engine.snapshot.segment import SegmentOpener
from chroma_async.engine.tasks import Tasks
from chroma_async.engine.unloading import unload_idle
from chroma_async.engine.write.live_row import with_facts
from chroma_async.engine.write.log_writer import LogWriter
from chroma_async.engine.write.retention import Retention
from chroma_async.errors import ChromaError, ClosedError, CorruptionError, InvalidArgumentError, PoisonedError, WrongLoopError
from chroma_async.format.json_columns import dump, load
from chroma_async.format.logbatch import Facts
from chroma_async.index.kernels import set_threads
from chroma_async.schema.read import SOURCE_FUNCTION
from chroma_async.storage.base.backends import Backends
from chroma_async.storage.base.collections import CollectionRow
from chroma_async.storage.base.manifests import ForkCommit, TailRow
from chroma_async.storage.filesystem import FileSystem
from chroma_async.storage.open import abandon_backends, close_backends, open_backends
from chroma_async.storage.refusals import collection_id_missing
from chroma_async.threads import Threads
from chroma_async.types import Json, Scope, Seq

logger = logging.getLogger(__name__)

#: How often collections are looked at for idle flushes and maintenance.
TICK_S = 0.5
#: The least time between two sweeps for garbage.
SWEEP_S = 5.0
#: Files that may be mapped whatever the system's limit is.
LEAST_MAPPED = 64
#: Higher than any seq.
END_OF_LOG = 2**63 - 1


class Engine:
    """Made by :meth:`open`, ended by :meth:`aclose`. Belongs to one event loop and one process."""

    def __init__(self, context: Context, facts: dict[UUID, Facts]) -> None:
        self.context = context
        self._facts = facts
        #: The last operation that the log held of each collection at the opening.
        self._logged: dict[UUID, Seq] = {}
        #: The longest unused first.
        self._loaded: OrderedDict[UUID, Collection] = OrderedDict()
        self._loading: dict[UUID, asyncio.Task[Collection]] = {}
        self._janitor = Janitor(context.backends.catalog, context.store, context.threads, lambda: context.log_writer.poisoned is not None)
        self.functions = AttachedFunctions(context, self.holding, self._loaded.get)
        self._closed = False
        self._loop = asyncio.get_running_loop()
        self._closing: asyncio.Task[None] | None = None
        self._swept_at = context.monotonic()
        #: Files that may be mapped: a half of the descriptors that SQLite connections leave.
        self._most_mapped = max(LEAST_MAPPED, (context.backends.descriptors - context.settings.sqlite_connections) // 2)
        self._litter = False
        #: Collections that are gone and whose log could not be trimmed yet.
        self._unforgotten: set[UUID] = set()
        self._ticker: asyncio.Task[None] | None = None

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
        threads = Threads(settings.query_threads, settings.background_threads, settings.index_threads, set_threads)
        try:
            backends = await open_backends(
                location,
                threads,
                log_checkpoint_bytes=settings.log_checkpoint_bytes,
                sqlite_connections=settings.sqlite_connections,
                open_files=settings.open_files,
                clock=clock,
                files=files,
            )
        except BaseException:
            await threads.aclose()
            raise
        if wrap is not None:
            backends = wrap(backends)
        tasks = Tasks()
        log_writer = LogWriter(backends.log, backends.lease, tasks, backends.poison)
        try:
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
            )
            engine = cls(context, await pending_facts(backends.log))
            await engine._recover()
            await engine.functions.load()
        except BaseException:
            await log_writer.aclose()
            await close_backends(backends, threads)
            await threads.aclose()
            raise
        if automatic:
            engine._ticker = tasks.start(engine._tick(), "ticker")
        return engine

    # --------------------------------------------------------------------------------------------------------------------- collections

    def check_usable(self) -> None:
        """
        :raises ClosedError: it was closed. :raises ForkedError: this is a child process. :raises FencedError: the lease was lost.
        :raises WrongLoopError: it belongs to another event loop.
        """
        if self._closed:
            raise ClosedError("the store is closed")
        self.context.backends.lease.check()
        if asyncio.get_running_loop() is not self._loop:
            raise WrongLoopError("the store was opened in another event loop; use it there, or open one client per loop")

    @asynccontextmanager
    async def using(self, scope: Scope, id: UUID) -> AsyncIterator[Collection]:
        """A collection, loaded, and kept loaded until the end of the block.

        :raises NotFoundError: it does not exist in this scope.
        :raises CorruptionError: it cannot be opened; names the file.
        """
        self.check_usable()
        while (collection := self._loaded.get(id)) is None:
            await self.load(await self.context.backends.catalog.get_collection_by_id(scope, id))
        if collection.scope != scope:
            raise collection_id_missing(id)
        collection.users += 1
        collection.last_used = self.context.monotonic()
        self._loaded.move_to_end(id)
        try:
            yield collection
        finally:
            collection.users -= 1

    @asynccontextmanager
    async def holding(self, id: UUID) -> AsyncIterator[Collection]:
        """As :meth:`using`, whatever its scope: for the store's own work, never for a request."""
        self.check_usable()
        while (collection := self._loaded.get(id)) is None:
            await self.load(await self.context.backends.catalog.find_collection(id))
        collection.users += 1
        try:
            yield collection
        finally:
            collection.users -= 1

    def described(self, row: CollectionRow) -> CollectionRow:
        """A row of the catalog with what the log knows besides; the caller may change what it consists of. Its seq is that of the last
        operation that counts as indexed.
        """
        loaded = self._loaded.get(row.id)
        if loaded is not None:
            metadata, configuration, schema = map(copied, (loaded.row.metadata, loaded.row.configuration, loaded.row.schema))
            return replace(loaded.row, metadata=metadata, configuration=configuration, schema=schema, seq=loaded.indexed_seq)
        # What is unloaded has been flushed; what was not loaded yet will find in the log what an opening has found there.
        row = replace(row, seq=max(row.seq, self._logged.get(row.id, 0)))
        facts = self._facts.get(row.id)
        return row if facts is None else with_facts(row, facts)

    async def delete_collection(self, scope: Scope, name: str) -> None:
        """Delete it with its records, also when the caller goes away meanwhile. :raises NotFoundError: it does not exist."""
        self.check_usable()
        await self.context.tasks.whole(self._delete_collection(scope, name), f"deletion of collection {name}")

    async def _delete_collection(self, scope: Scope, name: str) -> None:
        await self._drop(await self.context.backends.catalog.delete_collection(scope, name))

    async def delete_database(self, scope: Scope) -> None:
        """Delete it with its collections, also when the caller goes away meanwhile. :raises NotFoundError: it does not exist."""
        self.check_usable()
        await self.context.tasks.whole(self._delete_database(scope), f"deletion of database {scope.database}")

    async def _delete_database(self, scope: Scope) -> None:
        for id in await self.context.backends.catalog.delete_database(scope):
            await self._drop(id)

    async def fork_collection(self, scope: Scope, id: UUID, name: str) -> CollectionRow:
        """A copy on write: it shares all files, and reads what is not flushed from the source's log. Milliseconds, whatever the size.

        :raises NotFoundError: the source does not exist in this scope.
        :raises UniqueConstraintError: the name is taken.
        :raises InvalidArgumentError: the tree of forks is full.
        """
        return await self.context.tasks.whole(self._fork_collection(scope, id, name), f"fork of collection {id}")

    async def _fork_collection(self, scope: Scope, id: UUID, name: str) -> CollectionRow:
        catalog, retention = self.context.backends.catalog, self.context.retention
        async with self.using(scope, id) as source:
            if await catalog.fork_count(id) >= self.context.settings.max_forks:
                raise InvalidArgumentError(f"collection {id} has {self.context.settings.max_forks} forks, as many as there may be")
            async with source.at_rest() as (manifest, seq):
                schema = {member: value for member, value in source.row.schema.items() if member != SOURCE_FUNCTION}
                fork = replace(source.row, id=uuid.uuid4(), name=name, schema=schema, created_ns=self.context.clock(), seq=seq)
                begun = forked(manifest, fork.id, seq)
                tails = tuple(TailRow(fork.id, tail.source, tail.after) for tail in begun.tails)
                for tail in tails:
                    retention.hold(tail)
                try:
                    await catalog.fork_collection(ForkCommit(fork, id, begun.to_bytes(), begun.files(), tails))
                except PoisonedError:
                    raise  # it may have become durable, and then it needs the tails
                except BaseException:
                    await retention.release(fork.id)
                    raise
        return fork

    async def reset(self) -> None:
        """Delete everything; only the default tenant and database are left, and what others create meanwhile."""
        self.check_usable()
        await self.context.tasks.whole(self._reset(), "reset")

    async def _reset(self) -> None:
        catalog, log = self.context.backends.catalog, self.context.backends.log
        before = await catalog.collection_ids()
        await catalog.reset()
        # In this order: what is not known by then was deleted, what was created since is.
        found = {*before, *self._loaded, *self._loading, *await log.collections()}
        known = set(await catalog.collection_ids())
        for id in found - known:
            await self._drop(id)
        await self._janitor.sweep()

    async def loaded(self) -> list[Collection]:
        """Load every collection of the store; for checks and for compaction on demand."""
        collections: list[Collection] = []
        for id in await self.context.backends.catalog.collection_ids():
            collection = self._loaded.get(id)
            if collection is None:
                collection = await self.load(await self.context.backends.catalog.find_collection(id))
            collections.append(collection)
        return collections

    async def sweep(self) -> int:
        """Delete stored files that nothing needs; how many."""
        self._litter = self.context.store.litter = False
        self._swept_at = self.context.monotonic()
        return await self._janitor.sweep()

    # --------------------------------------------------------------------------------------------------------------------------- end

    async def aclose(self, *, flush: bool = True) -> None:
        """Finish the writes that wait, flush what is worth a chunk, stop compaction, release everything. Idempotent: a second call waits
        for the first, and cancelling a caller does not stop it.

        :param flush: off leaves all rows in the log, from which the next opening replays them.
        """
        if self._closing is None:
            self._closed = True
            self._closing = asyncio.get_running_loop().create_task(self._close(flush), name="closing")
        await asyncio.shield(self._closing)

    async def _close(self, flush: bool) -> None:
        context = self.context
        if self._ticker is not None:
            self._ticker.cancel()
        await self.functions.aclose()
        for task in list(self._loading.values()):
            await asyncio.wait([task])
        flush = flush and context.backends.location is not None
        try:
            for collection in list(self._loaded.values()):
                await collection.aclose(flush=flush and collection.worth_flushing)
            await context.log_writer.aclose()
            await context.tasks.aclose()
            self._loaded.clear()
            if flush:
                await self._janitor.sweep()
        finally:
            await close_backends(context.backends, context.threads)
            await context.threads.aclose()

    async def abandon(self) -> None:
        """Release the files of an engine whose event loop was closed under it. What its tasks were doing is lost, not what was durable."""
        self._closed = True
        for collection in self._loaded.values():
            collection.abandon()
        try:
            await abandon_backends(self.context.backends, self.context.threads)
        except ChromaError as error:
            logger.warning("an engine whose event loop was closed could not be closed in order: %s", error)
        await self.context.threads.aclose()

    # ------------------------------------------------------------------------------------------------------------------------- inside

    async def _recover(self) -> None:
        """Forget log entries of collections that are gone, and files that no manifest names."""
        known = set(await self.context.backends.catalog.collection_ids())
        self._logged = await self.context.backends.log.collections()
        for id in list(self._logged):
            if id not in known:
                await self._forget(id)
        await self._janitor.sweep()

    async def load(self, row: CollectionRow) -> Collection:
        """The collection of a catalog row, loaded. :raises CorruptionError: it cannot be opened; names the file."""
        loaded = self._loaded.get(row.id)
        if loaded is not None:
            return loaded
        task = self._loading.get(row.id)
        if task is None:
            task = self._loading[row.id] = self.context.tasks.begin(self._load_once(row), f"loading of {row.id}")
        # A caller that goes away leaves the loading to the others.
        return await self.context.tasks.shared(task)

    async def _load_once(self, row: CollectionRow) -> Collection:
        try:
            try:
                collection = await Collection.load(row, self.context)
            except CorruptionError:
                # Files that are missing are those of a collection that was just deleted.
                await self.context.backends.catalog.find_collection(row.id)
                raise
            try:
                # It may have been deleted since its row was read: what is not in the catalog must not take writes.
                await self.context.backends.catalog.find_collection(row.id)
                self.check_usable()
            except BaseException:
                await collection.aclose(flush=False)
                raise
            self._loaded[row.id] = collection
            return collection
        finally:
            del self._loading[row.id]

    async def _drop(self, id: UUID) -> None:
        """Unload a collection that the catalog has just lost, tell its requests so, and forget its log.

        In this order nobody can load it again meanwhile.
        """
        self.functions.forget(id)
        loading = self._loading.get(id)
        if loading is not None:
            await asyncio.wait([loading])
        collection = self._loaded.pop(id, None)
        if collection is not None:
            await collection.aclose(flush=False, refusal=collection_id_missing(id))
        await self._forget(id)

    async def _forget(self, id: UUID) -> None:
        self._facts.pop(id, None)
        self._logged.pop(id, None)
        self._litter = True
        try:
            await self.context.retention.release(id)
            await self.context.retention.trim(id, END_OF_LOG)
        except ChromaError as error:
            # It is gone whatever the log still holds; the next tick, or the next opening, tries again.
            logger.warning("the log of a deleted collection is kept for now: %s", error)
            self._unforgotten.add(id)
            if isinstance(error, PoisonedError):
                self.context.log_writer.poison(error)
        else:
            self._unforgotten.discard(id)

    async def _tick(self) -> None:
        """Look after the loaded collections until the engine closes."""
        while True:
            await asyncio.sleep(TICK_S)
            try:
                await self.tick()
            except ChromaError as error:
                logger.warning("looking after the store failed, and is tried again: %s", error)
            except Exception:
                logger.exception("looking after the store failed, and is tried again")

    async def tick(self) -> None:
        """Flush, maintain and run what is due, unload what is idle, sweep what is left behind. Called about twice a second."""
        held = mapped = 0
        at_once = items_at_once(TICK_COLLECTION)
        for number, collection in enumerate(list(self._loaded.values()), 1):
            try:
                await collection.tick()
            except ChromaError as error:
                logger.warning("collection %s: %s", collection.id, error)
            except Exception:
                logger.exception("looking after collection %s failed, and is tried again", collection.id)
            held, mapped = held + collection.bytes, mapped + collection.mapped
            if number % at_once == 0:
                await asyncio.sleep(0)  # there may be thousands
        for id in list(self._unforgotten) if self.context.log_writer.poisoned is None else ():
            await self._forget(id)
        self.functions.tick()
        if self.context.backends.location is not None:
            await unload_idle(self._loaded, held, mapped, self._most_mapped, self.context.settings, self.context.monotonic())
        await self._sweep_sometimes()

    async def _sweep_sometimes(self) -> None:
        """Sweep when manifests have dropped files, jobs have failed or collections are gone, but not all the time."""
        litter = self._litter or self.context.store.litter or self._janitor.waiting
        if litter and self.context.monotonic() - self._swept_at >= SWEEP_S:
            await self.sweep()


def copied(value: Json) -> Json:
    """The same JSON in objects of its own."""
    return load(dump(value))
