"""The maintenance lane of one collection: merge, vacuum, index, one job at a time, whatever the policy finds most useful."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from chroma_async.engine.compaction.compaction_policy import IndexGraph, Job, SegmentState, everything_left, next_job
from chroma_async.engine.compaction.ending import Ending
from chroma_async.engine.compaction.indexing import Stopped
from chroma_async.engine.compaction.jobs import Jobs, Progress
from chroma_async.engine.compaction.pace import Pace
from chroma_async.engine.compaction.retry import Retry
from chroma_async.engine.context import Context
from chroma_async.engine.write.live_state import LiveState
from chroma_async.errors import FencedError, PoisonedError
from chroma_async.format.manifest import Manifest


class MaintenanceLane:
    """At most one job at a time, whether the clock began it or somebody asked."""

    def __init__(self, live: LiveState, context: Context, jobs: Jobs, pace: Pace, ending: Ending, retry: Retry) -> None:
        self._live = live
        self._context = context
        self._jobs = jobs
        self._pace = pace
        self._ending = ending
        self._retry = retry
        self._working = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        #: The manifest in which an idle collection has nothing left to do.
        self._settled: Manifest | None = None

    @property
    def busy(self) -> bool:
        """Whether a job is under way."""
        return self._task is not None or self._working.locked()

    def start(self) -> None:
        """Begin if there is something to do and it does not run already."""
        settings, manifest = self._context.settings, self._live.manifest
        ready = self._task is None and not self._ending.ended and self._retry.due
        if not ready or self._settled is manifest:
            return
        load = self._pace.load()
        if next_job(self._jobs.states(), load, settings) is not None:
            self._task = self._context.tasks.start(self._run(), f"maintenance of {manifest.collection}")
        elif load.idle_s >= settings.absorb_idle_s and load.write_share < settings.absorb_calm_load:
            # Once it counts as idle, time alone makes nothing worth doing.
            self._settled = manifest

    async def finish(self, progress: Progress | None) -> None:
        """All maintenance that is worth anything, now. ``progress`` is told (job, done, total), also from threads.

        Cancelling the caller lets the job that is under way come to its end.
        """
        work = self._finish(lambda states: everything_left(states, self._context.settings), progress)
        await self._context.tasks.whole(work, f"compaction of {self._live.manifest.collection}")

    async def rebuild_graphs(self, progress: Progress | None) -> None:
        """Build the graph of each segment that has one anew. As :meth:`finish`."""
        manifest = self._live.manifest
        jobs = iter([IndexGraph(segment.key, anew=True) for segment in manifest.segments if segment.graph is not None])
        work = self._finish(lambda _: next(jobs, None), progress)
        await self._context.tasks.whole(work, f"rebuilding of {manifest.collection}")

    async def wait(self) -> None:
        """Until the lane rests, also from what somebody asked for."""
        if self._task is not None:
            await asyncio.wait([self._task])
        async with self._working:
            pass

    async def _run(self) -> None:
        """What the policy finds worth doing under the present load."""
        try:
            await self._work(lambda states: next_job(states, self._pace.load(), self._context.settings), None)
        except Stopped:
            pass
        except Exception as error:
            self._retry.failed(error)
        finally:
            self._task = None

    async def _work(self, choose: Callable[[list[SegmentState]], Job | None], progress: Progress | None) -> None:
        """One job after the other, until there is none, or one is not worth doing."""
        async with self._working:
            while not self._ending.ended:
                job = choose(self._jobs.states())
                if job is None or not await self._jobs.run(job, progress):
                    return
                self._retry.succeeded()

    async def _finish(self, choose: Callable[[list[SegmentState]], Job | None], progress: Progress | None) -> None:
        try:
            await self._work(choose, progress)
        except Stopped:
            pass
        except (PoisonedError, FencedError) as error:
            self._retry.end_writes(error)
            raise
