"""Recall has a floor after every event of a graph's life, and under filters that go with the vectors. Answers are never short."""

from __future__ import annotations

import numpy as np
import pytest

from chroma_async.errors import CorruptionError
from chroma_async.format.bitmap import Bitmap
from chroma_async.index.base import Advice, Codec, GraphOptions
from chroma_async.index.hnsw import Graph, GraphBuilder
from chroma_async.types import Space
from tests.recall.mixture import Built, Mixture, Sink, build, chunks, fill, finish, mixture

ROWS = 6000
FLOORS = {Space.L2: 0.98, Space.COSINE: 0.98, Space.IP: 0.98}
SPACES = list(Space)


@pytest.fixture(scope="module")
def data() -> Mixture:
    return mixture(ROWS, topics=40, queries=60)


@pytest.fixture(scope="module")
def built(data: Mixture) -> dict[Space, Built]:
    return {space: build(space, data.vectors) for space in SPACES}


@pytest.mark.parametrize("space", SPACES)
def test_a_new_graph_finds_what_a_scan_finds(built: dict[Space, Built], data: Mixture, space: Space) -> None:
    assert built[space].graph.navigable
    assert built[space].recall(data.queries) >= FLOORS[space]


@pytest.mark.parametrize("space", SPACES)
def test_recall_holds_when_half_of_the_rows_are_deleted_at_random(built: dict[Space, Built], data: Mixture, space: Space) -> None:
    alive = np.random.default_rng(1).random(ROWS) < 0.5
    assert built[space].recall(data.queries, Bitmap.from_bools(alive)) >= FLOORS[space]


@pytest.mark.parametrize("space", SPACES)
def test_recall_holds_when_half_of_the_topics_are_deleted(built: dict[Space, Built], data: Mixture, space: Space) -> None:
    alive = data.topics % 2 == 1
    assert built[space].recall(data.queries, Bitmap.from_bools(alive)) >= FLOORS[space]


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
def test_recall_holds_under_a_filter_that_goes_with_the_vectors(
    built: dict[Space, Built], data: Mixture, space: Space, share: float
) -> None:
    near = np.argsort(data.vectors @ data.vectors[17])[::-1][: int(share * ROWS)]
    recall = built[space].recall(data.queries, Bitmap.from_positions(near, ROWS))
    assert recall == 1.0 if share == 0.01 else recall >= 0.99


@pytest.mark.parametrize("space", SPACES)
def test_a_thousand_equal_vectors_cost_no_recall_and_come_in_order(data: Mixture, space: Space) -> None:
    vectors = data.vectors.copy()
    places = np.sort(np.random.default_rng(2).choice(ROWS, 1000, replace=False))
    vectors[places] = vectors[places[0]]
    made = build(space, vectors)
    assert made.graph.nodes == ROWS - 999
    assert made.recall(data.queries) >= FLOORS[space]
    if space is not Space.IP:  # the nearest by inner product is not the vector itself
        assert made.recall(vectors[places[:1]], k=100) == 1.0


@pytest.mark.parametrize("space", SPACES)
def test_an_outlier_costs_no_recall_and_is_found(data: Mixture, space: Space) -> None:
    vectors = data.vectors.copy()
    vectors[1234] = 1e6 * np.random.default_rng(3).normal(size=vectors.shape[1]).astype(np.float32)
    made = build(space, vectors)
    assert made.recall(data.queries) >= FLOORS[space]
    assert made.recall(vectors[1234:1235], k=1) == 1.0


@pytest.mark.parametrize("space", SPACES)
def test_queries_about_topics_that_are_not_there_find_what_a_scan_finds(data: Mixture, space: Space) -> None:
    made = build(space, data.vectors[data.topics % 2 == 1])
    away = data.vectors[data.topics % 2 == 0][::50]
    assert made.recall(away) >= FLOORS[space]
    assert made.recall(100 * away) >= FLOORS[space]


@pytest.mark.parametrize("space", SPACES)
def test_a_saved_graph_that_was_grown_is_as_good_as_a_new_one(data: Mixture, space: Space) -> None:
    segment = chunks(data.vectors, ROWS // 2)
    builder = GraphBuilder.new(space, data.vectors.shape[1], GraphOptions(), data.vectors, ROWS)
    fill(builder, segment, 0, ROWS // 2)
    half = finish(builder, segment)
    assert half.recall(data.queries) >= FLOORS[space]  # the other half is scanned
    grown = GraphBuilder.load(memoryview(half.file), "test.graph")
    fill(grown, segment, ROWS // 2, ROWS)
    whole = finish(grown, segment)
    assert whole.graph.covers == ROWS
    assert whole.recall(data.queries) >= FLOORS[space]


@pytest.mark.parametrize("codec", [Codec.FP16, Codec.FLOAT32])
def test_the_other_codecs_reach_the_floor_too(data: Mixture, codec: Codec) -> None:
    made = build(Space.L2, data.vectors[:2000], GraphOptions(codec=codec))
    assert made.graph.encoding.codec is codec
    assert made.recall(data.queries) >= 0.98


def test_few_dimensions_are_kept_whole_and_searched_well() -> None:
    vectors = np.random.default_rng(4).normal(size=(5000, 3)).astype(np.float32)
    made = build(Space.L2, vectors)
    assert made.graph.encoding.codec is Codec.FLOAT32
    assert made.recall(vectors[:50] + np.float32(0.01)) >= 0.98


def test_lengths_that_are_nearly_equal_make_the_inner_product_a_distance(data: Mixture) -> None:
    vectors = data.vectors / np.linalg.norm(data.vectors, axis=1, keepdims=True)
    vectors[5] *= 3
    made = build(Space.IP, vectors)
    assert not made.graph.encoding.by_product
    assert made.graph.node_map.exact.tolist() == [5]
    assert made.recall(data.queries) >= 0.98


def test_rows_that_were_dead_at_the_start_have_no_node(data: Mixture) -> None:
    alive = data.topics != 0
    made = build(Space.L2, data.vectors, alive=alive)
    assert (made.graph.nodes, made.graph.covers) == (int(alive.sum()), ROWS)
    assert made.recall(data.queries, Bitmap.from_bools(alive)) >= 0.98


def test_a_graph_whose_links_lead_nowhere_is_not_kept(data: Mixture) -> None:
    segment = chunks(data.vectors)
    for codec, space, advice in (
        (Codec.SQ8, Space.L2, Advice.REBUILD_FP16),
        (Codec.SQ8, Space.IP, Advice.SCAN_CODES),
        (Codec.FP16, Space.L2, Advice.DISCARD),
    ):
        options = GraphOptions(degree=2, ef_construction=1, codec=codec)
        builder = GraphBuilder.new(space, data.vectors.shape[1], options, data.vectors, ROWS)
        fill(builder, segment, 0, ROWS)
        assert builder.check(segment).advice is advice
        if advice is Advice.SCAN_CODES:
            made = finish(builder, segment)
            assert not made.graph.navigable
            assert made.recall(data.queries) >= 0.99
        else:
            with pytest.raises(ValueError, match="passed its check"):
                finish(builder, segment)


def test_data_that_moves_away_from_the_sample_asks_for_training(data: Mixture) -> None:
    segment = chunks(np.concatenate([data.vectors[:3000], 3 * data.vectors[:3000]]))
    builder = GraphBuilder.new(Space.L2, data.vectors.shape[1], GraphOptions(), data.vectors[:3000], 3000)
    fill(builder, segment, 0, 3000)
    assert not builder.needs_retraining
    fill(builder, segment, 3000, 6000)
    assert builder.needs_retraining


def test_one_thread_builds_the_same_file_twice(data: Mixture) -> None:
    first, second = (build(Space.COSINE, data.vectors[:1500]).file for _ in range(2))
    assert first == second


@pytest.mark.parametrize("writes", [0, 1, 2, 5])
def test_a_full_disk_while_saving_is_reported_as_itself(data: Mixture, writes: int) -> None:
    class Full(Sink):
        def write(self, data: bytes | bytearray | memoryview) -> None:
            nonlocal writes
            writes -= 1
            if writes < 0:
                raise OSError(28, "No space left on device")
            super().write(data)

    segment = chunks(data.vectors[:300])
    builder = GraphBuilder.new(Space.L2, data.vectors.shape[1], GraphOptions(), data.vectors[:300], 300)
    fill(builder, segment, 0, 300)
    builder.check(segment)
    with pytest.raises(OSError, match="No space left"):
        builder.save(Full())
    builder.save(Sink())


def test_every_damaged_byte_is_noticed_before_faiss_reads_it(data: Mixture) -> None:
    file = build(Space.L2, data.vectors[:300]).file
    random = np.random.default_rng(5)
    for place in random.integers(0, len(file), 40).tolist():
        damaged = bytearray(file)
        damaged[place] ^= 1 << int(random.integers(8))
        for reader in (Graph.open, GraphBuilder.load):
            with pytest.raises(CorruptionError, match=r"test\.graph"):
                reader(memoryview(bytes(damaged)), "test.graph")
    with pytest.raises(CorruptionError):
        Graph.open(memoryview(file)[: len(file) // 2], "test.graph")
