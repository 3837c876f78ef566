"""The metadata of a run of rows, turned on its side: one column per key and value type, so that a filter reads what it asks for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from chroma_async.errors import CorruptionError
from chroma_async.format.column import Column, ValueType
from chroma_async.format.frame import Array, Frame
from chroma_async.format.spilled_values import SpilledValues
from chroma_async.types import Ints, Json, Metadata, MetadataValue, Scalar

#: Columns that a chunk may have. Keys that look like data (ids, dates) must not make a file of a million columns.
MAX_COLUMNS = 1024

_TYPES: dict[type, ValueType] = {str: "str", int: "int", float: "float", bool: "bool", dict: "sparse"}
_ARRAYS: dict[type, ValueType] = {str: "str[]", int: "int[]", float: "float[]", bool: "bool[]"}


#: Rows and values of equal length, ascending by row; a row of an array repeats.
_Entries: TypeAlias = tuple[Sequence[int], Sequence[Scalar]]


class Columns:
    """Immutable. A key whose values have several types has several columns.

    :ivar rows: rows, with metadata or without.
    :ivar spilled: what found no place among the columns. A key may have rows in both.
    """

    __slots__ = ("_columns", "rows", "spilled")

    def __init__(self, rows: int, columns: Sequence[Column], spilled: SpilledValues) -> None:
        self.rows = rows
        self.spilled = spilled
        self._columns: dict[str, list[Column]] = {}
        for column in columns:
            self._columns.setdefault(column.key, []).append(column)

    # ------------------------------------------------------------------------------------------------------------------- making

    @classmethod
    def build(cls, metadatas: Sequence[Metadata | None], limit: int = MAX_COLUMNS) -> Columns:
        """
        :param metadatas: one per row, with values that the schema has let pass: a list is of one type, an object is a sparse vector. Empty
            lists count as absent.
        :param limit: columns at the most; the keys with the most values get them.
        :raises TypeError: a value of another type.
        :raises OverflowError: an integer beyond 64 bits.
        """
        gathered: dict[tuple[str, ValueType], list[_Entries]] = {}
        for keys, rows in _by_keys(metadatas).items():
            # Rows with the same keys are turned on their side all at once.
            held = zip(*(metadatas[row].values() for row in rows), strict=True)  # type: ignore[union-attr]
            for key, values in zip(keys, held, strict=True):
                for kind, entries in _by_type(rows, values):
                    gathered.setdefault((key, kind), []).append(entries)
        columns = [Column.build(key, kind, len(metadatas), *_in_order(parts)) for (key, kind), parts in gathered.items()]
        return cls._limited(len(metadatas), columns, SpilledValues.build([]), limit)

    @classmethod
    def concat(cls, parts: Sequence[Columns], limit: int = MAX_COLUMNS) -> Columns:
        """The rows of all parts, in order."""
        rows = 0
        spills: list[tuple[int, SpilledValues]] = []
        together: dict[tuple[str, ValueType], list[tuple[int, Column]]] = {}
        for part in parts:
            for column in part.columns:
                together.setdefault((column.key, column.type), []).append((rows, column))
            if len(part.spilled):
                spills.append((rows, part.spilled))
            rows += part.rows
        return cls._limited(rows, [Column.concat(columns, rows) for columns in together.values()], SpilledValues.concat(spills), limit)

    def select(self, rows: Ints) -> Columns:
        """Some rows, in the order asked for; -1 is a row without metadata."""
        wanted = np.asarray(rows, np.int64)
        columns = [column.select(wanted) for column in self.columns]
        return Columns(len(wanted), [column for column in columns if column.count], self.spilled.select(wanted))

    # ------------------------------------------------------------------------------------------------------------------- reading

    @property
    def columns(self) -> list[Column]:
        """All of them; those of one key together."""
        return [column for columns in self._columns.values() for column in columns]

    def of(self, key: str) -> Sequence[Column]:
        """The columns of one key, one per type of its values."""
        return self._columns.get(key, ())

    # ------------------------------------------------------------------------------------------------------------------- storing

    def sections(self, prefix: str) -> dict[str, Array]:
        """What to store, by section name."""
        sections: dict[str, Array] = {}
        for index, column in enumerate(self.columns):
            sections |= column.sections(f"{prefix}{index}.")
        return sections | self.spilled.sections(f"{prefix}overflow.")

    def description(self) -> dict[str, Json]:
        """What :meth:`open` needs besides the sections."""
        return {"rows": self.rows, "columns": [column.description() for column in self.columns]}

    @classmethod
    def open(cls, frame: Frame, prefix: str, description: dict[str, Json]) -> Columns:
        """Views of what :meth:`sections` named; nothing is read. :raises CorruptionError: they do not fit each other; names the file."""
        rows = description["rows"]
        try:
            columns = [Column.open(frame, f"{prefix}{index}.", rows, about) for index, about in enumerate(description["columns"])]
        except ValueError as error:
            raise CorruptionError(f"{frame.file}: {error}", frame.file) from error
        return cls(rows, columns, SpilledValues.open(frame, f"{prefix}overflow."))

    # -------------------------------------------------------------------------------------------------------------------- inside

    @classmethod
    def _limited(cls, rows: int, columns: list[Column], spilled: SpilledValues, limit: int) -> Columns:
        """Keep the ``limit`` fullest columns and move the values of the others to the spilled values."""
        if len(columns) <= limit:
            return cls(rows, columns, spilled)
        fullest = sorted(columns, key=lambda column: column.count, reverse=True)
        moved = SpilledValues.build([entry for column in fullest[limit:] for entry in _entries(column)])
        return cls(rows, fullest[:limit], SpilledValues.concat([(0, spilled), (0, moved)]))


def _by_keys(metadatas: Sequence[Metadata | None]) -> dict[tuple[str, ...], list[int]]:
    """The rows that have the same keys in the same order, ascending."""
    shapes: dict[tuple[str, ...], list[int]] = {}
    for row, metadata in enumerate(metadatas):
        if metadata:
            keys = tuple(metadata)
            if keys in shapes:
                shapes[keys].append(row)
            else:
                shapes[keys] = [row]
    return shapes


def _by_type(rows: list[int], values: tuple[MetadataValue, ...]) -> list[tuple[ValueType, _Entries]]:
    """One key's values by the type of the column that they belong to."""
    types = set(map(type, values))
    plain = _TYPES.get(types.pop()) if len(types) == 1 else None
    if plain is not None and plain != "sparse":
        return [(plain, (rows, values))]  # type: ignore[list-item]
    found: dict[ValueType, tuple[list[int], list[Scalar]]] = {}
    for row, value in zip(rows, values, strict=True):
        kind = _TYPES.get(type(value)) or _type_of(value)
        if kind is None:
            continue
        at, held = found.setdefault(kind, ([], []))
        if isinstance(value, list):
            at.extend([row] * len(value))
            held.extend(value)
        else:
            at.append(row)
            # Of a sparse vector a column keeps that it is there.
            held.append(True if isinstance(value, dict) else value)
    return list(found.items())


def _in_order(parts: list[_Entries]) -> _Entries:
    """Entries of different rows as one, ascending by row."""
    if len(parts) == 1:
        return parts[0]
    at = np.concatenate([rows for rows, _ in parts])
    values = [value for _, part in parts for value in part]
    order = np.argsort(at, kind="stable").tolist()
    return at[order].tolist(), [values[index] for index in order]


def _type_of(value: MetadataValue) -> ValueType | None:
    """The column type of what is no plain scalar; None for an empty list."""
    if isinstance(value, list):
        if not value:
            return None
        first = value[0]
        kind = _ARRAYS.get(type(first)) or next((found for base, found in _ARRAYS.items() if isinstance(first, base)), None)
    else:
        kind = next((found for base, found in _TYPES.items() if isinstance(value, base)), None)
    if kind is None:
        raise TypeError(f"metadata cannot hold {type(value).__name__}")
    return kind


def _entries(column: Column) -> list[tuple[int, str, MetadataValue]]:
    """(row, key, value) of a column, arrays put together again."""
    at, values = column.entries()
    if column.type == "sparse":
        return [(row, column.key, {"#type": "sparse_vector"}) for row in at.tolist()]
    decoded = column.decoded(values)
    if not column.type.endswith("[]"):
        return [(row, column.key, value) for row, value in zip(at.tolist(), decoded, strict=True)]
    arrays: dict[int, list[Scalar]] = {}
    for row, value in zip(at.tolist(), decoded, strict=True):
        arrays.setdefault(row, []).append(value)
    return [(row, column.key, array) for row, array in arrays.items()]  # type: ignore[misc]
