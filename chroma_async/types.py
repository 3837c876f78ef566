"""The nouns that every layer shares: records, batches, requests and results. Frozen data, no behaviour.

Embeddings are float32 arrays of shape ``(rows, dimension)`` everywhere inside the package; only the wire knows lists and base64.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal, TypeAlias
from uuid import UUID

import numpy as np
import numpy.typing as npt

DEFAULT_TENANT = "default_tenant"
DEFAULT_DATABASE = "default_database"
#: What filters, searches and schemas call a record's document and its embedding.
DOCUMENT_KEY = "#document"
EMBEDDING_KEY = "#embedding"
#: What integers of 32 bits without a sign are below.
U32_LIMIT = 1 << 32
#: What refusals call a JSON value, by its type.
JSON_KINDS: Mapping[type, str] = {
    type(None): "null",
    bool: "a boolean",
    int: "an integer",
    float: "a number",
    str: "a string",
    list: "a list",
    dict: "an object",
}

Scalar: TypeAlias = str | int | float | bool
#: A sparse vector as metadata holds it inside the package: the JSON form of :class:`~chroma_async.sparse_vector.SparseVector`.
SparseValue: TypeAlias = dict[str, Any]
MetadataValue: TypeAlias = Scalar | list[str] | list[int] | list[float] | list[bool] | SparseValue
Metadata: TypeAlias = Mapping[str, MetadataValue]
#: What a write may carry: ``None`` (and an empty list) asks update and upsert to remove the key.
MetadataPatch: TypeAlias = Mapping[str, MetadataValue | None]
Json: TypeAlias = Any

Floats: TypeAlias = npt.NDArray[np.float32]
Ints: TypeAlias = npt.NDArray[np.int64]
Bools: TypeAlias = npt.NDArray[np.bool_]
Bytes: TypeAlias = npt.NDArray[np.uint8]

Seq: TypeAlias = int
Position: TypeAlias = int

IncludeField: TypeAlias = Literal["documents", "metadatas", "embeddings", "uris", "distances"]


class Space(StrEnum):
    """How two vectors are compared. Smaller is closer for all three; see :mod:`chroma_async.index.distance`."""

    L2 = "l2"
    COSINE = "cosine"
    IP = "ip"


class ReadLevel(StrEnum):
    """How much of the log a read sees."""

    INDEX_AND_WAL = "index_and_wal"
    INDEX_ONLY = "index_only"
    INDEX_AND_BOUNDED_WAL = "index_and_bounded_wal"


class WriteKind(StrEnum):
    """The three record-writing verbs."""

    ADD = "add"
    UPDATE = "update"
    UPSERT = "upsert"


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a collection lives. Every collection verb resolves scope and collection together."""

    tenant: str = DEFAULT_TENANT
    database: str = DEFAULT_DATABASE


@dataclass(frozen=True, slots=True)
class Tenant:
    """A tenant by name; ``resource_name`` is its part of a CRN."""

    name: str
    resource_name: str | None = None


@dataclass(frozen=True, slots=True)
class Database:
    """A database of a tenant."""

    id: UUID
    name: str
    tenant: str


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the caller is to the server, and what it may see."""

    user_id: str
    tenant: str
    databases: Sequence[str]


@dataclass(frozen=True, slots=True)
class Preflight:
    """What a client should know before its first write."""

    max_batch_size: int
    supports_base64_encoding: bool


@dataclass(frozen=True, slots=True)
class Health:
    """Whether the parts that answer requests are ready. ``reason`` says why not; it names no path, as anybody may ask."""

    is_executor_ready: bool
    is_log_client_ready: bool
    reason: str = ""

    @property
    def ready(self) -> bool:
        """Whether all parts are."""
        return self.is_executor_ready and self.is_log_client_ready


@dataclass(frozen=True, slots=True)
class Alias:
    """A second name that can be moved from one collection to another in one step."""

    name: str
    collection: UUID


@dataclass(frozen=True, slots=True)
class Attachment:
    """What attaching a function came to. Not ``created``: it was attached already."""

    id: UUID
    name: str
    function_name: str
    created: bool


@dataclass(frozen=True, slots=True)
class FunctionInfo:
    """An attached function as clients see it, and how far it has come: ``completion_offset`` is the last operation it has seen."""

    id: UUID
    name: str
    function_name: str
    input_collection_id: UUID
    output_collection: str
    output_collection_id: UUID
    #: JSON text.
    params: str | None
    tenant_id: str
    database_id: str
    completion_offset: int
    min_records_for_invocation: int


@dataclass(frozen=True, slots=True)
class IndexingStatus:
    """How much of a collection's log is in its index. An operation is one seq: a row written or deleted. It counts as indexed when it is
    flushed, or at rest and one of too few to be, and no graph is yet to take it in.
    """

    num_indexed_ops: int
    num_unindexed_ops: int

    @property
    def total_ops(self) -> int:
        """All operations since the collection was made; for a fork, since its first ancestor was."""
        return self.num_indexed_ops + self.num_unindexed_ops

    @property
    def op_indexing_progress(self) -> float:
        """From 0 to 1; 1 for an empty collection."""
        return self.num_indexed_ops / self.total_ops if self.total_ops else 1.0


@dataclass(frozen=True, slots=True)
class CollectionInfo:
    """A collection as clients see it (the JSON of docs/CONTRACT.md#collection-json)."""

    id: UUID
    name: str
    tenant: str
    database: str
    metadata: dict[str, Scalar] | None
    configuration: dict[str, Json]
    schema: dict[str, Json]
    dimension: int | None
    #: The last operation that counts as indexed; see :class:`IndexingStatus`.
    log_position: int = 0
    #: The same: it rises when what was written has been taken in.
    version: int = 0


@dataclass(frozen=True, slots=True)
class RecordBatch:
    """The rows of one add, update or upsert, checked for shape but not yet against the collection.

    ``embeddings`` is ``(len(ids), dimension)`` float32. ``present`` is ``None`` when every row carries an embedding, else a mask:
    rows where it is false keep what they have (update only; their row of ``embeddings`` is zeros). ``embeddings`` itself is ``None``
    when an update carries no embeddings at all.
    """

    ids: list[str]
    embeddings: Floats | None
    present: Bools | None = None
    documents: list[str | None] | None = None
    uris: list[str | None] | None = None
    metadatas: list[MetadataPatch | None] | None = None
    #: When each record expires, in seconds since the epoch; ``None`` for one that shall not. ``None`` for the list changes no record's end.
    expires_at: list[float | None] | None = None


@dataclass(frozen=True, slots=True)
class WriteOperation:
    """An add, update or upsert of a transaction."""

    kind: WriteKind
    batch: RecordBatch


@dataclass(frozen=True, slots=True)
class DeleteOperation:
    """A deletion by ids of a transaction."""

    ids: tuple[str, ...]


#: One write of a transaction.
Operation: TypeAlias = WriteOperation | DeleteOperation


@dataclass(frozen=True, slots=True)
class ConditionalCommit:
    """Operations that take effect together, if the records of ``read_ids`` are still what they were at ``read_token``."""

    read_token: int
    read_ids: list[str]
    operations: list[Operation]


@dataclass(frozen=True, slots=True)
class CommitOutcome:
    """What a transaction wrote: where its first record is in the collection's log, and how many there are."""

    first_inserted_record_offset: int | None
    record_count: int


@dataclass(frozen=True, slots=True)
class WriteCounts:
    """What a write did: rows that are new, rows that were changed. The others were skipped."""

    inserted: int = 0
    updated: int = 0


@dataclass(frozen=True, slots=True)
class OrderBy:
    """A metadata key to order records by."""

    key: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class GetRequest:
    """A read by ids or filter. ``where`` and ``where_document`` are raw JSON; :mod:`chroma_async.query_language.filter_parse` judges
    them."""

    ids: list[str] | None = None
    where: Json = None
    where_document: Json = None
    limit: int | None = None
    offset: int = 0
    include: tuple[IncludeField, ...] = ("documents", "metadatas")
    #: Raw JSON: metadata keys to order by in place of first insertion; see :mod:`chroma_async.service.cursor`.
    order_by: Json = None
    #: Where the last page ended; "" begins, ``None`` asks for no cursor.
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class QueryRequest:
    """A nearest-neighbour read. ``embeddings`` is ``(queries, dimension)`` float32, or ``(0, 0)`` for no query at all."""

    embeddings: Floats
    n_results: int = 10
    ids: list[str] | None = None
    where: Json = None
    where_document: Json = None
    include: tuple[IncludeField, ...] = ("metadatas", "documents", "distances")
    #: Rows farther than this are left out.
    max_distance: float | None = None
    #: Compare with every matching row instead of following a graph.
    exact: bool = False


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """Searches by rank expressions. Each is raw JSON; :mod:`chroma_async.query_language.search_parse` judges it."""

    searches: list[Json]
    read_level: ReadLevel = ReadLevel.INDEX_AND_WAL


@dataclass(frozen=True, slots=True)
class DeleteRequest:
    """A deletion by ids, by filter, or both."""

    ids: list[str] | None = None
    where: Json = None
    where_document: Json = None
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Rows:
    """Records in answer order. A column that was not asked for is ``None``; one that was has ``None`` where a record lacks it."""

    ids: list[str]
    embeddings: Floats | None = None
    documents: list[str | None] | None = None
    uris: list[str | None] | None = None
    metadatas: list[Metadata | None] | None = None
    distances: Floats | None = None


@dataclass(frozen=True, slots=True)
class Records:
    """The answer to a get."""

    rows: Rows
    include: tuple[IncludeField, ...]
    #: Where the next page begins: set when the request had a cursor and there is more.
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The answer to a query: one :class:`Rows` per query vector, nearest first."""

    queries: list[Rows] = field(default_factory=list)
    include: tuple[IncludeField, ...] = ()


@dataclass(frozen=True, slots=True)
class SearchRows:
    """The answer to one search: records, lowest score first. Columns that were not selected are ``None``.

    ``scores`` is float32. ``select`` repeats what was selected, sorted.
    """

    rows: Rows
    scores: Floats | None
    select: tuple[str, ...] = ()
