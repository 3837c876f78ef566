from __future__ import annotations

import base64
import json
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chroma_async.errors import InvalidArgumentError, InvalidDimensionException, UnprocessableError
from chroma_async.types import RecordBatch, WriteKind
from chroma_async.wire.embeddings import decode_optional_vectors, decode_vectors, encode_base64
from chroma_async.wire.requests import encode_write, parse_query, parse_write

floats = st.floats(width=32, allow_nan=False, allow_infinity=False)
matrices = st.integers(1, 9).flatmap(lambda d: st.lists(st.lists(floats, min_size=d, max_size=d), min_size=1, max_size=5))


def pack(*values: float) -> str:
    return base64.b64encode(struct.pack(f"<{len(values)}f", *values)).decode()


@settings(deadline=None, derandomize=True, max_examples=60)
@given(matrices, st.booleans())
def test_vectors_survive_both_encodings_bit_by_bit(rows: list[list[float]], packed: bool) -> None:
    vectors = np.array(rows, dtype=np.float32)
    body = encode_write(RecordBatch([str(i) for i in range(len(rows))], vectors), base64=packed)
    back = parse_write(body, WriteKind.ADD).embeddings
    assert back is not None
    assert back.dtype == np.float32
    assert back.tobytes() == vectors.tobytes()


@settings(deadline=None, derandomize=True, max_examples=60)
@given(matrices, st.data())
def test_an_update_keeps_the_rows_that_are_null(rows: list[list[float]], data: st.DataObject) -> None:
    present = np.array(data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows))))
    vectors = np.array(rows, dtype=np.float32) * present[:, None]
    for packed in (True, False):
        body = encode_write(RecordBatch([str(i) for i in range(len(rows))], vectors, present), base64=packed)
        batch = parse_write(body, WriteKind.UPDATE)
        assert batch.embeddings is not None
        if present.all():
            assert batch.present is None
        else:
            assert batch.present is not None
            assert batch.present.tolist() == present.tolist()
        if present.any():
            assert (batch.embeddings == vectors).all()


def test_one_dimension_per_length_of_text_decodes_with_and_without_padding() -> None:
    for dimension in (1, 2, 3, 4, 384):
        rows = np.arange(4 * dimension, dtype=np.float32).reshape(4, dimension)
        assert (decode_vectors(encode_base64(rows), "embeddings") == rows).all()


@pytest.mark.parametrize("values", [[1e39], [-1e39], [1.0, 3.5e38], [10**18, 1e200]])
def test_a_number_beyond_float32_is_refused(values: list[float]) -> None:
    with pytest.raises(InvalidArgumentError, match=r"embeddings\[1\] holds NaN or infinity"):
        decode_vectors([[0.0] * len(values), values], "embeddings")


def test_large_values_whose_squares_overflow_are_still_finite() -> None:
    assert decode_vectors([[3e38, -3e38]], "embeddings").shape == (1, 2)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_base64_of_a_value_that_is_not_finite_is_refused(bad: float) -> None:
    with pytest.raises(InvalidArgumentError, match=r"embeddings\[1\] holds NaN"):
        decode_vectors([pack(1, 2, 3), pack(1, bad, 3)], "embeddings")


@pytest.mark.parametrize("text", ["?AAA", "AAA", "AAAAA", "AAAA AAA", "AA=A", "ä" * 4, "AAAAAA==AAAA", "-_AA"])
def test_bad_base64_is_refused_with_its_place(text: str) -> None:
    for rows in ([pack(1.0), text], [text, text]):
        with pytest.raises(InvalidArgumentError, match=r"embeddings\[\d\].*(base64|divisible)"):
            decode_vectors(rows, "embeddings")


@pytest.mark.parametrize("count", [3, 5, 6])
def test_a_byte_count_that_is_no_multiple_of_four_is_refused(count: int) -> None:
    text = base64.b64encode(bytes(count)).decode()
    with pytest.raises(InvalidArgumentError, match=f"byte length of {count} is not divisible by 4"):
        decode_vectors([text, text], "embeddings")


def test_vectors_of_several_lengths_are_a_dimension_error() -> None:
    with pytest.raises(InvalidDimensionException, match="dimension"):
        decode_vectors([[1.0], [1.0, 2.0]], "embeddings")
    with pytest.raises(InvalidDimensionException, match="dimension"):
        decode_vectors([pack(1.0), pack(1.0, 2.0)], "embeddings")
    with pytest.raises(InvalidDimensionException, match="dimension"):
        decode_vectors([pack(1, 2, 3), pack(1, 2, 3, 4, 5, 6)], "embeddings")


@pytest.mark.parametrize(
    "value",
    ["x", 5, None, {}, [None], [1.0], [[1.0], "AAAA"], ["AAAA", [1.0]], [["1.5"]], [[None]], [[[1.0]]], [[{}]], [[True]], [[1, False]]],
)
def test_what_is_no_list_of_vectors_is_a_shape_error(value: object) -> None:
    with pytest.raises(UnprocessableError, match="embeddings"):
        decode_vectors(value, "embeddings")


@pytest.mark.parametrize(
    "raw",
    [
        '{"query_embeddings": [[1.0, true]]}',
        '{"query_embeddings": [ [1.0, false] ]}',
        '{"x": [[1]], "query_embeddings": [ [true] ]}',
        '{"query_embeddings": [ [true] ], "x": [[1]]}',
    ],
)
def test_booleans_among_numbers_are_found_wherever_the_vectors_stand(raw: str) -> None:
    with pytest.raises(UnprocessableError, match=r"query_embeddings\[0\]\[\d\]: expected a number, found a boolean"):
        parse_query(raw.encode())


def test_the_error_names_the_place_among_nulls() -> None:
    with pytest.raises(UnprocessableError, match=r"embeddings\[2\]\[1\]: expected a number, found null"):
        decode_optional_vectors([[1.0, 2.0], None, [1.0, None]], "embeddings")


def test_empty_lists_and_empty_vectors_keep_their_shape() -> None:
    assert decode_vectors([], "embeddings").shape == (0, 0)
    assert decode_vectors([[], []], "embeddings").shape == (2, 0)
    assert decode_vectors([""], "embeddings").shape == (1, 0)
    vectors, present = decode_optional_vectors([None, None], "embeddings")
    assert vectors.shape == (2, 0)
    assert present is not None
    assert not present.any()


def test_query_vectors_are_number_lists_only() -> None:
    with pytest.raises(UnprocessableError, match="number lists"):
        parse_query(json.dumps({"query_embeddings": [pack(1.0)]}).encode())
