"""The nearest rows of one segment: the plan carried out, in one worker thread.

Rows below the graph's bound come from the graph or from a scan, as :mod:`chroma_async.engine.read.search_plan` says; rows above it are
scanned. All candidates get exact distances from the raw rows, and a search that comes out short is made again exactly.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from chroma_async.engine.read.search_plan import (
    Answered,
    Codes,
    Exact,
    FilteredGraph,
    GraphSearch,
    Plan,
    PlanSettings,
    Refinement,
    Situation,
    plan,
    refine,
    widen,
)
from chroma_async.format.bitmap import Bitmap
from chroma_async.index.base import SegmentVectors, VectorChunk
from chroma_async.index.codes import ChunkCodes
from chroma_async.index.distance import smallest
from chroma_async.index.hnsw import Graph
from chroma_async.index.kernels import Scorer
from chroma_async.types import Bools, Floats, Ints, Space

#: Rows of one group of equal codes that are compared exactly, at least.
_GROUP_ROWS = 256
_NO_CODES: Mapping[int, ChunkCodes] = {}


def nearest(
    space: Space,
    queries: Floats,
    k: int,
    segment: SegmentVectors,
    graph: Graph | None,
    allowed: Bitmap | None,
    settings: PlanSettings,
    *,
    codes: Mapping[int, ChunkCodes] = _NO_CODES,
    order: Ints | None = None,
    ef_search: int = 0,
) -> list[tuple[Ints, Floats]]:
    """For each of ``queries`` ``(m, d)`` float32 its nearest rows: positions and exact float32 distances, nearest first.

    Each answer has exactly ``min(k, allowed rows)`` entries. Which rows they are is exact up to the recall of the graph.

    :param allowed: the rows that may be found, of size ``segment.rows``; ``None`` for all. Rows that the graph left out as dead must not
        be in it, so a segment with deletions always has one.
    :param codes: codes of chunks that the graph does not cover, by the chunk's base; used when such rows are many.
    :param order: one number per position that decides among equal distances; ``None``: the lower position comes first.
    :param ef_search: the least ef that a graph is searched with.
    :raises ValueError: shapes or sizes do not fit together.
    """
    if queries.ndim != 2 or (len(queries) and queries.shape[1] != segment.dimension):
        raise ValueError(f"queries of shape {queries.shape} for {segment.dimension} dimensions")
    if allowed is not None and allowed.size != segment.rows:
        raise ValueError(f"{allowed.size} rows are allowed or not, of {segment.rows}")
    if graph is not None and (graph.covers > segment.rows or graph.space is not space or graph.encoding.dimension != segment.dimension):
        raise ValueError(f"a graph of {graph.covers} rows of {graph.encoding.dimension} dimensions ({graph.space}) belongs elsewhere")
    if allowed is not None and allowed.count() == segment.rows:
        allowed = None
    search = _Search(space, k, segment, graph, allowed, settings, codes, order, ef_search)
    return [search.run(query) for query in queries]


class _Search:
    """What all queries of one call share."""

    def __init__(
        self,
        space: Space,
        k: int,
        segment: SegmentVectors,
        graph: Graph | None,
        allowed: Bitmap | None,
        settings: PlanSettings,
        codes: Mapping[int, ChunkCodes],
        order: Ints | None,
        ef_search: int,
    ) -> None:
        self._space = space
        self._segment = segment
        self._allowed = allowed
        self._settings = settings
        self._codes = codes
        self._order = order
        total = segment.rows if allowed is None else allowed.count()
        self._wanted = max(0, min(k, total))
        self._graph = graph if graph is not None and graph.rows else None
        covers = graph.covers if graph is not None else 0
        self._covers = covers
        below = covers if allowed is None else int(allowed.rank(np.array([covers]))[0])
        self._scan_codes = total - below > settings.tail_codes_rows
        self._plan: Exact | Codes | GraphSearch = Exact()
        if self._graph is not None and below:
            self._situation = Situation(
                self._graph.rows, below, k, segment.dimension, max(self._graph.ef, ef_search), self._graph.navigable
            )
            self._plan = plan(self._situation, settings)

    def run(self, query: Floats) -> tuple[Ints, Floats]:
        """One query."""
        if not self._wanted:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        scorer = Scorer(self._space, query)
        if scorer.degenerate:
            return self._first_allowed()
        if self._graph is None or isinstance(self._plan, Exact):
            parts = [self._scan(scorer, 0, self._segment.rows)]
        else:
            parts = [self._from_graph(scorer, self._graph, self._plan)]
            if self._covers < self._segment.rows:
                parts.append(self._scan(scorer, self._covers, self._segment.rows))
        positions, distances = self._best(parts)
        if len(positions) < self._wanted:
            positions, distances = self._best([self._scan(scorer, 0, self._segment.rows, exactly=True)])
        return positions, distances

    # ---------------------------------------------------------------------------------------------------------------------- graph

    def _from_graph(self, scorer: Scorer, graph: Graph, how: Plan) -> tuple[Ints, Floats]:
        """Candidates among the rows that the graph covers, with exact distances."""
        step: Refinement = Answered()
        found: Ints = np.empty(0, np.int64)
        remote = False
        if isinstance(how, GraphSearch):
            nodes, remote = graph.explore(scorer.query, how.k, how.ef)
            wider = widen(self._situation, self._settings, how) if remote else None
            how = wider or how
            if isinstance(wider, GraphSearch):
                nodes = graph.search(scorer.query, wider.k, wider.ef)
        if isinstance(how, GraphSearch):
            found, share = self._rows_behind(graph, nodes)
            if self._allowed is not None:
                step = refine(self._situation, self._settings, share, remote=remote)
        else:
            step = how
        if isinstance(step, Exact):
            return self._scan(scorer, 0, self._covers)
        if not isinstance(step, Answered):
            chosen = None if self._allowed is None else graph.node_map.selection(self._allowed)
            if isinstance(step, FilteredGraph):
                nodes = graph.search(scorer.query, step.k, step.ef, chosen)
            else:
                nodes = graph.scan(scorer.query, step.k, chosen)
            found, _ = self._rows_behind(graph, nodes)
        return self._with_nodeless(scorer, graph, found)

    def _rows_behind(self, graph: Graph, nodes: Ints) -> tuple[Ints, float]:
        """The allowed rows behind ``nodes``, and the share of ``nodes`` that have any."""
        positions, places = graph.node_map.expand(nodes)
        share = 1.0
        if self._allowed is not None:
            inside = self._allowed.contains(positions)
            positions, places = positions[inside], places[inside]
            share = np.count_nonzero(np.bincount(places, minlength=len(nodes))) / max(1, len(nodes))
        most = max(_GROUP_ROWS, 4 * self._wanted)
        if len(positions) <= most:
            return positions, share
        # Rows with equal codes are all but equal: of a large group the first ones are enough, and of equal rows they are the right ones.
        turns = np.lexsort((positions if self._order is None else self._order[positions], places))
        places = places[turns]
        ranks = np.arange(len(places)) - np.searchsorted(places, places)
        return positions[turns[ranks < most]], share

    def _with_nodeless(self, scorer: Scorer, graph: Graph, found: Ints) -> tuple[Ints, Floats]:
        """``found`` and the rows that no node stands for, with distances."""
        exact, zeros = graph.node_map.exact, graph.node_map.zeros
        if self._allowed is not None:
            exact, zeros = exact[self._allowed.contains(exact)], zeros[self._allowed.contains(zeros)]
        if len(exact):
            found = np.concatenate([found, exact])
        distances = scorer.score_positions(self._segment, found)
        if not len(zeros):
            return found, distances
        ones = np.ones(len(zeros), np.float32)
        first = smallest(ones, self._wanted, None if self._order is None else self._order[zeros])
        return np.concatenate([found, zeros[first]]), np.concatenate([distances, ones[first]])

    # ----------------------------------------------------------------------------------------------------------------------- scan

    def _scan(self, scorer: Scorer, start: int, stop: int, *, exactly: bool = False) -> tuple[Ints, Floats]:
        """The nearest allowed rows of ``range(start, stop)``, from every chunk as many as are wanted at all."""
        positions: list[Ints] = []
        distances: list[Floats] = []
        for chunk, first, last in self._segment.ranges(start, stop):
            codes = self._codes.get(chunk.base) if self._scan_codes and not exactly else None
            rows = self._allowed_rows(chunk, first, last) if codes is None else self._coded_rows(scorer, chunk, first, last, codes)
            scores = scorer.score(chunk, rows)
            best = smallest(scores, self._wanted, None if self._order is None else self._order[rows + chunk.base])
            positions.append(rows[best] + chunk.base)
            distances.append(scores[best])
        if not positions:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        return np.concatenate(positions), np.concatenate(distances)

    def _allowed_rows(self, chunk: VectorChunk, first: int, last: int) -> Ints:
        """The chunk's own numbers, ascending, of its allowed rows in ``range(first, last)``."""
        if self._allowed is None:
            return np.arange(first, last)
        return np.flatnonzero(self._allowed.slice_bools(chunk.base + first, chunk.base + last)) + first

    def _coded_rows(self, scorer: Scorer, chunk: VectorChunk, first: int, last: int, codes: ChunkCodes) -> Ints:
        """Those of them that are candidates by their codes, ascending."""
        if codes.rows != chunk.rows:
            raise ValueError(f"codes of {codes.rows} rows belong to another chunk than the one of {chunk.rows} at {chunk.base}")
        inside: Bools | None = None
        if self._allowed is not None:
            inside = self._allowed.slice_bools(chunk.base, chunk.stop)
        if first or last < chunk.rows:
            inside = np.ones(chunk.rows, np.bool_) if inside is None else inside.copy()
            inside[:first] = False
            inside[last:] = False
        k = max(self._settings.least_candidates, self._settings.candidate_factor * self._wanted)
        return np.sort(codes.candidates(scorer.query, k, inside))

    # -------------------------------------------------------------------------------------------------------------------- answers

    def _best(self, parts: list[tuple[Ints, Floats]]) -> tuple[Ints, Floats]:
        """The nearest of all parts, ties in order."""
        positions, distances = parts[0] if len(parts) == 1 else map(np.concatenate, zip(*parts, strict=True))
        best = smallest(distances, self._wanted, positions if self._order is None else self._order[positions])
        return positions[best], distances[best]

    def _first_allowed(self) -> tuple[Ints, Floats]:
        """What a zero vector finds under cosine: everything is at distance 1.0, so the first rows."""
        if self._order is None:
            first = np.arange(self._wanted)
            positions = first if self._allowed is None else self._allowed.select(first)
        else:
            every = np.arange(self._segment.rows) if self._allowed is None else self._allowed.positions()
            positions = every[smallest(np.ones(len(every), np.float32), self._wanted, self._order[every])]
        return positions, np.ones(self._wanted, np.float32)
