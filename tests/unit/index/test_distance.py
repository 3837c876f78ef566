"""The definitions of the three distances, by hand-made numbers and by comparison with the plainest loop."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chroma_async.index.distance import distances, exact_top_k, smallest
from chroma_async.types import Floats, Space


def _array(*rows: list[float]) -> Floats:
    return np.array(rows, np.float32)


def test_l2_is_squared_and_has_no_root() -> None:
    assert distances(Space.L2, _array([0, 0])[0], _array([3, 4], [0, 0])).tolist() == [25.0, 0.0]


def test_ip_is_one_minus_the_product_and_may_be_negative() -> None:
    assert distances(Space.IP, _array([2, 1])[0], _array([3, 4], [0, 0])).tolist() == [-9.0, 1.0]


def test_cosine_ignores_length() -> None:
    assert distances(Space.COSINE, _array([2, 0])[0], _array([5, 0], [0, 7], [-1, 0])).tolist() == [0.0, 1.0, 2.0]


def test_a_zero_vector_is_at_distance_one_under_cosine_on_either_side() -> None:
    assert distances(Space.COSINE, _array([0, 0])[0], _array([1, 2], [0, 0])).tolist() == [1.0, 1.0]
    assert distances(Space.COSINE, _array([1, 2])[0], _array([0, 0])).tolist() == [1.0]


def test_a_distance_beyond_float32_is_infinite() -> None:
    assert distances(Space.L2, _array([3e38])[0], _array([-3e38])).tolist() == [math.inf]


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot be compared"):
        distances(Space.L2, np.zeros(3, np.float32), np.zeros((2, 4), np.float32))


@given(
    values=st.lists(st.sampled_from([0.0, 1.0, 1.5, -2.0, math.inf, math.nan]), max_size=40),
    k=st.integers(0, 45),
    seed=st.none() | st.integers(0, 99),
)
@settings(deadline=None, derandomize=True)
def test_smallest_is_a_sort_by_value_then_order_cut_at_k(values: list[float], k: int, seed: int | None) -> None:
    array = np.array(values, np.float32)
    order = None if seed is None else np.random.default_rng(seed).permutation(len(values))
    ranks = range(len(values)) if order is None else order.tolist()
    expected = sorted(range(len(values)), key=lambda i: (math.isnan(values[i]), 0 if math.isnan(values[i]) else values[i], ranks[i]))
    assert smallest(array, k, order).tolist() == expected[:k]


@pytest.mark.parametrize("space", list(Space))
def test_exact_top_k_equals_sorting_everything(space: Space) -> None:
    random = np.random.default_rng(0)
    vectors, queries = random.normal(size=(9000, 5)).astype(np.float32), random.normal(size=(4, 5)).astype(np.float32)
    rows, values = exact_top_k(space, queries, vectors, 7)
    for query, found, value in zip(queries, rows, values, strict=True):
        every = distances(space, query, vectors)
        assert found.tolist() == np.argsort(every, kind="stable")[:7].tolist()
        assert value.tolist() == every[found].tolist()


def test_exact_top_k_of_fewer_rows_than_k_gives_them_all() -> None:
    rows, values = exact_top_k(Space.L2, _array([0.0]), _array([2.0], [1.0]), 10)
    assert (rows.tolist(), values.tolist()) == ([[1, 0]], [[1.0, 4.0]])
