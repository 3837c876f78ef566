"""Postings hold exactly the sparse vectors they were built from, through joining, choosing and storing; distances are the dot product's."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chroma_async.errors import CorruptionError
from chroma_async.format.frame import Frame, FrameWriter
from chroma_async.format.postings import KeyPostings, Postings
from chroma_async.index.sparse import count_alive, distances

exactly = settings(deadline=None, derandomize=True, max_examples=120)

weights = st.sampled_from([0.0, 0.5, -2.0, 1.0, 3e38]) | st.floats(-4, 4, width=32)
vectors = st.dictionaries(st.integers(0, 9) | st.sampled_from([2**31, 2**32 - 1]), weights, max_size=6)
metadata = st.none() | st.dictionaries(st.sampled_from(["a", "b", "ü"]), vectors | st.just(7), max_size=3)
tables = st.lists(metadata, max_size=12)


def sparse(vector: dict[int, float]) -> dict[str, Any]:
    return {"#type": "sparse_vector", "indices": sorted(vector), "values": [vector[index] for index in sorted(vector)]}


def build(table: list[Any]) -> Postings:
    return Postings.build(
        [row and {key: sparse(value) if isinstance(value, dict) else value for key, value in row.items()} for row in table]
    )


def restore(postings: Postings) -> list[dict[str, dict[int, float]]]:
    """Vectors by key, from postings."""
    rows: list[dict[str, dict[int, float]]] = [{} for _ in range(postings.rows)]
    for key in postings.keys:
        held = postings.of(key)
        assert held is not None
        for row in held.holders.tolist():
            rows[row][key] = {}
        for term, row, weight in zip(held.posted_terms().tolist(), held.at.tolist(), held.weights.tolist(), strict=True):
            assert term not in rows[row][key]
            rows[row][key][term] = weight
    return rows


def wanted(table: list[Any]) -> list[dict[str, dict[int, float]]]:
    return [
        {
            key: {index: float(np.float32(value)) for index, value in vector.items()}
            for key, vector in (row or {}).items()
            if isinstance(vector, dict)
        }
        for row in table
    ]


def stored(postings: Postings) -> bytes:
    sink = io.BytesIO()
    postings.write(sink)
    return sink.getvalue()


@exactly
@given(tables)
def test_postings_hold_what_they_were_built_from_also_when_stored(table: list[Any]) -> None:
    postings = build(table)
    reopened = Postings.open(memoryview(stored(postings)), "file")
    for one in (postings, reopened):
        assert restore(one) == wanted(table)
        assert one.disordered() == []
    assert reopened.rows == len(table)


@exactly
@given(st.lists(tables, max_size=4))
def test_joined_postings_hold_the_rows_of_all_parts(parts: list[list[Any]]) -> None:
    joined = Postings.concat([build(part) for part in parts])
    assert restore(joined) == [row for part in parts for row in wanted(part)]
    assert joined.disordered() == []


@exactly
@given(tables, st.randoms(use_true_random=False))
def test_chosen_rows_come_in_the_order_asked_for_and_gaps_stay_empty(table: list[Any], random: Any) -> None:
    order = [row if random.random() < 0.8 else -1 for row in random.sample(range(len(table)), random.randint(0, len(table)))]
    chosen = build(table).select(np.array(order, np.int64))
    expected = wanted(table)
    assert restore(chosen) == [expected[row] if row >= 0 else {} for row in order]
    assert chosen.disordered() == []
    assert all(any(key in row for row in restore(chosen)) for key in chosen.keys)


@exactly
@given(tables, vectors, st.randoms(use_true_random=False), st.booleans())
def test_the_distance_is_one_minus_the_product_over_shared_terms(
    table: list[Any], query: dict[int, float], random: Any, wide: bool
) -> None:
    # Behind many empty rows the same postings take the way for few postings.
    table = table + [None] * (5000 if wide else 0)
    held = build(table).of("a")
    if held is None:
        return
    mask = np.array([random.random() < 0.7 for _ in table])
    terms = np.array(sorted(query), np.uint32)
    factors = np.array([query[term] for term in sorted(query)], np.float64)
    for allowed in (None, mask):
        expected = {}
        for row, vector in enumerate(wanted(table)):
            shared = sorted(set(vector.get("a", ())) & set(query))
            if shared and (allowed is None or allowed[row]):
                product = 0.0
                for term in shared:
                    product += vector["a"][term] * query[term]
                expected[row] = np.float32(np.clip(1.0 - product, -np.finfo(np.float32).max, np.finfo(np.float32).max))
        rows, found = distances(held, terms, factors, allowed)
        assert found.dtype == np.float32
        assert rows.tolist() == list(expected)
        assert found.tolist() == [float(value) for value in expected.values()]
        holders, counts = count_alive(held, terms, allowed)
        alive = [vector["a"] for row, vector in enumerate(wanted(table)) if "a" in vector and (allowed is None or allowed[row])]
        assert holders == len(alive)
        assert counts.tolist() == [sum(term in vector for vector in alive) for term in sorted(query)]


def test_a_vector_without_terms_is_held_and_never_found() -> None:
    held = build([{"a": {}}, {"a": {3: 1.0}}]).of("a")
    assert held is not None
    assert held.holders.tolist() == [0, 1]
    rows, _ = distances(held, np.array([3], np.uint32), np.ones(1), None)
    assert rows.tolist() == [1]
    assert Postings.build([None, {"a": 1}]).keys == []


def test_a_damaged_byte_or_sections_that_do_not_fit_are_corruption() -> None:
    postings = build([{"a": {1: 1.0, 2: 2.0}}, {"a": {2: 3.0}}])
    raw = stored(postings)
    for cut in (10, len(raw) - 1):
        with pytest.raises(CorruptionError, match="file"):
            Postings.open(memoryview(raw[:cut]), "file")
    held = postings.of("a")
    assert held is not None
    sink = io.BytesIO()
    writer = FrameWriter(sink, "postings")
    for name, array in (held.sections("0.") | {"0.weights": held.weights[1:]}).items():
        writer.section(name, array)
    writer.finish({"rows": 2, "keys": ["a"]})
    assert Frame.open(memoryview(sink.getvalue()), "postings", "file").names
    with pytest.raises(CorruptionError, match=r"file.*'a'"):
        Postings.open(memoryview(sink.getvalue()), "file")


@pytest.mark.parametrize(
    "changed", [{"terms": [2, 1]}, {"at": [1, 0, 0]}, {"at": [0, 1, 0]}, {"at": [0, 0, 2]}, {"holders": [0, 5]}, {"offsets": [0, 3, 3]}]
)
def test_postings_out_of_order_are_noticed(changed: dict[str, list[int]]) -> None:
    held = build([{"a": {1: 1.0, 2: 2.0}}, {"a": {2: 3.0}}]).of("a")
    assert held is not None
    columns = {"holders": held.holders, "terms": held.terms, "offsets": held.offsets, "at": held.at, "weights": held.weights}
    assert [columns[name].tolist() for name in ("terms", "offsets", "at")] == [[1, 2], [0, 1, 3], [0, 0, 1]]
    columns |= {name: np.array(values, columns[name].dtype) for name, values in changed.items()}
    assert Postings(2, {"a": KeyPostings("a", 2, **columns)}).disordered() == ["a"]
