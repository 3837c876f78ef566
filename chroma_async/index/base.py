"""What the vector indexes are made of: raw rows, how a graph is built, and what a graph says of itself. Numpy only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from chroma_async.index.effort import Efforts
from chroma_async.types import Floats, Ints

#: Below this many dimensions the links of a graph outweigh its vectors, and 256 steps a dimension tell too few rows apart.
QUANTISED_FROM_DIMENSION = 32
#: A graph of few dimensions and very many rows is as good with fewer links.
SPARSE_DEGREE_ROWS = 500_000
SPARSE_DEGREE_DIMENSION = 256


class Codec(StrEnum):
    """How a graph keeps its vectors. Answers are rescored from the raw rows whatever it is."""

    SQ8 = "sq8"
    FP16 = "fp16"
    FLOAT32 = "float32"


class Advice(StrEnum):
    """What to do with a graph after its check."""

    #: Commit it.
    KEEP = "keep"
    #: Commit it, but its links are not to be followed: searches scan its codes.
    SCAN_CODES = "scan_codes"
    #: Build it again with the codec fp16.
    REBUILD_FP16 = "rebuild_fp16"
    #: Do without a graph.
    DISCARD = "discard"


@dataclass(frozen=True, slots=True)
class GraphOptions:
    """How a new graph is built. ``None`` leaves the choice to the graph: see :func:`default_degree` and :func:`default_codec`.

    ``degree`` is the number of links that a node has on each upper level, and half of those it has on the lowest (M of the HNSW paper).
    """

    degree: int | None = None
    ef_construction: int = 100
    codec: Codec | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of a graph's check: recall of stored rows by ef, how far to search for whom, and what to do."""

    recalls: dict[int, float]
    efforts: Efforts
    advice: Advice


def default_degree(dimension: int, rows: int) -> int:
    """Links for a graph that begins with ``rows`` rows. FAISS needs more of them than the usual 16 to keep recall in large graphs."""
    return 20 if dimension <= SPARSE_DEGREE_DIMENSION and rows > SPARSE_DEGREE_ROWS else 32


def default_codec(dimension: int) -> Codec:
    """One byte a dimension, unless there are so few dimensions that it would save little and cost much."""
    return Codec.SQ8 if dimension >= QUANTISED_FROM_DIMENSION else Codec.FLOAT32


@dataclass(frozen=True, slots=True)
class VectorChunk:
    """An immutable run of raw rows: positions ``base .. base + rows - 1`` of a segment.

    ``vectors`` is float32 ``(n, d)``, C-contiguous, often a memory map; ``norms`` is float32 ``(n,)``, the length of each row.

    :raises ValueError: an array has another type, shape or layout. Native code reads them by address, so this is checked here, once.
    """

    base: int
    vectors: Floats
    norms: Floats

    def __post_init__(self) -> None:
        for array, dimensions in ((self.vectors, 2), (self.norms, 1)):
            if array.dtype != np.float32 or array.ndim != dimensions or not array.flags.c_contiguous or not array.flags.aligned:
                raise ValueError(f"a chunk needs contiguous float32 arrays, not {array.dtype} of shape {array.shape}")
        if len(self.vectors) != len(self.norms):
            raise ValueError(f"a chunk of {len(self.vectors)} vectors has {len(self.norms)} norms")

    @property
    def rows(self) -> int:
        return len(self.vectors)

    @property
    def stop(self) -> int:
        """One past the last position."""
        return self.base + len(self.vectors)


class SegmentVectors:
    """The raw rows of a segment: chunks ascending by base, without gaps, from position 0. May be empty."""

    __slots__ = ("_bases", "chunks", "dimension", "rows", "stops")

    def __init__(self, chunks: Sequence[VectorChunk], dimension: int) -> None:
        """:raises ValueError: there is a gap, or a chunk has another dimension."""
        expected = 0
        for chunk in chunks:
            if chunk.base != expected or chunk.vectors.shape[1] != dimension:
                raise ValueError(f"a chunk of shape {chunk.vectors.shape} at {chunk.base} does not continue {expected} rows of {dimension}")
            expected = chunk.stop
        self.chunks = tuple(chunks)
        self.dimension = dimension
        self.rows = expected
        self._bases: Ints = np.array([chunk.base for chunk in chunks], np.int64)
        #: One past the last position of each chunk.
        self.stops: Ints = np.array([chunk.stop for chunk in chunks], np.int64)

    def split(self, positions: Ints) -> Iterator[tuple[VectorChunk, Ints | slice]]:
        """The chunks that hold some of ``positions`` (any order), each with the places in ``positions`` that it holds."""
        if len(self.chunks) == 1:
            yield self.chunks[0], slice(None)
            return
        owners = np.searchsorted(self._bases, positions, side="right") - 1
        for number in np.unique(owners).tolist():
            yield self.chunks[number], np.flatnonzero(owners == number)

    def take(self, positions: Ints) -> tuple[Floats, Floats]:
        """A copy of the rows at ``positions`` and their norms, in that order. :raises IndexError: a position is not there."""
        vectors = np.empty((len(positions), self.dimension), np.float32)
        norms = np.empty(len(positions), np.float32)
        for chunk, places in self.split(positions):
            rows = positions[places] - chunk.base
            vectors[places] = chunk.vectors[rows]
            norms[places] = chunk.norms[rows]
        return vectors, norms

    def ranges(self, start: int, stop: int) -> Iterator[tuple[VectorChunk, int, int]]:
        """The chunks that meet ``range(start, stop)``, each with the part of its own rows that does."""
        for chunk in self.chunks:
            first, last = max(start, chunk.base), min(stop, chunk.stop)
            if first < last:
                yield chunk, first - chunk.base, last - chunk.base
