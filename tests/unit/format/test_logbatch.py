"""Log entries: what goes in comes out, and what is damaged is named."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chroma_async.errors import CorruptionError
from chroma_async.format.logbatch import Facts, LogBatch, decode, encode
from chroma_async.types import Metadata


def ints(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def batch() -> LogBatch:
    return LogBatch(
        first=41,
        ids=["a", "ü\x00", "日本"],
        embeddings=np.array([[1, 2, 3], [-0.0, 1e-40, 3.4e38], [0, 0, 0]], dtype=np.float32),
        borns=ints(0, 7, 0),
        victims=ints(0, 9, 2**62),
        documents=["x\x00y", None, ""],
        uris=None,
        metadatas=[{"i": 2**63 - 1, "f": 1.0, "b": True, "s": "é", "l": [1.0, 2.5]}, None, {}],
        deleted_ids=["gone", "away"],
        deleted=ints(3, 5),
        facts=Facts(3, {"i": ["int"]}),
    )


def assert_same(left: LogBatch, right: LogBatch) -> None:
    assert (left.first, left.last, left.ids, left.deleted_ids) == (right.first, right.last, right.ids, right.deleted_ids)
    assert (left.documents, left.uris, left.facts) == (right.documents, right.uris, right.facts)
    assert repr(left.metadatas) == repr(right.metadatas)
    for name in ("embeddings", "borns", "victims", "deleted"):
        ours, theirs = getattr(left, name), getattr(right, name)
        assert (ours.shape, ours.dtype, ours.tobytes()) == (theirs.shape, theirs.dtype, theirs.tobytes()), name


def test_an_entry_comes_back_as_it_was() -> None:
    assert_same(decode(encode(batch()), "log"), batch())


def test_the_seqs_of_an_entry_cover_rows_then_deletions() -> None:
    assert batch().last == 45
    empty = LogBatch(7, [], np.zeros((0, 3), dtype=np.float32), ints(), ints())
    assert empty.last == 7
    assert LogBatch(7, [], np.zeros((0, 3), dtype=np.float32), ints(), ints(), deleted_ids=["x"], deleted=ints(1)).last == 7


def test_an_entry_of_facts_alone_comes_back() -> None:
    empty = LogBatch(7, [], np.zeros((0, 0), dtype=np.float32), ints(), ints(), facts=Facts(2, {}))
    assert_same(decode(encode(empty), "log"), empty)


def test_decoded_arrays_are_read_only_views_of_the_buffer() -> None:
    for buffer in (encode(batch()), bytearray(encode(batch())), memoryview(encode(batch()))):
        decoded = decode(buffer, "log")
        for array in (decoded.embeddings, decoded.borns, decoded.victims, decoded.deleted):
            assert not array.flags.writeable
            assert not array.flags.owndata
            assert np.shares_memory(array, np.frombuffer(buffer, dtype=np.uint8))
        assert decoded.embeddings.flags.aligned
        assert decoded.borns.flags.aligned


def test_every_truncation_is_corruption_that_names_the_entry() -> None:
    data = encode(batch())
    for length in range(len(data)):
        with pytest.raises(CorruptionError, match="log entry 3f/41") as error:
            decode(data[:length], "3f/41")
        assert error.value.file == "3f/41"


def test_every_flipped_byte_and_every_trailing_byte_is_corruption() -> None:
    data = bytearray(encode(batch()))
    for place in range(len(data)):
        data[place] ^= 0x41
        with pytest.raises(CorruptionError):
            decode(data, "log")
        data[place] ^= 0x41
    assert decode(data, "log").first == 41
    with pytest.raises(CorruptionError):
        decode(bytes(data) + b"\x00", "log")


def test_columns_of_the_wrong_length_are_not_encoded() -> None:
    vectors = np.zeros((2, 2), dtype=np.float32)
    for wrong in (
        LogBatch(1, ["a"], vectors, ints(0), ints(0)),
        LogBatch(1, ["a", "b"], vectors, ints(0), ints(0, 0)),
        LogBatch(1, ["a", "b"], vectors, ints(0, 0), ints(0, 0), documents=["x"]),
        LogBatch(1, ["a", "b"], vectors, ints(0, 0), ints(0, 0), deleted_ids=["x"]),
    ):
        with pytest.raises(ValueError):
            encode(wrong)


def test_a_matrix_that_is_not_contiguous_is_stored_by_value() -> None:
    vectors = np.arange(12, dtype=np.float32).reshape(3, 4)[:, ::2]
    decoded = decode(encode(LogBatch(1, ["a", "b", "c"], vectors, ints(0, 0, 0), ints(0, 0, 0))), "log")
    assert decoded.embeddings.tolist() == vectors.tolist()


def test_facts_merge_to_the_first_dimension_and_the_union_of_types() -> None:
    merged = Facts(None, {"a": ["int"]}).merge(Facts(3, {"a": ["string", "int"], "b": ["bool"]})).merge(Facts(4, {}))
    assert merged == Facts(3, {"a": ["int", "string"], "b": ["bool"]})
    assert Facts.from_bytes(merged.to_bytes()) == merged


texts = st.text(max_size=6)
values = st.one_of(texts, st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False))
metadatas = st.one_of(st.none(), st.dictionaries(texts, st.one_of(values, st.lists(st.booleans(), min_size=1, max_size=2)), max_size=3))


@settings(deadline=None, derandomize=True, max_examples=200)
@given(st.data(), st.integers(0, 5), st.integers(0, 4), st.integers(0, 3), st.integers(1, 2**60))
def test_any_entry_comes_back_as_it_was(data: st.DataObject, rows: int, dimension: int, deletions: int, first: int) -> None:
    def column(value: st.SearchStrategy[object], size: int) -> list[object]:
        return data.draw(st.lists(value, min_size=size, max_size=size))

    seqs = st.integers(0, 2**62)
    made: list[Metadata | None] = column(metadatas, rows)  # type: ignore[assignment]
    entry = LogBatch(
        first,
        column(texts, rows),  # type: ignore[arg-type]
        np.array(column(st.floats(width=32), rows * dimension), dtype=np.float32).reshape(rows, dimension),
        np.array(column(seqs, rows), dtype=np.int64),
        np.array(column(seqs, rows), dtype=np.int64),
        documents=data.draw(st.one_of(st.none(), st.just(column(st.one_of(st.none(), texts), rows)))),
        metadatas=data.draw(st.one_of(st.none(), st.just(made))),
        deleted_ids=column(texts, deletions),  # type: ignore[arg-type]
        deleted=np.array(column(seqs, deletions), dtype=np.int64),
    )
    assert_same(decode(encode(entry), "log"), entry)
