"""What filters mean, record by record."""

from __future__ import annotations

import time
from typing import Any

import pytest

from chroma_async.errors import InvalidArgumentError
from chroma_async.query_language.filter_evaluate import predicate
from chroma_async.query_language.filter_parse import parse

RECORDS: dict[str, tuple[Any, str | None]] = {
    "int1": ({"a": 1}, "x"),
    "float1": ({"a": 1.0}, "y"),
    "float1.5": ({"a": 1.5}, None),
    "true": ({"a": True}, ""),
    "str1": ({"a": "1"}, "50% of_all\x00"),
    "ints": ({"a": [1, 2]}, "Hello\n"),
    "floats": ({"a": [1.0]}, "hello"),
    "bools": ({"a": [True]}, "日本語"),
    "other": ({"b": 1}, "x"),
    "none": (None, None),
}


def select(where: Any = None, where_document: Any = None) -> set[str]:
    tree = parse(where, where_document)
    assert tree is not None
    return {id for id, (metadata, document) in RECORDS.items() if predicate(tree)(id, metadata, document)}


ALL = set(RECORDS)


def written(value: Any) -> str:
    """A parameter as a part of a test's name, the same in every process: sets have no order of their own."""
    return ascii(sorted(value) if isinstance(value, set) else value)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({"a": 1}, {"int1", "float1"}),
        ({"a": 1.0}, {"int1", "float1"}),
        ({"a": 1.5}, {"float1.5"}),
        ({"a": True}, {"true"}),
        ({"a": False}, set()),
        ({"a": "1"}, {"str1"}),
        ({"a": {"$ne": 1}}, ALL - {"int1", "float1"}),
        ({"a": {"$gt": 1}}, {"float1.5"}),
        ({"a": {"$gte": 1}}, {"int1", "float1", "float1.5"}),
        ({"a": {"$lt": 1.5}}, {"int1", "float1"}),
        ({"a": {"$lte": 0}}, set()),
        ({"a": {"$in": [1]}}, {"int1", "float1"}),
        ({"a": {"$in": [1.5]}}, {"float1.5"}),
        ({"a": {"$in": [True]}}, {"true"}),
        ({"a": {"$nin": ["1", "2"]}}, ALL - {"str1"}),
        ({"a": {"$contains": 1}}, {"ints"}),
        ({"a": {"$contains": 1.0}}, {"floats"}),
        ({"a": {"$contains": True}}, {"bools"}),
        ({"a": {"$not_contains": 1}}, ALL - {"ints"}),
        ({"": 1}, set()),
        ({"$and": []}, ALL),
        ({"$or": []}, set()),
        ({"$or": [{"a": "1"}, {"b": 1}]}, {"str1", "other"}),
        ({"$and": [{"a": {"$ne": 1}}, {"a": {"$gt": 0}}]}, {"float1.5"}),
        ({"#id": "none"}, {"none"}),
        ({"#id": {"$nin": ["none", "absent"]}}, ALL - {"none"}),
    ],
    ids=written,
)
def test_a_metadata_filter_selects_these_records(where: Any, expected: set[str]) -> None:
    assert select(where) == expected


@pytest.mark.parametrize(
    ("where_document", "expected"),
    [
        ({"$contains": "x"}, {"int1", "other"}),
        ({"$contains": ""}, ALL - {"float1.5", "none"}),
        ({"$contains": "hello"}, {"floats"}),
        ({"$contains": "%"}, {"str1"}),
        ({"$contains": "_all\x00"}, {"str1"}),
        ({"$contains": "f%l"}, set()),
        ({"$contains": "本"}, {"bools"}),
        ({"$not_contains": "x"}, ALL - {"int1", "other"}),
        ({"$not_contains": ""}, {"float1.5", "none"}),
        ({"$regex": "(?i)^hello$"}, {"floats"}),
        ({"$regex": ""}, ALL - {"float1.5", "none"}),
        ({"$not_regex": "l+o"}, ALL - {"ints", "floats"}),
    ],
    ids=written,
)
def test_a_document_filter_selects_these_records(where_document: Any, expected: set[str]) -> None:
    assert select(None, where_document) == expected


@pytest.mark.parametrize(
    ("stored", "where", "holds"),
    [
        (2**53 + 1, {"a": float(2**53)}, False),
        (2**53, {"a": float(2**53)}, True),
        (2**53 + 1, {"a": {"$gt": float(2**53)}}, True),
        (2**63 - 1, {"a": {"$lt": float(2**63)}}, True),
        (0.0, {"a": -0.0}, True),
        (1, {"a": {"$gte": 1.5}}, False),
    ],
)
def test_ints_and_floats_compare_without_rounding(stored: Any, where: Any, holds: bool) -> None:
    tree = parse(where, None)
    assert tree is not None
    assert predicate(tree)("id", {"a": stored}, None) is holds


def test_a_slow_regex_ends_with_a_refusal_when_its_budget_is_spent() -> None:
    tree = parse(None, {"$regex": "(?:a|aa)+$"})
    assert tree is not None
    holds = predicate(tree, regex_budget_s=0.2)
    start = time.monotonic()
    with pytest.raises(InvalidArgumentError, match="regex"):
        holds("id", None, "a" * 80 + "b")
    assert time.monotonic() - start < 20
