"""Exact distances of raw rows, by FAISS's kernels: no copy of a vector, no gather, and the interpreter lock is free meanwhile.

Every distance that the store returns comes from :meth:`Scorer.score`. It is computed row by row, so a row's bits do not depend on which
other rows are asked for, on how they lie in memory, or on whether a scan or a graph proposed it.
"""

from __future__ import annotations

from typing import Any

import faiss as _faiss
import numpy as np

from chroma_async.index.base import SegmentVectors, VectorChunk
from chroma_async.types import Floats, Ints, Space

#: Its type stubs lack most of what is used here.
faiss: Any = _faiss


def simd_level() -> str:
    """By which instructions FAISS compares vectors on this machine, such as ``AVX2``."""
    return str(faiss.SIMDConfig.get_level_name())


def set_threads(count: int) -> None:
    """How many cores FAISS may use in calls made by the calling thread. Other threads are not affected."""
    faiss.omp_set_num_threads(count)


class Scorer:
    """One query, ready to be compared with raw rows.

    ``query`` is what a graph is to be searched with: the vector itself, scaled to length 1 under cosine. ``degenerate`` says that every
    distance is 1.0: the vector is zero and the space is cosine.
    """

    __slots__ = ("_pointer", "degenerate", "query", "space")

    def __init__(self, space: Space, query: Floats) -> None:
        """``query`` is float32 ``(d,)``."""
        self.space = space
        self.degenerate = False
        kept = np.ascontiguousarray(query, np.float32)
        if kept.ndim != 1:
            raise ValueError(f"a query has one dimension, not the shape {kept.shape}")
        if space is Space.COSINE:
            wide = kept.astype(np.float64)
            length = float(np.sqrt(wide @ wide))
            self.degenerate = length == 0.0
            if not self.degenerate:
                kept = (wide / length).astype(np.float32)
        self.query = kept
        self._pointer = faiss.swig_ptr(kept)

    def score(self, chunk: VectorChunk, rows: Ints) -> Floats:
        """Distances float32 ``(n,)`` of ``rows`` (numbered inside the chunk, any order).

        :raises IndexError: the chunk has no such row.
        :raises ValueError: the chunk has another dimension than the query.
        """
        count = len(rows)
        found = np.empty(count, np.float32)
        if not count:
            return found
        wanted = np.ascontiguousarray(rows, np.int64)
        if wanted.view(np.uint64).max() >= chunk.rows:
            raise IndexError(f"a chunk of {chunk.rows} rows has no row {wanted.max()} or {wanted.min()}")
        self._compare(chunk, wanted, found)
        return self._finish(found, chunk.norms[wanted] if self.space is Space.COSINE else None)

    def score_positions(self, segment: SegmentVectors, positions: Ints) -> Floats:
        """Distances float32 ``(n,)`` of ``positions`` of a segment, in any order. :raises IndexError: there is no such position."""
        count = len(positions)
        if len(segment.chunks) == 1 or not count:
            return self.score(segment.chunks[0], positions) if count else np.empty(0, np.float32)
        order = np.argsort(positions)
        ascending = positions[order].astype(np.int64, copy=False)
        cuts = ascending.searchsorted(segment.stops).tolist()
        if ascending[0] < 0 or cuts[-1] < count:
            raise IndexError(f"a segment of {segment.rows} rows has no row {ascending[0]} or {ascending[-1]}")
        scores = np.empty(count, np.float32)
        lengths = np.empty(count, np.float32) if self.space is Space.COSINE else None
        start = 0
        for chunk, stop in zip(segment.chunks, cuts, strict=True):
            if start < stop:
                rows = ascending[start:stop] - chunk.base
                self._compare(chunk, rows, scores[start:stop])
                if lengths is not None:
                    chunk.norms.take(rows, out=lengths[start:stop])
            start = stop
        found = np.empty(count, np.float32)
        found[order] = self._finish(scores, lengths)
        return found

    def _compare(self, chunk: VectorChunk, rows: Ints, found: Floats) -> None:
        """Squared distance or product of each row, into ``found``.

        Memory is read by address here: ``rows`` is contiguous int64, holds only rows that the chunk has, and is as long as ``found``.
        """
        dimension = chunk.vectors.shape[1]
        if dimension != len(self.query):
            raise ValueError(f"a query of {len(self.query)} dimensions meets vectors of {dimension}")
        pointer = faiss.swig_ptr
        kernel = faiss.fvec_L2sqr_by_idx if self.space is Space.L2 else faiss.fvec_inner_products_by_idx
        kernel(pointer(found), self._pointer, pointer(chunk.vectors), pointer(rows), dimension, 1, len(rows))

    def _finish(self, found: Floats, lengths: Floats | None) -> Floats:
        """Squared distances or products to distances, in place. ``lengths`` of the rows: under cosine only."""
        if self.space is Space.L2:
            return found
        if lengths is not None:
            if self.degenerate:
                found[:] = 0
            elif lengths.all():
                np.divide(found, lengths, out=found)
            else:
                np.divide(found, lengths, out=found, where=lengths > 0)
                found[lengths == 0] = 0
        return np.subtract(np.float32(1), found, out=found)
