"""How far a graph is searched: what lies between two measurements, and which zone a query is in."""

from __future__ import annotations

import math

import pytest

from chroma_async.index.effort import Effort, Efforts, Zone

MEASURED = Efforts(Effort(64, 200), Effort(400, 800), Effort(1600, 0), 1.0, 1.5)


@pytest.mark.parametrize(("k", "ef"), [(1, 64), (10, 64), (55, 132), (100, 200), (1000, 2000)])
def test_the_ef_for_more_results_lies_on_a_line_and_then_grows_in_proportion(k: int, ef: int) -> None:
    assert MEASURED.near.ef(k) == ef


def test_links_are_followed_for_no_more_results_than_were_seen_to_be_found() -> None:
    assert [MEASURED.far.ef(k) for k in (1, 10, 11, 100)] == [1600, 1600, 0, 0]
    assert [Effort(0, 0).ef(k) for k in (1, 100)] == [0, 0]


def test_a_query_is_in_the_zone_of_its_tenth_neighbour() -> None:
    zones = [MEASURED.zone(remoteness) for remoteness in (-1.0, 1.0, 1.2, 1.5, 1.6, math.inf)]
    assert zones == [Zone.NEAR, Zone.NEAR, Zone.OFF, Zone.OFF, Zone.FAR, Zone.FAR]


@pytest.mark.parametrize("efforts", [MEASURED, Efforts.unmeasured(64, math.inf), Efforts.unmeasured(0, 0.25)])
def test_efforts_are_read_as_they_were_written(efforts: Efforts) -> None:
    assert Efforts.from_json(efforts.to_json()) == efforts


def test_a_graph_that_was_checked_with_stored_rows_only_is_searched_as_it_was() -> None:
    before = Efforts.unmeasured(100, 0.5)
    assert [before.zone(remoteness) for remoteness in (0.4, 0.6)] == [Zone.NEAR, Zone.FAR]
    assert before.efs(10) == (100, 400, 400)
