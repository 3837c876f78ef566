"""Rows in an order of the caller's choice, and where a page of them ends.

Values compare by kind first (booleans, then numbers, then strings), then by value; a record without the key, or with a list under it, comes
last whichever way the order goes. Equal rows keep the order of first insertion.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from chroma_async.engine.snapshot.version import Part, Places, Version
from chroma_async.types import Ints, OrderBy, Scalar

#: A value as it compares: kind, then value.
_Comparable: TypeAlias = tuple[int, Any]


@dataclass(frozen=True, slots=True)
class Mark:
    """The last row of a page: its values under the keys of the order, and when it was born."""

    values: tuple[Scalar | None, ...]
    born: int


def ordered(version: Version, places: Places, order: Sequence[OrderBy]) -> tuple[Places, list[list[Scalar | None]]]:
    """The rows in order, and each key's values in that order. ``places`` is by age."""
    columns = [_values(version, places, by.key) for by in order]
    turns = list(range(len(places)))
    # The last key first: Python's sort is stable, also in reverse.
    for by, values in reversed(list(zip(order, columns, strict=True))):
        present = [turn for turn in turns if values[turn] is not None]
        absent = [turn for turn in turns if values[turn] is None]
        present.sort(key=lambda turn, values=values: _comparable(values[turn]), reverse=by.descending)  # type: ignore[misc]
        turns = present + absent
    at = np.array(turns, dtype=np.int64)
    return places.at(at), [[values[turn] for turn in turns] for values in columns]


def start_after(mark: Mark, columns: Sequence[Sequence[Scalar | None]], borns: Ints, order: Sequence[OrderBy]) -> int:
    """The first of the ordered rows that comes after ``mark``, which need not be among them any longer."""
    low, high = 0, len(borns)
    while low < high:
        middle = (low + high) // 2
        if _is_after([values[middle] for values in columns], int(borns[middle]), mark, order):
            high = middle
        else:
            low = middle + 1
    return low


def _is_after(values: Sequence[Scalar | None], born: int, mark: Mark, order: Sequence[OrderBy]) -> bool:
    for value, other, by in zip(values, mark.values, order, strict=True):
        if value is None or other is None:
            if value is not other:
                return value is None
            continue
        one, two = _comparable(value), _comparable(other)
        if one != two:
            return (one < two) if by.descending else (one > two)
    return born > mark.born


def _comparable(value: Scalar | None) -> _Comparable:
    if isinstance(value, bool):
        return 0, value
    return (1 if isinstance(value, int | float) else 2), value


def _values(version: Version, places: Places, key: str) -> list[Scalar | None]:
    """The scalar that each row holds under ``key``."""
    values: list[Scalar | None] = [None] * len(places)
    for number in np.unique(places.part).tolist():
        here = np.flatnonzero(places.part == number)
        held = _of_part(version.parts[number], key)
        for at, position in zip(here.tolist(), places.position[here].tolist(), strict=True):
            values[at] = held.get(position)
    return values


def _of_part(part: Part, key: str) -> dict[int, Scalar]:
    held: dict[int, Scalar] = {}
    for base, run in part.runs:
        for column in run.columns.of(key):
            if column.type in ("str", "int", "float", "bool"):
                rows, values = column.entries()
                held.update(zip((rows + base).tolist(), column.decoded(values), strict=True))
        for row, value in run.columns.spilled.of(key):
            if isinstance(value, str | int | float):
                held[row + base] = value
    return held
