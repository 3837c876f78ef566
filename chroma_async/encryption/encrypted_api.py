"""A store behind an encryption: the same API, to which clear records go and from which clear records come."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, TypeVar
from uuid import UUID

from chroma_async.api import ChromaAPI
from chroma_async.costs import ENCRYPT_CHARACTER, ENCRYPT_VALUE, by_cost
from chroma_async.encryption.encryption import Encryption
from chroma_async.threads import Lane
from chroma_async.types import (
    CommitOutcome,
    ConditionalCommit,
    DeleteRequest,
    GetRequest,
    Json,
    Neighbours,
    Operation,
    QueryRequest,
    ReadLevel,
    RecordBatch,
    Records,
    Rows,
    Scope,
    SearchRequest,
    SearchRows,
    WriteCounts,
    WriteKind,
    WriteOperation,
)

Filtered = TypeVar("Filtered", GetRequest, QueryRequest, DeleteRequest)


class EncryptedAPI:
    """:class:`~chroma_async.api.ChromaAPI` in front of another one. What has no records in it goes through as it is.

    :raises EncryptionError: of every read: a value does not open, is not encrypted, or its key is not there.
    :raises ValidationError: of every verb with a filter: it asks what only the clear text could answer.
    """

    def __init__(self, api: ChromaAPI, encryption: Encryption, lane: Lane) -> None:
        """:param lane: for what takes long."""
        self._api = api
        self._encryption = encryption
        self._lane = lane

    def __getattr__(self, name: str) -> Any:
        return getattr(self._api, name)

    async def write(self, scope: Scope, id: UUID, kind: WriteKind, batch: RecordBatch) -> WriteCounts:
        """As the API's."""
        return await self._api.write(scope, id, kind, await self._sealed(batch))

    async def conditional_commit(self, scope: Scope, id: UUID, commit: ConditionalCommit) -> CommitOutcome:
        """As the API's."""
        operations: list[Operation] = []
        for operation in commit.operations:
            if isinstance(operation, WriteOperation):
                operation = WriteOperation(operation.kind, await self._sealed(operation.batch))
            operations.append(operation)
        return await self._api.conditional_commit(scope, id, replace(commit, operations=operations))

    async def delete(self, scope: Scope, id: UUID, request: DeleteRequest) -> int:
        """As the API's."""
        return await self._api.delete(scope, id, await self._asked(request))

    async def get(self, scope: Scope, id: UUID, request: GetRequest) -> Records:
        """As the API's; not in the order of an encrypted field."""
        records = await self._api.get(scope, id, await self._asked(request))
        return replace(records, rows=await self._opened(records.rows))

    async def conditional_get(self, scope: Scope, id: UUID, request: GetRequest, read_token: int | None = None) -> tuple[Records, int]:
        """As the API's."""
        records, token = await self._api.conditional_get(scope, id, await self._asked(request), read_token)
        return replace(records, rows=await self._opened(records.rows)), token

    async def query(self, scope: Scope, id: UUID, request: QueryRequest) -> Neighbours:
        """As the API's."""
        neighbours = await self._api.query(scope, id, await self._asked(request))
        return replace(neighbours, queries=[await self._opened(rows) for rows in neighbours.queries])

    async def search(self, scope: Scope, id: UUID, request: SearchRequest) -> list[SearchRows]:
        """As the API's; not grouped by an encrypted field."""
        await self._encryption.ready(self._lane.run)
        searches = [self._encryption.search(search) for search in request.searches]
        answers = await self._api.search(scope, id, replace(request, searches=searches))
        return [replace(answer, rows=await self._opened(answer.rows)) for answer in answers]

    async def count(
        self,
        scope: Scope,
        id: UUID,
        read_level: ReadLevel = ReadLevel.INDEX_AND_WAL,
        *,
        where: Json = None,
        where_document: Json = None,
    ) -> int:
        """As the API's."""
        await self._encryption.ready(self._lane.run)
        filters = self._encryption.filters
        own = {"where": filters.where(where), "where_document": filters.where_document(where_document)}
        return await self._api.count(scope, id, read_level, **own)

    async def aclose(self) -> None:
        """As the API's."""
        await self._api.aclose()

    async def _asked(self, request: Filtered) -> Filtered:
        await self._encryption.ready(self._lane.run)
        filters = self._encryption.filters
        if isinstance(request, GetRequest):
            filters.refuse_order(_ordering_keys(request.order_by), "order_by")
        return replace(request, where=filters.where(request.where), where_document=filters.where_document(request.where_document))

    async def _sealed(self, batch: RecordBatch) -> RecordBatch:
        await self._encryption.ready(self._lane.run)
        return await by_cost(self._lane.run, _cost_us(batch.documents, batch.metadatas), self._encryption.sealed, batch)

    async def _opened(self, rows: Rows) -> Rows:
        await self._encryption.ready_for(rows, self._lane.run)
        return await by_cost(self._lane.run, _cost_us(rows.documents, rows.metadatas), self._encryption.opened, rows)


def _cost_us(documents: Iterable[str | None] | None, metadatas: Iterable[Any] | None) -> float:
    """What encrypting or decrypting these costs in microseconds."""
    lengths = [len(text) for text in documents or () if text is not None]
    values = sum(map(len, filter(None, metadatas or ())))
    return ENCRYPT_VALUE * (len(lengths) + values) + ENCRYPT_CHARACTER * sum(lengths)


def _ordering_keys(order_by: Json) -> list[str]:
    """The metadata keys of an ``order_by``: a name, an object of names, or a list of these."""
    items = order_by if isinstance(order_by, list) else [order_by]
    return [name for item in items for name in ([item] if isinstance(item, str) else list(item) if isinstance(item, dict) else [])]
