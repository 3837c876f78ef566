"""The jobs of the maintenance lane: each makes files off to the side, then commits one change of the manifest."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from time import time_ns
from typing import TypeAlias

from chroma_async.engine.compaction.commit import Committer
from chroma_async.engine.compaction.compaction_policy import ChunkState, IndexGraph, IndexText, Job, Merge, SegmentState, Vacuum
from chroma_async.engine.compaction.flush import with_alive
from chroma_async.engine.compaction.index_options import index_options
from chroma_async.engine.compaction.indexing import GraphJob, Stopped, build_graph, build_trigrams
from chroma_async.engine.compaction.merge import write_merged
from chroma_async.engine.compaction.pace import Pace
from chroma_async.engine.compaction.vacuum import write_vacuumed
from chroma_async.engine.context import Context
from chroma_async.engine.snapshot.file_pins import Making
from chroma_async.engine.snapshot.frozen import Vacuumed
from chroma_async.engine.snapshot.segment import Segment
from chroma_async.engine.write.live_row import LiveRow
from chroma_async.engine.write.live_state import LiveState
from chroma_async.format.bitmap import Bitmap
from chroma_async.format.manifest import GraphEntry, Manifest, SegmentEntry, TrigramEntry

logger = logging.getLogger(__name__)

#: What each job counts as.
_KINDS: dict[type[Job], str] = {Merge: "merge", Vacuum: "vacuum", IndexGraph: "index", IndexText: "text_index"}
#: Told (what is being done, done, to do); may be called in a worker thread.
Progress: TypeAlias = Callable[[str, int, int], None]


class Jobs:
    """Merge, vacuum, index and text index of one collection; the owner runs one at a time."""

    def __init__(self, live: LiveState, row: LiveRow, context: Context, committer: Committer, pace: Pace, stop: threading.Event) -> None:
        """
        :param pace: told the rows a second of each build.
        :param stop: set when a running job should end at its next slice.
        """
        self._live = live
        self._row = row
        self._context = context
        self._committer = committer
        self._pace = pace
        self._stop = stop
        #: Rows of a segment over which no graph was worth keeping.
        self._refused: dict[str, int] = {}

    def states(self) -> list[SegmentState]:
        """The segments as policies see them."""
        return [self._state(segment) for segment in self._live.segments]

    def _state(self, segment: Segment) -> SegmentState:
        width = 4 * segment.dimension
        return SegmentState(
            key=segment.key,
            chunks=tuple(ChunkState(chunk.rows, chunk.rows * width) for chunk in segment.chunks),
            dead=segment.entry.dead,
            covers=segment.covers,
            refused_rows=self._refused.get(segment.key, 0),
            trigrams_stop=segment.trigrams[-1].entry.stop if segment.trigrams else 0,
            full_text=index_options(self._row).full_text,
        )

    def refuses(self, segment: Segment) -> bool:
        """Whether a graph over about as many rows was tried and was not worth keeping."""
        return segment.rows <= self._refused.get(segment.key, 0) * (1 + self._context.settings.absorb_bulk_share)

    async def run(self, job: Job, progress: Progress | None) -> bool:
        """Do one job; whether it changed anything.

        :raises Stopped: the owner closes.
        :raises CorruptionError: a chunk that it read is damaged.
        :raises UnavailableError: the disk is full; nothing is left behind.
        """
        segment = self._segment(job.segment)
        if segment is None:
            return False
        kind = _KINDS[type(job)]
        work, began_s, began_ns = self._context.work[kind], self._context.monotonic(), time_ns()
        try:
            changed = await self._done(job, segment, progress)
        except Stopped:
            raise
        except Exception:
            work.failures += 1
            raise
        took_s = self._context.monotonic() - began_s
        work.done(took_s, segment.rows)
        self._context.spans.background(kind, began_ns, time_ns(), collection_id=str(self._row.row.id), rows=segment.rows)
        fields = {"collection": str(self._row.row.id), "rows": segment.rows, "duration_s": round(took_s, 3)}
        logger.info("%s done", kind.replace("_", " "), extra={"fields": fields})
        return changed

    async def _done(self, job: Job, segment: Segment, progress: Progress | None) -> bool:
        with self._context.store.making() as making:
            match job:
                case Merge():
                    return await self._merge(making, segment, job)
                case Vacuum():
                    return await self._vacuum(making, segment, progress)
                case IndexGraph():
                    return await self._index(making, segment, job, progress)
                case IndexText():
                    return await self._index_text(making, segment)

    def _segment(self, key: str) -> Segment | None:
        return next((segment for segment in self._live.segments if segment.key == key), None)

    # -------------------------------------------------------------------------------------------------------------------------- merge

    async def _merge(self, making: Making, segment: Segment, job: Merge) -> bool:
        background = self._context.threads.background
        entry = await background(write_merged, making, self._context.new_key(), segment, job.first, job.last)
        replaced = segment.entry.chunks[job.first : job.last + 1]

        def change(manifest: Manifest) -> Manifest | None:
            now = _segment_of(manifest, segment.key)
            if now is None or now.chunks[job.first : job.last + 1] != replaced:
                return None
            return manifest.with_segment(replace(now, chunks=(*now.chunks[: job.first], entry, *now.chunks[job.last + 1 :])))

        return await self._committer.commit(change, self._live.install)

    # ------------------------------------------------------------------------------------------------------------------------- vacuum

    async def _vacuum(self, making: Making, segment: Segment, progress: Progress | None) -> bool:
        """Rewrite the chunks and, where there was a graph, build a new one before either is committed: no query meets the gap."""
        context = self._context
        background, new_key = context.threads.background, context.new_key
        vacuumed = await background(write_vacuumed, making, new_key, segment, context.settings.merge_rows)
        graph = await background(self._graph_of, making, segment, vacuumed, progress)

        def change(manifest: Manifest) -> Manifest | None:
            now = _segment_of(manifest, segment.key)
            if now is None or now.chunks[: vacuumed.chunks] != segment.entry.chunks:
                return None
            changed = replace(now, chunks=(*vacuumed.entries, *now.chunks[vacuumed.chunks :]), graph=graph, trigrams=())
            if not changed.chunks:
                return replace(manifest, segments=tuple(other for other in manifest.segments if other.key != segment.key))
            alive = vacuumed.moved(_flushed_alive(self._live, segment.key))
            return manifest.with_segment(with_alive(replace(changed, alive=None, dead=0), alive, {}, making, new_key()))

        return await self._committer.commit(change, partial(self._live.install_vacuum, segment.key, vacuumed))

    def _graph_of(self, making: Making, segment: Segment, vacuumed: Vacuumed, progress: Progress | None) -> GraphEntry | None:
        if segment.graph is None or len(vacuumed.kept) < max(1, self._context.settings.flat_rows):
            return None
        rewritten = self._context.opener.open(SegmentEntry(segment.key, vacuumed.entries))
        built = build_graph(making, self._context.new_key, rewritten, None, rewritten.alive, self._graph_job(progress))
        return built.entry

    # -------------------------------------------------------------------------------------------------------------------------- index

    async def _index(self, making: Making, segment: Segment, job: IndexGraph, progress: Progress | None) -> bool:
        context = self._context
        current = None
        if segment.graph is not None and segment.entry.graph is not None and not job.anew:
            current = await context.threads.background(context.store.open, segment.entry.graph.file)
        built = await context.threads.background(
            build_graph, making, context.new_key, segment, current, segment.alive, self._graph_job(progress)
        )
        self._pace.indexed(built.rows / max(built.seconds, 1e-3))
        if built.entry is None:
            self._refused[segment.key] = segment.rows
        prefix = segment.entry.chunks

        def change(manifest: Manifest) -> Manifest | None:
            now = _segment_of(manifest, segment.key)
            # Positions are what a graph names. Only a vacuum moves them, and it shares this lane; a flush adds chunks behind.
            if now is None or sum(chunk.rows for chunk in now.chunks) < sum(chunk.rows for chunk in prefix):
                return None
            return manifest.with_segment(replace(now, graph=built.entry))

        committed = await self._committer.commit(change, self._live.install)
        for each in self._live.segments:
            # Those of rows that the graph has taken in are no longer needed.
            await context.threads.background(each.encode_tail, index_options(self._row).space, context.settings.tail_codes_rows)
        return committed

    def _graph_job(self, progress: Progress | None) -> GraphJob:
        options, settings = index_options(self._row), self._context.settings
        told = None if progress is None else (lambda done, total: progress("index", done, total))
        return GraphJob(options.space, options.graph, settings.recall_target, settings.recall_floor, self._stop, told)

    # --------------------------------------------------------------------------------------------------------------------------- text

    async def _index_text(self, making: Making, segment: Segment) -> bool:
        """Index the uncovered documents, together with trailing indexes that are smaller: so their number stays logarithmic."""
        kept = list(segment.entry.trigrams) if len(segment.trigrams) == len(segment.entry.trigrams) else []
        start = kept[-1].stop if kept else 0
        while kept and kept[-1].stop - kept[-1].start <= segment.rows - start:
            start = kept.pop().start
        background = self._context.threads.background
        entry = await background(build_trigrams, making, self._context.new_key, segment, start, self._stop)

        def change(manifest: Manifest) -> Manifest | None:
            now = _segment_of(manifest, segment.key)
            if now is None or now.trigrams != segment.entry.trigrams:
                return None
            trigrams: tuple[TrigramEntry, ...] = (*kept, entry)
            return manifest.with_segment(replace(now, trigrams=trigrams))

        return await self._committer.commit(change, self._live.install)


def _segment_of(manifest: Manifest, key: str) -> SegmentEntry | None:
    return next((segment for segment in manifest.segments if segment.key == key), None)


def _flushed_alive(live: LiveState, key: str) -> Bitmap:
    """The alive bits that the present manifest holds for a segment."""
    return next(segment.alive for segment in live.segments if segment.key == key)
