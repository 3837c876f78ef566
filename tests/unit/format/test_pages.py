"""Pages in order of birth are slices of the sorted rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chroma_async.format.bitmap import Bitmap
from chroma_async.format.pages import BirthOrder, page


def make(seed: int, parts: int, updates: float) -> tuple[list[tuple[BirthOrder, Bitmap]], list[tuple[int, int]]]:
    """Parts as a collection makes them (an update's row carries an old born), and their allowed rows, sorted by born."""
    rng = np.random.default_rng(seed)
    made: list[tuple[BirthOrder, Bitmap]] = []
    rows: list[tuple[int, int, int]] = []
    taken: set[int] = set()
    seq = 1
    for part in range(parts):
        count = int(rng.integers(0, 200))
        borns = np.where(rng.random(count) < updates, rng.integers(1, seq + count + 1, count), np.arange(seq, seq + count))
        borns = np.minimum(borns, np.arange(seq, seq + count))
        allowed = rng.random(count) < 0.7
        for position in np.flatnonzero(allowed).tolist():
            if int(borns[position]) in taken:
                allowed[position] = False
            else:
                taken.add(int(borns[position]))
                rows.append((int(borns[position]), part, position))
        floor = int(rng.choice([0, seq]))
        seq += count
        made.append((BirthOrder.build(borns, floor), Bitmap.from_bools(allowed)))
    return made, [(part, position) for _, part, position in sorted(rows)]


@settings(deadline=None, derandomize=True, max_examples=200)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(0, 4),
    st.sampled_from([0.0, 0.1, 0.9, 1.0]),
    st.integers(0, 500),
    st.none() | st.integers(0, 300),
)
def test_a_page_is_a_slice_of_the_rows_sorted_by_birth(seed: int, parts: int, updates: float, offset: int, limit: int | None) -> None:
    made, expected = make(seed, parts, updates)
    owner, position = page(made, offset, limit)
    stop = None if limit is None else offset + limit
    assert list(zip(owner.tolist(), position.tolist(), strict=True)) == expected[offset:stop]


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.2, 1.0]), st.integers(1, 40))
def test_consecutive_pages_of_one_part_list_every_row_once(seed: int, updates: float, size: int) -> None:
    made, expected = make(seed, 1, updates)
    order, allowed = made[0]
    pages = [page([(order, allowed)], offset, size)[1].tolist() for offset in range(0, len(expected) + size, size)]
    assert [position for one in pages for position in one] == [position for _, position in expected]


def test_natural_rows_are_those_born_in_order_and_not_before_the_floor() -> None:
    order = BirthOrder.build(np.array([3, 10, 12, 4, 11, 13]), 10)
    assert order.natural.positions().tolist() == [1, 2, 5]
    assert order.displaced.tolist() == [0, 3, 4]
    assert order.count == 6


def test_rows_of_a_newer_part_may_stand_before_those_of_an_older_one() -> None:
    old = BirthOrder.build(np.array([1, 2, 3]), 0)
    new = BirthOrder.build(np.array([2, 4]), 0)
    allowed = Bitmap.from_positions([0, 2], 3)
    owner, position = page([(old, allowed), (new, Bitmap.ones(2))], 0, None)
    assert list(zip(owner.tolist(), position.tolist(), strict=True)) == [(0, 0), (1, 0), (0, 2), (1, 1)]


def test_many_displaced_rows_are_bisected_rightly() -> None:
    rng = np.random.default_rng(5)
    borns = rng.permutation(np.arange(1, 20_001))
    order = BirthOrder.build(borns, 0)
    allowed = Bitmap.from_bools(rng.random(20_000) < 0.5)
    expected = [row for row in np.argsort(borns).tolist() if allowed.contains([row])[0]]
    for offset in (0, 1, 137, 5_000, 9_000, len(expected) - 3):
        assert page([(order, allowed)], offset, 50)[1].tolist() == expected[offset : offset + 50]


def test_a_bitmap_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="3 allowed bits for 2 rows"):
        page([(BirthOrder.build(np.array([1, 2]), 0), Bitmap.ones(3))], 0, 1)
