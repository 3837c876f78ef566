"""The nearest rows of one part: the plan carried out, in one worker thread.

Rows below the graph's bound come from the graph or from a scan, as :mod:`chroma_async.engine.read.search_plan` says; rows above it are
scanned. All candidates get exact distances from the raw rows, and a search that comes out short is made again exactly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from time import time_ns
from typing import NamedTuple, TypeAlias

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
from chroma_async.observation import Observation
from chroma_async.types import Bools, Floats, IncludeField, Ints, Space

#: Rows of one group of equal codes that are compared exactly, at least.
_GROUP_ROWS = 256
_NO_CODES: Mapping[int, ChunkCodes] = {}
_SCAN = Exact()
NO_QUERIES: Floats = np.empty((0, 0), np.float32)

#: Positions ``(n,)`` int64 and their exact distances ``(n,)`` float32.
Found: TypeAlias = tuple[Ints, Floats]


@dataclass(frozen=True, slots=True)
class NearestRequest:
    """A nearest-neighbour read, the same object from the service down to the search of one part.

    ``space`` is the collection's and ``plan`` the engine's; without queries it is what they say about all reads of the collection.
    """

    space: Space
    plan: PlanSettings
    #: The least ef that a graph is searched with; 0 leaves it to the graph.
    ef_search: int = 0
    #: ``(m, d)`` float32.
    queries: Floats = field(default_factory=lambda: NO_QUERIES)
    #: How many rows are wanted for each query.
    k: int = 0
    #: Compare with every matching row, whatever graphs and codes there are.
    exact: bool = False
    #: Rows farther than this are left out of the answer.
    max_distance: float | None = None
    #: The columns of the answer.
    include: tuple[IncludeField, ...] = ()
    #: Told of the search of each part, and how it was planned.
    observed: Observation | None = None


@dataclass(frozen=True, slots=True)
class Searchable:
    """The rows of a part as a search goes through them."""

    vectors: SegmentVectors
    graph: Graph | None = None
    #: Codes of chunks that the graph does not cover, by the chunk's base; used when such rows are many.
    codes: Mapping[int, ChunkCodes] = field(default_factory=dict)
    #: One number per position that decides among equal distances; ``None``: the lower position comes first.
    order: Ints | None = None


def nearest(request: NearestRequest, rows: Searchable, allowed: Bitmap | None = None) -> list[Found]:
    """For each query its nearest rows: positions and exact float32 distances, nearest first.

    Each answer has exactly ``min(k, allowed rows)`` entries. Which rows they are is exact up to the recall of the graph.

    :param allowed: the rows that may be found, of size ``rows.vectors.rows``; ``None`` for all. Rows that the graph left out as dead must
        not be in it, so a segment with deletions always has one.
    :raises ValueError: shapes or sizes do not fit together.
    """
    queries, vectors, graph = request.queries, rows.vectors, rows.graph
    if queries.ndim != 2 or (len(queries) and queries.shape[1] != vectors.dimension):
        raise ValueError(f"queries of shape {queries.shape} for {vectors.dimension} dimensions")
    if allowed is not None and allowed.size != vectors.rows:
        raise ValueError(f"{allowed.size} rows are allowed or not, of {vectors.rows}")
    fits = graph is None or (
        graph.covers <= vectors.rows and graph.space is request.space and graph.encoding.dimension == vectors.dimension
    )
    if graph is not None and not fits:
        raise ValueError(f"a graph of {graph.covers} rows of {graph.encoding.dimension} dimensions ({graph.space}) belongs elsewhere")
    all_allowed = allowed is None or allowed.count() == vectors.rows
    search = _Search(request, rows, None if all_allowed else allowed)
    began_ns = time_ns()
    found = [search.run(query) for query in queries]
    if request.observed is not None:
        allowed_rows = vectors.rows if allowed is None else allowed.count()
        covers = 0 if graph is None else graph.covers
        detail = {"rows": vectors.rows, "allowed": allowed_rows, "graph_rows": covers, "queries": len(queries), "plan": search.plans}
        request.observed.note("segment search", began_ns, detail)
    return found


class _Covered(NamedTuple):
    """The rows that a graph covers, some of them allowed, and how a search of them begins."""

    graph: Graph
    situation: Situation
    first: Codes | GraphSearch


class _Search:
    """What all queries of one call share."""

    def __init__(self, request: NearestRequest, rows: Searchable, allowed: Bitmap | None) -> None:
        graph = None if request.exact else rows.graph
        covers = 0 if graph is None else graph.covers
        total = rows.vectors.rows if allowed is None else allowed.count()
        below = covers if allowed is None else int(allowed.rank(np.array([covers]))[0])
        self._space = request.space
        self._settings = request.plan
        self._vectors = rows.vectors
        self._order = rows.order
        self._allowed = allowed
        self._wanted = max(0, min(request.k, total))
        # Codes are worth their rescoring where the rows outside the graph are many.
        self._codes = rows.codes if not request.exact and total - below > request.plan.tail_codes_rows else _NO_CODES
        self._covered = None if graph is None else _covered(request, graph, below)
        #: How rows were searched, step by step, for those who want to know.
        self.plans: list[Plan | Refinement] = []

    def run(self, query: Floats) -> Found:
        """One query."""
        if not self._wanted:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        scorer = Scorer(self._space, query)
        if scorer.degenerate:
            return self._first_allowed()
        covers = 0 if self._covered is None else self._covered.graph.covers
        parts = [] if self._covered is None else [self._from_graph(scorer, self._covered)]
        if covers < self._vectors.rows:
            self.plans.append(_SCAN)
            parts.append(self._scan(scorer, covers, self._vectors.rows, self._codes))
        positions, distances = self._best(parts)
        if len(positions) == self._wanted:
            return positions, distances
        return self._best([self._scan(scorer, 0, self._vectors.rows, _NO_CODES)])

    # ---------------------------------------------------------------------------------------------------------------------- graph

    def _from_graph(self, scorer: Scorer, covered: _Covered) -> Found:
        """Candidates among the rows that the graph covers, with exact distances.

        The graph is searched as if every row were allowed. Off the data that is done again wider; where it finds few allowed rows, the
        step that follows knows what is allowed.
        """
        graph, first = covered.graph, covered.first
        if isinstance(first, Codes):
            return self._among_allowed(scorer, graph, first)
        # Nodes are (n,) int64, nearest first by their codes.
        first_nodes, zone = graph.explore(scorer.query, first.k, first.ef)
        wider = widen(covered.situation, self._settings, first, zone)
        self.plans.append(first if wider is None or isinstance(wider, Exact | Codes) else wider)
        if isinstance(wider, Exact | Codes):
            return self._among_allowed(scorer, graph, wider)
        nodes = first_nodes if wider is None else graph.search(scorer.query, wider.k, wider.ef)
        positions, share = self._rows_behind(graph, nodes)
        if self._allowed is None:
            return self._scored(scorer, graph, positions)
        step = refine(covered.situation, self._settings, share, zone)
        if isinstance(step, Answered):
            return self._scored(scorer, graph, positions)
        return self._among_allowed(scorer, graph, step)

    def _among_allowed(self, scorer: Scorer, graph: Graph, step: Exact | Codes | FilteredGraph) -> Found:
        """Candidates among the rows that the graph covers by a step that looks at allowed ones only, with exact distances."""
        self.plans.append(step)
        if isinstance(step, Exact):
            return self._scan(scorer, 0, graph.covers, self._codes)
        chosen = None if self._allowed is None else graph.node_map.selection(self._allowed)
        query = scorer.query
        nodes = graph.scan(query, step.k, chosen) if isinstance(step, Codes) else graph.search(query, step.k, step.ef, chosen)
        positions, _ = self._rows_behind(graph, nodes)
        return self._scored(scorer, graph, positions)

    def _rows_behind(self, graph: Graph, nodes: Ints) -> tuple[Ints, float]:
        """The allowed rows behind ``nodes`` ``(n,)``: positions ``(r,)``, and the share of ``nodes`` that have any."""
        # (p,) each: a row, and the place in ``nodes`` of the node that stands for it.
        positions, places = graph.node_map.expand(nodes)
        if self._allowed is None:
            return self._first_of_each(positions, places), 1.0
        inside = self._allowed.contains(positions)
        allowed_positions, allowed_places = positions[inside], places[inside]
        nodes_with_rows = np.count_nonzero(np.bincount(allowed_places, minlength=len(nodes)))
        return self._first_of_each(allowed_positions, allowed_places), nodes_with_rows / max(1, len(nodes))

    def _first_of_each(self, positions: Ints, places: Ints) -> Ints:
        """``positions`` ``(p,)`` without the later rows of nodes, named by ``places`` ``(p,)``, that stand for very many.

        Rows with equal codes are all but equal: of many the first ones are enough, and of equal rows they are the right ones.
        """
        most = max(_GROUP_ROWS, 4 * self._wanted)
        if len(positions) <= most:
            return positions
        turns = np.lexsort((self._tie_order(positions), places))
        ascending_places = places[turns]
        ranks = np.arange(len(places)) - np.searchsorted(ascending_places, ascending_places)
        return positions[turns[ranks < most]]

    def _scored(self, scorer: Scorer, graph: Graph, positions: Ints) -> Found:
        """``positions`` and the rows that no node stands for, with exact distances."""
        exact, zeros = self._only_allowed(graph.node_map.exact), self._only_allowed(graph.node_map.zeros)
        compared = np.concatenate([positions, exact]) if len(exact) else positions
        distances = scorer.score_positions(self._vectors, compared)
        if not len(zeros):
            return compared, distances
        # Zero vectors, which a graph leaves out under cosine: all of them at distance 1.
        ones = np.ones(len(zeros), np.float32)
        first = smallest(ones, self._wanted, None if self._order is None else self._order[zeros])
        return np.concatenate([compared, zeros[first]]), np.concatenate([distances, ones[first]])

    def _only_allowed(self, positions: Ints) -> Ints:
        return positions if self._allowed is None else positions[self._allowed.contains(positions)]

    # ----------------------------------------------------------------------------------------------------------------------- scan

    def _scan(self, scorer: Scorer, start: int, stop: int, codes: Mapping[int, ChunkCodes]) -> Found:
        """The nearest allowed rows of ``range(start, stop)``, from every chunk as many as are wanted at all.

        :param codes: by the chunk's base; of the chunks that have some, only candidates by them are compared.
        """
        positions: list[Ints] = []
        distances: list[Floats] = []
        for chunk, first, last in self._vectors.ranges(start, stop):
            coded = codes.get(chunk.base)
            rows = self._allowed_rows(chunk, first, last) if coded is None else self._coded_rows(scorer, chunk, first, last, coded)
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
        k = max(self._settings.least_candidates, self._settings.candidate_factor * self._wanted)
        return np.sort(codes.candidates(scorer.query, k, self._inside(chunk, first, last)))

    def _inside(self, chunk: VectorChunk, first: int, last: int) -> Bools | None:
        """``(chunk.rows,)`` bool: which are allowed and in ``range(first, last)``; ``None`` for all."""
        if self._allowed is None and (first, last) == (0, chunk.rows):
            return None
        inside = np.zeros(chunk.rows, np.bool_)
        inside[first:last] = True if self._allowed is None else self._allowed.slice_bools(chunk.base + first, chunk.base + last)
        return inside

    # -------------------------------------------------------------------------------------------------------------------- answers

    def _best(self, parts: list[Found]) -> Found:
        """The nearest of all parts, ties in order."""
        positions, distances = parts[0] if len(parts) == 1 else map(np.concatenate, zip(*parts, strict=True))
        best = smallest(distances, self._wanted, self._tie_order(positions))
        return positions[best], distances[best]

    def _tie_order(self, positions: Ints) -> Ints:
        """Numbers ``(n,)``; of rows at equal distances, those with the smaller ones come first."""
        return positions if self._order is None else self._order[positions]

    def _first_allowed(self) -> Found:
        """What a zero vector finds under cosine: everything is at distance 1.0, so the first rows."""
        ones = np.ones(self._wanted, np.float32)
        if self._order is None:
            first = np.arange(self._wanted)
            return (first if self._allowed is None else self._allowed.select(first)), ones
        every = np.arange(self._vectors.rows) if self._allowed is None else self._allowed.positions()
        return every[smallest(np.ones(len(every), np.float32), self._wanted, self._order[every])], ones


def _covered(request: NearestRequest, graph: Graph, allowed: int) -> _Covered | None:
    """How the rows that ``graph`` covers are searched, of which ``allowed`` may be found; ``None``: exactly, like all others."""
    if not graph.rows or not allowed:
        return None
    near_ef, off_ef, far_ef = graph.efforts.efs(request.k)
    if request.ef_search:
        near_ef, off_ef, far_ef = (max(ef, request.ef_search) if ef else 0 for ef in (near_ef, off_ef, far_ef))
    situation = Situation(graph.rows, allowed, request.k, graph.encoding.dimension, near_ef, off_ef, far_ef)
    first = plan(situation, request.plan)
    return None if isinstance(first, Exact) else _Covered(graph, situation, first)
