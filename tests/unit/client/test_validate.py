"""What a client refuses before it asks: which class, and that the text ends with the method's name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chroma_async.client.filters import check_where, check_where_document
from chroma_async.client.validate import (
    check_embeddings,
    check_ids,
    check_include,
    check_n_results,
    check_window,
)
from chroma_async.errors import ChromaError, DuplicateIDError, InvalidArgumentError, ValidationError, ValidationTypeError


def test_refusals_are_chroma_errors_and_builtin_errors_at_once() -> None:
    assert issubclass(ValidationError, (ValueError,))
    assert issubclass(ValidationError, InvalidArgumentError)
    assert issubclass(ValidationTypeError, TypeError)
    assert issubclass(ValidationTypeError, ChromaError)
    assert issubclass(DuplicateIDError, ValueError)


def test_one_id_is_a_list_of_one() -> None:
    assert check_ids("a") == ["a"]
    assert check_ids(("a", "b")) == ["a", "b"]


@pytest.mark.parametrize("ids", [None, [], [1], ["a", None], {"a": 1}, {"a"}, b"a", "", [""], "\ud800"])
def test_ids_that_are_not_a_non_empty_list_of_text_are_refused(ids: Any) -> None:
    with pytest.raises(ValidationError):
        check_ids(ids)


def test_repeated_ids_are_named_but_not_all_of_many() -> None:
    with pytest.raises(DuplicateIDError, match="found duplicates of: b"):
        check_ids(["a", "b", "b"])
    with pytest.raises(DuplicateIDError, match="and 10 more"):
        check_ids([str(n) for n in range(20)] * 2)
    assert check_ids(["a", "a"], unique=False) == ["a", "a"]
    assert check_ids([], empty=True) == []


@pytest.mark.parametrize(
    "value",
    [
        [1.0, 2.0],
        [[1, 2]],
        [(1, 2)],
        [np.array([1, 2])],
        np.array([1, 2], dtype=np.int64),
        np.array([[1, 2]], dtype=np.float16),
        np.array([[1, 2]], dtype=np.float64),
    ],
    ids=str,
)
def test_one_vector_in_any_form_is_a_row_of_float32(value: Any) -> None:
    floats = check_embeddings(value)
    assert floats.dtype == np.float32
    assert floats.tolist() == [[1.0, 2.0]]


def test_the_caller_keeps_its_own_array() -> None:
    mine = np.ones((2, 2), dtype=np.float32)
    floats = check_embeddings(mine)
    mine[:] = 9
    assert floats.tolist() == [[1, 1], [1, 1]]
    assert floats.flags.c_contiguous


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        [[]],
        [[], []],
        ["x"],
        [["x"]],
        "x",
        {"a": 1},
        [None],
        [[1, None]],
        [[1, 2], [1]],
        [[True, False]],
        [float("nan"), 1.0],
        [1.0, float("inf")],
        [[1e39, 0.0]],
        np.zeros((0, 3)),
        np.zeros((1, 1, 1)),
        np.array(3.0),
        np.array([1 + 2j]),
    ],
    ids=str,
)
def test_what_is_no_matrix_of_finite_float32_is_refused(value: Any) -> None:
    with pytest.raises(ValidationError, match="embeddings"):
        check_embeddings(value)


def test_a_value_that_is_not_finite_is_located() -> None:
    with pytest.raises(ValidationError, match=r"row 1 .* index 0"):
        check_embeddings([[1.0, 2.0], [float("nan"), 2.0]])


@settings(deadline=None, derandomize=True, max_examples=50)
@given(st.lists(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=3, max_size=3), min_size=1, max_size=5))
def test_float32_values_pass_unchanged(rows: list[list[float]]) -> None:
    assert check_embeddings(rows).tolist() == rows


@pytest.mark.parametrize(
    "where",
    [
        None,
        {"a": 1},
        {"a": "x"},
        {"a": True},
        {"a": {"$ne": True}},
        {"a": {"$in": [1, 2]}},
        {"a": {"$contains": 1}},
        {"a": {"$not_contains": "x"}},
        {"#document": {"$contains": "x"}},
        {"#document": {"$regex": "x"}},
        {"#id": {"$in": ["a"]}},
        {"": 1},
        {"$and": [{"a": 1}, {"$or": [{"b": 1}, {"c": {"$lte": 1.5}}]}]},
    ],
    ids=str,
)
def test_a_filter_passes_as_it_is(where: Any) -> None:
    assert check_where(where) == where


@pytest.mark.parametrize(
    "where",
    [
        {},
        "x",
        [],
        {1: 2},
        {"a": 1, "b": 2},
        {"$contains": "x"},
        {"$gt": 1},
        {"a": None},
        {"a": [1]},
        {"a": {}},
        {"a": {"$eq": None}},
        {"a": {"$x": 1}},
        {"a": {"$regex": 5}},
        {"a": {"$gt": "x"}},
        {"a": {"$gt": True}},
        {"a": {"$gt": 1, "$lt": 2}},
        {"a": {"$in": []}},
        {"a": {"$in": "x"}},
        {"a": {"$in": [1, "x"]}},
        {"a": {"$in": [1, 1.5]}},
        {"a": {"$in": [[1]]}},
        {"a": {"$contains": [1]}},
        {"a": float("nan")},
        {"a": {"$lt": float("inf")}},
        {"$and": []},
        {"$and": {}},
        {"$and": [{"a": 1}]},
        {"$or": [{"a": 1}, "x"]},
        {"$or": [{"a": 1}, {"$and": [{"b": 1}]}]},
    ],
    ids=str,
)
def test_a_filter_of_the_wrong_shape_is_refused_as_where(where: Any) -> None:
    with pytest.raises(ValidationError, match="where"):
        check_where(where)


def test_a_filter_that_nests_deeper_than_a_store_takes_is_refused_here() -> None:
    where: dict[str, Any] = {"a": 1}
    for _ in range(5000):
        where = {"$and": [where, {"a": 1}]}
    with pytest.raises(ValidationError, match="nests more than 126 levels"):
        check_where(where)


@pytest.mark.parametrize("operator", ["$contains", "$not_contains", "$regex", "$not_regex"])
def test_a_document_filter_passes_as_it_is(operator: str) -> None:
    for where in ({operator: "x"}, {"$and": [{operator: "x"}, {"$contains": "y"}]}):
        assert check_where_document(where) == where


@pytest.mark.parametrize(
    "where",
    [{}, "x", {"$contains": ""}, {"$contains": 1}, {"$contains": ["a"]}, {"$x": "a"}, {"$regex": ""}, {"$and": "x"}]
    + [{"$and": [{"$contains": "x"}]}, {"$contains": "x", "$not_contains": "y"}],
    ids=str,
)
def test_a_document_filter_of_the_wrong_shape_is_refused_as_where_document(where: Any) -> None:
    with pytest.raises(ValidationError, match="where document"):
        check_where_document(where)


def test_include_asks_for_uris_where_data_is_wanted() -> None:
    assert check_include(["documents", "documents"], distances=False, loader=False) == (
        ["documents", "documents"],
        ("documents", "documents"),
    )
    assert check_include(["data"], distances=False, loader=True) == (["data", "uris"], ("uris",))
    assert check_include([], distances=True, loader=False) == ([], ())


@pytest.mark.parametrize("include", ["documents", None, ("documents",), ["nope"], [1], ["distances"], ["data"]], ids=str)
def test_a_bad_include_is_refused_as_include(include: Any) -> None:
    with pytest.raises(ValidationError, match="include"):
        check_include(include, distances=False, loader=False)


def test_n_results_is_a_whole_number_above_zero() -> None:
    assert check_n_results(np.int64(3)) == 3
    for bad in (1.5, "1", None, True):
        with pytest.raises(ValueError, match="n_results"):
            check_n_results(bad)
    for low in (0, -1):
        with pytest.raises(TypeError, match="n_results"):
            check_n_results(low)


def test_limits_and_offsets_are_whole_numbers_from_zero() -> None:
    assert check_window(None, "limit") is None
    assert check_window(0, "limit") == 0
    with pytest.raises(ValueError, match="limit"):
        check_window(-1, "limit")
    for bad in (1.5, "1", True):
        with pytest.raises(TypeError, match="offset"):
            check_window(bad, "offset")
