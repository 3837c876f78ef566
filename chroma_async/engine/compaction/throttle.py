"""The throttle of one collection's writers: they wait for flushes, and for indexing once too much is unindexed."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from chroma_async.engine.compaction.commit import Committer
from chroma_async.engine.compaction.flush_lane import FlushLane
from chroma_async.engine.compaction.jobs import Jobs
from chroma_async.engine.compaction.pace import Pace
from chroma_async.engine.compaction.retry import Retry
from chroma_async.engine.context import Context
from chroma_async.engine.write.live_state import LiveState
from chroma_async.errors import RateLimitError

#: How often a writer that is held back looks whether indexing has caught up.
PACE_S = 1.0
#: A refused writer is told to come back after a minute at the most.
RETRY_AFTER_MOST_S = 60.0


class Throttle:
    """Holds writers back. Belongs to one event loop; one group of writes at a time asks it."""

    def __init__(
        self, live: LiveState, context: Context, committer: Committer, flush_lane: FlushLane, jobs: Jobs, pace: Pace, maintenance: Retry
    ) -> None:
        """:param maintenance: whether indexing gets on at all."""
        self._live = live
        self._context = context
        self._committer = committer
        self._flush_lane = flush_lane
        self._jobs = jobs
        self._pace = pace
        self._maintenance = maintenance
        self._hurried = False

    async def admit(self, rows: int) -> None:
        """Hold a group of writes back while flushing lags, and to the rate of indexing while too much is unindexed. What is twice too much
        lets nothing in, as long as indexing gets on at all.

        :raises UnavailableError: flushing fails and no more memory is given to writes.
        :raises RateLimitError: twice too much is unindexed, and this store refuses rather than waits.
        """
        await self._flush_lane.wait_for_room()
        bound = self._context.settings.max_unindexed_bytes
        left_s = rows / self._pace.index_rate
        while (debt := self.unindexed_bytes()) > bound and not self._hurried:
            full = debt > 2 * bound and not self._maintenance.failures
            if full and self._context.refuse_when_full:
                raise self._refusal(debt, bound)
            if not full and left_s <= 0:
                return
            pause_s = PACE_S if full else min(PACE_S, left_s)
            left_s -= pause_s
            await self.pause(pause_s)

    def hurry(self) -> None:
        """Let the writes that wait for indexing through, because the collection ends; they are few."""
        self._hurried = True
        self._committer.committed.set()

    def unindexed_bytes(self) -> int:
        """Of the rows that a graph is yet to take in; a segment that has none for good owes nothing."""
        flat = self._context.settings.flat_rows
        owing = (each for each in self._live.segments if each.rows >= flat and not self._jobs.refuses(each))
        return sum(each.rows - each.covers for each in owing) * 4 * (self._live.dimension or 0)

    def _refusal(self, debt: int, bound: int) -> RateLimitError:
        error = RateLimitError(f"{debt} bytes of vectors of the collection wait for indexing, more than twice {bound}")
        rows_over = (debt - 2 * bound) / (4 * (self._live.dimension or 1))
        error.retry_after_s = min(RETRY_AFTER_MOST_S, rows_over / self._pace.index_rate) + 1.0
        return error

    async def pause(self, seconds: float) -> None:
        """Until the time is up, a manifest is committed, or the collection ends."""
        self._committer.committed.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._committer.committed.wait()
