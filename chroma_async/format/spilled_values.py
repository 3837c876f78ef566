"""The values of keys for which no column was left: rows, keys, and each value as JSON. Slower than columns, and as exact."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import orjson

from chroma_async.errors import CorruptionError
from chroma_async.format.column import merge_codes, pick, shrink_codes
from chroma_async.format.frame import Array, Frame
from chroma_async.format.strings import Strings
from chroma_async.types import Ints, MetadataValue


class SpilledValues:
    """Immutable. Entry ``i`` is: row ``at[i]`` (int32, ascending) has, under key ``keys[codes[i]]``, the value ``values[i]`` (JSON).

    ``keys`` is ascending and distinct.
    """

    __slots__ = ("at", "codes", "keys", "values")

    def __init__(self, at: Array, codes: Array, keys: Strings, values: Strings) -> None:
        self.at = at
        self.codes = codes
        self.keys = keys
        self.values = values

    @classmethod
    def build(cls, entries: Sequence[tuple[int, str, MetadataValue]]) -> SpilledValues:
        """From (row, key, value) triples in any order."""
        ordered = sorted(entries, key=lambda entry: entry[0])
        distinct = sorted({key for _, key, _ in ordered})
        codes = {key: code for code, key in enumerate(distinct)}
        return cls(
            np.array([row for row, _, _ in ordered], np.int32),
            np.array([codes[key] for _, key, _ in ordered], np.int32),
            Strings.build(distinct),
            Strings.from_encoded([orjson.dumps(value) for _, _, value in ordered]),
        )

    @classmethod
    def concat(cls, parts: Sequence[tuple[int, SpilledValues]]) -> SpilledValues:
        """One from several, each with its first row. Bases ascend, except that parts may share one: entries are put in row order."""
        if not parts:
            return cls.build([])
        at: Ints = np.concatenate([part.at.astype(np.int64) + base for base, part in parts])
        keys, codes = merge_codes([part.keys for _, part in parts], [part.codes for _, part in parts])
        order = np.argsort(at, kind="stable")
        values = Strings.concat([part.values for _, part in parts]).select(order)
        return cls(at[order].astype(np.int32), np.concatenate(codes)[order], keys, values)

    def select(self, rows: Ints) -> SpilledValues:
        """Some rows, in the order asked for; -1 is an empty row."""
        at, chosen = pick(self.at, rows)
        keys, codes = shrink_codes(self.keys, self.codes[chosen])
        return SpilledValues(at.astype(np.int32), codes, keys, self.values.select(chosen))

    def of(self, key: str) -> Iterator[tuple[int, MetadataValue]]:
        """(row, value) wherever ``key`` is held here."""
        code = self.keys.find_sorted(key)
        if code >= 0:
            chosen = np.flatnonzero(self.codes == code)
            for row, value in zip(self.at[chosen].tolist(), self.values.encoded(chosen), strict=True):
                yield row, orjson.loads(value)

    def __len__(self) -> int:
        return len(self.at)

    def sections(self, prefix: str) -> dict[str, Array]:
        """What to store, by section name."""
        arrays = {f"{prefix}at": self.at, f"{prefix}codes": self.codes}
        return {**arrays, **self.keys.sections(f"{prefix}keys."), **self.values.sections(f"{prefix}values.")}

    @classmethod
    def open(cls, frame: Frame, prefix: str) -> SpilledValues:
        """Views of what :meth:`sections` named. :raises CorruptionError: they do not fit each other; names the file."""
        keys, values = Strings.open(frame, f"{prefix}keys."), Strings.open(frame, f"{prefix}values.")
        spilled = cls(frame.array(f"{prefix}at"), frame.array(f"{prefix}codes"), keys, values)
        if not len(spilled.at) == len(spilled.codes) == len(values):
            raise CorruptionError(f"{frame.file}: the spilled values have {len(spilled.at)} rows of {len(values)} values", frame.file)
        return spilled
