"""Exact tests of a column against literals: a bool per stored value, or None where the column's type cannot match at all.

Numbers compare as mathematics does, int column or float column, int literal or float literal: numpy would round an int64 to a float64 and
call 2**53 and 2**53 + 1 equal. So the literal is carried over to the column's type first, with the comparison adjusted to the rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from functools import lru_cache
from typing import Final, Literal, TypeAlias

import numpy as np

from chroma_async.format.column import Column
from chroma_async.format.frame import Array
from chroma_async.types import Bools, Scalar

Operator: TypeAlias = Literal["gt", "gte", "lt", "lte"]

_INT_MIN: Final = -(2**63)
_INT_MAX: Final = 2**63 - 1
#: A dictionary is bisected for this many strings at the most; for more it is read through, which costs about as much.
_BISECTED: Final = 64


def equals(column: Column, value: Scalar) -> Bools | None:
    """Values equal to ``value``: strings and bools of the same type, numbers by value."""
    return one_of(column, (value,))


def one_of(column: Column, values: tuple[Scalar, ...]) -> Bools | None:
    """Values equal to one of ``values``."""
    match column.type:
        case "str":
            return _coded(column, _strings(values))
        case "bool":
            return _among(column.values, _bools(values))
        case "int":
            return _among(column.values, _integers(values))
        case "float":
            return _among(column.values, _floats(values))
        case _:
            return None


def has(column: Column, value: Scalar) -> Bools | None:
    """Array elements of exactly the type of ``value`` and equal to it."""
    match column.type, value:
        case "str[]", str():
            return _coded(column, frozenset((value,)))
        case "bool[]", bool():
            return _among(column.values, _bools((value,)))
        case "float[]", float():
            return _among(column.values, np.array([value]))
        case "int[]", int() if not isinstance(value, bool):
            return _among(column.values, _integers((value,)))
        case _:
            return None


def exists(column: Column) -> Bools:
    """All values."""
    return np.ones(len(column.values), np.bool_)


def text(column: Column, holds: Callable[[str], bool]) -> Bools | None:
    """Strings for which ``holds`` is true; it is asked once for each distinct one."""
    if column.type != "str" or column.dictionary is None:
        return None
    # One place more, so that -1 (absent) finds False.
    table = np.zeros(len(column.dictionary) + 1, np.bool_)
    table[:-1] = [holds(string) for string in column.dictionary.to_list()]
    return table[column.values]


def compare(column: Column, op: Operator, value: int | float) -> Bools | None:
    """Numbers on that side of ``value``."""
    if isinstance(value, float) and math.isnan(value):
        return None
    match column.type:
        case "int":
            return _compare_integers(column.values, op, value)
        case "float":
            return _compare_floats(column.values, op, value)
        case _:
            return None


_COMPARISONS: Final[dict[Operator, Callable[[Array, int | float], Bools]]] = {
    "gt": np.greater,
    "gte": np.greater_equal,
    "lt": np.less,
    "lte": np.less_equal,
}


def _compare_integers(values: Array, op: Operator, value: int | float) -> Bools | None:
    """``x > 1.5`` is ``x > 1``; ``x >= 1.5`` is ``x >= 2``; and so on. Beyond 64 bits all or none match."""
    if isinstance(value, float) and math.isinf(value):
        bound = _INT_MAX + 1 if value > 0 else _INT_MIN - 1
    else:
        bound = math.floor(value) if op in ("gt", "lte") else math.ceil(value)
    if not _INT_MIN <= bound <= _INT_MAX:
        return np.ones(len(values), np.bool_) if (bound > 0) == (op in ("lt", "lte")) else None
    return _COMPARISONS[op](values, bound)


def _compare_floats(values: Array, op: Operator, value: int | float) -> Bools:
    """An int between two floats is replaced by the one it rounds to, which is then inside or outside, equal or not."""
    try:
        bound = float(value)
    except OverflowError:
        bound = math.inf if value > 0 else -math.inf
    # Python compares int and float exactly.
    if bound > value:
        op = "gte" if op in ("gt", "gte") else "lt"
    elif bound < value:
        op = "gt" if op in ("gt", "gte") else "lte"
    return _COMPARISONS[op](values, bound)


def _among(values: Array, wanted: Array) -> Bools | None:
    if not len(wanted):
        return None
    if len(wanted) == 1:
        hits: Bools = values == wanted[0]
        return hits
    return np.isin(values, wanted)


def _coded(column: Column, wanted: Collection[str]) -> Bools | None:
    """Values whose string is wanted; codes of absent values (-1) are not."""
    dictionary = column.dictionary
    if dictionary is None or not wanted:
        return None
    if len(wanted) <= _BISECTED:
        codes = [code for code in map(dictionary.find_sorted, wanted) if code >= 0]
    else:
        codes = [code for code, string in enumerate(dictionary.to_list()) if string in wanted]
    if len(codes) <= 1:
        return _among(column.values, np.array(codes, np.int32))
    # One place more, so that -1 finds False.
    table = np.zeros(len(dictionary) + 1, np.bool_)
    table[codes] = True
    return table[column.values]


# The same literals are asked of every part of a collection, one part after the other, and there may be 100,000 of them. They are cached by
# the tuple's elements and their types, as `1`, `1.0` and `True` are equal to Python.


def _strings(values: tuple[Scalar, ...]) -> frozenset[str]:
    return _cached_strings(values) if len(values) > 1 else frozenset(value for value in values if isinstance(value, str))


def _bools(values: tuple[Scalar, ...]) -> Array:
    return np.array(sorted({value for value in values if isinstance(value, bool)}), np.bool_)


def _integers(values: tuple[Scalar, ...]) -> Array:
    return _cached_numbers(values, "int", _kinds(values))


def _floats(values: tuple[Scalar, ...]) -> Array:
    return _cached_numbers(values, "float", _kinds(values))


def _kinds(values: tuple[Scalar, ...]) -> tuple[type, ...]:
    return tuple(map(type, values))


@lru_cache(maxsize=4)
def _cached_strings(values: tuple[Scalar, ...]) -> frozenset[str]:
    return frozenset(value for value in values if isinstance(value, str))


@lru_cache(maxsize=8)
def _cached_numbers(values: tuple[Scalar, ...], kind: Literal["int", "float"], kinds: tuple[type, ...]) -> Array:
    """The numbers that a column of that kind can hold at all; ``kinds`` is only part of the cache key."""
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    if kind == "int":
        whole = {int(value) for value in numbers if isinstance(value, int) or value.is_integer()}
        return np.array(sorted(value for value in whole if _INT_MIN <= value <= _INT_MAX), np.int64)
    floats = {float(value) for value in numbers if isinstance(value, float) or _is_float(value)}
    return np.array(sorted(floats), np.float64)


def _is_float(value: int) -> bool:
    """Whether an int is exactly some float."""
    try:
        return int(float(value)) == value
    except OverflowError:
        return False
