"""Filters against disabled indexes; every row is what the real server answered."""

from __future__ import annotations

from typing import Any

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
    Filter,
    IdIn,
    Not,
    Nothing,
    OneOf,
    Or,
)
from chroma_async.query_language.filter_rules import check_filter
from chroma_async.schema.collection_settings import create_settings

INVERTED = {"string": "string_inverted_index", "int": "int_inverted_index", "float": "float_inverted_index", "bool": "bool_inverted_index"}


def switched(enabled: bool, *kinds: str) -> dict[str, Any]:
    return {kind: {INVERTED[kind]: {"enabled": enabled, "config": {}}} for kind in kinds}


def schema_of(defaults: dict[str, Any] | None = None, keys: dict[str, Any] | None = None) -> dict[str, Any]:
    return create_settings(None, None, {"defaults": defaults or {}, "keys": keys or {}}, num_threads=2).schema


ALL_OFF = schema_of(switched(False, *INVERTED))
PLAIN = schema_of()
CLAUSES: list[tuple[Filter, str, str]] = [
    (Equals("s", "x"), "s", "Str"),
    (Equals("i", 1), "i", "Int"),
    (Equals("f", 1.5), "f", "Float"),
    (Equals("b", True), "b", "Bool"),
    (Equals("", "x"), "", "Str"),
    (Compare("i", "gt", 1), "i", "Int"),
    (Compare("i", "gt", 1.5), "i", "Float"),
    (OneOf("i", (1, 2)), "i", "Int"),
    (OneOf("i", (1.5, 1.0)), "i", "Float"),
    (OneOf("s", ("x",)), "s", "Str"),
    (Not(OneOf("s", ("x",))), "s", "Str"),
    (ArrayHas("si", 1), "si", "Int"),
    (ArrayHas("b", True), "b", "Bool"),
    (Not(ArrayHas("si", 1.5)), "si", "Float"),
    (Or((Equals("s", "x"),)), "s", "Str"),
    (And((Equals("i", 1), Equals("s", "x"))), "i", "Int"),
]
TEXT: list[Filter] = [DocumentContains("d"), Not(DocumentContains("d")), DocumentMatches("d"), And((Everything(), DocumentMatches("d")))]


@pytest.mark.parametrize(("clause", "key", "name"), CLAUSES)
def test_a_disabled_index_refuses_and_names_key_and_type(clause: Filter, key: str, name: str) -> None:
    check_filter(PLAIN, clause)
    with pytest.raises(InvalidArgumentError, match=f"metadata key '{key}' with type '{name}'.*disabled"):
        check_filter(ALL_OFF, clause)


@pytest.mark.parametrize("clause", [None, Everything(), Nothing(), And(()), Or(()), IdIn(("a",)), *TEXT])
def test_clauses_that_need_no_metadata_index_pass_without_any(clause: Filter | None) -> None:
    check_filter(ALL_OFF, clause)


@pytest.mark.parametrize("off", list(INVERTED))
def test_the_type_of_the_literal_decides_which_index_is_needed(off: str) -> None:
    schema = schema_of(switched(False, off))
    literals = {"string": "x", "int": 1, "float": 1.5, "bool": True}
    for kind, literal in literals.items():
        if kind == off:
            with pytest.raises(InvalidArgumentError):
                check_filter(schema, Equals("k", literal))
        else:
            check_filter(schema, Equals("k", literal))


def test_a_key_of_its_own_overrules_the_defaults() -> None:
    with pytest.raises(InvalidArgumentError):
        check_filter(schema_of(keys={"k": switched(False, "string")}), Equals("k", "x"))
    schema = schema_of(switched(False, *INVERTED), {"k": switched(True, "string"), "z": {}})
    check_filter(schema, Equals("k", "x"))
    for clause in (Equals("k", 1), Equals("z", "x"), Equals("other", "x")):
        with pytest.raises(InvalidArgumentError):
            check_filter(schema, clause)


def test_a_key_that_says_nothing_about_an_index_follows_the_defaults() -> None:
    # The real server answers 500 here.
    check_filter(schema_of(keys={"e": {"string": {}}}), Equals("e", "x"))


@pytest.mark.parametrize("clause", TEXT)
def test_document_filters_are_refused_without_full_text_search(clause: Filter) -> None:
    index = {"enabled": False, "config": {}}
    schema = schema_of(keys={"#document": {"string": {"fts_index": index}}})
    with pytest.raises(InvalidArgumentError, match="FTS"):
        check_filter(schema, clause)
    check_filter(schema, ArrayHas("s", "x"))
