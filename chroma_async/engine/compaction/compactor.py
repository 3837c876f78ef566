"""Compaction of one collection: flush, merge, vacuum, index. Each job makes files off to the side and ends in one manifest commit.

Two lanes run beside each other. The flush lane turns frozen memtables into chunks, oldest first; writers are held back when it lags. The
maintenance lane does one job at a time, whatever :mod:`~chroma_async.engine.compaction.compaction_policy` finds most useful. They meet in
the commit: one at a time, each applying its change to the manifest as it then is. A flush only appends a chunk; a merge replaces chunks
that it names; an index job sets a graph over positions that exist; a vacuum replaces the chunks that it read and leaves later ones behind
the new. So whichever commits first, the other's change still makes sense.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace

from chroma_async.engine.compaction.compaction_policy import Load, SegmentState, everything_left, may_freeze, must_freeze, next_job
from chroma_async.engine.compaction.flush import receiving_segment, with_alive, write_memtable
from chroma_async.engine.compaction.indexing import Stopped
from chroma_async.engine.compaction.jobs import IndexOptions, Jobs, Progress
from chroma_async.engine.context import Context
from chroma_async.engine.snapshot.frozen import Frozen
from chroma_async.engine.snapshot.segment import Segment
from chroma_async.engine.tasks import kept
from chroma_async.engine.write.live_state import LiveState
from chroma_async.errors import (
    ChromaError,
    ClosedError,
    CorruptionError,
    FencedError,
    NotFoundError,
    PoisonedError,
    RateLimitError,
    UnavailableError,
)
from chroma_async.format.bitmap import Bitmap
from chroma_async.format.manifest import Manifest, SegmentEntry
from chroma_async.types import Seq

logger = logging.getLogger(__name__)

#: Pause after a job that failed for a reason that may pass, doubled each time.
RETRY_S, RETRY_MOST_S = 1.0, 60.0
#: How often a writer that is held back looks whether indexing has caught up.
PACE_S = 1.0
#: Rows a second that an index build is taken to add before one was measured.
ASSUMED_INDEX_RATE = 4000.0


@dataclass(frozen=True, slots=True)
class _Retry:
    """How often a lane has failed in a row, and when it may begin again by itself."""

    failures: int = 0
    at: float = 0.0


class Compactor:
    """The two lanes of one collection."""

    def __init__(
        self,
        live: LiveState,
        turn: asyncio.Lock,
        context: Context,
        commit_manifest: Callable[[Manifest], Awaitable[None]],
        options: Callable[[], IndexOptions],
    ) -> None:
        """
        :param commit_manifest: makes a manifest durable in the catalog, with the collection's facts.
        :param options: how the collection wants to be indexed, now.
        """
        self._live = live
        self._turn = turn
        self._context = context
        self._commit_manifest = commit_manifest
        self._options = options
        self._committing = asyncio.Lock()
        self._working = asyncio.Lock()
        self._flushing: asyncio.Task[None] | None = None
        self._maintaining: asyncio.Task[None] | None = None
        self._flushed = asyncio.Event()
        self._indexing = asyncio.Event()
        self._hurried = False
        self._stop = threading.Event()
        self._reason: ChromaError = ClosedError("the collection is closed")
        self._flush_retry = _Retry()
        self._maintenance_retry = _Retry()
        #: Why flushing does not get on, if it does not.
        self._trouble: ChromaError | None = None
        #: The manifest in which an idle collection has nothing left to do.
        self._settled: Manifest | None = None
        self._last_write = context.monotonic()
        self._dirty_since: float | None = self._last_write if live.dirty else None
        self._rows_written = 0
        self._rows_since = self._last_write
        self._index_rate = ASSUMED_INDEX_RATE
        self._jobs = Jobs(live, context, options, self.commit, self._stop, self._indexed)

    # ----------------------------------------------------------------------------------------------------------- told by the writer

    async def admit(self, rows: int) -> None:
        """Hold a group of writes back while flushing lags, and to the rate of indexing while too much is unindexed. What is twice too much
        lets nothing in, as long as indexing gets on at all.

        :raises UnavailableError: flushing fails and no more memory is given to writes.
        :raises RateLimitError: twice too much is unindexed, and this store refuses rather than waits.
        """
        while len(self._live.frozen) >= self._context.settings.frozen_memtables:
            if self._trouble is not None:
                failure = PoisonedError if isinstance(self._trouble, PoisonedError) else UnavailableError
                raise failure(f"writes wait for a flush that fails: {self._trouble}") from self._trouble
            if self._ended():
                raise self._end()
            self.start_flush()
            self._flushed.clear()
            await self._flushed.wait()
        await self._wait_for_index(rows)

    async def _wait_for_index(self, rows: int) -> None:
        bound = self._context.settings.max_unindexed_bytes
        left_s = rows / self._index_rate
        while (debt := self._unindexed_bytes()) > bound and not self._hurried:
            full = debt > 2 * bound and not self._maintenance_retry.failures
            if full and self._context.refuse_when_full:
                error = RateLimitError(f"{debt} bytes of vectors of the collection wait for indexing, more than twice {bound}")
                error.retry_after_s = min(60.0, (debt - 2 * bound) / (4 * (self._live.dimension or 1)) / self._index_rate) + 1.0
                raise error
            if not full and left_s <= 0:
                return
            pause_s = min(PACE_S, PACE_S if full else left_s)
            left_s -= pause_s
            await self._pause(pause_s)

    async def _pause(self, seconds: float) -> None:
        """Until the time is up, an index is committed, or the collection ends."""
        self._indexing.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._indexing.wait()

    def hurry(self) -> None:
        """Let the writes that wait for indexing through, because the collection ends; they are few."""
        self._hurried = True
        self._indexing.set()

    def written(self, rows: int) -> None:
        """A group was published. Called within the turn."""
        now = self._context.monotonic()
        self._last_write = now
        self._rows_written += rows
        if self._dirty_since is None:
            self._dirty_since = now
        active = self._live.active
        old = self._context.automatic and now - self._dirty_since >= self._context.settings.flush_max_s
        if old or must_freeze(active.rows, active.bytes, self._context.settings):
            self._freeze()

    # ------------------------------------------------------------------------------------------------------------- told by the clock

    @property
    def quiet(self) -> bool:
        """Whether nothing is under way and nothing waits to be flushed."""
        lanes_rest = self._flushing is None and self._maintaining is None and not self._working.locked()
        return lanes_rest and not self._live.frozen and not self._live.dirty

    async def tick(self) -> None:
        """Flush what is idle or old; look for maintenance to do. Called about twice a second."""
        if self._ended():
            return
        now = self._context.monotonic()
        dirty = self._live.dirty and self._dirty_since is not None
        # A turn that is taken is a write's, which freezes what is old when it is done; waiting for it would keep others waiting too.
        if dirty and not self._turn.locked():
            age_s = now - (self._dirty_since or now)
            if may_freeze(self._live.active.rows, now - self._last_write, age_s, self._context.settings):
                self._freeze()
        if self._live.frozen and now >= self._flush_retry.at:
            self.start_flush()
        self.start_maintenance()

    def start_flush(self) -> None:
        """Begin flushing unless it runs already."""
        if self._flushing is None and self._live.frozen and not self._ended():
            self._flushing = self._context.tasks.start(self._flush_all(), f"flush of {self._live.manifest.collection}")

    def start_maintenance(self) -> None:
        """Begin maintenance if there is something to do and it does not run already."""
        settings, manifest = self._context.settings, self._live.manifest
        ready = self._maintaining is None and not self._ended() and self._context.monotonic() >= self._maintenance_retry.at
        if not ready or self._settled is manifest:
            return
        load = self._load()
        if next_job(self._states(), load, settings) is None:
            # Once it counts as idle, time alone makes nothing worth doing.
            if load.idle_s >= settings.absorb_idle_s and load.write_share < settings.absorb_calm_load:
                self._settled = manifest
        else:
            self._maintaining = self._context.tasks.start(self._maintain(), f"maintenance of {self._live.manifest.collection}")

    # --------------------------------------------------------------------------------------------------------------- asked by people

    async def flush(self) -> None:
        """Everything written so far is in chunks when it returns. :raises ChromaError: why it is not."""
        async with self._turn:
            if self._ended():
                raise self._end()
            if self._live.dirty:
                self._freeze(start=False)
        wanted = list(self._live.frozen)
        while any(frozen in self._live.frozen for frozen in wanted):
            self._trouble = None
            self.start_flush()
            if self._flushing is None:
                raise self._end()
            await asyncio.wait([self._flushing])
            if self._trouble is not None:
                raise self._trouble

    async def finish(self, progress: Progress | None = None) -> None:
        """Flush, then do all maintenance that is worth anything. ``progress`` is told (job, done, total), also from threads.

        Cancelling the caller lets the job that is under way come to its end.
        """
        await self.flush()
        await self._context.tasks.whole(self._finish(progress), f"compaction of {self._live.manifest.collection}")

    @asynccontextmanager
    async def at_rest(self) -> AsyncIterator[tuple[Manifest, Seq]]:
        """The manifest and the last acknowledged seq; no manifest is committed, and so no log trimmed, before the end of the block."""
        async with self._committing:
            yield self._live.manifest, self._live.version.seq

    def stop(self) -> None:
        """Begin no more jobs, and let those that run end at their next slice."""
        self._stop.set()

    async def aclose(self, *, flush: bool, ended: ChromaError) -> None:
        """Stop both lanes; a running build ends at its next slice. Idempotent.

        :param ended: what those are told who ask for a job from now on, or wait for one.
        """
        if flush and not self._stop.is_set():
            try:
                await self.flush()
            except ChromaError as error:
                logger.warning("flush at close failed, the log keeps the rows: %s", error)
        self._reason = ended
        self.stop()
        self._flushed.set()
        for task in (self._flushing, self._maintaining):
            if task is not None:
                await asyncio.wait([task])
        async with self._working:
            pass  # a job that somebody asked for has ended too

    # ------------------------------------------------------------------------------------------------------------------------ inside

    def _ended(self) -> bool:
        """Whether no job may begin any more: it closes, or memory is no longer what the log says and must not be written down."""
        return self._stop.is_set() or self._live.broken

    def _end(self) -> ChromaError:
        if self._live.broken:
            return PoisonedError("a write is durable but was not applied; the collection is whole again when the store is reopened")
        return self._reason

    def _states(self) -> list[SegmentState]:
        """The segments as policies see them."""
        return [self._jobs.state(segment) for segment in self._live.segments]

    def _load(self) -> Load:
        now = self._context.monotonic()
        elapsed = max(now - self._rows_since, 1.0)
        return Load(idle_s=now - self._last_write, write_share=self._rows_written / elapsed / self._index_rate)

    def _indexed(self, rate: float) -> None:
        """A build has ended; ``rate`` is the rows a second that it added."""
        self._index_rate = max(1.0, rate)
        self._rows_written, self._rows_since = 0, self._context.monotonic()

    def _unindexed_bytes(self) -> int:
        """Of the rows that a graph is yet to take in; a segment that has none for good owes nothing."""
        flat = self._context.settings.flat_rows
        owing = (each for each in self._live.segments if each.rows >= flat and not self._jobs.refuses(each))
        return sum(each.rows - each.covers for each in owing) * 4 * (self._live.dimension or 0)

    def _freeze(self, *, start: bool = True) -> None:
        self._live.freeze()
        self._dirty_since = None
        if start and self._context.automatic:
            self.start_flush()

    async def _flush_all(self) -> None:
        try:
            while self._live.frozen and not self._ended():
                await self._flush_one(self._live.frozen[0])
                self._flush_retry = _Retry()
                self._trouble = None
        except Exception as error:
            self._flush_retry = self._failed("flush", error, self._flush_retry)
            self._trouble = kept(error if isinstance(error, ChromaError) else UnavailableError(f"flush failed: {error!r}"))
        finally:
            self._flushing = None
            self._flushed.set()
        if self._context.automatic:
            self.start_maintenance()

    async def _flush_one(self, frozen: Frozen) -> None:
        context, live = self._context, self._live
        with context.store.making() as making:
            flushed = await context.threads.flush(write_memtable, making, context.new_key(), frozen.view, live.dimension or 0)
            key = ""

            def change(manifest: Manifest) -> Manifest:
                nonlocal key
                manifest = replace(manifest, flushed_seq=frozen.seq, dimension=live.dimension, tails=())
                alive = dict(frozen.alive)
                if flushed.entry is not None:
                    settings = context.settings
                    target = receiving_segment(
                        manifest, flushed.entry.rows, settings.segment_rows, settings.segment_bytes, context.new_key()
                    )
                    key = target.key
                    manifest = manifest.with_segment(replace(target, chunks=(*target.chunks, flushed.entry)))
                    grown = Bitmap.ones(flushed.entry.rows)
                    alive[key] = grown if key not in alive else alive[key].resized(alive[key].size + flushed.entry.rows, True)
                stored = {segment.key: segment.alive for segment in live.segments}
                for segment in manifest.segments:
                    manifest = manifest.with_segment(with_alive(segment, alive[segment.key], stored, making, context.new_key()))
                return manifest

            await self.commit(change, lambda manifest, segments: live.install_flush(frozen, flushed, key, manifest, segments))
        await context.retention.release(live.manifest.collection)
        await context.retention.trim(live.manifest.collection, live.manifest.flushed_seq)
        self._flushed.set()
        for segment in live.segments:
            await context.threads.flush(segment.encode_tail, self._options().space, context.settings.tail_codes_rows)

    async def commit(
        self,
        change: Callable[[Manifest], Manifest | None],
        install: Callable[[Manifest, Sequence[Segment]], None],
    ) -> bool:
        """Apply a change to the present manifest, make it durable, then let readers see it.

        No step waits for the background lane: a build for another collection may keep that busy for minutes, and flushes wait for this
        commit, writers for its turn.

        :param change: blocking; ``None``: the change no longer makes sense and nothing is committed.
        :param install: puts manifest and opened segments into the live state; blocking, called within the turn.
        """
        live, threads = self._live, self._context.threads
        async with self._committing:

            def prepared() -> tuple[Manifest, list[Segment]] | None:
                changed = change(live.manifest)
                if changed is None:
                    return None
                manifest = replace(changed, version=live.manifest.version + 1)
                before = {segment.key: segment for segment in live.segments}
                return manifest, [self._open(entry, before.get(entry.key)) for entry in manifest.segments]

            result = await threads.flush(prepared)
            if result is None:
                return False
            manifest, segments = result
            dropped = not live.manifest.files() <= manifest.files()
            await self._commit_manifest(manifest)
            async with self._turn:
                await threads.write(install, manifest, segments)
        self._indexing.set()
        if dropped:
            self._context.store.litter = True
        return True

    def _open(self, entry: SegmentEntry, before: Segment | None) -> Segment:
        return before if before is not None and before.entry == entry else self._context.opener.open(entry)

    async def _finish(self, progress: Progress | None) -> None:
        try:
            async with self._working:
                while not self._ended():
                    job = everything_left(self._states(), self._context.settings)
                    if job is None or not await self._jobs.run(job, progress):
                        return
        except Stopped:
            pass
        except (PoisonedError, FencedError) as error:
            self._end_writes("compaction", error)
            raise

    async def _maintain(self) -> None:
        try:
            async with self._working:
                while not self._ended():
                    job = next_job(self._states(), self._load(), self._context.settings)
                    if job is None or not await self._jobs.run(job, None):
                        return
                    self._maintenance_retry = _Retry()
        except Stopped:
            pass
        except Exception as error:
            self._maintenance_retry = self._failed("maintenance", error, self._maintenance_retry)
        finally:
            self._maintaining = None

    def _failed(self, what: str, error: Exception, before: _Retry) -> _Retry:
        """When to try again after a failure; one that leaves durability in doubt ends all writes."""
        if isinstance(error, (PoisonedError, FencedError)):
            self._end_writes(what, error)
        if isinstance(error, NotFoundError):
            logger.info("%s of collection %s ended: it was deleted", what, self._live.manifest.collection)
        else:
            logger.error("%s of collection %s failed", what, self._live.manifest.collection, exc_info=error)
        # A damaged file stays damaged; the other lane, which does not need it, goes on.
        pause = float("inf") if isinstance(error, CorruptionError) else min(RETRY_MOST_S, RETRY_S * 2 ** min(before.failures, 16))
        return _Retry(before.failures + 1, self._context.monotonic() + pause)

    def _end_writes(self, what: str, error: PoisonedError | FencedError) -> None:
        """Nobody knows what is durable, or somebody else owns it: no write is acknowledged until the store is opened again."""
        self._context.log_writer.poison(PoisonedError(f"{what} failed in doubt: {error}"))
