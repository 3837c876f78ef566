"""Building graphs and trigram indexes off to the side: from an opened segment to new files that a manifest may then name."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from chroma_async.engine.snapshot.file_pins import Making
from chroma_async.engine.snapshot.segment import Segment
from chroma_async.errors import CorruptionError
from chroma_async.format.bitmap import Bitmap
from chroma_async.format.files import FileRef
from chroma_async.format.manifest import GraphEntry, TrigramEntry
from chroma_async.index import trigrams
from chroma_async.index.base import Advice, Codec, GraphOptions
from chroma_async.index.hnsw import GraphBuilder
from chroma_async.storage.base.segments import Blob
from chroma_async.types import Space

logger = logging.getLogger(__name__)

#: Rows added to a graph between two looks at the stop sign.
SLICE_ROWS = 2048
#: Rows that a codec is trained on.
SAMPLE_ROWS = 50_000
#: Share of a graph's rows that may have died before it is built anew rather than added to.
DEAD_SHARE = 0.2


class Stopped(Exception):
    """The engine closes; the job ends without a result."""


@dataclass(frozen=True, slots=True)
class GraphJob:
    """Everything that a build needs besides the rows."""

    space: Space
    options: GraphOptions
    recall_target: float
    recall_floor: float
    stop: threading.Event
    #: Called after each slice with (rows done, rows to do).
    progress: Callable[[int, int], None] | None = None


@dataclass(frozen=True, slots=True)
class Built:
    """A finished graph, or ``None`` when no graph of these rows reaches the recall floor; and how fast it went."""

    entry: GraphEntry | None
    rows: int
    seconds: float


def build_graph(making: Making, new_key: Callable[[], str], segment: Segment, current: Blob | None, alive: Bitmap, job: GraphJob) -> Built:
    """Add the rows that the segment's graph does not cover, or build a new graph. Blocking; the graph in use is never touched.

    :param current: the file of the segment's graph, if it has one.
    :param alive: rows to be found; the others are left out.
    :raises Stopped: the stop sign was set.
    """
    began = time.perf_counter()
    started = _continued(segment, current, alive) if current is not None else None
    builder = started if started is not None else _begun(segment, alive, job.space, job.options)
    added = _add(builder, segment, alive, job)
    rows = added + (segment.graph.rows if started is not None and segment.graph is not None else 0)
    if started is not None and builder.needs_retraining:
        builder = _begun(segment, alive, job.space, job.options)
        rows = _add(builder, segment, alive, job)
        added += rows
    file = _finished(making, new_key, builder, segment, alive, job)
    entry = None if file is None else GraphEntry(file, builder.covers, rows)
    return Built(entry, added, time.perf_counter() - began)


def _continued(segment: Segment, current: Blob, alive: Bitmap) -> GraphBuilder | None:
    """A private copy of the current graph, unless too many of its rows are dead or it cannot be read."""
    graph = segment.graph
    if graph is None:
        return None
    living = int(np.count_nonzero(alive.slice_bools(0, graph.covers)))
    if graph.rows - living > DEAD_SHARE * graph.rows:
        return None
    try:
        return GraphBuilder.load(current.buffer(), current.ref.name)
    except CorruptionError as error:
        logger.warning("graph is damaged and is built anew: %s", error)
        return None


def _begun(segment: Segment, alive: Bitmap, space: Space, options: GraphOptions) -> GraphBuilder:
    positions = alive.positions()
    sample = positions[np.linspace(0, len(positions) - 1, min(len(positions), SAMPLE_ROWS), dtype=np.int64)]
    return GraphBuilder.new(space, segment.dimension, options, segment.embeddings(sample), len(positions))


def _add(builder: GraphBuilder, segment: Segment, alive: Bitmap, job: GraphJob) -> int:
    """Add what lies behind ``builder.covers``; how many rows that was."""
    positions = alive.positions()
    positions = positions[positions >= builder.covers]
    for start in range(0, len(positions), SLICE_ROWS):
        if job.stop.is_set():
            raise Stopped
        chosen = positions[start : start + SLICE_ROWS]
        vectors, norms = segment.vectors.take(chosen)
        builder.add(vectors, norms, chosen)
        if job.progress is not None:
            job.progress(min(start + SLICE_ROWS, len(positions)), len(positions))
    builder.cover(segment.rows)
    return len(positions)


def _finished(
    making: Making, new_key: Callable[[], str], builder: GraphBuilder, segment: Segment, alive: Bitmap, job: GraphJob
) -> FileRef | None:
    """Check, mend by a finer codec if that is the advice, and write."""
    verdict = builder.check(segment.vectors, job.recall_target, job.recall_floor)
    if verdict.advice is Advice.REBUILD_FP16:
        logger.info("graph of %d rows reaches recall %s; building it in 16 bits", builder.nodes, verdict.recalls)
        options = GraphOptions(job.options.degree, job.options.ef_construction, Codec.FP16)
        builder = _begun(segment, alive, job.space, options)
        _add(builder, segment, alive, job)
        verdict = builder.check(segment.vectors, job.recall_target, job.recall_floor)
    if verdict.advice not in (Advice.KEEP, Advice.SCAN_CODES):
        logger.warning("no graph of %d rows reaches the recall floor (%s); exact search serves", builder.nodes, verdict.recalls)
        return None
    if job.stop.is_set():
        raise Stopped
    return making.write("graph", new_key(), builder.save)


def build_trigrams(making: Making, new_key: Callable[[], str], segment: Segment, start: int, stop_sign: threading.Event) -> TrigramEntry:
    """Index the documents of positions ``start`` and above. Blocking.

    :raises Stopped: the stop sign was set.
    """
    alive = segment.alive.to_bools()

    def documents() -> Iterator[tuple[int, str]]:
        for position, text in segment.documents(start, alive):
            if stop_sign.is_set():
                raise Stopped
            yield position, text

    file = making.write_database("trigrams", new_key(), lambda database: trigrams.build(database, documents()))
    return TrigramEntry(file, start, segment.rows)
