"""One loaded collection: its row of the catalog, its live state, its commit queue and its compactor."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from time import time_ns
from typing import Concatenate, ParamSpec, TypeVar
from uuid import UUID

from chroma_async.config.settings import Settings
from chroma_async.engine.compaction.compactor import Compactor
from chroma_async.engine.compaction.jobs import Progress
from chroma_async.engine.context import Context
from chroma_async.engine.read.nearest import NO_QUERIES, NearestRequest
from chroma_async.engine.recovery import entries_behind, open_segments, replay
from chroma_async.engine.snapshot.expiry import may_expire, visible
from chroma_async.engine.snapshot.version import Version
from chroma_async.engine.write.commit_queue import CommitQueue
from chroma_async.engine.write.group_resolver import GroupResolver
from chroma_async.engine.write.group_writer import GroupWriter
from chroma_async.engine.write.live_row import LiveRow, with_facts
from chroma_async.engine.write.live_state import LiveState
from chroma_async.engine.write.request import NOTHING, Delete, DeleteMatching, TransactionRequest, Write
from chroma_async.engine.write.transaction import ReadTokens
from chroma_async.errors import ChromaError, ClosedError, NotFoundError
from chroma_async.format.manifest import Manifest
from chroma_async.observation import CURRENT
from chroma_async.rust_regex.patterns import Budget
from chroma_async.statistics import CollectionStatistics
from chroma_async.storage.base.collections import CollectionRow
from chroma_async.threads import Run
from chroma_async.types import Floats, IncludeField, IndexingStatus, Json, ReadLevel, Scalar, Scope, Seq, Space

P = ParamSpec("P")
T = TypeVar("T")

logger = logging.getLogger(__name__)

#: What a loaded collection without a record takes.
COLLECTION_BYTES = 24 * 1024
#: The most that a user's ``ef_search`` is taken at its word for.
EF_SEARCH_MOST = 2000
#: Log entries behind the manifest that a bounded read sees.
BOUNDED_WAL_ENTRIES = 250


class Collection:
    """Everything about one collection that is in memory. Made by :meth:`load`; belongs to one event loop."""

    def __init__(self, row: CollectionRow, live: LiveState, context: Context) -> None:
        #: Requests that are being served; it is not unloaded while there are any.
        self.users = 0
        self.last_used = context.monotonic()
        self._context = context
        #: The present: what writes and compaction change, one step at a time, within its turn.
        self.live = live
        self._row = LiveRow(row, context.settings.schema_keys)
        self._ended: ChromaError | None = None
        self._expiring: asyncio.Task[None] | None = None
        self._measured: tuple[Manifest, int, int] | None = None
        #: What conditional reads have seen.
        self.tokens = ReadTokens(context.settings.read_tokens, context.settings.read_token_s, context.monotonic)
        self.compactor = Compactor(live, self._row, context)
        resolver = GroupResolver(row.id, self._row.known, context.settings.regex_budget_s, self._now_s)
        self._writer = GroupWriter(live, self._row, resolver, context.log_writer, context.threads, self.compactor.written)
        self._queue = CommitQueue(
            self._writer,
            context.tasks,
            context.settings,
            refuse_when_full=context.refuse_when_full,
            admit=self.compactor.throttle.admit,
        )

    @classmethod
    async def load(cls, row: CollectionRow, context: Context) -> Collection:
        """Open what the manifest names and replay the log behind it.

        :raises CorruptionError: a chunk, the manifest or the log is damaged; names the file or entry.
        """
        stored = await context.backends.catalog.load_manifest(row.id)
        manifest = Manifest.from_bytes(stored.body, row.id) if stored.version else Manifest(row.id)
        segments = await context.threads.run(open_segments, context.opener, manifest)
        entries = await entries_behind(manifest, context.backends.log)
        live, facts = await context.threads.run(replay, manifest, segments, entries, row.dimension)
        return cls(with_facts(row, facts), live, context)

    @property
    def row(self) -> CollectionRow:
        """Its row of the catalog, with what the log knows besides."""
        return self._row.row

    @property
    def id(self) -> UUID:
        """Its UUID."""
        return self.row.id

    @property
    def scope(self) -> Scope:
        """Where it lives."""
        return Scope(self.row.tenant, self.row.database)

    @property
    def space(self) -> Space:
        """How its vectors are compared."""
        return self._row.options.space

    def nearest_request(
        self,
        queries: Floats = NO_QUERIES,
        k: int = 0,
        *,
        exact: bool = False,
        max_distance: float | None = None,
        include: tuple[IncludeField, ...] = (),
    ) -> NearestRequest:
        """A nearest-neighbour read of it, with its own ``ef_search``; without arguments what all of them have in common."""
        options = self._row.options
        ef_search = min(options.ef_search, EF_SEARCH_MOST) if "ef_search" in options.explicit else 0
        return NearestRequest(options.space, self._context.plan, ef_search, queries, k, exact, max_distance, include, CURRENT.get())

    @property
    def settings(self) -> Settings:
        """The store's settings."""
        return self._context.settings

    @property
    def version(self) -> Version:
        """The present, for ever. Blocking where records expire: on the event loop ask :meth:`present`.

        :raises ChromaError: it was closed, or deleted.
        """
        return visible(self._whole(), self._now_s())

    async def present(self) -> Version:
        """As :attr:`version`."""
        version = self._whole()
        return await self._context.threads.run(visible, version, self._now_s()) if may_expire(version) else version

    def _whole(self) -> Version:
        """The present with what has expired and is still there."""
        if self._ended is not None:
            raise self._ended
        return self.live.version

    @property
    def seq(self) -> Seq:
        """The last acknowledged operation."""
        return self.live.version.seq

    @property
    def indexed_seq(self) -> Seq:
        """The last operation that counts as indexed."""
        return self.compactor.watermark.seq

    def _now_s(self) -> float:
        return self._context.clock() / 1e9

    @property
    def bytes(self) -> int:
        """Bytes held: the collection itself, memtables, codes, and the files of all segments."""
        memtables = sum(view.memtable.bytes for view in self.live.version.memtables)
        codes = sum(held.bytes for segment in self.live.segments for held in segment.codes.values())
        return COLLECTION_BYTES + memtables + codes + self._files()[0]

    @property
    def mapped(self) -> int:
        """Files that it holds open by mapping them."""
        return self._files()[1]

    def _files(self) -> tuple[int, int]:
        """Size of all files, and how many of them are mapped; looked up once for each manifest."""
        manifest = self.live.manifest
        if self._measured is None or self._measured[0] is not manifest:
            files = [file for segment in manifest.segments for file in segment.files()]
            mapped = sum(map(self._context.backends.segments.is_mapped, files))
            self._measured = manifest, sum(file.bytes for file in files), mapped
        return self._measured[1:]

    def statistics(self) -> CollectionStatistics:
        """What it holds at this moment."""
        version, row = self.live.version, self.row
        positions, (requests, request_bytes) = sum(part.rows for part in version.parts), self._queue.waiting
        file_bytes = self._files()[0]
        return CollectionStatistics(
            id=row.id,
            scope=self.scope,
            name=row.name,
            rows=version.count,
            dead_rows=positions - version.count,
            unindexed_rows=sum(segment.rows - segment.covers for segment in self.live.segments),
            segments=len(self.live.segments),
            memory_bytes=self.bytes - file_bytes,
            file_bytes=file_bytes,
            lag_rows=version.seq - self.live.manifest.flushed_seq,
            lag_s=self.compactor.lag_s(),
            queue_requests=requests,
            queue_bytes=request_bytes,
        )

    @property
    def worth_flushing(self) -> bool:
        """Whether what is not flushed is worth the files of a chunk; if not, it is as well off in the log."""
        return bool(self.live.frozen) or self.live.active.rows > self._context.settings.flush_idle_rows

    @property
    def idle(self) -> bool:
        """Whether nobody uses it and nothing is under way or unflushed."""
        return self.users == 0 and not self._queue.busy and self.compactor.quiet

    @property
    def manifest(self) -> Manifest:
        """What is committed."""
        return self.live.manifest

    # -------------------------------------------------------------------------------------------------------------------------- verbs

    async def write(self, request: Write | Delete | DeleteMatching) -> int:
        """How many rows were deleted, inserted (add, upsert) or changed (update).

        See :meth:`CommitQueue.submit <chroma_async.engine.write.commit_queue.CommitQueue.submit>`.
        """
        return (await self._queue.submit(request)).count

    async def commit(self, transaction: TransactionRequest) -> tuple[Seq | None, int]:
        """The seq of the first row that was written or deleted, and how many rows that were.

        :raises ConditionalWriteConflictError: what was read has changed; nothing was written.
        """
        resolved = await self._queue.submit(transaction)
        return (None if resolved.batch is None else resolved.batch.first), resolved.count

    async def read(self, work: Callable[Concatenate[Version, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call ``work`` in a thread with the present Version."""
        budget, now_s, observed, began_ns = Budget(self.settings.regex_budget_s), self._now_s(), CURRENT.get(), time_ns()
        found = await self._context.threads.run(_reading, budget, work, self._whole(), now_s, *args, **kwargs)
        if observed is not None and observed.inner:
            observed.note("read", began_ns, inner=True)
        return found

    def bounded(self) -> Run:
        """A way to a worker thread for the jobs of one request, whose regular expressions have one budget together."""
        budget, threads = Budget(self.settings.regex_budget_s), self._context.threads

        async def run(work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
            return await threads.run(_spending, budget, work, *args, **kwargs)

        return run

    async def modify(self, name: str | None, metadata: dict[str, Scalar] | None, replace_metadata: bool, new_configuration: Json) -> None:
        """Rename, replace metadata, change the configuration: all or nothing.

        Cancelling the caller does not stop it.

        :raises UniqueConstraintError: the name is taken.
        :raises InvalidArgumentError, UnprocessableError: the configuration is not one; nothing was changed.
        """
        change = self._row.modify(
            self._context.backends.catalog,
            name=name,
            metadata=metadata,
            replace_metadata=replace_metadata,
            configuration=new_configuration,
        )
        await self._context.tasks.whole(change, f"change of collection {self.id}")

    async def version_at(self, level: ReadLevel) -> Version:
        """The present as a read level sees it: all of it, what counts as indexed, or that and the first log entries behind it."""
        if level is ReadLevel.INDEX_AND_WAL or self.indexed_seq == self._whole().seq:
            return await self.present()
        bounded = level is ReadLevel.INDEX_AND_BOUNDED_WAL
        async with self.at_rest() as (manifest, _):
            segments, indexed = self.live.segments, self.indexed_seq
            entries = await entries_behind(manifest, self._context.backends.log) if bounded or indexed > manifest.flushed_seq else []
        seen = sum(entry.last <= indexed for entry in entries) + (BOUNDED_WAL_ENTRIES if bounded else 0)
        live, _ = await self._context.threads.run(replay, manifest, segments, entries[:seen], self.row.dimension)
        return await self._context.threads.run(visible, live.version, self._now_s())

    def indexing_status(self) -> IndexingStatus:
        """How far indexing is behind what was written."""
        return self.compactor.indexing_status()

    def at_rest(self) -> AbstractAsyncContextManager[tuple[Manifest, Seq]]:
        """See :meth:`Committer.at_rest <chroma_async.engine.compaction.commit.Committer.at_rest>`."""
        return self.compactor.committer.at_rest()

    async def flush(self) -> None:
        """Everything written so far is in chunks when it returns."""
        await self.compactor.flush()

    async def finish(self, progress: Progress | None = None) -> None:
        """Flush, merge, vacuum and index now."""
        await self.compactor.finish(progress)

    async def rebuild_graphs(self, progress: Progress | None = None) -> None:
        """Flush and do what else is left to do, with every graph built anew; those in use serve until theirs is checked."""
        await self.compactor.flush()
        await self.compactor.maintenance_lane.rebuild_graphs(progress)
        await self.compactor.finish(progress)

    async def tick(self) -> None:
        """Called about twice a second."""
        self.tokens.expire()
        if may_expire(self.live.version) and self._expiring is None:
            # On its own: a write may have to wait, and then nobody would be looked after.
            self._expiring = self._context.tasks.start(self._delete_expired(), f"expiry of {self.id}")
        await self.compactor.tick()

    async def _delete_expired(self) -> None:
        try:
            if await self._writer.overdue():
                await self._queue.submit(NOTHING)
        except (ClosedError, NotFoundError):
            pass  # whoever loads it next does it
        except ChromaError as error:
            logger.warning("collection %s: expired records are deleted later: %s", self.id, error)
        finally:
            self._expiring = None

    def refuse(self, refusal: ChromaError) -> None:
        """Take no more writes, and tell those that wait why."""
        self._queue.refuse(refusal)

    async def aclose(self, *, flush: bool, refusal: ChromaError | None = None) -> None:
        """Finish the writes that wait (unless ``refusal`` says what to tell them), flush if asked, stop compaction. Idempotent."""
        if refusal is not None:
            self._queue.refuse(refusal)
        self.compactor.throttle.hurry()
        await self._queue.drained()
        ended = refusal or ClosedError(f"collection {self.row.name!r} is closed")
        self._queue.refuse(ended)
        await self.compactor.aclose(flush=flush, ended=ended)
        # What it held is let go now, not when the garbage collector comes by: the janitor asks who reads a file.
        self._ended = ended
        self.tokens.clear()
        self.live.release()

    def abandon(self) -> None:
        """Let running jobs end at their next slice; nobody waits for them."""
        self.compactor.stop()


def _spending(budget: Budget, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    with budget:
        return work(*args, **kwargs)


def _reading(
    budget: Budget, work: Callable[Concatenate[Version, P], T], version: Version, now_s: float, /, *args: P.args, **kwargs: P.kwargs
) -> T:
    with budget:
        return work(visible(version, now_s), *args, **kwargs)
