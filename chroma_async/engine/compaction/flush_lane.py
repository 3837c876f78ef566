"""The flush lane of one collection: frozen memtables become chunks, oldest first. Writers are held back when it lags."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from time import time_ns

from chroma_async.engine.compaction.commit import Committer
from chroma_async.engine.compaction.ending import Ending
from chroma_async.engine.compaction.flush import receiving_segment, with_alive, write_memtable
from chroma_async.engine.compaction.maintenance_lane import MaintenanceLane
from chroma_async.engine.compaction.retry import Retry
from chroma_async.engine.context import Context
from chroma_async.engine.snapshot.file_pins import Making
from chroma_async.engine.snapshot.frozen import FlushedChunk, Frozen
from chroma_async.engine.tasks import kept
from chroma_async.engine.write.live_row import LiveRow
from chroma_async.engine.write.live_state import LiveState
from chroma_async.errors import ChromaError, PoisonedError, UnavailableError
from chroma_async.format.bitmap import Bitmap
from chroma_async.format.manifest import Manifest


class FlushLane:
    """At most one task at a time; it ends when no frozen memtable is left."""

    def __init__(
        self, live: LiveState, row: LiveRow, context: Context, committer: Committer, maintenance: MaintenanceLane, ending: Ending
    ) -> None:
        """:param maintenance: begins, where that is automatic, when the lane has nothing left to flush."""
        self._live = live
        self._row = row
        self._context = context
        self._committer = committer
        self._maintenance = maintenance
        self._ending = ending
        self._task: asyncio.Task[None] | None = None
        self._moved = asyncio.Event()
        self._retry = Retry("flush", row.row.id, context.log_writer, context.monotonic)
        #: Why flushing does not get on, if it does not.
        self._trouble: ChromaError | None = None

    @property
    def busy(self) -> bool:
        """Whether a flush is under way or waits."""
        return self._task is not None or bool(self._live.frozen)

    def start(self) -> None:
        """Begin flushing unless it runs already."""
        if self._task is None and self._live.frozen and not self._ending.ended:
            self._task = self._context.tasks.start(self._run(), f"flush of {self._row.row.id}")

    def start_if_due(self) -> None:
        """As :meth:`start`, unless the lane pauses after a failure."""
        if self._retry.due:
            self.start()

    async def wait_for_room(self) -> None:
        """Until fewer memtables wait to be flushed than may.

        :raises UnavailableError: flushing fails and no more memory is given to writes.
        """
        while len(self._live.frozen) >= self._context.settings.frozen_memtables:
            if self._trouble is not None:
                failure = PoisonedError if isinstance(self._trouble, PoisonedError) else UnavailableError
                raise failure(f"writes wait for a flush that fails: {self._trouble}") from self._trouble
            if self._ending.ended:
                raise self._ending.error()
            self.start()
            self._moved.clear()
            await self._moved.wait()

    async def flush(self, wanted: Sequence[Frozen]) -> None:
        """Until these are chunks. :raises ChromaError: why they are not."""
        while any(frozen in self._live.frozen for frozen in wanted):
            self._trouble = None
            self.start()
            if self._task is None:
                raise self._ending.error()
            await asyncio.wait([self._task])
            if self._trouble is not None:
                raise self._trouble

    async def wait(self) -> None:
        """Until the lane rests; those who wait for room are told to look again."""
        self._moved.set()
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        try:
            while self._live.frozen and not self._ending.ended:
                await self.flush_oldest()
                self._retry.succeeded()
                self._trouble = None
        except Exception as error:
            self._retry.failed(error)
            self._context.work["flush"].failures += 1
            self._trouble = kept(error if isinstance(error, ChromaError) else UnavailableError(f"flush failed: {error!r}"))
        finally:
            self._task = None
            self._moved.set()
        if self._context.automatic:
            self._maintenance.start()

    async def flush_oldest(self) -> None:
        """Write the oldest frozen memtable as a chunk, commit it, and let the log forget what it holds. One call at a time."""
        context, live = self._context, self._live
        frozen, began_s, began_ns = live.frozen[0], context.monotonic(), time_ns()
        with context.store.making() as making:
            flushed = await context.threads.flush(write_memtable, making, context.new_key(), frozen.view, live.dimension or 0)
            change = partial(self._with_chunk, frozen, flushed, making)
            await self._committer.commit(change, partial(live.install_flush, frozen, flushed))
        context.spans.background("flush", began_ns, time_ns(), collection_id=str(self._row.row.id), rows=frozen.view.rows)
        context.work["flush"].done(context.monotonic() - began_s, frozen.view.rows)
        await context.retention.release(live.manifest.collection)
        await context.retention.trim(live.manifest.collection, live.manifest.flushed_seq)
        self._moved.set()
        for segment in live.segments:
            await context.threads.flush(segment.encode_tail, self._row.options.space, context.settings.tail_codes_rows)

    def _with_chunk(self, frozen: Frozen, flushed: FlushedChunk, making: Making, manifest: Manifest) -> Manifest:
        """The manifest with a flushed memtable and everyone's alive bits at its seq. Blocking."""
        context, settings = self._context, self._context.settings
        manifest = replace(manifest, flushed_seq=frozen.seq, dimension=self._live.dimension, tails=())
        alive = dict(frozen.alive)
        if flushed.entry is not None:
            rows = flushed.entry.rows
            target = receiving_segment(manifest, rows, settings.segment_rows, settings.segment_bytes, context.new_key())
            manifest = manifest.with_segment(replace(target, chunks=(*target.chunks, flushed.entry)))
            before = alive.get(target.key)
            alive[target.key] = Bitmap.ones(rows) if before is None else before.resized(before.size + rows, True)
        stored = {segment.key: segment.alive for segment in self._live.segments}
        for segment in manifest.segments:
            manifest = manifest.with_segment(with_alive(segment, alive[segment.key], stored, making, context.new_key()))
        return manifest
