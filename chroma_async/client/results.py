"""What the Python API hands back: plain dicts with the keys that chromadb's results have, and the way to them from typed rows.

A key is always present; a column that was not asked for is ``None``. ``included`` repeats what was asked for, in that order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NotRequired, TypeAlias, TypedDict

from chroma_async.errors import ProtocolError
from chroma_async.sparse_vector import SparseVector
from chroma_async.types import Floats, Metadata, MetadataValue, Neighbours, Records

#: What ``include`` may name. ``data`` is what the collection's data loader makes of the uris.
Include: TypeAlias = list[Literal["documents", "embeddings", "metadatas", "distances", "uris", "data"]]

#: A record's metadata as callers read it: sparse vectors are objects.
ResultMetadata: TypeAlias = Mapping[str, MetadataValue | SparseVector]


class GetResult(TypedDict):
    """Records in order of first insertion. ``embeddings`` is float32 of shape ``(rows, dimension)``."""

    ids: list[str]
    embeddings: Floats | None
    documents: list[str | None] | None
    uris: list[str | None] | None
    data: list[Any] | None
    metadatas: list[ResultMetadata | None] | None
    included: list[str]
    #: Only when a cursor was given.
    cursor: NotRequired[str | None]


class QueryResult(TypedDict):
    """One inner list per query, nearest first. ``embeddings`` has one float32 array of shape ``(rows, dimension)`` per query."""

    ids: list[list[str]]
    distances: list[list[float]] | None
    embeddings: list[Floats] | None
    documents: list[list[str | None]] | None
    uris: list[list[str | None]] | None
    data: list[list[Any]] | None
    metadatas: list[list[ResultMetadata | None]] | None
    included: list[str]


class DeleteResult(TypedDict):
    """How many records a deletion counts: ids sent when there was no filter, else records that matched."""

    deleted: int


class TenantResult(TypedDict):
    """A tenant."""

    name: str


class DatabaseResult(TypedDict):
    """A database of a tenant; ``id`` is a UUID as text."""

    id: str
    name: str
    tenant: str


@dataclass(frozen=True, slots=True)
class UserIdentity:
    """Who the caller is to the server, and what it may see. The attribute names are those of chromadb's class."""

    user_id: str
    tenant: str | None = None
    databases: list[str] | None = None
    attributes: dict[str, Any] | None = None


def get_result(records: Records, included: Sequence[str], data: list[Any] | None = None) -> GetResult:
    """The dict for ``records``; ``data`` are the loaded uris, when they were asked for."""
    rows = records.rows
    return {
        "ids": rows.ids,
        "embeddings": rows.embeddings,
        "documents": rows.documents,
        "uris": rows.uris,
        "data": data,
        "metadatas": None if rows.metadatas is None else with_sparse_vectors(rows.metadatas),
        "included": list(included),
    }


def query_result(neighbours: Neighbours, included: Sequence[str], data: list[list[Any]] | None = None) -> QueryResult:
    """The dict for ``neighbours``. A column is a list exactly when ``included`` names it, also when there are no queries."""
    queries, asked = neighbours.queries, set(included)
    return {
        "ids": [rows.ids for rows in queries],
        "distances": [rows.distances.tolist() if rows.distances is not None else [] for rows in queries] if "distances" in asked else None,
        "embeddings": [rows.embeddings for rows in queries if rows.embeddings is not None] if "embeddings" in asked else None,
        "documents": [rows.documents or [] for rows in queries] if "documents" in asked else None,
        "uris": [rows.uris or [] for rows in queries] if "uris" in asked else None,
        "data": data,
        "metadatas": [with_sparse_vectors(rows.metadatas or []) for rows in queries] if "metadatas" in asked else None,
        "included": list(included),
    }


def with_sparse_vectors(metadatas: Sequence[Metadata | None]) -> list[ResultMetadata | None]:
    """Metadata as callers read it: each sparse vector as a :class:`~chroma_async.sparse_vector.SparseVector` instead of its JSON form."""
    # Most metadata holds none, and is handed out as it is.
    return [
        {key: _read(value) for key, value in metadata.items()} if metadata and dict in map(type, metadata.values()) else metadata
        for metadata in metadatas
    ]


def _read(value: MetadataValue) -> MetadataValue | SparseVector:
    """:raises ProtocolError: what a server gave says that it is a sparse vector, and is none."""
    if not isinstance(value, dict) or value.get("#type") != "sparse_vector":
        return value
    try:
        return SparseVector.from_dict(value)
    except (ValueError, TypeError, OverflowError) as error:
        raise ProtocolError(f"the metadata in the answer holds a sparse vector that is none: {error!s:.200}") from error
