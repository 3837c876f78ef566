"""Does a graph find what an exact scan finds? Asked before a graph is committed, since a silently bad graph is worse than none.

Stored rows ask first: they need no one to supply them and lie where the data lies. A row does not count as its own neighbour, except by
product, where it need not be the nearest and is what links pass by most easily. But people
ask elsewhere too: about a topic that was deleted, in text where images are stored. So points between rows, rows blurred by noise and plain
noise ask as well, each is sorted into the zone (:class:`~chroma_async.index.effort.Zone`) that its neighbours put it in, and the effort is
measured zone by zone, for few results and for many.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from chroma_async.index.base import Advice, Codec, SegmentVectors, Verdict
from chroma_async.index.codes import Encoding
from chroma_async.index.effort import FEW, MANY, Effort, Efforts
from chroma_async.index.kernels import Scorer
from chroma_async.index.node_map import NodeMap
from chroma_async.types import Floats, Ints, Space

#: How many rows ask, and how many points elsewhere of each kind; links by product pass some rows by, so there more ask.
PROBES = 100
ELSEWHERE = 20
PRODUCT_FACTOR = 3
#: How many of them all ask for a scan of the codes.
CODE_QUESTIONS = 20
#: Among how many candidates a search may offer the neighbours: as the search plan does, so many at least, and so many for each.
CANDIDATES = 64
CANDIDATE_FACTOR = 4
#: The ef that are tried. A graph that needs more than the last of the first for its own rows is not worth having.
EFS = (64, 100, 200, 400)
MANY_EFS = (200, 400, 800, 1600)
ELSEWHERE_EFS = (400, 800, 1600, 3200)
#: Share of the stored rows whose neighbours are within a graph's reach.
REACHED = 0.95
#: Recall of points elsewhere that lie within the reach, below which the reach does not tell them from stored rows: those of a collection
#: whose lengths differ a thousandfold lie near the short rows, and links from the long ones do not lead there. It counts where most points
#: elsewhere do (54 of 60 there). Where only those between two clusters do (20 of 60 of 50,000 rows of 384 numbers, found by 0.77), a graph
#: that finds all for stored rows is not given up for them: no ef that costs less than a scan finds theirs.
_TOLD_APART, _MOST = 0.9, 0.5
#: One step of a search costs as much as comparing the codes of so many rows (``graph_cost_ns`` and ``codes_cost_ns`` of the search plan, 48
#: as well as 384 dimensions). An ef that costs more than a scan of all codes is not worth knowing.
_STEP_ROWS = 32
#: A graph is not asked for more of its rows than this part (``exact_share`` of the search plan).
_EXACT_SHARE = 50
#: Questions that a zone needs for a measurement of its own.
_LEAST_QUESTIONS = 5
#: Rows compared at a time.
_BLOCK_ROWS = 4096
_SEED = 20

#: Nearest nodes of (query, k, ef), and FAISS's values.
Search = Callable[[Floats, int, int], tuple[Ints, Floats]]
#: Nearest nodes of (query, k) by the codes of all nodes.
Scan = Callable[[Floats, int], Ints]


@dataclass(frozen=True, slots=True)
class _Question:
    """A query ``(d,)`` as FAISS is asked it, and its nearest nodes by exact distance. ``node`` is the one that asks and does not count, or
    -1."""

    query: Floats
    node: int
    nearest: Ints


@dataclass(frozen=True, slots=True)
class Findings:
    """Recall of the stored rows' own questions for ten results, at the :data:`EFS` that were tried; the efforts of all zones; and recall
    of a scan of the codes."""

    recalls: dict[int, float]
    efforts: Efforts
    by_codes: float


def examine(
    search: Search, scan: Scan, node_map: NodeMap, segment: SegmentVectors, encoding: Encoding, target: float, floor: float
) -> Findings:
    """Measure ``search`` against an exact scan of the rows that have nodes. Reads every such row once.

    An effort is the least ef that reaches ``target``, else 0: then a scan does better. For ten results near the rows, which the graph as a
    whole is worth, the largest that was tried is taken too if it reaches ``floor``; not with links by product, which miss what they miss at
    every ef. For fewer than two nodes recall is 1.0 everywhere and nothing is remote.
    """
    nodes = len(node_map.positions)
    few = min(FEW, nodes - 1)
    if few < 1:
        return Findings({EFS[0]: 1.0}, Efforts.unmeasured(EFS[0], math.inf), 1.0)
    factor, floor = (PRODUCT_FACTOR, target) if encoding.by_product else (1, floor)
    asking = np.unique(np.linspace(0, nodes - 1, factor * PROBES).astype(np.int64))
    rows, _ = segment.take(node_map.positions[asking])
    check = _Check(search, node_map, segment, encoding, few, target)
    own = check.questions(rows, [-1] * len(asking) if encoding.by_product else asking.tolist())
    points = _points_elsewhere(rows, factor * ELSEWHERE, encoding.space)
    elsewhere = check.questions(points, [-1] * len(points))

    recalls = check.recalls(own, few, EFS)
    # The last that was tried is the one that reached the target, if one did.
    last = max(recalls)
    near_few = last if recalls[last] >= floor else 0
    by_codes = check.recall_by_codes([*own, *elsewhere], scan)
    if not near_few:
        none = Effort(0, 0)
        return Findings(recalls, Efforts(none, none, none, math.inf, math.inf), by_codes)
    remote = {id(question): check.remoteness(question, near_few) for question in (*own, *elsewhere)}
    middle, reach = np.quantile([remote[id(question)] for question in own], (0.5, REACHED)).tolist()
    far_from = reach + (reach - middle)
    within = [question for question in elsewhere if remote[id(question)] <= reach]
    off = [question for question in (*own, *elsewhere) if reach < remote[id(question)] <= far_from]
    far = [question for question in elsewhere if remote[id(question)] > far_from]

    near = check.near_effort(own, within if len(within) > _MOST * len(elsewhere) else [], near_few)
    off_effort = check.effort(off) or _at_least(near, ELSEWHERE_EFS[0])
    return Findings(recalls, Efforts(near, off_effort, check.effort(far) or off_effort, reach, far_from), by_codes)


class _Check:
    """The questions of one check, and what a search finds for them."""

    def __init__(self, search: Search, node_map: NodeMap, segment: SegmentVectors, encoding: Encoding, few: int, target: float) -> None:
        self._search = search
        self._node_map = node_map
        self._segment = segment
        self._encoding = encoding
        self._few = few
        # In a small graph so many results are found by a scan, and nothing is measured beyond the few.
        self._many = max(few, min(MANY, len(node_map.positions) // _EXACT_SHARE))
        self._target = target

    def questions(self, rows: Floats, nodes: Sequence[int]) -> list[_Question]:
        """What ``rows`` ``(m, d)`` ask, each on behalf of one of ``nodes``, or of none (-1)."""
        if not len(rows):
            return []
        scorers = [Scorer(self._encoding.space, row) for row in rows]
        wanted = max(self._few, self._many)
        asked = np.stack([scorer.query for scorer in scorers])
        shortlists = _scan(asked, self._node_map.positions, self._segment, self._encoding.space, CANDIDATE_FACTOR * wanted)
        return [
            self._question(scorer, node, shortlist[shortlist != node], wanted)
            for scorer, node, shortlist in zip(scorers, nodes, shortlists, strict=True)
        ]

    def _question(self, scorer: Scorer, node: int, shortlist: Ints, wanted: int) -> _Question:
        scores = scorer.score_positions(self._segment, self._node_map.positions[shortlist])
        nearest = shortlist[np.argsort(scores, kind="stable")[:wanted]]
        return _Question(scorer.query, node, nearest)

    def remoteness(self, question: _Question, ef: int) -> float:
        """How remote the tenth neighbour that a search of ``ef`` finds is."""
        found, values = self._search(question.query, CANDIDATES, ef)
        away = values[found != question.node]
        return self._encoding.remoteness(question.query, float(away[min(self._few, len(away)) - 1])) if len(away) else math.inf

    def recall(self, questions: Sequence[_Question], count: int, ef: int) -> float:
        """Share of the ``count`` nearest of each question that a search of ``ef`` finds."""
        hits = firsts = 0
        for question in questions:
            found, _ = self._search(question.query, max(CANDIDATES, CANDIDATE_FACTOR * count), ef)
            hits += len(np.intersect1d(question.nearest[:count], found))
            firsts += int(question.nearest[0] in found)
        share = hits / (count * len(questions))
        # Links by product pass some rows by altogether, and the very nearest as easily as others; by distance it is found first.
        return min(share, firsts / len(questions)) if self._encoding.by_product else share

    def recall_by_codes(self, questions: Sequence[_Question], scan: Scan) -> float:
        """Share of the ten nearest of some of the questions that a scan of the codes finds."""
        some = questions[:: max(1, len(questions) // CODE_QUESTIONS)]
        hits = sum(len(np.intersect1d(question.nearest[: self._few], scan(question.query, CANDIDATES))) for question in some)
        return hits / (self._few * len(some))

    def recalls(self, questions: Sequence[_Question], count: int, efs: Sequence[int]) -> dict[int, float]:
        """Recall for ``count`` results at each of ascending ``efs``, up to the first that reaches the target or costs as much as a scan."""
        recalls: dict[int, float] = {}
        for ef in efs:
            if recalls and ef * _STEP_ROWS > len(self._node_map.positions):
                break
            recalls[ef] = self.recall(questions, count, ef)
            if recalls[ef] >= self._target:
                break
        return recalls

    def near_effort(self, own: Sequence[_Question], within: Sequence[_Question], few: int) -> Effort:
        """The effort for queries within the reach: ``few`` for few results is known, by the stored rows' ``own`` questions.

        :param within: points elsewhere that lie within the reach.
        """
        told_apart = len(within) < _LEAST_QUESTIONS or self.recall(within, self._few, few) >= _TOLD_APART
        if not told_apart:
            few = self._ef(within, self._few, ELSEWHERE_EFS)
        return Effort(few, self._many_ef(own if told_apart else [*own, *within], few, MANY_EFS), self._many)

    def effort(self, questions: Sequence[_Question]) -> Effort | None:
        """The effort for ``questions`` of one zone; ``None`` when there are too few of them to tell."""
        if len(questions) < _LEAST_QUESTIONS:
            return None
        few = self._ef(questions, self._few, ELSEWHERE_EFS)
        return Effort(few, self._many_ef(questions, few, ELSEWHERE_EFS), self._many)

    def _many_ef(self, questions: Sequence[_Question], few: int, efs: Sequence[int]) -> int:
        """The least of ``efs`` for many results, given that for few. More results never need less."""
        if not few or self._many <= self._few:
            return few
        return self._ef(questions, self._many, [ef for ef in efs if ef >= few])

    def _ef(self, questions: Sequence[_Question], count: int, efs: Sequence[int]) -> int:
        """The first of ascending ``efs`` that reaches the target, else 0. A scan answers better, and so few questions tell no less."""
        return next((ef for ef, recall in self.recalls(questions, count, efs).items() if recall >= self._target), 0)


def _at_least(effort: Effort, ef: int) -> Effort:
    """``effort`` with ``ef`` where it has less, except where it has none."""
    return Effort(max(effort.few, ef) if effort.few else 0, max(effort.many, ef) if effort.many else 0, effort.results)


def _points_elsewhere(rows: Floats, count: int, space: Space) -> Floats:
    """Points ``(m, d)`` where ``rows`` ``(n, d)`` are not, about ``count`` of each kind: between two of them, blurred ones, and random
    directions of their lengths."""
    random = np.random.default_rng(_SEED)
    count = min(count, len(rows))
    wide = rows.astype(np.float64)
    chosen = wide[np.linspace(0, len(rows) - 1, count).astype(np.int64)]
    partners = wide[np.linspace(len(rows) // 2, len(rows) + len(rows) // 2 - 1, count).astype(np.int64) % len(rows)]
    blur = random.normal(size=chosen.shape) * wide.std(axis=0)
    directions = random.normal(size=chosen.shape)
    directions *= np.linalg.norm(chosen, axis=1, keepdims=True) / np.linalg.norm(directions, axis=1, keepdims=True)
    points = np.concatenate([(chosen + partners) / 2, chosen + blur, directions])
    lengths = np.einsum("nd,nd->n", points, points)
    usable = lengths < np.finfo(np.float32).max / 16
    if space is Space.COSINE:
        usable &= lengths > 0
    found: Floats = points[usable].astype(np.float32)
    return found


def _scan(queries: Floats, positions: Ints, segment: SegmentVectors, space: Space, shortlist: int) -> Ints:
    """For each of ``queries`` ``(m, d)`` about ``shortlist`` nodes that its nearest are among, by blocked matrix products.

    More than are wanted, since the float32 sums of a product cancel.
    """
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
            if best.shape[1] > shortlist:
                kept = np.argpartition(best, shortlist, axis=1)[:, :shortlist]
                best, names = np.take_along_axis(best, kept, axis=1), np.take_along_axis(names, kept, axis=1)
    return names


def judge(findings: Findings, encoding: Encoding, floor: float) -> Verdict:
    """Say whether a graph is worth keeping.

    Whose codes do not reach ``floor`` by themselves is rebuilt as fp16. Without an effort for its own rows, an inner-product graph of codes
    keeps its codes; others are rebuilt as fp16 or, being that already, dropped.
    """
    if encoding.codec is Codec.SQ8 and findings.by_codes < floor:
        advice = Advice.REBUILD_FP16
    elif findings.efforts.near.few:
        advice = Advice.KEEP
    elif encoding.codec is not Codec.SQ8:
        advice = Advice.DISCARD
    else:
        advice = Advice.SCAN_CODES if encoding.by_product else Advice.REBUILD_FP16
    return Verdict(findings.recalls, findings.efforts, advice)
