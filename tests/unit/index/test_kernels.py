"""The fast kernels say what the oracle says, with bits that depend on nothing but the row and the query."""

from __future__ import annotations

import numpy as np
import pytest

from chroma_async.index.base import SegmentVectors, VectorChunk
from chroma_async.index.distance import distances
from chroma_async.index.kernels import Scorer, set_threads
from chroma_async.types import Floats, Space

SPACES = list(Space)


def _norms(vectors: Floats) -> Floats:
    return np.linalg.norm(vectors.astype(np.float64), axis=1).astype(np.float32)


def _chunk(vectors: Floats, base: int = 0) -> VectorChunk:
    return VectorChunk(base, vectors, _norms(vectors))


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("dimension", [1, 2, 3, 4, 7, 8, 12, 33, 384])
def test_scores_equal_the_oracle_up_to_float32_rounding(space: Space, dimension: int) -> None:
    random = np.random.default_rng(dimension)
    vectors = random.normal(size=(200, dimension)).astype(np.float32)
    vectors[5] = 0
    query = random.normal(size=dimension).astype(np.float32)
    rows = random.permutation(200)
    expected = distances(space, query, vectors)[rows]
    np.testing.assert_allclose(Scorer(space, query).score(_chunk(vectors), rows), expected, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("space", SPACES)
def test_the_bits_of_a_row_do_not_depend_on_the_other_rows_the_chunk_or_its_place_in_memory(space: Space) -> None:
    random = np.random.default_rng(1)
    vectors, query = random.normal(size=(100, 37)).astype(np.float32), random.normal(size=37).astype(np.float32)
    scorer = Scorer(space, query)
    together = scorer.score(_chunk(vectors), np.arange(100))
    room = np.empty(100 * 37 + 1, np.float32)
    shifted = room[1:].reshape(100, 37)  # four bytes off every wider alignment
    shifted[:] = vectors
    assert scorer.score(_chunk(shifted), np.arange(100)).tobytes() == together.tobytes()
    segment = SegmentVectors([_chunk(vectors[:30]), _chunk(vectors[30:31], 30), _chunk(vectors[31:], 31)], 37)
    positions = random.permutation(100)
    assert scorer.score_positions(segment, positions).tobytes() == together[positions].tobytes()
    set_threads(2)
    assert scorer.score(_chunk(vectors), np.arange(100)).tobytes() == together.tobytes()
    set_threads(1)


def test_zero_vectors_are_at_exactly_one_under_cosine() -> None:
    vectors = np.zeros((2, 4), np.float32)
    vectors[1] = 3
    assert Scorer(Space.COSINE, np.ones(4, np.float32)).score(_chunk(vectors), np.array([0])).tolist() == [1.0]
    nothing = Scorer(Space.COSINE, np.zeros(4, np.float32))
    assert nothing.degenerate
    assert nothing.score(_chunk(vectors), np.array([0, 1])).tolist() == [1.0, 1.0]


def test_very_short_and_very_long_vectors_keep_their_direction_under_cosine() -> None:
    vectors = np.array([[1e-25, 0], [1e18, 1e18]], np.float32)
    scores = Scorer(Space.COSINE, np.array([1e-25, 0], np.float32)).score(_chunk(vectors), np.array([0, 1]))
    np.testing.assert_allclose(scores, [0, 1 - 0.5**0.5], atol=1e-6)


@pytest.mark.parametrize("row", [-1, 3, 2**40])
def test_a_row_outside_the_chunk_is_refused_before_its_address_is_taken(row: int) -> None:
    with pytest.raises(IndexError, match="has no row"):
        Scorer(Space.L2, np.zeros(4, np.float32)).score(_chunk(np.zeros((3, 4), np.float32)), np.array([0, row]))


def test_a_query_of_another_dimension_is_refused() -> None:
    with pytest.raises(ValueError, match="dimensions"):
        Scorer(Space.L2, np.zeros(5, np.float32)).score(_chunk(np.zeros((3, 4), np.float32)), np.array([0]))
    with pytest.raises(ValueError, match="one dimension"):
        Scorer(Space.L2, np.zeros((1, 5), np.float32))


@pytest.mark.parametrize(
    "vectors",
    [np.zeros((3, 4)), np.zeros((3, 8), np.float32)[:, ::2], np.zeros((4, 3), np.float32).T, np.zeros(12, np.float32)],
    ids=["float64", "strided", "transposed", "flat"],
)
def test_a_chunk_of_another_layout_is_refused(vectors: Floats) -> None:
    with pytest.raises(ValueError, match="contiguous float32"):
        VectorChunk(0, vectors, np.zeros(3, np.float32))


def test_a_segment_with_a_gap_is_refused() -> None:
    with pytest.raises(ValueError, match="does not continue"):
        SegmentVectors([_chunk(np.zeros((3, 4), np.float32)), _chunk(np.zeros((3, 4), np.float32), 4)], 4)
    with pytest.raises(ValueError, match="has 2 norms"):
        VectorChunk(0, np.zeros((3, 4), np.float32), np.zeros(2, np.float32))
