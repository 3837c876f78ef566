"""Nearest rows of a segment: exactly as many as there can be, with exact distances, whatever way the plan takes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from chroma_async.engine.read.nearest import NearestRequest, Searchable, nearest
from chroma_async.engine.read.search_plan import PlanSettings
from chroma_async.format.bitmap import Bitmap
from chroma_async.index.base import GraphOptions
from chroma_async.index.distance import exact_top_k
from chroma_async.index.hnsw import GraphBuilder, encode_chunk
from chroma_async.types import Floats, Ints, Space
from tests.recall.mixture import GRAPH_FIRST, Built, build, chunks, fill, finish

DIMENSION = 40
ROWS = 2000
SPACES = list(Space)
SCAN_CODES = PlanSettings(cheap_exact_us=0, row_ns_per_dimension=1000, least_share=2.0, tail_codes_rows=0)


def _vectors(rows: int = ROWS, seed: int = 0) -> Floats:
    """Twenty clusters, the same for every seed."""
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(20, DIMENSION))
    return (centres[random.integers(20, size=rows)] + 0.5 * random.normal(size=(rows, DIMENSION))).astype(np.float32)


@pytest.fixture(scope="module")
def built() -> dict[Space, Built]:
    vectors = _vectors()
    vectors[100:150] = vectors[100]
    vectors[7] = 0
    vectors[9] = 0
    vectors[11] = 1e6
    return {space: build(space, vectors) for space in SPACES}


def _request(space: Space, queries: Floats, k: int, settings: PlanSettings = GRAPH_FIRST, *, exact: bool = False) -> NearestRequest:
    return NearestRequest(space, settings, queries=queries, k=k, exact=exact)


def _ask(
    made: Built,
    query: Floats,
    k: int,
    allowed: Bitmap | None = None,
    settings: PlanSettings = GRAPH_FIRST,
    *,
    order: Ints | None = None,
    exact: bool = False,
) -> tuple[Ints, Floats]:
    rows = Searchable(made.segment, made.graph, order=order)
    return nearest(_request(made.space, query[None], k, settings, exact=exact), rows, allowed)[0]


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("settings", [GRAPH_FIRST, SCAN_CODES], ids=["graph", "codes"])
def test_distances_have_the_same_bits_on_every_path(built: dict[Space, Built], space: Space, settings: PlanSettings) -> None:
    made = built[space]
    allowed = Bitmap.from_bools(np.arange(ROWS) % 3 > 0)
    for query in _vectors(20, seed=1):
        for mask in (None, allowed):
            exact = dict(zip(*(part.tolist() for part in _ask(made, query, ROWS, mask, settings, exact=True)), strict=True))
            positions, distances = _ask(made, query, 10, mask, settings)
            assert [exact[position] for position in positions.tolist()] == distances.tolist()
            assert (np.diff(distances) >= 0).all()


@pytest.mark.parametrize("space", SPACES)
def test_exact_answers_equal_the_oracle(space: Space) -> None:
    vectors, queries = _vectors(500), _vectors(5, seed=2)
    rows, values = exact_top_k(space, queries, vectors, 20)
    answers = nearest(_request(space, queries, 20, PlanSettings()), Searchable(chunks(vectors, 10, 499)))
    for (positions, distances), row, value in zip(answers, rows, values, strict=True):
        assert positions.tolist() == row.tolist()
        np.testing.assert_allclose(distances, value, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("k", [0, 1, 10, 60, ROWS, ROWS + 5])
def test_every_answer_has_min_k_allowed_rows(built: dict[Space, Built], space: Space, k: int) -> None:
    random = np.random.default_rng(3)
    for share in (0.0, 0.002, 0.2, 0.9, 1.0):
        allowed = Bitmap.from_bools(random.random(ROWS) < share)
        for settings in (GRAPH_FIRST, SCAN_CODES, PlanSettings()):
            positions, distances = _ask(built[space], _vectors(1, seed=4)[0], k, allowed, settings)
            assert len(positions) == len(distances) == len(set(positions.tolist())) == min(k, allowed.count())
            assert allowed.contains(positions).all()


@pytest.mark.parametrize("settings", [GRAPH_FIRST, SCAN_CODES, PlanSettings()], ids=["graph", "codes", "exact"])
def test_equal_vectors_come_lowest_position_first_and_are_cut_there(built: dict[Space, Built], settings: PlanSettings) -> None:
    made = built[Space.L2]
    query = made.segment.take(np.array([100]))[0][0]
    assert _ask(made, query, 20, None, settings)[0].tolist() == list(range(100, 120))
    without = Bitmap.ones(ROWS).without(np.array([100, 103]))
    assert _ask(made, query, 5, without, settings)[0].tolist() == [101, 102, 104, 105, 106]


@pytest.mark.parametrize("settings", [GRAPH_FIRST, PlanSettings()], ids=["graph", "exact"])
def test_equal_vectors_come_in_the_given_order(built: dict[Space, Built], settings: PlanSettings) -> None:
    made = built[Space.L2]
    query = made.segment.take(np.array([100]))[0][0]
    answer = _ask(made, query, 5, None, settings, order=-np.arange(ROWS))
    assert answer[0].tolist() == [149, 148, 147, 146, 145]


def test_of_a_group_larger_than_is_compared_the_first_rows_are_taken() -> None:
    vectors = _vectors()
    vectors[::2] = vectors[0]
    made = build(Space.L2, vectors)
    assert _ask(made, vectors[0], 12)[0].tolist() == list(range(0, 24, 2))
    answer = _ask(made, vectors[0], 3, order=-np.arange(ROWS))
    assert answer[0].tolist() == [1998, 1996, 1994]


def test_zero_vectors_are_at_distance_one_under_cosine_through_the_graph(built: dict[Space, Built]) -> None:
    made = built[Space.COSINE]
    assert made.graph.node_map.zeros.tolist() == [7, 9]
    opposite = -made.segment.take(np.arange(ROWS))[0].sum(axis=0)
    found = dict(zip(*(part.tolist() for part in _ask(made, opposite, 39)), strict=True))
    exact = dict(zip(*(part.tolist() for part in _ask(made, opposite, ROWS, exact=True)), strict=True))
    assert exact[7] == exact[9] == 1.0
    assert all(found.get(row, 1.0) == 1.0 for row in (7, 9))


def test_a_zero_query_under_cosine_finds_the_first_rows_at_distance_one(built: dict[Space, Built]) -> None:
    made, zero = built[Space.COSINE], np.zeros(DIMENSION, np.float32)
    positions, distances = _ask(made, zero, 3)
    assert (positions.tolist(), distances.tolist()) == ([0, 1, 2], [1.0, 1.0, 1.0])
    assert _ask(made, zero, 3, Bitmap.from_positions([5, 900, 30, 31], ROWS))[0].tolist() == [5, 30, 31]
    answer = _ask(made, zero, 2, order=-np.arange(ROWS))
    assert answer[0].tolist() == [ROWS - 1, ROWS - 2]


@pytest.mark.parametrize("space", SPACES)
def test_rows_above_the_graph_are_found_raw_and_by_their_codes(space: Space) -> None:
    vectors = _vectors(3000)
    segment = chunks(vectors, 1000, 2000)
    builder = GraphBuilder.new(space, DIMENSION, GraphOptions(), vectors, 3000)
    fill(builder, segment, 0, 1500)
    made = finish(builder, segment)
    codes = {chunk.base: encode_chunk(chunk, made.graph, space) for chunk in segment.chunks[1:]}
    fresh = {chunk.base: encode_chunk(chunk, None, space) for chunk in segment.chunks}
    allowed = Bitmap.from_bools(np.arange(3000) % 5 > 0)
    for query in _vectors(20, seed=6):
        for mask in (None, allowed):
            truth = nearest(_request(space, query[None], 10, PlanSettings()), Searchable(segment), mask)[0]
            for graph, given in ((made.graph, {}), (made.graph, codes), (made.graph, fresh), (None, fresh)):
                found = nearest(_request(space, query[None], 10, SCAN_CODES), Searchable(segment, graph, given), mask)[0]
                assert len(np.intersect1d(found[0], truth[0])) >= 9


@pytest.mark.parametrize("rows", [2, 12, 40, 200, 600])
def test_a_small_graph_answers_for_more_results_than_its_check_asked_for(rows: int) -> None:
    made, always = build(Space.L2, _vectors(rows)), replace(GRAPH_FIRST, exact_share=0)
    for k in (1, 10, 11, 16, rows):
        assert len(_ask(made, _vectors(1, seed=5)[0], k, None, always)[0]) == min(k, rows)


def test_an_empty_segment_has_no_neighbours() -> None:
    answers = nearest(_request(Space.L2, _vectors(2), 5), Searchable(chunks(_vectors()[:0])))
    assert [len(positions) for positions, _ in answers] == [0, 0]


def test_a_graph_of_nothing_but_zero_vectors_is_saved_and_answers() -> None:
    made = build(Space.COSINE, np.zeros((50, DIMENSION), np.float32))
    assert (made.graph.nodes, made.graph.rows) == (0, 50)
    assert _ask(made, np.ones(DIMENSION, np.float32), 4)[0].tolist() == [0, 1, 2, 3]


def test_sizes_that_do_not_fit_are_refused(built: dict[Space, Built]) -> None:
    made = built[Space.L2]
    with pytest.raises(ValueError, match="dimensions"):
        _ask(made, np.zeros(3, np.float32), 4)
    with pytest.raises(ValueError, match="allowed or not"):
        _ask(made, np.zeros(DIMENSION, np.float32), 4, Bitmap.ones(5))
    with pytest.raises(ValueError, match="belongs elsewhere"):
        nearest(_request(Space.IP, _vectors(1), 4), Searchable(made.segment, made.graph))
    with pytest.raises(ValueError, match="ascend"):
        GraphBuilder.new(Space.L2, 2, GraphOptions(), np.ones((5, 2), np.float32), 5).add(
            np.ones((2, 2), np.float32), np.ones(2, np.float32), np.array([3, 3])
        )
