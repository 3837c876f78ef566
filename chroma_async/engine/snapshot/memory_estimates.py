"""Rough sizes of records in memory, for the bounds of queues and memtables: what a row costs beside its vector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

#: The Python objects around one row, one metadata value, one index of a sparse vector with its value, and one deletion.
ROW_BYTES, VALUE_BYTES, TERM_BYTES, DELETION_BYTES = 200, 64, 72, 64


def rows_bytes(
    ids: Sequence[str],
    documents: Sequence[str | None] | None,
    uris: Sequence[str | None] | None,
    metadatas: Sequence[Mapping[str, Any] | None] | None,
) -> int:
    """Of all rows together; a character counts as a byte."""
    texts = sum(map(len, ids)) + sum(map(len, filter(None, documents or ()))) + sum(map(len, filter(None, uris or ())))
    return ROW_BYTES * len(ids) + texts + sum(map(metadata_bytes, filter(None, metadatas or ())))


def metadata_bytes(metadata: Mapping[str, Any]) -> int:
    """Of one record's metadata."""
    size = VALUE_BYTES * len(metadata) + len("".join(metadata))
    for value in metadata.values():
        kind = value.__class__
        if kind is str:
            size += len(value)
        elif kind is list:
            size += VALUE_BYTES * len(value) + sum(len(item) for item in value if item.__class__ is str)
        elif kind is dict:
            size += TERM_BYTES * len(value.get("indices") or ())
    return size


def deletions_bytes(ids: Sequence[str]) -> int:
    """Of as many deletions."""
    return DELETION_BYTES * len(ids) + sum(map(len, ids))
