"""The first look at ``where`` and ``where_document``: mistakes that need no collection to be seen, refused before anything is sent.

What passes here goes on unchanged; :mod:`chroma_async.query_language.filter_parse` decides what it means. The walk keeps its own stack, so
the depth of a filter is bounded by whoever parses it, not by Python's.
"""

from __future__ import annotations

import math
from typing import Any

from chroma_async.errors import ValidationError
from chroma_async.types import Json

_LOGICAL = ("$and", "$or")
_ORDER = ("$gt", "$gte", "$lt", "$lte")
_LISTS = ("$in", "$nin")
_ELEMENTS = ("$contains", "$not_contains")
_PATTERNS = ("$regex", "$not_regex")
#: Beyond chromadb's: our server takes them on metadata strings too.
_LIKE = ("$like", "$not_like")
_OPERATORS = ("$eq", "$ne", *_ORDER, *_LISTS, *_ELEMENTS, *_PATTERNS, *_LIKE, "$exists")
_DOCUMENT_OPERATORS = (*_ELEMENTS, *_PATTERNS)


def check_where(where: Any) -> Json:
    """:raises ValidationError: by the table of docs/CONTRACT.md#client-checks."""
    waiting = [] if where is None else [where]
    while waiting:
        node = waiting.pop()
        key, value = _only_member(node, "where")
        if not isinstance(key, str):
            raise ValidationError(f"where: expected text as key, got {key!r}")
        if key in _LOGICAL:
            waiting.extend(_clauses(key, value, "where"))
        elif key.startswith("$"):
            raise ValidationError(f"where: expected a metadata field, $and or $or as key, got {key}")
        elif isinstance(value, dict):
            name, operand = _only_member(value, f"where: the expression for {key!r}")
            _check_operand(key, name, operand)
        else:
            _check_scalar(key, value)
    return where


def check_where_document(where_document: Any) -> Json:
    """:raises ValidationError: by the table of docs/CONTRACT.md#client-checks."""
    waiting = [] if where_document is None else [where_document]
    while waiting:
        key, value = _only_member(waiting.pop(), "where document")
        if key in _LOGICAL:
            waiting.extend(_clauses(key, value, "where document"))
        elif key not in _DOCUMENT_OPERATORS:
            raise ValidationError(f"where document: expected one of {', '.join((*_DOCUMENT_OPERATORS, *_LOGICAL))}, got {key}")
        elif not isinstance(value, str) or not value:
            raise ValidationError(f"where document: {key} takes non-empty text, got {value!r}")
    return where_document


def _only_member(node: Any, what: str) -> tuple[Any, Any]:
    if not isinstance(node, dict):
        raise ValidationError(f"{what}: expected a dict, got {node!r}")
    if len(node) != 1:
        raise ValidationError(f"{what}: expected exactly one operator, got {node!r}")
    return next(iter(node.items()))


def _clauses(key: str, value: Any, what: str) -> list[Any]:
    if not isinstance(value, list) or len(value) < 2:
        raise ValidationError(f"{what}: {key} takes a list of at least two expressions, got {value!r}")
    return value


def _check_scalar(key: str, value: Any) -> None:
    if not isinstance(value, str | int | float):
        raise ValidationError(f"where: the value of {key!r} must be a str, int, float, bool or an expression, got {value!r}")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValidationError(f"where: the value of {key!r} is not a finite number")


def _check_operand(key: str, name: Any, operand: Any) -> None:
    if name in (*_PATTERNS, *_LIKE):
        if not isinstance(operand, str):
            raise ValidationError(f"where: {name} takes text, got {operand!r}")
    elif name == "$exists":
        if not isinstance(operand, bool):
            raise ValidationError(f"where: {name} takes True or False, got {operand!r}")
    elif name not in _OPERATORS:
        raise ValidationError(f"where: expected one of {', '.join(_OPERATORS)}, got {name}")
    elif name in _LISTS:
        if not isinstance(operand, list) or not operand or len({type(value) for value in operand}) != 1:
            raise ValidationError(f"where: {name} takes a non-empty list of values of one type, got {operand!r}")
        for value in operand:
            _check_scalar(key, value)
    elif name in _ORDER:
        if isinstance(operand, bool) or not isinstance(operand, int | float):
            raise ValidationError(f"where: {name} takes an int or a float, got {operand!r}")
        _check_scalar(key, operand)
    else:
        _check_scalar(key, operand)
