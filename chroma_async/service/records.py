"""Records: written, read by id or filter, and both together in a transaction."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from chroma_async.costs import CHECK_CHARACTER, CHECK_NUMBER, CHECK_ROW, CHECK_VALUE, HASH_ID, INLINE_US, by_cost
from chroma_async.engine.read.get import count_matching, get, get_page
from chroma_async.engine.write.request import Delete, DeleteMatching, TransactionRequest, Write, check_batch
from chroma_async.errors import InvalidArgumentError
from chroma_async.service.cursor import read_cursor, read_order, write_cursor
from chroma_async.service.verbs import Verbs
from chroma_async.types import (
    CommitOutcome,
    ConditionalCommit,
    DeleteOperation,
    DeleteRequest,
    GetRequest,
    Json,
    Operation,
    ReadLevel,
    RecordBatch,
    Records,
    Scope,
    WriteCounts,
    WriteKind,
)


class RecordVerbs(Verbs):
    """Writes and reads of records."""

    async def write(self, scope: Scope, id: UUID, kind: WriteKind, batch: RecordBatch) -> WriteCounts:
        async with self.engine.registry.using(scope, id) as collection:
            count = await collection.write(await by_cost(self._threads.write, _checking_us(batch), check_batch, kind, batch))
        if kind is WriteKind.ADD:
            return WriteCounts(inserted=count)
        if kind is WriteKind.UPDATE:
            return WriteCounts(updated=count)
        distinct = await by_cost(self._threads.write, HASH_ID * len(batch.ids), set, batch.ids)
        return WriteCounts(inserted=count, updated=len(distinct) - count)

    async def delete(self, scope: Scope, id: UUID, request: DeleteRequest) -> int:
        async with self.engine.registry.using(scope, id) as collection:
            filter = await self._filter(collection.row, request.where, request.where_document)
            if filter is None:
                if request.limit is not None:
                    raise InvalidArgumentError("limit can only be specified when a where clause is provided")
                if request.ids is None:
                    return 0
                if not request.ids:
                    raise InvalidArgumentError("delete needs at least one id, where or where_document: ids is an empty list")
                await collection.write(await by_cost(self._threads.write, CHECK_ROW * len(request.ids), Delete, request.ids))
                return len(request.ids)
            cost_us = CHECK_ROW * len(request.ids or ())
            return await collection.write(await by_cost(self._threads.write, cost_us, DeleteMatching, filter, request.ids, request.limit))

    async def get(self, scope: Scope, id: UUID, request: GetRequest) -> Records:
        async with self.engine.registry.using(scope, id) as collection:
            filter = await self._filter(collection.row, request.where, request.where_document)
            if request.order_by is None and request.cursor is None:
                rows = await collection.read(get, filter, request.ids, request.limit, request.offset, request.include)
                return Records(rows, request.include)
            order = () if request.order_by is None else read_order(request.order_by)
            after = None if request.cursor is None else read_cursor(request.cursor, id, order)
            rows, mark = await collection.read(get_page, filter, request.ids, request.limit, request.offset, request.include, order, after)
            cursor = None if mark is None or request.cursor is None else write_cursor(id, order, mark)
            return Records(rows, request.include, cursor)

    async def count(
        self,
        scope: Scope,
        id: UUID,
        read_level: ReadLevel = ReadLevel.INDEX_AND_WAL,
        *,
        where: Json = None,
        where_document: Json = None,
    ) -> int:
        async with self.engine.registry.using(scope, id) as collection:
            filter = await self._filter(collection.row, where, where_document)
            version = await collection.version_at(read_level)
            return version.count if filter is None else await collection.bounded()(count_matching, version, filter)

    async def conditional_get(self, scope: Scope, id: UUID, request: GetRequest, read_token: int | None = None) -> tuple[Records, int]:
        for name, value in (("order_by", request.order_by), ("cursor", request.cursor)):
            if value is not None:
                raise InvalidArgumentError(f"{name} has no effect on the reads of a transaction; leave it out, or get outside of one")
        async with self.engine.registry.using(scope, id) as collection:
            filter = await self._filter(collection.row, request.where, request.where_document)
            version = await collection.present() if read_token is None else collection.tokens.at(read_token)
            token = collection.tokens.issue(version)
            rows = await collection.bounded()(get, version, filter, request.ids, request.limit, request.offset, request.include)
            return Records(rows, request.include), token

    async def conditional_commit(self, scope: Scope, id: UUID, commit: ConditionalCommit) -> CommitOutcome:
        async with self.engine.registry.using(scope, id) as collection:
            then = collection.tokens.at(commit.read_token)
            cost_us = sum(map(_operation_us, commit.operations))
            operations = await by_cost(self._threads.write, cost_us, _checked_operations, commit.operations)
            transaction = await by_cost(self._threads.write, cost_us, TransactionRequest, then, commit.read_ids, operations)
            first, count = await collection.commit(transaction)
            return CommitOutcome(first, count)


def _checking_us(batch: RecordBatch) -> float:
    """What checking a batch costs in microseconds. Looks at the lengths of no more rows than could be checked at once."""
    cost_us = CHECK_ROW * len(batch.ids) + (0.0 if batch.embeddings is None else CHECK_NUMBER * batch.embeddings.size)
    if cost_us <= INLINE_US:
        characters = sum(map(len, batch.ids)) + sum(map(len, filter(None, batch.documents or ())))
        cost_us += CHECK_CHARACTER * characters + CHECK_VALUE * sum(map(len, filter(None, batch.metadatas or ())))
    return cost_us


def _operation_us(operation: Operation) -> float:
    return CHECK_ROW * len(operation.ids) if isinstance(operation, DeleteOperation) else _checking_us(operation.batch)


def _checked_operations(operations: Sequence[Operation]) -> list[Write | Delete]:
    return [Delete(one.ids) if isinstance(one, DeleteOperation) else check_batch(one.kind, one.batch) for one in operations]
