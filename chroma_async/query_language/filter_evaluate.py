"""What a filter means, record by record: the definition that every faster evaluation is compared with."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TypeAlias

from chroma_async.query_language.filter_ast import (
    And,
    ArrayHas,
    Compare,
    DocumentContains,
    DocumentMatches,
    Equals,
    Everything,
    Filter,
    HasKey,
    IdIn,
    Not,
    Nothing,
    OneOf,
    Or,
    TextLike,
    TextMatches,
)
from chroma_async.query_language.like import compile_like
from chroma_async.rust_regex.patterns import REGEX_BUDGET_S, compile_pattern
from chroma_async.types import Metadata, Scalar

#: (id, metadata, document) -> does the record satisfy the filter?
Predicate: TypeAlias = Callable[[str, "Metadata | None", "str | None"], bool]

_COMPARE: dict[str, Callable[[float, float], bool]] = {"gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le}


def predicate(filter: Filter, *, regex_budget_s: float = REGEX_BUDGET_S) -> Predicate:
    """The filter as a function of a record.

    Calling it raises :class:`~chroma_async.errors.InvalidArgumentError` when regular expressions have used up ``regex_budget_s`` seconds
    (each its own).
    """
    match filter:
        case Everything():
            return lambda id, metadata, document: True
        case Nothing():
            return lambda id, metadata, document: False
        case And(clauses):
            return _every([predicate(clause, regex_budget_s=regex_budget_s) for clause in clauses])
        case Or(clauses):
            return _some([predicate(clause, regex_budget_s=regex_budget_s) for clause in clauses])
        case Not(clause):
            inner = predicate(clause, regex_budget_s=regex_budget_s)
            return lambda id, metadata, document: not inner(id, metadata, document)
        case Equals(key, value):
            return _equals(key, value)
        case Compare(key, op, value):
            return _compare(key, _COMPARE[op], value)
        case OneOf(key, values):
            return _one_of(key, values)
        case ArrayHas(key, value):
            return _array_has(key, value)
        case HasKey(key):
            return lambda id, metadata, document: metadata is not None and metadata.get(key) is not None
        case TextMatches(key, source):
            return _text(key, compile_pattern(source, budget_s=regex_budget_s).search)
        case TextLike(key, source):
            return _text(key, compile_like(source))
        case IdIn(ids):
            names = frozenset(ids)
            return lambda id, metadata, document: id in names
        case DocumentContains(needle):
            return lambda id, metadata, document: document is not None and needle in document
        case DocumentMatches(source):
            search = compile_pattern(source, budget_s=regex_budget_s).search
            return lambda id, metadata, document: document is not None and search(document)


def _every(clauses: list[Predicate]) -> Predicate:
    def holds(id: str, metadata: Metadata | None, document: str | None) -> bool:
        for clause in clauses:  # noqa: SIM110 - a generator costs more than the clauses
            if not clause(id, metadata, document):
                return False
        return True

    return holds


def _some(clauses: list[Predicate]) -> Predicate:
    def holds(id: str, metadata: Metadata | None, document: str | None) -> bool:
        for clause in clauses:  # noqa: SIM110 - a generator costs more than the clauses
            if clause(id, metadata, document):
                return True
        return False

    return holds


def _family(value: object) -> type:
    """The three families that never equal each other: str, bool, and numbers as float. Arrays are families of their own."""
    return float if type(value) is int else type(value)


def _equals(key: str, wanted: Scalar) -> Predicate:
    family = _family(wanted)

    def holds(id: str, metadata: Metadata | None, document: str | None) -> bool:
        value = None if metadata is None else metadata.get(key)
        # CPython compares int with float exactly, without rounding the int.
        return value == wanted and _family(value) is family

    return holds


def _compare(key: str, compare: Callable[[float, float], bool], bound: float) -> Predicate:
    def holds(id: str, metadata: Metadata | None, document: str | None) -> bool:
        value = None if metadata is None else metadata.get(key)
        return (type(value) is int or type(value) is float) and compare(value, bound)

    return holds


def _one_of(key: str, wanted: tuple[Scalar, ...]) -> Predicate:
    family = _family(wanted[0])
    values = frozenset(wanted)

    def holds(id: str, metadata: Metadata | None, document: str | None) -> bool:
        value = None if metadata is None else metadata.get(key)
        # The family first: it keeps arrays, which cannot be hashed, away from the set.
        return _family(value) is family and value in values

    return holds


def _text(key: str, holds_for: Callable[[str], bool]) -> Predicate:
    def holds(id: str, metadata: Metadata | None, document: str | None) -> bool:
        value = None if metadata is None else metadata.get(key)
        return isinstance(value, str) and holds_for(value)

    return holds


def _array_has(key: str, wanted: Scalar) -> Predicate:
    kind = type(wanted)

    def holds(id: str, metadata: Metadata | None, document: str | None) -> bool:
        value = None if metadata is None else metadata.get(key)
        return isinstance(value, list) and any(type(item) is kind and item == wanted for item in value)

    return holds
