"""The grammar of filters: what is accepted becomes which tree, and what is refused says why."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from chroma_async.errors import InvalidArgumentError
from chroma_async.query_language.filter_ast import (
    And,
    ArrayHas,
    Compare,
    DocumentContains,
    DocumentMatches,
    Equals,
    Everything,
    IdIn,
    Not,
    Nothing,
    OneOf,
    Or,
)
from chroma_async.query_language.filter_parse import parse

ACCEPTED: list[tuple[Any, Any]] = [
    ({"a": 1}, Equals("a", 1)),
    ({"a": True}, Equals("a", True)),
    ({"a": "1"}, Equals("a", "1")),
    ({"": 1}, Equals("", 1)),
    ({"#embedding": 1}, Equals("#embedding", 1)),
    ({"a": {"$eq": 1.5}}, Equals("a", 1.5)),
    ({"a": {"$ne": 1}}, Not(Equals("a", 1))),
    ({"a": {"$gt": 1}}, Compare("a", "gt", 1)),
    ({"a": {"$gte": 1.5}}, Compare("a", "gte", 1.5)),
    ({"a": {"$lt": -(2**63)}}, Compare("a", "lt", -(2**63))),
    ({"a": {"$lte": 2**63 - 1}}, Compare("a", "lte", 2**63 - 1)),
    ({"a": {"$in": ["x", "y", "x"]}}, OneOf("a", ("x", "y"))),
    ({"a": {"$in": [1.5, 1]}}, OneOf("a", (1.5, 1.0))),
    ({"a": {"$in": [1.5, 2**63]}}, OneOf("a", (1.5, float(2**63)))),
    ({"a": {"$nin": [True]}}, Not(OneOf("a", (True,)))),
    ({"a": {"$contains": 1}}, ArrayHas("a", 1)),
    ({"a": {"$not_contains": "x"}}, Not(ArrayHas("a", "x"))),
    ({"$and": []}, Everything()),
    ({"$or": []}, Nothing()),
    ({"$and": [{"a": 1}]}, Equals("a", 1)),
    ({"$or": [{"a": 1}]}, Equals("a", 1)),
    ({"$and": [{"a": 1}, {"b": 2}]}, And((Equals("a", 1), Equals("b", 2)))),
    ({"$or": [{"a": 1}, {"$or": [{"b": 2}, {"a": 1}]}]}, Or((Equals("a", 1), Equals("b", 2)))),
    ({"$and": [{"a": 1}, {"$or": []}]}, Nothing()),
    ({"$or": [{"a": 1}, {"$and": []}]}, Everything()),
    ({"#document": {"$contains": "x"}}, DocumentContains("x")),
    ({"#document": {"$not_regex": "x+"}}, Not(DocumentMatches("x+"))),
    ({"$and": [{"#document": {"$regex": "x"}}, {"a": 1}]}, And((DocumentMatches("x"), Equals("a", 1)))),
    ({"#id": "a"}, IdIn(("a",))),
    ({"#id": {"$ne": "a"}}, Not(IdIn(("a",)))),
    ({"#id": {"$in": ["a", "b", "a"]}}, IdIn(("a", "b"))),
    ({"#id": {"$nin": ["a"]}}, Not(IdIn(("a",)))),
]

REFUSED: list[Any] = [
    {},
    [],
    "x",
    5,
    True,
    {"a": 1, "b": 2},
    {1: 2},
    {"$foo": "x"},
    {"$foo": {"$eq": 1}},
    {"$eq": 1},
    {"$contains": "x"},
    {"$not": {"a": 1}},
    {"$nor": [{"a": 1}]},
    {"$and": {"a": 1}},
    {"$and": [{}]},
    {"$and": [1]},
    {"$and": None},
    {"$or": "x"},
    {"a": None},
    {"a": {}},
    {"a": []},
    {"a": [1]},
    {"a": {"$eq": 1, "$ne": 2}},
    {"a": {"$eq": [1]}},
    {"a": {"$eq": {"x": 1}}},
    {"a": {"$exists": 1}},
    {"a": {"$like": 5}},
    {"a": {"$regex": 5}},
    {"a": {"$gt": "x"}},
    {"a": {"$lte": True}},
    {"a": {"$in": []}},
    {"a": {"$in": "x"}},
    {"a": {"$in": [None]}},
    {"a": {"$in": [[1]]}},
    {"a": {"$in": [1, True]}},
    {"a": {"$in": [True, 1]}},
    {"a": {"$in": ["x", 1]}},
    {"a": {"$in": [1, 1.5]}},
    {"a": {"$in": [2**63]}},
    {"a": {"$in": [1.5, 10**400]}},
    {"a": {"$contains": [1]}},
    {"a": {"$contains": None}},
    {"a": 2**63},
    {"a": -(2**63) - 1},
    {"a": {"$gt": 2**64}},
    {"a": float("nan")},
    {"a": {"$lt": float("inf")}},
    {"a": "\ud800"},
    {"\ud800": 1},
    {"#document": "x"},
    {"#document": {"$eq": "x"}},
    {"#document": {"$contains": 1}},
    {"#id": 1},
    {"#id": {"$gt": "a"}},
    {"#id": {"$in": []}},
    {"#id": {"$in": [1]}},
    {"#id": {"$contains": "a"}},
]


@pytest.mark.parametrize(("where", "tree"), ACCEPTED, ids=[str(where)[:60] for where, _ in ACCEPTED])
def test_a_where_filter_becomes_this_tree(where: Any, tree: Any) -> None:
    parsed = parse(where, None)
    assert parsed == tree
    assert hash(parsed) == hash(tree)


@pytest.mark.parametrize("where", REFUSED, ids=[ascii(where)[:60] for where in REFUSED])
def test_a_where_filter_outside_the_grammar_is_refused(where: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="Invalid where clause") as refusal:
        parse(where, None)
    assert refusal.value.status == 400
    assert len(refusal.value.message()) < 500


@pytest.mark.parametrize(
    ("where_document", "tree"),
    [
        ({"$contains": ""}, DocumentContains("")),
        ({"$not_contains": "x"}, Not(DocumentContains("x"))),
        ({"$regex": "a|b"}, DocumentMatches("a|b")),
        ({"$and": []}, Everything()),
        ({"$or": [{"$contains": "x"}, {"$regex": "y"}]}, Or((DocumentContains("x"), DocumentMatches("y")))),
    ],
)
def test_a_where_document_filter_becomes_this_tree(where_document: Any, tree: Any) -> None:
    assert parse(None, where_document) == tree


@pytest.mark.parametrize(
    "where_document",
    [{}, [], "x", {"$contains": 1}, {"$contains": None}, {"$contains": ["x"]}, {"$eq": "x"}, {"a": 1}, {"$and": [{}]}]
    + [{"#document": {"$contains": "x"}}, {"$contains": "x", "$regex": "x"}, {"$contains": "\ud800"}],
    ids=ascii,
)
def test_a_where_document_filter_outside_the_grammar_is_refused(where_document: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="Invalid where document clause"):
        parse(None, where_document)


@pytest.mark.parametrize(
    ("where", "where_document"),
    [({"a": 1, "b": 2}, None), ({"a": {"$gt": 1, "$lt": 2}}, None), (None, {"$contains": "x", "$regex": "x"})],
    ids=["keys", "operators", "of a document"],
)
def test_several_conditions_in_one_object_are_refused_with_how_to_combine_them(where: Any, where_document: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"an object with 2 members; combine several with \$and$"):
        parse(where, where_document)


def test_no_filter_is_none() -> None:
    assert parse(None, None) is None


def test_both_filters_combine_with_and() -> None:
    assert parse({"a": 1}, {"$contains": "x"}) == And((Equals("a", 1), DocumentContains("x")))


@pytest.mark.parametrize("place", ["where", "where_document"])
def test_a_regex_with_a_syntax_error_is_refused_as_such(place: str) -> None:
    filters = {"where": ({"#document": {"$regex": "(a"}}, None), "where_document": (None, {"$not_regex": "(a"})}
    with pytest.raises(InvalidArgumentError, match=r"regex syntax: unclosed group") as refusal:
        parse(*filters[place])
    assert type(refusal.value) is InvalidArgumentError


def test_a_regex_over_the_length_bound_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="regex has 11 characters; at most 10"):
        parse(None, {"$regex": "a" * 11}, max_pattern_chars=10)


def test_a_refusal_names_key_operator_and_value() -> None:
    with pytest.raises(InvalidArgumentError, match=r"Invalid where clause: '\$gt' on key 'age' takes a number, not 'old'"):
        parse({"age": {"$gt": "old"}}, None)


def test_a_huge_value_is_cut_short_in_the_refusal() -> None:
    with pytest.raises(InvalidArgumentError) as refusal:
        parse({"k" * 100_000: {"$gt": "v" * 100_000}}, None)
    assert len(refusal.value.message()) < 300


@pytest.mark.parametrize("leaf", [{"a": 1}, {"a": {"$eq": 1}}])
def test_nesting_is_bounded_where_the_real_server_bounds_it(leaf: Any) -> None:
    def nested(levels: int) -> Any:
        where = leaf
        for _ in range(levels):
            where = {"$and": [where]}
        return where

    assert parse(nested(62), None) == Equals("a", 1)
    for levels in (63, 64, 100_000):
        with pytest.raises(InvalidArgumentError, match="nests more than"):
            parse(nested(levels), None)


def test_deep_filters_that_do_not_fold_keep_their_depth_in_bounds() -> None:
    where: Any = {"a": 1}
    for level in range(62):
        where = {("$or", "$and")[level % 2]: [where, {"b": level}]}
    assert parse(where, None) is not None


def test_trees_that_differ_in_the_type_of_a_value_are_different_cache_keys() -> None:
    assert len({Equals("a", 1), Equals("a", True), Equals("a", "1")}) == 3
    assert len({ArrayHas("a", 1), ArrayHas("a", 1.0), ArrayHas("a", True)}) == 3
    assert OneOf("a", (1,)) != OneOf("a", (True,))
    clauses = parse({"$and": [{"a": 1}, {"a": True}]}, None)
    assert clauses == And((Equals("a", 1), Equals("a", True)))


def test_numpy_values_are_taken_as_the_plain_numbers_they_are() -> None:
    parsed = parse({"a": {"$in": [np.float64(1.5), 1]}}, None)
    assert parsed == OneOf("a", (1.5, 1.0))
    assert isinstance(parsed, OneOf)
    assert [type(value) for value in parsed.values] == [float, float]
