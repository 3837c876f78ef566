"""The store as a dict: slow, obvious, and what every way to the real one is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from chroma_async.index.distance import distances
from chroma_async.query_language.filter_evaluate import predicate
from chroma_async.query_language.filter_parse import parse
from chroma_async.types import Floats, Json, Space

HIDDEN = "chroma:"
_TYPE_NAMES = {str: "string", int: "int", float: "float", bool: "bool"}


@dataclass(frozen=True)
class Record:
    """One record, as stored."""

    embedding: Floats
    document: str | None = None
    uri: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)

    def shown(self) -> dict[str, Any] | None:
        """Its metadata as a reader sees it: null without any, but ``{}`` for one that has a uri or hidden keys."""
        if not self.metadata:
            return None if self.uri is None else {}
        return {key: value for key, value in self.metadata.items() if not key.startswith(HIDDEN)}


@dataclass(frozen=True)
class Row:
    """One record of a request; ``None`` stands for what the request does not say."""

    id: str
    embedding: Floats | None = None
    document: str | None = None
    uri: str | None = None
    metadata: dict[str, Any] | None = None


def stored(value: Any) -> Any:
    """A metadata value as it is kept: one float makes a list of floats, there is no negative zero, and integers end at 64 bits."""
    if isinstance(value, list):
        elements = [stored(element) for element in value]
        return [float(element) for element in elements] if any(type(element) is float for element in elements) else elements
    if type(value) is int and not -(2**63) <= value < 2**63:
        return float(value)
    return 0.0 if type(value) is float and value == 0.0 else value


class Reference:
    """A collection. ``records`` is in order of first insertion, which is how dicts keep it."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self.records: dict[str, Record] = {}
        self.dimension: int | None = None
        #: Metadata keys ever written, with their value types.
        self.keys: dict[str, set[str]] = {}

    def copy(self) -> Reference:
        """Another collection of the same content."""
        other = Reference(self.space)
        other.records, other.dimension = dict(self.records), self.dimension
        other.keys = {key: set(types) for key, types in self.keys.items()}
        return other

    # ------------------------------------------------------------------------------------------------------------------------- writes

    def add(self, rows: Sequence[Row]) -> None:
        for row in rows:
            self._fix_dimension(row)
            if row.id not in self.records:
                self._put(row, Record(np.zeros(0, np.float32)))

    def upsert(self, rows: Sequence[Row]) -> None:
        for row in rows:
            self._fix_dimension(row)
            self._put(row, self.records.get(row.id, Record(np.zeros(0, np.float32))))

    def update(self, rows: Sequence[Row]) -> None:
        for row in rows:
            self._fix_dimension(row)
            if row.id in self.records:
                self._put(row, self.records[row.id])

    def delete(self, ids: Sequence[str]) -> None:
        for id in ids:
            self.records.pop(id, None)

    def _fix_dimension(self, row: Row) -> None:
        if self.dimension is None and row.embedding is not None:
            self.dimension = len(row.embedding)

    def _put(self, row: Row, old: Record) -> None:
        metadata = dict(old.metadata)
        for key, value in (row.metadata or {}).items():
            if value is None or value == []:
                metadata.pop(key, None)
            else:
                metadata[key] = stored(value)
        self.records[row.id] = replace(
            old,
            embedding=old.embedding if row.embedding is None else row.embedding,
            document=old.document if row.document is None else row.document,
            uri=old.uri if row.uri is None else row.uri,
            metadata=metadata,
        )

    def learn_keys(self) -> None:
        """Remember the metadata keys that are there now; called after each request."""
        for record in self.records.values():
            for key, value in record.metadata.items():
                if not key.startswith(HIDDEN):
                    element = value[0] if isinstance(value, list) else value
                    self.keys.setdefault(key, set()).add(_TYPE_NAMES[type(element)])

    # -------------------------------------------------------------------------------------------------------------------------- reads

    def matching(self, where: Json, where_document: Json, ids: Sequence[str] | None) -> list[str]:
        """Ids of the records that match, in order."""
        filter = parse(where, where_document)
        matches = predicate(filter) if filter is not None else lambda id, metadata, document: True
        wanted = None if ids is None else set(ids)
        return [
            id
            for id, record in self.records.items()
            if (wanted is None or id in wanted) and matches(id, record.metadata or None, record.document)
        ]

    def nearest(self, query: Floats, ids: Sequence[str]) -> list[tuple[float, str]]:
        """(distance, id) of these records, nearest first, ties in order."""
        if not ids:
            return []
        found = distances(self.space, query, np.stack([self.records[id].embedding for id in ids]))
        order = np.argsort(found, kind="stable")
        return [(float(found[at]), ids[at]) for at in order.tolist()]
