"""When to freeze, merge, index and vacuum. Pure: numbers in, a decision out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from chroma_async.config.settings import Settings


@dataclass(frozen=True, slots=True)
class ChunkState:
    """What a policy asks of a chunk."""

    rows: int
    vector_bytes: int


@dataclass(frozen=True, slots=True)
class SegmentState:
    """What a policy asks of a segment."""

    key: str
    chunks: tuple[ChunkState, ...]
    #: Dead rows at the flushed seq.
    dead: int
    #: Rows below this position were considered by the graph; 0 without one.
    covers: int
    #: A graph was tried over this many rows and was not worth keeping.
    refused_rows: int
    #: First position behind the trigram indexes.
    trigrams_stop: int
    #: Whether documents are indexed for full text.
    full_text: bool

    @property
    def rows(self) -> int:
        """Positions in use."""
        return sum(chunk.rows for chunk in self.chunks)

    @property
    def tail(self) -> int:
        """Rows outside the graph."""
        return self.rows - self.covers


@dataclass(frozen=True, slots=True)
class Load:
    """How busy a collection is. ``idle_s`` is the time since its last write."""

    idle_s: float
    #: Rows written a second since the last index build, as a share of the rows that a build adds a second.
    write_share: float


#: A collection that nobody writes to.
IDLE = Load(idle_s=float("inf"), write_share=0.0)
#: Time without a write after which what is too small to be flushed counts as indexed.
INDEXED_IDLE_S = 1.0


@dataclass(frozen=True, slots=True)
class Merge:
    """Join chunks ``first`` to ``last`` (inclusive) of a segment."""

    segment: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Vacuum:
    """Rewrite a segment without its dead rows, and its graph with it."""

    segment: str


@dataclass(frozen=True, slots=True)
class IndexGraph:
    """Add a segment's tail to its graph, or build the first one; ``anew``: a graph of all its rows in the place of the one that it has."""

    segment: str
    anew: bool = False


@dataclass(frozen=True, slots=True)
class IndexText:
    """Build a trigram index over the documents behind the last one."""

    segment: str


Job: TypeAlias = Merge | Vacuum | IndexGraph | IndexText


def must_freeze(rows: int, bytes: int, settings: Settings) -> bool:
    """Whether a memtable is full."""
    return rows >= settings.memtable_rows or bytes >= settings.memtable_bytes


def may_freeze(rows: int, idle_s: float, age_s: float, settings: Settings) -> bool:
    """Whether a memtable that is not full should be flushed: many rows and quiet, or old.

    :param idle_s: time since the last write.
    :param age_s: time since its first row.
    """
    return (rows > settings.flush_idle_rows and idle_s >= settings.flush_idle_s) or age_s >= settings.flush_max_s


def counts_unflushed(rows: int, idle_s: float, settings: Settings) -> bool:
    """Whether a memtable counts as indexed as it is: too small to be flushed when idle, and come to rest."""
    return rows <= settings.flush_idle_rows and idle_s >= INDEXED_IDLE_S


def unindexed_rows(segments: Sequence[SegmentState], settings: Settings) -> int:
    """Rows that a graph is yet to take in. What an idle collection leaves outside of its graphs is as indexed as it will ever be."""
    return sum(segment.tail for segment in segments if _index(segment, IDLE, settings) is not None)


def next_job(segments: Sequence[SegmentState], load: Load, settings: Settings) -> Job | None:
    """The most useful thing to do now, if anything is.

    Vacuum first: it makes whatever else would be done to the segment superfluous. Then the graph, which queries wait for most, then chunks,
    then text.
    """
    for choose in (_vacuum, _index, _merge, _text):
        for segment in segments:
            job = choose(segment, load, settings)
            if job is not None:
                return job
    return None


def everything_left(segments: Sequence[SegmentState], settings: Settings) -> Job | None:
    """As :func:`next_job` when somebody asks for it: thresholds that only save work are at their lowest."""
    for segment in segments:
        if segment.dead:
            return Vacuum(segment.key)
    for segment in segments:
        indexed = segment.covers or segment.rows >= settings.flat_rows
        if indexed and segment.tail and segment.rows > segment.refused_rows:
            return IndexGraph(segment.key)
    return next_job(segments, IDLE, settings)


def _vacuum(segment: SegmentState, load: Load, settings: Settings) -> Vacuum | None:
    if not segment.dead:
        return None
    dead_bytes = segment.dead * sum(chunk.vector_bytes for chunk in segment.chunks) // segment.rows
    if segment.dead >= settings.vacuum_dead_share * segment.rows or dead_bytes >= settings.vacuum_dead_bytes:
        return Vacuum(segment.key)
    return None


def _index(segment: SegmentState, load: Load, settings: Settings) -> IndexGraph | None:
    tail = segment.tail
    if not tail or segment.rows < settings.flat_rows or segment.rows <= segment.refused_rows * (1 + settings.absorb_bulk_share):
        return None
    bulk = max(settings.absorb_bulk_rows, settings.absorb_bulk_share * segment.covers)
    calm = max(settings.absorb_calm_rows, settings.absorb_calm_share * segment.covers)
    worth_it = (
        tail > bulk
        or (load.write_share < settings.absorb_calm_load and tail > calm)
        or (load.idle_s >= settings.absorb_idle_s and (tail > settings.absorb_idle_rows or not segment.covers))
    )
    return IndexGraph(segment.key) if worth_it else None


def _merge(segment: SegmentState, load: Load, settings: Settings) -> Merge | None:
    """The first run of ``merge_fan_in`` adjacent chunks that together stay within the bounds of a chunk.

    A chunk that was merged is as large as several, so it drops out of later runs by the bounds: each row is copied about once.
    """
    run = settings.merge_fan_in
    for first in range(len(segment.chunks) - run + 1):
        chunks = segment.chunks[first : first + run]
        rows, size = sum(chunk.rows for chunk in chunks), sum(chunk.vector_bytes for chunk in chunks)
        largest = max(chunk.rows for chunk in chunks)
        if rows <= settings.merge_rows and size <= settings.merge_bytes and 2 * largest <= rows:
            return Merge(segment.key, first, first + run - 1)
    return None


def _text(segment: SegmentState, load: Load, settings: Settings) -> IndexText | None:
    if segment.full_text and segment.rows - segment.trigrams_stop >= max(1, settings.trigram_rows):
        return IndexText(segment.key)
    return None
