"""Transactions of a collection: read, decide, write together, and begin anew when somebody else was faster."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

from chroma_async.client.filters import checked_filters
from chroma_async.client.record_arguments import checked_ids, row_count
from chroma_async.client.results import GetResult, Include, get_result
from chroma_async.client.validate import check_attempts, check_ids, check_include, check_window
from chroma_async.costs import CHECK_ARGUMENT, RESULT_ROW, by_cost
from chroma_async.errors import ConditionalWriteConflictError, StaleReadError, ValidationTypeError
from chroma_async.plain import shown
from chroma_async.refusing import refusing
from chroma_async.types import (
    CommitOutcome,
    ConditionalCommit,
    DeleteOperation,
    GetRequest,
    Operation,
    RecordBatch,
    WriteKind,
    WriteOperation,
)

if TYPE_CHECKING:
    from chroma_async.client.collection import AsyncCollection

T = TypeVar("T")

#: How often a transaction is begun anew before its conflict is raised.
ATTEMPTS = 5


class Transaction:
    """One attempt. Reads see one moment; writes are collected, and take effect together when the attempt ends without an error.

    It conflicts when a record that was read, or asked for by id, has been written or deleted by somebody else meanwhile.
    """

    def __init__(self, collection: AsyncCollection) -> None:
        self._collection = collection
        self._token: int | None = None
        self._read: dict[str, None] = {}
        self._operations: list[Operation] = []

    async def get(
        self,
        ids: Any = None,
        where: Any = None,
        limit: int | None = None,
        offset: int | None = None,
        where_document: Any = None,
        include: Include = ["metadatas", "documents"],  # noqa: B006
    ) -> GetResult:
        """As the collection's own get, as of the first read of this attempt; it does not see the writes collected here."""
        with refusing("get"):
            included, asked = check_include(include, distances=False, loader=False)
            filters = await checked_filters(where, where_document, self._collection.lane)
            request = GetRequest(
                ids=await checked_ids(ids, self._collection.lane),
                where=filters[0],
                where_document=filters[1],
                limit=check_window(limit, "limit"),
                offset=check_window(offset, "offset") or 0,
                include=asked,
            )
        api, (scope, id) = self._collection.api, self._collection.place
        records, self._token = await api.conditional_get(scope, id, request, self._token)
        self._read |= dict.fromkeys(records.rows.ids)
        self._read |= dict.fromkeys(request.ids or ())
        return await by_cost(self._collection.lane.run, RESULT_ROW * len(records.rows.ids), get_result, records, included)

    async def add(self, ids: Any, embeddings: Any = None, **columns: Any) -> None:
        """As the collection's own add, with the others at the end."""
        self._keep(WriteKind.ADD, await self._collection.batch(WriteKind.ADD, ids, embeddings, **columns))

    async def upsert(self, ids: Any, embeddings: Any = None, **columns: Any) -> None:
        """As the collection's own upsert, with the others at the end."""
        self._keep(WriteKind.UPSERT, await self._collection.batch(WriteKind.UPSERT, ids, embeddings, **columns))

    async def update(self, ids: Any, embeddings: Any = None, **columns: Any) -> None:
        """As the collection's own update, with the others at the end."""
        self._keep(WriteKind.UPDATE, await self._collection.batch(WriteKind.UPDATE, ids, embeddings, **columns))

    async def delete(self, ids: Any) -> None:
        """Delete by ids, with the others at the end."""
        with refusing("delete"):
            own_ids = await by_cost(self._collection.lane.run, CHECK_ARGUMENT * row_count(ids), check_ids, ids)
            self._operations.append(DeleteOperation(tuple(own_ids)))

    def _keep(self, kind: WriteKind, batch: RecordBatch) -> None:
        self._operations.append(WriteOperation(kind, batch))

    async def commit(self) -> CommitOutcome:
        """Write what was collected. :raises ConditionalWriteConflictError: what was read has changed; nothing was written."""
        if not self._operations:
            return CommitOutcome(None, 0)
        api, (scope, id) = self._collection.api, self._collection.place
        if self._token is None:
            _, self._token = await api.conditional_get(scope, id, GetRequest(ids=[], include=()))
        return await api.conditional_commit(scope, id, ConditionalCommit(self._token, list(self._read), self._operations))


async def run(collection: AsyncCollection, work: Callable[[Transaction], Awaitable[T]], attempts: int = ATTEMPTS) -> T:
    """Call ``work`` with a transaction and commit it; begin anew on a conflict, ``attempts`` times at the most.

    :raises ConditionalWriteConflictError: others were faster each time.
    :raises ValidationError: ``attempts`` is not positive. :raises ValidationTypeError: ``work`` cannot be called and awaited.
    """
    with refusing("run"):
        if not callable(work):
            raise ValidationTypeError(f"work: expected a coroutine function, got {shown(work)} of type {type(work).__name__}")
        often = check_attempts(attempts)
    refused: ConditionalWriteConflictError | StaleReadError
    for _ in range(often):
        transaction = Transaction(collection)
        try:
            result = await _begun(work, transaction)
            await transaction.commit()
        except (ConditionalWriteConflictError, StaleReadError) as error:
            refused = error
        else:
            return result
    raise refused


def _begun(work: Callable[[Transaction], Awaitable[T]], transaction: Transaction) -> Awaitable[T]:
    """:raises ValidationTypeError: ``work`` is a plain function, whose reads and writes nobody awaits."""
    begun = work(transaction)
    if not inspect.isawaitable(begun):
        raise ValidationTypeError(f"work: expected a coroutine function (async def), got a function that returns {shown(begun)} in run.")
    return begun
