"""A store whose tenants have no more than their quotas: the same API in front of another one."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from chroma_async.api import ChromaAPI
from chroma_async.errors import NotFoundError
from chroma_async.limits.quotas import Quotas
from chroma_async.limits.usage import Usage
from chroma_async.types import (
    Attachment,
    CollectionInfo,
    CommitOutcome,
    ConditionalCommit,
    DeleteOperation,
    DeleteRequest,
    GetRequest,
    Json,
    Neighbours,
    QueryRequest,
    RecordBatch,
    Scope,
    SearchRequest,
    SearchRows,
    WriteCounts,
    WriteKind,
    WriteOperation,
)


class QuotaAPI:
    """See :class:`chroma_async.api.ChromaAPI`; what needs no quota goes through as it is.

    :raises QuotaExceededError: of what creates, writes and asks: the tenant would have, or get, more than it may. Nothing was changed.
    """

    def __init__(self, api: ChromaAPI, quotas: Quotas) -> None:
        self._api = api
        self._quotas = quotas
        self._usages: dict[str, Usage] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._api, name)

    async def create_collection(self, scope: Scope, name: str, *, get_or_create: bool = False, **settings: Json) -> CollectionInfo:
        """As the API's."""
        if get_or_create:
            try:
                return await self._api.get_collection(scope, name)
            except NotFoundError:
                pass
        async with self._usage(scope.tenant).turn:
            await self._check_collections(scope)
            return await self._api.create_collection(scope, name, get_or_create=get_or_create, **settings)

    async def fork_collection(self, scope: Scope, id: UUID, new_name: str) -> CollectionInfo:
        """As the API's. The records of a fork count as its own."""
        usage = self._usage(scope.tenant)
        async with usage.turn:
            await self._check_collections(scope)
            count = await self._api.count(scope, id)
            await self._check_records(scope, count)
            forked = await self._api.fork_collection(scope, id, new_name)
            await usage.changed(scope, forked.id)
            return forked

    async def attach_function(
        self, scope: Scope, id: UUID, name: str, function_id: str, output_collection: str, params: dict[str, Json] | None = None
    ) -> Attachment:
        """As the API's. What a function writes is not held back, and counts."""
        async with self._usage(scope.tenant).turn:
            await self._check_collections(scope)
            return await self._api.attach_function(scope, id, name, function_id, output_collection, params)

    async def delete_collection(self, scope: Scope, name: str) -> None:
        """As the API's."""
        await self._api.delete_collection(scope, name)
        self._usage(scope.tenant).forget()

    async def delete_database(self, name: str, tenant: str) -> None:
        """As the API's."""
        await self._api.delete_database(name, tenant)
        self._usage(tenant).forget()

    async def reset(self) -> bool:
        """As the API's."""
        done = await self._api.reset()
        self._usages.clear()
        return done

    async def write(self, scope: Scope, id: UUID, kind: WriteKind, batch: RecordBatch) -> WriteCounts:
        """As the API's."""
        self._check_dimension(scope, batch)
        new = set() if kind is WriteKind.UPDATE else set(batch.ids)
        usage, reserved = self._usage(scope.tenant), await self._reserve(scope, id, new)
        try:
            return await self._api.write(scope, id, kind, batch)
        finally:
            usage.reserved -= reserved
            await usage.changed(scope, id)

    async def conditional_commit(self, scope: Scope, id: UUID, commit: ConditionalCommit) -> CommitOutcome:
        """As the API's."""
        new: set[str] = set()
        for operation in commit.operations:
            if isinstance(operation, DeleteOperation):
                new -= set(operation.ids)
            elif isinstance(operation, WriteOperation):
                self._check_dimension(scope, operation.batch)
                new |= set() if operation.kind is WriteKind.UPDATE else set(operation.batch.ids)
        usage, reserved = self._usage(scope.tenant), await self._reserve(scope, id, new)
        try:
            return await self._api.conditional_commit(scope, id, commit)
        finally:
            usage.reserved -= reserved
            await usage.changed(scope, id)

    async def delete(self, scope: Scope, id: UUID, request: DeleteRequest) -> int:
        """As the API's."""
        deleted = await self._api.delete(scope, id, request)
        await self._usage(scope.tenant).changed(scope, id)
        return deleted

    async def query(self, scope: Scope, id: UUID, request: QueryRequest) -> Neighbours:
        """As the API's."""
        self._quotas.of(scope.tenant).check("n_results", request.n_results)
        return await self._api.query(scope, id, request)

    async def search(self, scope: Scope, id: UUID, request: SearchRequest) -> list[SearchRows]:
        """As the API's. A search without a limit asks for all there is."""
        quota = self._quotas.of(scope.tenant)
        if quota.n_results:
            total = await self._api.count(scope, id)
            for search in request.searches:
                quota.check("n_results", _limit_of(search, total))
        return await self._api.search(scope, id, request)

    def _usage(self, tenant: str) -> Usage:
        found = self._usages.get(tenant)
        if found is None:
            found = self._usages[tenant] = Usage(self._api, tenant)
        return found

    async def _check_collections(self, scope: Scope) -> None:
        quota = self._quotas.of(scope.tenant)
        if quota.collections:
            quota.check("collections", await self._usage(scope.tenant).collections() + 1)

    def _check_dimension(self, scope: Scope, batch: RecordBatch) -> None:
        if batch.embeddings is not None and batch.embeddings.ndim == 2:
            self._quotas.of(scope.tenant).check("dimension", batch.embeddings.shape[1])

    async def _reserve(self, scope: Scope, id: UUID, ids: set[str]) -> int:
        """Hold room for those of the ids that are new; how much. :raises QuotaExceededError: there is not enough."""
        usage, limit = self._usage(scope.tenant), self._quotas.of(scope.tenant).records
        if not limit or not ids:
            return 0
        new = len(ids)
        if await usage.records() + new > limit:
            present = await self._api.get(scope, id, GetRequest(ids=sorted(ids), include=()))
            new -= len(present.rows.ids)
            await self._check_records(scope, new)
        usage.reserved += new
        return new

    async def _check_records(self, scope: Scope, more: int) -> None:
        quota, usage = self._quotas.of(scope.tenant), self._usage(scope.tenant)
        if more and quota.records and await usage.records() + more > quota.records:
            quota.check("records", await usage.records(anew=True) + more)


def _limit_of(search: Json, total: int) -> int:
    """How many records a search asks for at the most, of so many that there are."""
    window = search.get("limit") if isinstance(search, dict) else None
    limit = window.get("limit") if isinstance(window, dict) else window
    return limit if isinstance(limit, int) else total


def within_quotas(api: ChromaAPI, quotas: Quotas) -> ChromaAPI:
    """The API itself when nothing is bounded."""
    return cast("ChromaAPI", QuotaAPI(api, quotas)) if quotas.limit else api
