"""Does a graph find what an exact scan finds? Asked before a graph is committed, since a silently bad graph is worse than none.

Stored rows serve as questions: they need no one to supply them and lie where the data lies. A row does not count as its own neighbour.

What people ask may lie elsewhere, say in a topic that was deleted. Such a query has neighbours on many sides, all about equally far, and
links lead to few of them. So the check also tells how remote the neighbours of stored rows are: past that, a search takes more care.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from chroma_async.index.base import Advice, Codec, SegmentVectors, Verdict
from chroma_async.index.codes import Encoding
from chroma_async.index.kernels import Scorer
from chroma_async.index.node_map import NodeMap
from chroma_async.types import Floats, Ints, Space

#: How many rows ask, how many neighbours each should find, and among how many candidates the search may offer them.
PROBES = 100
NEIGHBOURS = 10
CANDIDATES = 64
EFS = (64, 100, 200, 400)
#: Share of the stored rows whose neighbours are within a graph's reach.
REACHED = 0.95
#: Rows compared at a time.
_BLOCK_ROWS = 4096
#: What the blocked scan keeps for exact scoring; more than asked for, since its float32 sums cancel.
_SHORTLIST = 4 * NEIGHBOURS

#: Nearest nodes of (query, k, ef), and FAISS's values.
Search = Callable[[Floats, int, int], tuple[Ints, Floats]]


def examine(search: Search, node_map: NodeMap, segment: SegmentVectors, encoding: Encoding) -> tuple[dict[int, float], float]:
    """Recall of ``search`` at each ef of :data:`EFS`, against an exact scan of the rows that have nodes; and the reach.

    Reads every such row once. 1.0 everywhere for fewer than two nodes, and an endless reach.
    """
    space = encoding.space
    nodes = len(node_map.positions)
    neighbours = min(NEIGHBOURS, nodes - 1)
    if neighbours < 1:
        return dict.fromkeys(EFS, 1.0), math.inf
    asking = np.unique(np.linspace(0, nodes - 1, PROBES).astype(np.int64))
    questions, _ = segment.take(node_map.positions[asking])
    scorers = [Scorer(space, question) for question in questions]
    shortlists = _scan(np.stack([scorer.query for scorer in scorers]), node_map.positions, segment, space)
    hits = dict.fromkeys(EFS, 0)
    remoteness: list[float] = []
    for node, scorer, shortlist in zip(asking.tolist(), scorers, shortlists, strict=True):
        others = shortlist[shortlist != node]
        scores = scorer.score_positions(segment, node_map.positions[others])
        expected = others[np.argsort(scores, kind="stable")[:neighbours]]
        for ef in EFS:
            found, values = search(scorer.query, CANDIDATES, ef)
            hits[ef] += len(np.intersect1d(expected, found))
        away = values[found != node]
        if len(away) >= neighbours:
            remoteness.append(encoding.remoteness(scorer.query, float(away[neighbours - 1])))
    reach = float(np.quantile(remoteness, REACHED)) if remoteness else math.inf
    return {ef: hit / (neighbours * len(asking)) for ef, hit in hits.items()}, reach


def _scan(queries: Floats, positions: Ints, segment: SegmentVectors, space: Space) -> Ints:
    """For each of ``queries`` ``(m, d)`` the nodes that its nearest are among, by blocked matrix products."""
    best = np.full((len(queries), 0), np.inf, np.float32)
    names = np.zeros((len(queries), 0), np.int64)
    for chunk in segment.chunks:
        first, last = np.searchsorted(positions, (chunk.base, chunk.stop)).tolist()
        for start in range(first, last, _BLOCK_ROWS):
            rows = positions[start : min(start + _BLOCK_ROWS, last)] - chunk.base
            products = queries @ chunk.vectors[rows].T
            norms = chunk.norms[rows]
            if space is Space.L2:
                block = norms * norms - 2 * products
            elif space is Space.COSINE:
                block = -products / norms
            else:
                block = -products
            best = np.concatenate([best, block], axis=1)
            names = np.concatenate([names, np.broadcast_to(np.arange(start, start + len(rows)), block.shape)], axis=1)
            if best.shape[1] > _SHORTLIST:
                kept = np.argpartition(best, _SHORTLIST, axis=1)[:, :_SHORTLIST]
                best, names = np.take_along_axis(best, kept, axis=1), np.take_along_axis(names, kept, axis=1)
    return names


def judge(recalls: dict[int, float], reach: float, encoding: Encoding, target: float, floor: float) -> Verdict:
    """Choose the least ef that reaches ``target`` (the largest if none does), and say whether the graph is worth keeping.

    Below ``floor`` at the largest ef: an inner-product graph of codes keeps its codes; others are rebuilt as fp16 or, being
    that already, dropped.
    """
    reached = [ef for ef in EFS if recalls[ef] >= target]
    ef = reached[0] if reached else EFS[-1]
    if recalls[EFS[-1]] >= floor:
        advice = Advice.KEEP
    elif encoding.codec is not Codec.SQ8:
        advice = Advice.DISCARD
    else:
        advice = Advice.SCAN_CODES if encoding.by_product else Advice.REBUILD_FP16
    return Verdict(recalls, ef, advice, reach)
