"""The first look at ``where`` and ``where_document``: mistakes that need no collection to be seen, refused before anything is sent.

What passes here is plain (see :mod:`chroma_async.plain`) and means what it meant; :mod:`chroma_async.query_language.filter_parse` decides
what that is.
"""

from __future__ import annotations

import math
from typing import Any

from chroma_async.costs import by_cost
from chroma_async.errors import ValidationError
from chroma_async.plain import is_plain, plain, shown, walking_us
from chroma_async.threads import Lane
from chroma_async.types import Json

_LOGICAL = ("$and", "$or")
_ORDER = ("$gt", "$gte", "$lt", "$lte")
_LISTS = ("$in", "$nin")
_ELEMENTS = ("$contains", "$not_contains")
_PATTERNS = ("$regex", "$not_regex")
#: Beyond chromadb's: our server takes them on metadata strings too.
_LIKE = ("$like", "$not_like")
_TEXTS = (*_PATTERNS, *_LIKE)
_OPERATORS = ("$eq", "$ne", *_ORDER, *_LISTS, *_ELEMENTS, *_PATTERNS, *_LIKE, "$exists")
_DOCUMENT_OPERATORS = (*_ELEMENTS, *_PATTERNS)
_I64_MIN, _I64_MAX = -(2**63), 2**63 - 1
#: Filters of so few levels that turn out to be plain are small: they are checked at once, whatever a walk over them may cost.
_QUICK_LEVELS = 3


async def checked_filters(where: Any, where_document: Any, lane: Lane) -> tuple[Json, Json]:
    """Both filters, plain and checked; in a thread when they are large.

    :raises ValidationError: as :func:`check_where` and :func:`check_where_document`.
    """
    if where is None and where_document is None:
        return None, None
    if is_plain(where, _QUICK_LEVELS) and is_plain(where_document, _QUICK_LEVELS):
        return _checked(where, where_document)
    return await by_cost(lane.run, walking_us(where) + walking_us(where_document), _checked, where, where_document)


def _checked(where: Any, where_document: Any) -> tuple[Json, Json]:
    return check_where(where), check_where_document(where_document)


def check_where(where: Any) -> Json:
    """The filter in plain values. :raises ValidationError: by the table of docs/CONTRACT.md#client-checks, or it has no end."""
    if where is None:
        return None
    body = where if is_plain(where) else plain(where, "where")
    waiting = [body]
    while waiting:
        node = waiting.pop()
        key, value = _only_member(node, "where")
        if not isinstance(key, str):
            raise ValidationError(f"Expected where key to be a str, got {shown(key)}")
        if key in _LOGICAL:
            waiting.extend(_clauses(key, value, "where"))
        elif key.startswith("$"):
            raise ValidationError(f"Expected where key to be a metadata field name or a logical operator ($and, $or), got {key}")
        elif isinstance(value, dict):
            name, operand = _only_member(value, "the where expression for", key)
            _check_operand(key, name, operand)
        else:
            _check_scalar(key, value)
    return body


def check_where_document(where_document: Any) -> Json:
    """The filter in plain values. :raises ValidationError: by the table of docs/CONTRACT.md#client-checks, or it has no end."""
    if where_document is None:
        return None
    body = where_document if is_plain(where_document) else plain(where_document, "where document")
    waiting = [body]
    while waiting:
        key, value = _only_member(waiting.pop(), "where document")
        if key in _LOGICAL:
            waiting.extend(_clauses(key, value, "where document"))
        elif key not in _DOCUMENT_OPERATORS:
            raise ValidationError(
                f"Expected where document operator to be one of {', '.join((*_DOCUMENT_OPERATORS, *_LOGICAL))}, got {_name(key)}"
            )
        elif not isinstance(value, str) or not value:
            raise ValidationError(f"Expected where document operand value for operator {key} to be a non-empty str, got {shown(value)}")
    return body


def _only_member(node: Any, what: str, of: str | None = None) -> tuple[Any, Any]:
    if isinstance(node, dict) and len(node) == 1:
        return next(iter(node.items()))
    place = what if of is None else f"{what} {of!r}"
    if not isinstance(node, dict):
        raise ValidationError(f"Expected {place} to be a dict, got {shown(node)}")
    raise ValidationError(f"Expected {place} to have exactly one operator, got {shown(node)}; combine several with $and or $or")


def _clauses(key: str, value: Any, what: str) -> list[Any]:
    if not isinstance(value, list) or len(value) < 2:
        raise ValidationError(f"Expected {what} value for {key} to be a list with at least two {what} expressions, got {shown(value)}")
    return value


def _check_scalar(key: str, value: Any) -> None:
    kind = type(value)
    if kind is str or kind is bool:
        return
    if kind is float:
        if not math.isfinite(value):
            raise ValidationError(f"where: the value of {key!r} is not a finite number")
    elif kind is not int:
        raise ValidationError(
            f"Expected where value to be a str, int, float, bool, or operator expression, got {shown(value)} for the key {key!r}"
        )
    elif not _I64_MIN <= value <= _I64_MAX:
        raise ValidationError(f"where: the value of {key!r} is beyond a signed 64-bit integer: {shown(value)}")


def _check_operand(key: str, name: Any, operand: Any) -> None:
    if name in _TEXTS:
        if not isinstance(operand, str):
            raise ValidationError(f"Expected where operand value for operator {name} to be a str, got {shown(operand)}")
    elif name == "$exists":
        if not isinstance(operand, bool):
            raise ValidationError(f"Expected where operand value for operator {name} to be True or False, got {shown(operand)}")
    elif name not in _OPERATORS:
        raise ValidationError(f"Expected where operator to be one of {', '.join(_OPERATORS)}, got {_name(name)}")
    elif name in _LISTS:
        _check_list(key, name, operand)
    else:
        if name in _ORDER and (isinstance(operand, bool) or not isinstance(operand, int | float)):
            raise ValidationError(f"Expected where operand value to be an int or a float for operator {name}, got {shown(operand)}")
        _check_scalar(key, operand)


def _check_list(key: str, name: str, values: Any) -> None:
    kinds = set(map(type, values)) if isinstance(values, list) else set()
    if len(kinds) != 1:
        raise ValidationError(
            f"Expected where operand value for operator {name} to be a non-empty list, all values of the same type, got {shown(values)}"
        )
    if kinds == {str} or kinds == {bool}:
        return
    for value in values:
        _check_scalar(key, value)


def _name(name: Any) -> str:
    return name if isinstance(name, str) else shown(name)
