"""ChromaAPI: the verbs of Chroma's HTTP API v2 as coroutines on typed data.

The engine behind it (:mod:`chroma_async.service.local`) and a server at the end of a connection (:mod:`chroma_async.client.http_api`) both
speak it,
so clients and tests need not know which one they hold. Every method raises :class:`chroma_async.errors.ChromaError` subclasses only.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable
from uuid import UUID

from chroma_async.statistics import StoreStatistics
from chroma_async.types import (
    Alias,
    Attachment,
    CollectionInfo,
    CommitOutcome,
    ConditionalCommit,
    Database,
    DeleteRequest,
    FunctionInfo,
    GetRequest,
    Health,
    Identity,
    IndexingStatus,
    Json,
    Neighbours,
    Preflight,
    QueryRequest,
    ReadLevel,
    RecordBatch,
    Records,
    Scope,
    SearchRequest,
    SearchRows,
    Tenant,
    WriteCounts,
    WriteKind,
)


class ChromaAPI(Protocol):
    """All verbs. Collections are named by scope and id together; a mismatch is a NotFoundError."""

    async def heartbeat(self) -> int:
        """The server's clock in nanoseconds since the epoch."""

    async def health(self) -> Health:
        """Whether reads and writes are served."""

    async def version(self) -> str:
        """The API's version string; "1.0.0" whatever the release, as Chroma says it."""

    async def preflight(self) -> Preflight:
        """Batch limits and encodings."""

    async def identity(self) -> Identity:
        """Who the caller is."""

    async def reset(self) -> bool:
        """Delete everything. :raises ResetDisabledError: not allowed."""

    async def create_tenant(self, name: str) -> None:
        """:raises InvalidArgumentError: shorter than 3 characters. :raises UniqueConstraintError: it exists."""

    async def get_tenant(self, name: str) -> Tenant:
        """:raises NotFoundError:"""

    async def update_tenant(self, name: str, resource_name: str) -> None:
        """Set its resource name."""

    async def create_database(self, name: str, tenant: str) -> None:
        """:raises InvalidArgumentError: the name breaks the rules. :raises UniqueConstraintError: it exists."""

    async def get_database(self, name: str, tenant: str) -> Database:
        """:raises NotFoundError:"""

    async def delete_database(self, name: str, tenant: str) -> None:
        """With its collections. :raises NotFoundError:"""

    async def list_databases(self, tenant: str, limit: int | None = None, offset: int = 0) -> list[Database]:
        """By name."""

    async def create_collection(
        self,
        scope: Scope,
        name: str,
        *,
        metadata: Json = None,
        configuration: Json = None,
        schema: Json = None,
        get_or_create: bool = False,
    ) -> CollectionInfo:
        """``configuration`` and ``schema`` are raw JSON (docs/CONTRACT.md#configuration, docs/CONTRACT.md#schema).

        :raises InvalidArgumentError, UnprocessableError: by the rules of docs/CONTRACT.md#creating-a-collection.
        :raises UniqueConstraintError: the name is taken and ``get_or_create`` is false.
        """

    async def get_collection(self, scope: Scope, name: str) -> CollectionInfo:
        """:raises NotFoundError:"""

    async def get_collection_by_id(self, scope: Scope, id: UUID) -> CollectionInfo:
        """:raises NotFoundError:"""

    async def list_collections(self, scope: Scope, limit: int | None = None, offset: int = 0) -> list[CollectionInfo]:
        """By id."""

    async def count_collections(self, scope: Scope) -> int:
        """How many there are."""

    async def modify_collection(
        self, scope: Scope, id: UUID, *, new_name: str | None = None, new_metadata: Json = None, new_configuration: Json = None
    ) -> None:
        """``None`` leaves things as they are. :raises NotFoundError, InvalidArgumentError, UnprocessableError, UniqueConstraintError:"""

    async def get_collection_by_crn(self, crn: str) -> CollectionInfo:
        """By ``tenant_resource_name:database:collection``.

        :raises InvalidArgumentError: it has not three parts. :raises NotFoundError:
        """

    async def fork_collection(self, scope: Scope, id: UUID, new_name: str) -> CollectionInfo:
        """A copy on write under a new name: later writes on either side never show on the other.

        :raises NotFoundError, InvalidArgumentError, UniqueConstraintError:
        """

    async def fork_count(self, scope: Scope, id: UUID) -> int:
        """Forks in the whole tree that the collection belongs to. :raises NotFoundError:"""

    async def indexing_status(self, scope: Scope, id: UUID) -> IndexingStatus:
        """How far indexing is behind the log. :raises NotFoundError:"""

    async def delete_collection(self, scope: Scope, name: str) -> None:
        """:raises NotFoundError:"""

    async def set_alias(self, scope: Scope, alias: str, collection: UUID) -> None:
        """Make an alias, or move it, in one step. Whoever asks for a collection by the alias's name gets what it stands for.

        :raises InvalidArgumentError: the alias's name breaks the rules of names. :raises NotFoundError: no such collection.
        :raises UniqueConstraintError: a collection has that name.
        """

    async def delete_alias(self, scope: Scope, alias: str) -> None:
        """:raises NotFoundError:"""

    async def list_aliases(self, scope: Scope) -> list[Alias]:
        """By name."""

    async def attach_function(
        self, scope: Scope, id: UUID, name: str, function_id: str, output_collection: str, params: dict[str, Json] | None = None
    ) -> Attachment:
        """Keep what a built-in function makes of the collection in a new collection of its own. Asked again, it says so.

        :raises InvalidArgumentError: a name breaks the rules, or there are parameters.
        :raises NotFoundError: no such collection, or no such function.
        :raises UniqueConstraintError: another function is attached, or the output collection exists.
        """

    async def get_attached_function(self, scope: Scope, id: UUID, name: str) -> FunctionInfo:
        """:raises NotFoundError:"""

    async def detach_function(self, scope: Scope, id: UUID, name: str, delete_output: bool = False) -> bool:
        """The output collection is brought up to date and stays, or is deleted. True. :raises NotFoundError:"""

    async def write(self, scope: Scope, id: UUID, kind: WriteKind, batch: RecordBatch) -> WriteCounts:
        """Durable when it returns; all or nothing; visible to every later read."""

    async def delete(self, scope: Scope, id: UUID, request: DeleteRequest) -> int:
        """What Chroma counts: ids sent when there is no filter, else rows that matched."""

    async def get(self, scope: Scope, id: UUID, request: GetRequest) -> Records:
        """In order of first insertion."""

    async def conditional_get(self, scope: Scope, id: UUID, request: GetRequest, read_token: int | None = None) -> tuple[Records, int]:
        """A read whose outcome a commit can depend on, and its token. With a token, the read sees what that token's read saw.

        :raises StaleReadError: the token is not held any longer.
        """

    async def conditional_commit(self, scope: Scope, id: UUID, commit: ConditionalCommit) -> CommitOutcome:
        """All operations or none.

        :raises ConditionalWriteConflictError: a record that was read has changed. :raises StaleReadError: the token is not held any longer.
        """

    async def query(self, scope: Scope, id: UUID, request: QueryRequest) -> Neighbours:
        """min(n_results, matching rows) rows per query, nearest first, ties by first insertion."""

    async def search(self, scope: Scope, id: UUID, request: SearchRequest) -> list[SearchRows]:
        """One answer for each search of the request.

        :raises UnprocessableError: a search has the wrong shape. :raises NotFoundError:
        :raises InvalidArgumentError: a search breaks a rule, asks a disabled index, or a score is no finite number.
        """

    async def count(
        self,
        scope: Scope,
        id: UUID,
        read_level: ReadLevel = ReadLevel.INDEX_AND_WAL,
        *,
        where: Json = None,
        where_document: Json = None,
    ) -> int:
        """How many records there are, or how many of them match."""

    async def aclose(self) -> None:
        """Idempotent."""


@runtime_checkable
class Inspectable(Protocol):
    """What a store of this process tells besides: how it is."""

    async def statistics(self) -> StoreStatistics | None:
        """As of now; ``None`` where there are none. Looks at each loaded collection, so not for every request.

        :raises ClosedError: it was closed.
        """
