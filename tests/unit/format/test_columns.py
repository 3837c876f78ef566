"""Metadata columns hold exactly the metadata they were built from, through joining, reordering and storing."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chroma_async.errors import CorruptionError
from chroma_async.format import comparison
from chroma_async.format.column import Column
from chroma_async.format.columns import Columns
from chroma_async.format.frame import Frame, FrameWriter
from chroma_async.format.ids import Ids
from chroma_async.format.rowtable import RowTable

exactly = settings(deadline=None, derandomize=True, max_examples=120)

integers = st.sampled_from([0, 1, -1, 2**53, 2**53 + 1, -(2**63), 2**63 - 1]) | st.integers(-5, 5)
floats = st.sampled_from([0.0, 0.5, 1.0, 2.0**53, -1.5, 1e300, 5e-324]) | st.floats(-5, 5)
strings = st.sampled_from(["", "a", "b", "ü", "a\0", "long " * 20]) | st.text(st.characters(codec="utf-8"), max_size=5)
scalars = strings | integers | floats | st.booleans()
arrays = st.one_of(*(st.lists(values, min_size=1, max_size=4) for values in (strings, integers, floats, st.booleans())))
metadata = st.none() | st.dictionaries(st.sampled_from(["a", "b", "c", "k ü", ""]), scalars | arrays, max_size=4)
tables = st.lists(metadata, max_size=12)


def restore(columns: Columns) -> list[dict[str, Any]]:
    """Rows from columns. Values keep their types: 1, 1.0 and True differ in the JSON that the tests compare."""
    rows: list[dict[str, Any]] = [{} for _ in range(columns.rows)]
    for column in columns.columns:
        at, values = column.entries()
        for row, value in zip(at.tolist(), column.decoded(values), strict=True):
            if column.type.endswith("[]"):
                rows[row].setdefault(column.key, []).append(value)
            else:
                assert column.key not in rows[row]
                rows[row][column.key] = value
    for key in columns.spilled.keys.to_list():
        for row, value in columns.spilled.of(key):
            assert key not in rows[row]
            rows[row][key] = value
    return rows


def same(columns: Columns, metadatas: list[Any]) -> bool:
    return json.dumps(restore(columns), sort_keys=True) == json.dumps([one or {} for one in metadatas], sort_keys=True)


def reopened(columns: Columns) -> Columns:
    sink = io.BytesIO()
    writer = FrameWriter(sink, "c")
    for name, array in columns.sections("c.").items():
        writer.section(name, array)
    writer.finish(columns.description())
    frame = Frame.open(memoryview(sink.getvalue()), "c", "f")
    return Columns.open(frame, "c.", frame.extra)


@exactly
@given(tables, st.sampled_from([0, 1, 3, 1024]))
def test_columns_hold_what_they_were_built_from(metadatas: list[Any], limit: int) -> None:
    columns = Columns.build(metadatas, limit)
    assert columns.rows == len(metadatas)
    assert len(columns.columns) <= limit
    assert same(columns, metadatas)
    assert same(reopened(columns), metadatas)


@exactly
@given(st.lists(tables, max_size=4), st.sampled_from([0, 2, 1024]), st.sampled_from([0, 2, 1024]))
def test_joined_columns_hold_all_rows_in_order(parts: list[list[Any]], limit: int, joined_limit: int) -> None:
    joined = Columns.concat([reopened(Columns.build(part, limit)) for part in parts], joined_limit)
    assert same(joined, [row for part in parts for row in part])
    assert len(joined.columns) <= joined_limit


@exactly
@given(tables, st.sampled_from([0, 2, 1024]), st.data())
def test_selected_columns_hold_those_rows_and_empty_ones(metadatas: list[Any], limit: int, data: st.DataObject) -> None:
    rows = data.draw(st.lists(st.integers(-1, len(metadatas) - 1), max_size=15))
    selected = Columns.build(metadatas, limit).select(np.array(rows, np.int64))
    assert same(selected, [None if row < 0 else metadatas[row] for row in rows])
    assert all(column.count for column in selected.columns)


@exactly
@given(tables)
def test_dictionaries_are_ascending_distinct_and_without_unused_strings(metadatas: list[Any]) -> None:
    half = np.arange(0, len(metadatas), 2)
    built = Columns.build(metadatas)
    for columns in (built, Columns.concat([built, built.select(half)]), built.select(half)):
        for column in columns.columns:
            if column.dictionary is not None:
                held = column.dictionary.to_list()
                assert held == sorted(set(held))
                assert set(column.decoded(column.entries()[1])) == set(held)


def test_a_key_with_values_of_several_types_has_several_columns() -> None:
    columns = Columns.build([{"k": 1}, {"k": 1.0}, {"k": True}, {"k": "1"}, {"k": [1]}, {"k": [1.0]}, None])
    assert sorted(column.type for column in columns.of("k")) == ["bool", "float", "float[]", "int", "int[]", "str"]


def test_full_columns_are_plain_half_full_ones_dense_and_others_sparse() -> None:
    rows = [{"full": n, **({"half": n} if n % 2 else {}), **({"few": n} if n % 10 == 0 else {})} for n in range(100)]
    full, half, few = (Columns.build(rows).of(key)[0] for key in ("full", "half", "few"))
    assert (full.at, full.present) == (None, None)
    assert half.at is None
    assert half.present is not None
    assert half.present.count() == half.count == 50
    assert few.at is not None
    assert few.at.tolist() == list(range(0, 100, 10))


def test_the_keys_with_most_values_get_the_columns() -> None:
    rows = [{"common": 1, f"unique {n}": n} for n in range(2000)]
    columns = Columns.build(rows)
    assert len(columns.columns) == 1024
    assert columns.of("common")[0].count == 2000
    assert len(columns.spilled) == 2000 - 1023
    assert same(columns, rows)
    assert same(Columns.concat([columns, Columns.build(rows)]), rows * 2)


def test_empty_lists_count_as_absent_and_other_things_are_refused() -> None:
    assert same(Columns.build([{"a": []}]), [None])
    with pytest.raises(TypeError, match="cannot hold set"):
        Columns.build([{"a": {1}}])  # type: ignore[dict-item]
    with pytest.raises(OverflowError):
        Columns.build([{"a": 2**63}])


@pytest.mark.parametrize("limit", [8, 1])
def test_of_a_sparse_vector_columns_and_overflow_keep_that_it_is_there(limit: int) -> None:
    vector = {"#type": "sparse_vector", "indices": [1, 5], "values": [0.5, 1.5]}
    rows: list[Any] = [{"a": 1, "s": vector}, {"a": 2}, {"a": True, "s": vector}, {"a": 3, "s": 1}, None]
    columns = Columns.build(rows, limit)

    def present(columns: Columns) -> list[int]:
        held = [at for column in columns.of("s") if column.type == "sparse" for at in column.entries()[0].tolist()]
        return sorted([*held, *(row for row, value in columns.spilled.of("s") if isinstance(value, dict))])

    assert present(columns) == [0, 2]
    assert present(Columns.concat([columns, columns], limit)) == [0, 2, 5, 7]
    assert present(columns.select(np.array([4, 2, -1, 3]))) == [1]
    assert present(reopened(columns)) == [0, 2]


def test_subclasses_of_the_scalar_types_are_stored_as_those() -> None:
    class Name(str):
        pass

    assert same(Columns.build([{"a": Name("x"), "b": [Name("y")], "c": np.float64(1.5)}]), [{"a": "x", "b": ["y"], "c": 1.5}])


@exactly
@given(
    st.lists(integers, min_size=1),
    st.sampled_from(["gt", "gte", "lt", "lte"]),
    integers | floats | st.sampled_from([1e19, -1e19, 2**64, -(2**64)]),
)
def test_int_columns_compare_as_mathematics_does(values: list[int], op: Any, bound: float) -> None:
    check_comparison("int", values, op, bound)


@exactly
@given(
    st.lists(floats, min_size=1),
    st.sampled_from(["gt", "gte", "lt", "lte"]),
    integers | floats | st.sampled_from([2**53 + 3, 2**1100, -(2**1100)]),
)
def test_float_columns_compare_as_mathematics_does(values: list[float], op: Any, bound: float) -> None:
    check_comparison("float", values, op, bound)


def check_comparison(kind: Any, values: list[Any], op: Any, bound: float) -> None:
    column = Column.build("k", kind, len(values), range(len(values)), values)
    hits = comparison.compare(column, op, bound)
    expected = [{"gt": value > bound, "gte": value >= bound, "lt": value < bound, "lte": value <= bound}[op] for value in values]
    assert (hits.tolist() if hits is not None else [False] * len(values)) == expected
    equal = comparison.equals(column, bound)
    assert (equal.tolist() if equal is not None else [False] * len(values)) == [value == bound for value in values]


def test_infinite_and_undefined_bounds_compare_too() -> None:
    column = Column.build("k", "int", 2, [0, 1], [-(2**63), 2**63 - 1])
    for op, bound, expected in (
        ("lt", float("inf"), True),
        ("gte", float("-inf"), True),
        ("gt", float("inf"), False),
        ("lt", float("nan"), False),
    ):
        hits = comparison.compare(column, op, bound)  # type: ignore[arg-type]
        assert (hits is not None and bool(hits.all())) is expected


def test_one_is_one_point_zero_and_not_true_nor_a_string() -> None:
    columns = Columns.build([{"k": 1}, {"k": 1.0}, {"k": True}, {"k": "1"}])
    found = {}
    for literal in (1, 1.0, True, "1"):
        rows = [column.rows_where(hits) for column in columns.of("k") if (hits := comparison.equals(column, literal)) is not None]
        found[repr(literal)] = np.flatnonzero(np.logical_or.reduce(rows)).tolist()
    assert found == {"1": [0, 1], "1.0": [0, 1], "True": [2], "'1'": [3]}


def table(metadatas: list[Any], first: int = 1) -> RowTable:
    count = len(metadatas)
    seqs = np.arange(first, first + count)
    return RowTable(Ids.build([f"id{first + n}" for n in range(count)]), seqs, seqs - 1, Columns.build(metadatas))


@exactly
@given(tables, tables)
def test_a_row_table_is_written_opened_joined_and_selected(one: list[Any], other: list[Any]) -> None:
    sink = io.BytesIO()
    RowTable.concat([table(one), table(other, len(one) + 1)]).write(sink, {"cut": 2**40})
    opened = RowTable.open(memoryview(sink.getvalue()), "t")
    opened.verify()
    rows = np.arange(len(one) + len(other))
    assert opened.extra == {"cut": 2**40}
    assert opened.seqs.tolist() == (rows + 1).tolist()
    assert opened.borns.tolist() == rows.tolist()
    assert opened.ids.take(rows) == [f"id{row + 1}" for row in rows]
    assert same(opened.columns, one + other)
    backwards = opened.select(rows[::-1])
    assert backwards.seqs.tolist() == (rows[::-1] + 1).tolist()
    assert same(backwards.columns, (one + other)[::-1])
    assert backwards.ids.find(["id1"]).tolist() == [len(rows) - 1 if len(rows) else -1]


def test_parts_of_different_lengths_make_no_row_table() -> None:
    with pytest.raises(ValueError, match="2 ids, 1 seqs"):
        RowTable(Ids.build(["a", "b"]), np.array([1]), np.array([1]), Columns.build([None]))


def test_a_damaged_byte_of_a_row_table_is_found() -> None:
    sink = io.BytesIO()
    table([{"a": "x", "b": [1, 2]}, None, {"a": "y"}]).write(sink)
    whole = sink.getvalue()
    for at in range(0, len(whole), 3):
        damaged = bytearray(whole)
        damaged[at] ^= 0x01
        with pytest.raises(CorruptionError) as caught:
            RowTable.open(memoryview(damaged), "t").verify()
        assert caught.value.file == "t"
