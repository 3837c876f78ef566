"""Which way a segment is searched, for situations whose answer is known from measurement."""

from __future__ import annotations

import pytest

from chroma_async.engine.read.search_plan import (
    Answered,
    Codes,
    Exact,
    FilteredGraph,
    GraphSearch,
    PlanSettings,
    Situation,
    plan,
    refine,
    widen,
)
from chroma_async.index.effort import Zone

SETTINGS = PlanSettings()


def _situation(
    rows: int = 50_000, allowed: int | None = None, k: int = 10, *, near: int = 64, off: int = 400, far: int = 1600
) -> Situation:
    return Situation(rows, rows if allowed is None else allowed, k, 384, near, off, far)


def test_an_unfiltered_search_takes_the_graph() -> None:
    assert plan(_situation(), SETTINGS) == GraphSearch(k=64, ef=64)


def test_more_results_mean_more_candidates_and_a_larger_ef() -> None:
    assert plan(_situation(k=100), SETTINGS) == GraphSearch(k=400, ef=200)


def test_a_graph_smaller_than_its_own_search_is_scanned() -> None:
    assert plan(_situation(rows=1000), SETTINGS) == Exact()


@pytest.mark.parametrize("allowed", [0, 1, 500, 8_000])
def test_few_allowed_rows_are_compared_exactly(allowed: int) -> None:
    assert plan(_situation(allowed=allowed), SETTINGS) == Exact()


def test_many_results_are_never_taken_from_the_graph() -> None:
    assert not isinstance(plan(_situation(k=1001), SETTINGS), GraphSearch)
    assert isinstance(plan(_situation(k=1000), SETTINGS), GraphSearch)


def test_a_filter_of_many_rows_is_first_ignored() -> None:
    assert plan(_situation(allowed=25_000), SETTINGS) == GraphSearch(k=64, ef=64)


def test_when_nearly_all_that_is_near_is_allowed_that_is_the_answer() -> None:
    assert refine(_situation(allowed=25_000), SETTINGS, 0.97) == Answered()


def test_when_half_of_what_is_near_is_allowed_the_graph_is_filtered() -> None:
    assert refine(_situation(allowed=25_000), SETTINGS, 0.5) == FilteredGraph(k=64, ef=400)


def test_when_little_of_what_is_near_is_allowed_the_codes_are_scanned() -> None:
    assert refine(_situation(allowed=25_000), SETTINGS, 0.05) == Codes(k=64)


def test_a_filtered_graph_search_is_not_made_where_a_scan_is_cheaper() -> None:
    assert refine(_situation(allowed=20_000), SETTINGS, 0.12) == Codes(k=64)
    assert isinstance(refine(_situation(rows=1_000_000, allowed=500_000), SETTINGS, 0.12), FilteredGraph)


def test_ef_of_a_filtered_search_has_a_bound() -> None:
    assert refine(_situation(rows=1_000_000, allowed=500_000), SETTINGS, 0.1) == FilteredGraph(k=64, ef=1600)


def test_a_graph_whose_links_are_no_good_is_scanned_by_its_codes() -> None:
    assert plan(_situation(near=0), SETTINGS) == Codes(k=64)
    assert plan(_situation(allowed=100, near=0), SETTINGS) == Exact()


def test_codes_are_not_scanned_when_half_of_the_rows_would_be_rescored() -> None:
    assert refine(_situation(rows=1_000_000, allowed=700, k=100), SETTINGS, 0.0) == Exact()


def test_a_query_off_the_data_is_searched_more_widely_or_scanned_where_that_is_cheaper() -> None:
    first = GraphSearch(k=64, ef=64)
    assert widen(_situation(), SETTINGS, first, Zone.OFF) == GraphSearch(k=64, ef=400)
    assert widen(_situation(rows=1_000_000), SETTINGS, first, Zone.FAR) == GraphSearch(k=64, ef=1600)
    assert widen(_situation(rows=10_000), SETTINGS, first, Zone.OFF) == Codes(k=64)
    assert widen(_situation(rows=40_000), SETTINGS, first, Zone.FAR) == Codes(k=64)
    assert widen(_situation(), SETTINGS, GraphSearch(k=64, ef=400), Zone.OFF) is None


def test_a_query_where_links_find_too_little_at_any_ef_is_scanned() -> None:
    assert widen(_situation(rows=1_000_000, far=0), SETTINGS, GraphSearch(k=64, ef=64), Zone.FAR) == Codes(k=64)
    assert refine(_situation(rows=1_000_000, far=0), SETTINGS, 0.5, Zone.FAR) == Codes(k=64)


def test_a_filtered_search_off_the_data_takes_more_steps() -> None:
    situation = _situation(rows=1_000_000, allowed=500_000)
    efs = [refine(situation, SETTINGS, 0.5, zone) for zone in Zone]
    assert efs == [FilteredGraph(k=64, ef=400), FilteredGraph(k=64, ef=800), FilteredGraph(k=64, ef=3200)]
