"""One metadata key's values of one type, over a run of rows.

A scalar column is *dense* (a value for every row, and a bitmap of the rows that have one) when at least half of the rows have a value, else
*sparse* (the values, and the row of each, ascending). An array column is sparse with a row repeated for each of its elements, in order.
Strings are codes into a dictionary of the distinct ones, ascending. A column of sparse vectors (type ``sparse``) says which rows have one,
and no more: indices and weights are postings, see :mod:`chroma_async.format.postings`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, get_args

import numpy as np

from chroma_async.errors import CorruptionError
from chroma_async.format.bitmap import Bitmap
from chroma_async.format.frame import Array, Frame
from chroma_async.format.strings import Strings, expand
from chroma_async.types import Bools, Ints, Json, Scalar

ValueType: TypeAlias = Literal["str", "int", "float", "bool", "str[]", "int[]", "float[]", "bool[]", "sparse"]

VALUE_TYPES: Final[tuple[ValueType, ...]] = get_args(ValueType)
_DTYPES: Final[dict[str, np.dtype[Any]]] = {
    "str": np.dtype("<i4"),
    "int": np.dtype("<i8"),
    "float": np.dtype("<f8"),
    "bool": np.dtype("?"),
    "sparse": np.dtype("?"),
}
#: What stands in a dense column where there is no value. No dictionary has that code.
_ABSENT_CODE: Final = -1


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """Immutable.

    ``values`` are int32 codes, int64, float64 or bool by type (true for a sparse vector); ``at`` is None when dense, else int32 rows of the
    values.
    """

    key: str
    type: ValueType
    rows: int
    values: Array
    at: Array | None
    present: Bitmap | None
    """Dense only: the rows that have a value. None: all."""
    dictionary: Strings | None

    # ------------------------------------------------------------------------------------------------------------------- making

    @classmethod
    def build(cls, key: str, type: ValueType, rows: int, at: Sequence[int], values: Sequence[Scalar]) -> Column:
        """From (row, value) pairs, ascending by row."""
        scalar = type.removesuffix("[]")
        everywhere = scalar == type and len(at) == rows
        where = np.arange(rows) if everywhere else np.asarray(at, np.int64)
        if scalar != "str":
            return cls.packed(key, type, rows, where, np.asarray(values, _DTYPES[scalar]), None)
        strings = list(map(str, values))
        distinct = sorted(set(strings))
        codes = {string: code for code, string in enumerate(distinct)}
        coded = np.fromiter(map(codes.__getitem__, strings), _DTYPES["str"], len(strings))
        # Python orders strings by code point, which is the order of their UTF-8 bytes.
        return cls.packed(key, type, rows, where, coded, Strings.build(distinct))

    @classmethod
    def packed(cls, key: str, type: ValueType, rows: int, at: Ints, values: Array, dictionary: Strings | None) -> Column:
        """From rows and values of equal length, ascending by row. Picks the layout."""
        if type.endswith("[]") or 2 * len(at) < rows:
            return cls(key, type, rows, values, at.astype(np.int32), None, dictionary)
        if len(at) == rows:
            return cls(key, type, rows, values, None, None, dictionary)
        dense = np.full(rows, _ABSENT_CODE if type == "str" else 0, values.dtype)
        dense[at] = values
        return cls(key, type, rows, dense, None, Bitmap.from_positions(at, rows), dictionary)

    @classmethod
    def concat(cls, parts: Sequence[tuple[int, Column]], rows: int) -> Column:
        """One column over ``rows`` rows from parts of one key and type, each with its first row; ascending."""
        entries = [part.entries() for _, part in parts]
        at = np.concatenate([rows_of + base for (base, _), (rows_of, _) in zip(parts, entries, strict=True)])
        values = [values_of for _, values_of in entries]
        first = parts[0][1]
        dictionary = None
        if first.dictionary is not None:
            dictionary, values = merge_codes([part.dictionary for _, part in parts if part.dictionary is not None], values)
        return cls.packed(first.key, first.type, rows, at, np.concatenate(values), dictionary)

    def select(self, rows: Ints) -> Column:
        """Some rows, in the order asked for; -1 is a row without a value. The result may have no value at all."""
        if self.at is None:
            held = rows >= 0
            if self.present is not None:
                held = held & self.present.to_bools()[rows]
            at = np.flatnonzero(held)
            values = self.values[rows[at]]
        else:
            at, chosen = pick(self.at, rows)
            values = self.values[chosen]
        dictionary = self.dictionary
        if dictionary is not None:
            dictionary, values = shrink_codes(dictionary, values)
        return Column.packed(self.key, self.type, len(rows), at, values, dictionary)

    # ------------------------------------------------------------------------------------------------------------------- reading

    @property
    def count(self) -> int:
        """Values held: rows with a value, or all elements of an array column."""
        return len(self.values) if self.present is None else self.present.count()

    def entries(self) -> tuple[Ints, Array]:
        """(rows, values) of equal length, ascending by row."""
        if self.at is not None:
            return self.at.astype(np.int64), self.values
        if self.present is None:
            return np.arange(self.rows, dtype=np.int64), self.values
        at = self.present.positions()
        return at, self.values[at]

    def decoded(self, values: Array) -> list[Scalar]:
        """Values of this column as Python objects."""
        return list(values.tolist()) if self.dictionary is None else list(self.dictionary.take(values))

    def rows_where(self, hits: Bools) -> Bools:
        """From a bool per element of ``values`` a bool per row. A row of an array is hit when one of its elements is."""
        if self.at is None:
            return hits if self.present is None else hits & self.present.to_bools()
        mask = np.zeros(self.rows, np.bool_)
        mask[self.at[hits]] = True
        return mask

    # ------------------------------------------------------------------------------------------------------------------- storing

    def sections(self, prefix: str) -> dict[str, Array]:
        """What to store, by section name."""
        sections = {f"{prefix}values": self.values}
        if self.at is not None:
            sections[f"{prefix}at"] = self.at
        if self.present is not None:
            sections[f"{prefix}present"] = self.present.bits
        if self.dictionary is not None:
            sections |= self.dictionary.sections(f"{prefix}dictionary.")
        return sections

    def description(self) -> dict[str, Json]:
        """What :meth:`open` needs besides the sections."""
        return {"key": self.key, "type": self.type}

    @classmethod
    def open(cls, frame: Frame, prefix: str, rows: int, description: dict[str, Json]) -> Column:
        """Views of what :meth:`sections` named. :raises CorruptionError: they do not fit each other; names the file."""
        kind = description["type"]
        column = cls(
            key=description["key"],
            type=kind,
            rows=rows,
            values=frame.array(f"{prefix}values"),
            at=frame.array(f"{prefix}at") if f"{prefix}at" in frame else None,
            present=Bitmap.from_bytes(frame.bytes(f"{prefix}present"), rows) if f"{prefix}present" in frame else None,
            dictionary=Strings.open(frame, f"{prefix}dictionary.") if kind.startswith("str") else None,
        )
        if kind not in VALUE_TYPES or len(column.values) != (rows if column.at is None else len(column.at)):
            raise CorruptionError(f"{frame.file}: column {column.key!r} of type {kind} does not fit {rows} rows", frame.file)
        return column


def pick(at: Array, rows: Ints) -> tuple[Ints, Ints]:
    """The entries of ascending ``at`` that belong to ``rows`` (-1: none), in the order of ``rows``.

    :returns: for each chosen entry its index into ``rows``, and its index into ``at``.
    """
    first = np.searchsorted(at, rows, side="left")
    count = np.searchsorted(at, rows, side="right") - first
    return np.repeat(np.arange(len(rows), dtype=np.int64), count), expand(first, count)


def merge_codes(dictionaries: Sequence[Strings], codes: Sequence[Array]) -> tuple[Strings, list[Array]]:
    """One ascending dictionary for several, and each part's codes in it."""
    if all(_same(dictionaries[0], other) for other in dictionaries[1:]):
        return dictionaries[0], list(codes)
    joined = Strings.concat(dictionaries)
    ranks = joined.ranks()
    merged = joined.select(np.unique(ranks, return_index=True)[1])
    ends = np.cumsum([len(dictionary) for dictionary in dictionaries]).tolist()
    remaps = [ranks[end - len(dictionary) : end].astype(np.int32) for end, dictionary in zip(ends, dictionaries, strict=True)]
    return merged, [remap[part] for remap, part in zip(remaps, codes, strict=True)]


def shrink_codes(dictionary: Strings, codes: Array) -> tuple[Strings, Array]:
    """The dictionary without the strings that no code names, and the codes in it."""
    used = np.zeros(len(dictionary), np.bool_)
    used[codes] = True
    if used.all():
        return dictionary, codes
    remap = (np.cumsum(used) - 1).astype(np.int32)
    return dictionary.select(np.flatnonzero(used)), remap[codes]


def _same(one: Strings, other: Strings) -> bool:
    return np.array_equal(one.offsets, other.offsets) and np.array_equal(one.blob, other.blob)
