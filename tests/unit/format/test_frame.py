"""The container: what was written comes back, and no damage goes unnoticed."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chroma_async.errors import CorruptionError
from chroma_async.format.frame import ALIGNMENT, Frame, FrameWriter
from chroma_async.format.vectors import VectorsFile, write_vectors

DTYPES = ["?", "<i4", "<i8", "<u8", "|u1", "<f4", "<f8"]


def example() -> bytes:
    sink = io.BytesIO()
    writer = FrameWriter(sink, "example")
    writer.section("numbers", np.arange(10, dtype=np.int64))
    writer.section("matrix", np.arange(12, dtype=np.float32).reshape(3, 4))
    writer.section("nothing", np.empty((0, 4), np.float32))
    writer.finish({"who": "me", "big": 2**60})
    return sink.getvalue()


EXAMPLE = example()
CONTENTS = EXAMPLE.index(b'{"kind"')


def open_example(data: bytes) -> Frame:
    return Frame.open(memoryview(data), "example", "example.file")


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.lists(st.tuples(st.sampled_from(DTYPES), st.lists(st.integers(0, 5), min_size=1, max_size=3)), max_size=5))
def test_arrays_of_every_type_and_shape_come_back(plan: list[tuple[str, list[int]]]) -> None:
    rng = np.random.default_rng(1)
    arrays = [rng.integers(0, 2, shape).astype(dtype) for dtype, shape in plan]
    sink = io.BytesIO()
    writer = FrameWriter(sink, "any")
    for index, array in enumerate(arrays):
        writer.section(str(index), array)
    writer.finish()
    frame = Frame.open(memoryview(sink.getvalue()), "any", "f")
    frame.verify()
    for index, array in enumerate(arrays):
        got = frame.array(str(index))
        assert got.dtype == array.dtype
        assert got.shape == array.shape
        assert np.array_equal(got, array)
        assert frame.section(str(index)).offset % ALIGNMENT == 0


def test_extra_and_section_names_come_back() -> None:
    frame = open_example(EXAMPLE)
    assert frame.extra == {"who": "me", "big": 2**60}
    assert frame.names == ["numbers", "matrix", "nothing"]
    assert "matrix" in frame
    assert "vector" not in frame


def test_sections_are_read_only_views_even_of_a_writable_buffer() -> None:
    buffer = bytearray(EXAMPLE)
    array = Frame.open(memoryview(buffer), "example", "f").array("numbers")
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1
    buffer[0] = 7
    assert array[0] == 7


def test_a_streamed_section_equals_one_written_whole() -> None:
    matrix = np.random.default_rng(2).random((100, 7), np.float32)
    whole, streamed = io.BytesIO(), io.BytesIO()
    writer = FrameWriter(whole, "k")
    writer.section("m", matrix)
    writer.finish()
    writer = FrameWriter(streamed, "k")
    writer.begin("m", np.float32)
    for start in range(0, 100, 33):
        writer.append(matrix[start : start + 33])
    writer.end(matrix.shape)
    writer.finish()
    assert whole.getvalue() == streamed.getvalue()


def test_the_first_section_begins_at_offset_0() -> None:
    assert open_example(EXAMPLE).section("numbers").offset == 0


def test_a_shape_that_does_not_fit_what_was_written_is_refused() -> None:
    writer = FrameWriter(io.BytesIO(), "k")
    writer.begin("m", np.float32)
    writer.append(np.zeros(5, np.float32))
    with pytest.raises(ValueError, match="got 20 bytes"):
        writer.end((2, 3))


def test_objects_are_never_stored() -> None:
    with pytest.raises(ValueError, match="cannot hold"):
        FrameWriter(io.BytesIO(), "k").begin("o", np.dtype(object))


@pytest.mark.parametrize("length", range(len(EXAMPLE)))
def test_every_truncation_is_noticed_at_open(length: int) -> None:
    with pytest.raises(CorruptionError) as caught:
        open_example(EXAMPLE[:length])
    assert caught.value.file == "example.file"


@settings(deadline=None, derandomize=True, max_examples=400)
@given(st.integers(CONTENTS, len(EXAMPLE) - 1), st.integers(1, 255))
def test_every_changed_byte_of_contents_and_trailer_is_noticed_at_open(at: int, change: int) -> None:
    damaged = bytearray(EXAMPLE)
    damaged[at] ^= change
    with pytest.raises(CorruptionError) as caught:
        open_example(bytes(damaged))
    assert caught.value.file == "example.file"


@settings(deadline=None, derandomize=True, max_examples=300)
@given(st.integers(0, CONTENTS - 1), st.integers(1, 255))
def test_every_changed_byte_before_the_contents_is_found_by_verify(at: int, change: int) -> None:
    damaged = bytearray(EXAMPLE)
    damaged[at] ^= change
    with pytest.raises(CorruptionError) as caught:
        open_example(bytes(damaged)).verify()
    assert caught.value.file == "example.file"


@settings(deadline=None, derandomize=True, max_examples=200)
@given(st.binary(max_size=200))
def test_foreign_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(CorruptionError):
        open_example(data)


def test_a_file_of_another_kind_or_a_newer_layout_is_refused() -> None:
    with pytest.raises(CorruptionError, match="a example file stands where a vectors file belongs"):
        Frame.open(memoryview(EXAMPLE), "vectors", "f")
    sink = io.BytesIO()
    FrameWriter(sink, "k", version=2).finish()
    with pytest.raises(CorruptionError, match="layout version 2"):
        Frame.open(memoryview(sink.getvalue()), "k", "f")
    assert Frame.open(memoryview(sink.getvalue()), "k", "f", newest=2).version == 2


def test_a_missing_section_is_corruption_that_names_the_file() -> None:
    with pytest.raises(CorruptionError, match="'other' is missing") as caught:
        open_example(EXAMPLE).array("other")
    assert caught.value.file == "example.file"


def test_vectors_come_back_with_their_norms() -> None:
    rng = np.random.default_rng(3)
    parts = [rng.normal(size=(rows, 24)).astype(np.float32) for rows in (5, 0, 70)]
    sink = io.BytesIO()
    write_vectors(sink, iter(parts), 24)
    file = VectorsFile.open(memoryview(sink.getvalue()), "v")
    file.verify()
    joined = np.concatenate(parts)
    assert np.array_equal(file.vectors, joined)
    assert np.array_equal(file.norms, np.linalg.norm(joined.astype(np.float64), axis=1).astype(np.float32))
    assert (file.rows, file.dimension) == (75, 24)


def test_norms_neither_overflow_nor_vanish_where_float32_squares_would() -> None:
    sink = io.BytesIO()
    write_vectors(sink, [np.array([[3e30, 4e30], [3e-30, 4e-30]], np.float32)], 2)
    assert np.allclose(VectorsFile.open(memoryview(sink.getvalue()), "v").norms, [5e30, 5e-30], rtol=1e-6, atol=0)


def test_a_chunk_without_rows_keeps_its_dimension() -> None:
    sink = io.BytesIO()
    write_vectors(sink, [], 8)
    assert VectorsFile.open(memoryview(sink.getvalue()), "v").vectors.shape == (0, 8)


def test_vectors_of_another_dimension_are_refused() -> None:
    with pytest.raises(ValueError, match="dimension 3"):
        write_vectors(io.BytesIO(), [np.zeros((1, 2), np.float32)], 3)
