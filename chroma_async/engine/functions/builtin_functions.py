"""What the built-in functions make of a Version: records of an output collection. Pure, and blocking.

``record_counter`` makes one record. ``statistics`` makes one for each metadata key and value, with how often records have it: ids,
documents and metadata as Chroma writes them, so that ``chromadb.utils.statistics`` reads them. It holds the distinct values of one key at a
time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import orjson

from chroma_async.engine.snapshot.column_runs import ColumnRun
from chroma_async.engine.snapshot.version import Part, Version
from chroma_async.format.column import Column
from chroma_async.schema.record import HIDDEN_PREFIX
from chroma_async.types import Bools, Ints, Json, Metadata, Scalar

#: The one record of ``record_counter``.
COUNTER_ID = "function_output"
#: The key under which ``statistics`` says how many records there are, and the value that says so.
SUMMARY_KEY, SUMMARY_VALUE = "summary", "total_count"
#: Value types of ``statistics``, and what stands for each in an id. A sparse vector counts as the indices that it has.
_TAGS = {"bool": "b", "int": "i", "float": "f", "str": "s", "sparse": "sv"}
#: Rows whose metadata is read at once to learn the labels of sparse vectors.
_LABEL_ROWS = 256


@dataclass(frozen=True, slots=True)
class OutputRow:
    """A record of an output collection. What matters is in the metadata; id and document follow from it."""

    id: str
    document: str
    metadata: Metadata


def count_records(version: Version, block: int) -> Iterator[list[OutputRow]]:
    """How many records there are."""
    yield [OutputRow(COUNTER_ID, f"total: {version.count}", {"total_count": version.count})]


def statistics(version: Version, block: int) -> Iterator[list[OutputRow]]:
    """How often each value occurs under each metadata key; each element of a list counts. At most ``block`` rows at a time."""
    yield [_statistic(SUMMARY_KEY, "str", SUMMARY_VALUE, version.count, None)]
    where: dict[str, list[_Run]] = {}
    for run in _runs(version):
        for key in run.held_keys():
            where.setdefault(key, []).append(run)
    for key in sorted(where):
        if key.startswith(HIDDEN_PREFIX):
            continue
        counts: Counter[tuple[str, Scalar]] = Counter()
        labels: dict[Scalar, str] = {}
        for run in where[key]:
            run.count(key, counts)
            run.count_sparse(key, counts, labels)
        if key == SUMMARY_KEY:
            # Where it would stand is the number of records.
            counts.pop(("str", SUMMARY_VALUE), None)
        ordered = sorted(counts)
        for start in range(0, len(ordered), block):
            yield [
                _statistic(key, kind, value, counts[kind, value], labels.get(value) if kind == "sparse" else None)
                for kind, value in ordered[start : start + block]
            ]


#: By the name that a request gives.
FUNCTIONS: Mapping[str, Callable[[Version, int], Iterator[list[OutputRow]]]] = {"record_counter": count_records, "statistics": statistics}


class _Run:
    """Consecutive rows of a part from ``base`` on."""

    def __init__(self, part: Part, base: int, run: ColumnRun) -> None:
        self._part = part
        self._base = base
        self._columns = run.columns
        self._postings = run.postings

    @cached_property
    def _alive(self) -> Bools:
        return self._part.alive.slice_bools(self._base, self._base + self._columns.rows)

    @cached_property
    def _spilled(self) -> tuple[Ints, Ints]:
        """The spilled entries by key, and where those of each key begin."""
        codes = self._columns.spilled.codes
        order = np.argsort(codes, kind="stable")
        return order, np.searchsorted(codes[order], np.arange(len(self._columns.spilled.keys) + 1))

    def held_keys(self) -> set[str]:
        """Metadata keys that any row has, dead ones included."""
        return {column.key for column in self._columns.columns} | set(self._columns.spilled.keys.to_list()) | set(self._postings.keys)

    def count(self, key: str, counts: Counter[tuple[str, Scalar]]) -> None:
        """Add what the alive rows have under the key, but for sparse vectors."""
        for column in self._columns.of(key):
            if column.type != "sparse":
                kind = column.type.removesuffix("[]")
                for value, number in _tally(column, self._alive):
                    counts[kind, value] += number
        for encoded in self._spilled_values(key):
            entry: Json = orjson.loads(encoded)
            if not isinstance(entry, dict):
                counts.update((type(each).__name__, each) for each in (entry if isinstance(entry, list) else [entry]))

    def _spilled_values(self, key: str) -> Iterable[bytes]:
        """The spilled values of the alive rows under the key, as JSON."""
        spilled = self._columns.spilled
        code = spilled.keys.find_sorted(key)
        if code < 0:
            return ()
        order, starts = self._spilled
        entries = order[starts[code] : starts[code + 1]]
        return spilled.values.encoded(entries[self._alive[spilled.at[entries]]])

    def count_sparse(self, key: str, counts: Counter[tuple[str, Scalar]], labels: dict[Scalar, str]) -> None:
        """Add the indices of the alive rows' sparse vectors, and to ``labels`` what any of these rows calls them."""
        held = self._postings.of(key)
        if held is None:
            return
        reached = np.concatenate([np.zeros(1, np.int64), np.cumsum(self._alive[held.at])])
        before = reached[held.offsets[:-1]]
        numbers = reached[held.offsets[1:]] - before
        used = np.flatnonzero(numbers)
        for term, number in zip(held.terms[used].tolist(), numbers[used].tolist(), strict=True):
            counts["sparse", term] += number
        unnamed = used[[term not in labels for term in held.terms[used].tolist()]] if len(used) else used
        # The first alive row of each.
        first = np.searchsorted(reached, before[unnamed] + 1) - 1
        for vector in self._vectors(key, np.unique(held.at[first]).astype(np.int64)):
            for index, token in zip(vector["indices"], vector.get("tokens") or (), strict=False):
                labels.setdefault(index, token)

    def _vectors(self, key: str, rows: Ints) -> Iterator[Any]:
        """The sparse vectors that rows have under a key."""
        for start in range(0, len(rows), _LABEL_ROWS):
            positions = rows[start : start + _LABEL_ROWS] + self._base
            _, _, metadatas = self._part.fetch(positions, documents=False, uris=False, metadatas=True)
            found = ((metadata or {}).get(key) for metadata in metadatas or ())
            yield from (vector for vector in found if isinstance(vector, dict))


def _runs(version: Version) -> Iterator[_Run]:
    for part in version.parts:
        for base, run in part.runs:
            yield _Run(part, base, run)


def _tally(column: Column, alive: Bools) -> Iterator[tuple[Scalar, int]]:
    """The distinct values of the alive rows, and how often each occurs."""
    rows, values = column.entries()
    distinct, numbers = np.unique(values[alive[rows]], return_counts=True)
    return zip(column.decoded(distinct), numbers.tolist(), strict=True)


def _statistic(key: str, kind: str, value: Scalar, count: int, label: str | None) -> OutputRow:
    text = _text(value)
    # Ids of different statistics differ: a quoted key holds a percent sign, one that is not holds neither that nor the separator.
    name = key.replace("%", "%25").replace(":", "%3A") if "%" in key or "::" in key else key
    named = {} if label is None else {"value_label": label}
    metadata: Metadata = {"count": count, "key": key, "type": kind, "value": text, **named}
    tagged = f"{_TAGS[kind]}:{text}"
    return OutputRow(f"{name}::{tagged}", f"statistics about {key} for {tagged}", metadata)


def _text(value: Scalar) -> str:
    """A value as text; a float with 16 digits behind the point and a bare exponent, as Rust's ``{:.16e}`` writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        digits, _, exponent = f"{value:.16e}".partition("e")
        return f"{digits}e{int(exponent)}"
    return str(value)
