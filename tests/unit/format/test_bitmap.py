"""The bitmap does what a numpy bool array does."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chroma_async.errors import CorruptionError
from chroma_async.format.bitmap import Bitmap
from chroma_async.types import Bools

exactly = settings(deadline=None, derandomize=True, max_examples=150)


@st.composite
def bools(draw: st.DrawFn, size: int | None = None) -> Bools:
    length = draw(st.integers(0, 200)) if size is None else size
    density = draw(st.sampled_from([0.0, 0.05, 0.5, 0.95, 1.0]))
    seed = draw(st.integers(0, 2**32 - 1))
    return np.random.default_rng(seed).random(length) < density


@exactly
@given(bools())
def test_it_holds_what_it_was_made_from(members: Bools) -> None:
    bitmap = Bitmap.from_bools(members)
    positions = np.flatnonzero(members)
    assert np.array_equal(bitmap.to_bools(), members)
    assert np.array_equal(bitmap.positions(), positions)
    assert bitmap.count() == len(positions)
    assert bitmap == Bitmap.from_positions(positions[::-1], len(members))
    assert bitmap == Bitmap.from_bytes(bitmap.bits.tobytes(), len(members))
    assert len(bitmap.bits) == (len(members) + 7) // 8


@exactly
@given(bools())
def test_rank_counts_the_members_below_and_select_is_its_inverse(members: Bools) -> None:
    bitmap = Bitmap.from_bools(members)
    below = np.concatenate([[0], np.cumsum(members)])
    assert np.array_equal(bitmap.rank(np.arange(len(members) + 1)), below)
    everyone = np.arange(bitmap.count())
    assert np.array_equal(bitmap.select(everyone), np.flatnonzero(members))
    assert np.array_equal(bitmap.rank(bitmap.select(everyone)), everyone)
    with pytest.raises(IndexError):
        bitmap.select([bitmap.count()])


@exactly
@given(bools(), st.data())
def test_a_run_of_members_is_a_slice_of_all_positions(members: Bools, data: st.DataObject) -> None:
    bitmap = Bitmap.from_bools(members)
    start = data.draw(st.integers(0, bitmap.count()))
    stop = data.draw(st.integers(start, bitmap.count()))
    assert np.array_equal(bitmap.members(start, stop), np.flatnonzero(members)[start:stop])


@exactly
@given(st.integers(0, 150).flatmap(lambda size: st.tuples(bools(size), bools(size))))
def test_set_operations_are_those_of_bools(pair: tuple[Bools, Bools]) -> None:
    one, other = pair
    a, b = Bitmap.from_bools(one), Bitmap.from_bools(other)
    assert np.array_equal((a & b).to_bools(), one & other)
    assert np.array_equal((a | b).to_bools(), one | other)
    assert np.array_equal(a.with_(np.flatnonzero(other)).to_bools(), one | other)
    assert np.array_equal(a.without(np.flatnonzero(other)).to_bools(), one & ~other)
    assert np.array_equal(a.to_bools(), one)


@exactly
@given(bools(), st.integers(0, 220), st.booleans())
def test_resizing_cuts_or_fills_and_leaves_the_tail_bits_zero(members: Bools, size: int, fill: bool) -> None:
    resized = Bitmap.from_bools(members).resized(size, fill)
    expected = np.full(size, fill)
    kept = min(size, len(members))
    expected[:kept] = members[:kept]
    assert resized == Bitmap.from_bools(expected)


@exactly
@given(bools(), st.data())
def test_a_slice_unpacks_only_its_positions(members: Bools, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(members)))
    stop = data.draw(st.integers(start, len(members)))
    assert np.array_equal(Bitmap.from_bools(members).slice_bools(start, stop), members[start:stop])


@exactly
@given(bools())
def test_it_is_stored_and_opened(members: Bools) -> None:
    sink = io.BytesIO()
    bitmap = Bitmap.from_bools(members)
    bitmap.write(sink)
    assert Bitmap.open(memoryview(sink.getvalue()), "a") == bitmap


def test_any_damaged_byte_of_a_stored_bitmap_is_noticed_at_open() -> None:
    sink = io.BytesIO()
    Bitmap.ones(100).write(sink)
    whole = sink.getvalue()
    for at in range(len(whole)):
        damaged = bytearray(whole)
        damaged[at] ^= 0x10
        with pytest.raises(CorruptionError):
            Bitmap.open(memoryview(damaged), "a")


def test_zeros_and_ones_are_empty_and_full() -> None:
    for size in (0, 1, 8, 9, 64, 65):
        assert Bitmap.zeros(size).count() == 0
        assert Bitmap.ones(size).count() == size
        assert Bitmap.ones(size) == Bitmap.from_bools(np.ones(size, dtype=np.bool_))


def test_membership_is_answered_by_position() -> None:
    bitmap = Bitmap.from_positions([3, 3, 64], 70)
    assert bitmap.contains([0, 3, 64, 69]).tolist() == [False, True, True, False]


def test_the_least_significant_bit_comes_first() -> None:
    assert Bitmap.from_positions([0, 9], 10).bits.tolist() == [1, 2]


@pytest.mark.parametrize("positions", [[-1], [10]])
def test_positions_outside_are_refused(positions: list[int]) -> None:
    bitmap = Bitmap.zeros(10)
    for refusing in (bitmap.with_, bitmap.without, bitmap.contains):
        with pytest.raises(IndexError):
            refusing(positions)


def test_bitmaps_of_different_sizes_do_not_combine() -> None:
    for combine in (Bitmap.__and__, Bitmap.__or__):
        with pytest.raises(ValueError, match="cannot be combined"):
            combine(Bitmap.zeros(8), Bitmap.zeros(9))


def test_stored_bits_of_the_wrong_length_or_past_the_end_are_refused() -> None:
    with pytest.raises(ValueError, match="has 2 bytes"):
        Bitmap.from_bytes(b"\x01", 9)
    with pytest.raises(ValueError, match="past its end"):
        Bitmap.from_bytes(b"\x01\x02", 9)


def test_the_bits_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="read-only"):
        Bitmap.ones(8).bits[0] = 0
