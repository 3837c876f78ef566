"""Compaction of one collection: flush, merge, vacuum, index. Each job makes files off to the side and ends in one manifest commit.

Two lanes run beside each other. The flush lane turns frozen memtables into chunks; the maintenance lane does one job at a time. They meet
in :mod:`~chroma_async.engine.compaction.commit`, one at a time. A flush only appends a chunk; a merge replaces chunks that it names; an
index job sets a graph over positions that exist; a vacuum replaces the chunks that it read and leaves later ones behind the new. So
whichever commits first, the other's change still makes sense.
"""

from __future__ import annotations

import logging

from chroma_async.engine.compaction.commit import Committer
from chroma_async.engine.compaction.compaction_policy import may_freeze, must_freeze, unindexed_rows
from chroma_async.engine.compaction.ending import Ending
from chroma_async.engine.compaction.flush_lane import FlushLane
from chroma_async.engine.compaction.jobs import Jobs, Progress
from chroma_async.engine.compaction.maintenance_lane import MaintenanceLane
from chroma_async.engine.compaction.pace import Pace
from chroma_async.engine.compaction.retry import Retry
from chroma_async.engine.compaction.throttle import Throttle
from chroma_async.engine.compaction.watermark import Watermark
from chroma_async.engine.context import Context
from chroma_async.engine.write.live_row import LiveRow
from chroma_async.engine.write.live_state import LiveState
from chroma_async.errors import ChromaError
from chroma_async.types import IndexingStatus, Seq

logger = logging.getLogger(__name__)


class Compactor:
    """Says when memtables are frozen and when the lanes begin and end.

    :ivar throttle: what writers ask before each group.
    :ivar committer: where every job ends.
    :ivar pace: how fast rows are written and indexed.
    :ivar watermark: how far what was written counts as indexed.
    """

    def __init__(self, live: LiveState, row: LiveRow, context: Context) -> None:
        self._live = live
        self._context = context
        self._ending = Ending(live)
        self.pace = Pace(context.monotonic)
        self.committer = Committer(live, row, context)
        maintenance_retry = Retry("maintenance", row.row.id, context.log_writer, context.monotonic)
        self.jobs = Jobs(live, row, context, self.committer, self.pace, self._ending.stop)
        self.maintenance_lane = MaintenanceLane(live, context, self.jobs, self.pace, self._ending, maintenance_retry)
        self.flush_lane = FlushLane(live, row, context, self.committer, self.maintenance_lane, self._ending)
        self.throttle = Throttle(live, context, self.committer, self.flush_lane, self.jobs, self.pace, maintenance_retry)
        self.watermark = Watermark(live, self.pace, context.settings)
        self._dirty_since_s: float | None = context.monotonic() if live.dirty else None
        #: Since when the oldest write of each frozen memtable waits, by the memtable's last operation.
        self._frozen_since_s: dict[Seq, float] = {}

    # ----------------------------------------------------------------------------------------------------------- told by the writer

    def written(self, rows: int) -> None:
        """A group was published. Called within the turn."""
        self.pace.written(rows)
        now_s = self.pace.last_write_s
        if self._dirty_since_s is None:
            self._dirty_since_s = now_s
        active = self._live.active
        old = self._context.automatic and now_s - self._dirty_since_s >= self._context.settings.flush_max_s
        if old or must_freeze(active.rows, active.bytes, self._context.settings):
            self.freeze()
            if self._context.automatic:
                self.flush_lane.start()

    def freeze(self) -> None:
        """Set the active memtable aside to be flushed. Called within the turn."""
        since_s = self._context.monotonic() if self._dirty_since_s is None else self._dirty_since_s
        frozen = self._live.freeze()
        waiting = {each.seq for each in self._live.frozen}
        self._frozen_since_s = {seq: since for seq, since in self._frozen_since_s.items() if seq in waiting} | {frozen.seq: since_s}
        self._dirty_since_s = None

    # ------------------------------------------------------------------------------------------------------------- told by the clock

    @property
    def quiet(self) -> bool:
        """Whether nothing is under way and nothing waits to be flushed."""
        return not self.flush_lane.busy and not self.maintenance_lane.busy and not self._live.dirty

    def indexing_status(self) -> IndexingStatus:
        """An operation counts as indexed when it is flushed, or one of too few to be, and no graph is yet to take it in."""
        total = self._live.version.seq
        waiting = unindexed_rows(self.jobs.states(), self._context.settings)
        unindexed = min(total, total - self.watermark.indexed + waiting)
        return IndexingStatus(num_indexed_ops=total - unindexed, num_unindexed_ops=unindexed)

    def lag_s(self) -> float:
        """For how long the oldest write waits that is in the log alone; 0 when there is none."""
        if not self._live.dirty and not self._live.frozen:
            return 0.0
        oldest_s = self._frozen_since_s.get(self._live.frozen[0].seq) if self._live.frozen else self._dirty_since_s
        return 0.0 if oldest_s is None else max(0.0, self._context.monotonic() - oldest_s)

    async def tick(self) -> None:
        """Flush what is idle or old; look for maintenance to do. Called about twice a second."""
        self.watermark.advance()
        if self._ending.ended:
            return
        # A turn that is taken is a write's, which freezes what is old when it is done; waiting for it would keep others waiting too.
        if self._live.dirty and self._dirty_since_s is not None and not self._live.turn.locked():
            now_s = self._context.monotonic()
            idle_s, age_s = now_s - self.pace.last_write_s, now_s - self._dirty_since_s
            if may_freeze(self._live.active.rows, idle_s, age_s, self._context.settings):
                self.freeze()
        self.flush_lane.start_if_due()
        self.maintenance_lane.start()

    # --------------------------------------------------------------------------------------------------------------- asked by people

    async def flush(self) -> None:
        """Everything written so far is in chunks when it returns. :raises ChromaError: why it is not."""
        async with self._live.turn:
            if self._ending.ended:
                raise self._ending.error()
            if self._live.dirty:
                self.freeze()
        await self.flush_lane.flush(list(self._live.frozen))

    async def finish(self, progress: Progress | None = None) -> None:
        """Flush, then do all maintenance that is worth anything. ``progress`` is told (job, done, total), also from threads."""
        await self.flush()
        await self.maintenance_lane.finish(progress)

    def stop(self) -> None:
        """Begin no more jobs, and let those that run end at their next slice."""
        self._ending.stop.set()

    async def aclose(self, *, flush: bool, ended: ChromaError) -> None:
        """Stop both lanes; a running build ends at its next slice. Idempotent.

        :param ended: what those are told who ask for a job from now on, or wait for one.
        """
        if flush and not self._ending.stop.is_set():
            try:
                await self.flush()
            except ChromaError as error:
                logger.warning("flush at close failed, the log keeps the rows: %s", error)
        self._ending.reason = ended
        self.stop()
        await self.flush_lane.wait()
        await self.maintenance_lane.wait()
