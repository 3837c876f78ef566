"""Exact or approximate? A pure rule: numbers in, a decision out.

Costs are a model of measured times: what a row costs when it is compared exactly, when its code is, and what a step of a graph search
costs. They need not be right to a few percent, only on the right side where it matters.

A filter that goes with the vectors is the hard case: the share of allowed rows near the query has little to do with their share overall.
So the graph is first searched without the filter, and the share among what it finds decides how to go on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from chroma_async.index.effort import Zone


@dataclass(frozen=True, slots=True)
class PlanSettings:
    """The thresholds. Times in nanoseconds unless named otherwise; those per dimension were measured on 384-d float32 rows."""

    #: A filtered search that costs less than this is made exactly, without asking the graph.
    cheap_exact_us: float = 700.0
    #: Comparing a raw row: fixed part, and per dimension (rows come from memory, not from cache).
    row_ns: float = 8.0
    row_ns_per_dimension: float = 0.19
    #: Comparing a code: testing whether it is allowed, then fixed part and per dimension.
    code_test_ns: float = 8.0
    code_ns: float = 8.0
    code_ns_per_dimension: float = 0.09
    #: One step of a graph search (one node's links followed): fixed part and per dimension.
    step_ns: float = 500.0
    step_ns_per_dimension: float = 3.0
    #: More results than this part of the rows: exact.
    exact_share: int = 50
    #: Candidates for rescoring: at least this many, and this many times the results that are asked for.
    least_candidates: int = 64
    candidate_factor: int = 4
    #: Share of allowed candidates from which an unfiltered search is the answer; below the second, no graph search is.
    nearly_all: float = 0.95
    least_share: float = 0.1
    #: FAISS stops when ef candidates are nearer than the next step, however many results were asked for, so ef grows with them.
    ef_factor: int = 2
    #: A filtered search has ef ``filtered_ef / share``, and ``most_ef`` at the most.
    filtered_ef: float = 200.0
    most_ef: int = 1600
    #: By how much the filtered searches of queries off the data have more, and the bound of those that lie far from it.
    remote_factor: float = 2.0
    most_far_ef: int = 6400
    #: Rows outside any graph beyond which their codes, if there are any, are scanned in place of raw rows.
    tail_codes_rows: int = 16_384


@dataclass(frozen=True, slots=True)
class Exact:
    """Compare every allowed raw row."""


@dataclass(frozen=True, slots=True)
class Codes:
    """Compare every allowed code, and rescore ``k`` candidates."""

    k: int


@dataclass(frozen=True, slots=True)
class GraphSearch:
    """Search the graph as if everything were allowed, for ``k`` candidates."""

    k: int
    ef: int


@dataclass(frozen=True, slots=True)
class FilteredGraph:
    """Search the graph among allowed nodes, for ``k`` candidates."""

    k: int
    ef: int


@dataclass(frozen=True, slots=True)
class Answered:
    """The unfiltered search found enough allowed rows nearby."""


Plan: TypeAlias = Exact | Codes | GraphSearch
Refinement: TypeAlias = Answered | Exact | Codes | FilteredGraph


@dataclass(frozen=True, slots=True)
class Situation:
    """What a plan depends on.

    ``rows`` that the graph holds, ``allowed`` of them, ``k`` results asked for, ``dimension``, and the least ef for that many results by
    the zone of the query; 0 where links are not to be followed.
    """

    rows: int
    allowed: int
    k: int
    dimension: int
    near_ef: int
    off_ef: int
    far_ef: int

    def ef(self, zone: Zone) -> int:
        """The least ef in ``zone``."""
        return {Zone.NEAR: self.near_ef, Zone.OFF: self.off_ef, Zone.FAR: self.far_ef}[zone]


def plan(situation: Situation, settings: PlanSettings) -> Plan:
    """How to begin on the rows that a graph holds. The outcome of a :class:`GraphSearch` under a filter goes to :func:`refine`."""
    exact_ns = exact_cost_ns(situation, settings)
    if situation.k * settings.exact_share > situation.rows:
        return _scan(situation, settings)
    if not situation.near_ef:
        return Exact() if exact_ns <= settings.cheap_exact_us * 1000 else _scan(situation, settings)
    search = GraphSearch(_candidates(situation, settings), max(situation.near_ef, settings.ef_factor * situation.k))
    filtered = situation.allowed < settings.nearly_all * situation.rows
    bound_ns = settings.cheap_exact_us * 1000 if filtered else graph_cost_ns(situation, settings, search.ef)
    return Exact() if exact_ns <= bound_ns else search


def widen(situation: Situation, settings: PlanSettings, first: GraphSearch, zone: Zone) -> Plan | None:
    """What to do instead of ``first`` when it showed that the query lies in ``zone``; ``None``: it was wide enough."""
    ef = situation.ef(zone)
    if not ef:
        return _scan(situation, settings)
    if first.ef >= ef:
        return None
    scan = _scan(situation, settings)
    return scan if _scan_cost_ns(situation, settings, scan) <= graph_cost_ns(situation, settings, ef) else GraphSearch(first.k, ef)


def refine(situation: Situation, settings: PlanSettings, share: float, zone: Zone = Zone.NEAR) -> Refinement:
    """How to go on when ``share`` of the unfiltered candidates are allowed, for a query in ``zone``."""
    if share >= settings.nearly_all:
        return Answered()
    if share >= settings.least_share and situation.ef(zone):
        k = max(settings.least_candidates, settings.ef_factor * situation.k)
        ef = _filtered_ef(situation, settings, share, zone, k)
        best_ns = min(exact_cost_ns(situation, settings), codes_cost_ns(situation, settings))
        if graph_cost_ns(situation, settings, ef) < best_ns:
            return FilteredGraph(k, ef)
    return _scan(situation, settings)


def _filtered_ef(situation: Situation, settings: PlanSettings, share: float, zone: Zone, k: int) -> int:
    """The ef of a filtered search: what an unfiltered one needs, for as many more steps as lead to rows that are not allowed."""
    if zone is Zone.NEAR:
        return min(max(int(settings.filtered_ef / share), k, situation.near_ef), settings.most_ef)
    wanted = max(settings.filtered_ef * settings.remote_factor, situation.ef(zone) if zone is Zone.FAR else 0)
    return min(max(int(wanted / share), k, situation.ef(zone)), settings.most_far_ef if zone is Zone.FAR else settings.most_ef)


def exact_cost_ns(situation: Situation, settings: PlanSettings) -> float:
    """Comparing all allowed raw rows."""
    return situation.allowed * (settings.row_ns + settings.row_ns_per_dimension * situation.dimension)


def codes_cost_ns(situation: Situation, settings: PlanSettings) -> float:
    """Testing all rows, comparing the codes of the allowed ones, and rescoring."""
    compared = situation.allowed * (settings.code_ns + settings.code_ns_per_dimension * situation.dimension)
    rescored = _candidates(situation, settings) * (settings.row_ns + settings.row_ns_per_dimension * situation.dimension)
    return situation.rows * settings.code_test_ns + compared + rescored


def graph_cost_ns(situation: Situation, settings: PlanSettings, ef: int) -> float:
    """A graph search of ``ef`` steps."""
    return ef * (settings.step_ns + settings.step_ns_per_dimension * situation.dimension)


def _scan_cost_ns(situation: Situation, settings: PlanSettings, scan: Exact | Codes) -> float:
    return exact_cost_ns(situation, settings) if isinstance(scan, Exact) else codes_cost_ns(situation, settings)


def _candidates(situation: Situation, settings: PlanSettings) -> int:
    return max(settings.least_candidates, settings.candidate_factor * situation.k)


def _scan(situation: Situation, settings: PlanSettings) -> Exact | Codes:
    """The cheaper scan. Codes are no use when most allowed rows would have to be rescored."""
    candidates = _candidates(situation, settings)
    if 2 * candidates > situation.allowed or exact_cost_ns(situation, settings) <= codes_cost_ns(situation, settings):
        return Exact()
    return Codes(candidates)
