"""ChromaAPI straight on an engine in this process: what the embedded clients hold and what the server serves."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from uuid import UUID, uuid4

from chroma_async.config.settings import Settings
from chroma_async.costs import (
    CHECK_CHARACTER,
    CHECK_NUMBER,
    CHECK_ROW,
    CHECK_VALUE,
    HASH_ID,
    INLINE_US,
    READ_COLLECTION,
    by_cost,
    in_slices,
)
from chroma_async.engine.admin.check_store import Finding, check_store
from chroma_async.engine.admin.compact_store import Step, compact_store
from chroma_async.engine.engine import Engine
from chroma_async.engine.read.get import count_matching, get, get_page
from chroma_async.engine.read.query import query
from chroma_async.engine.read.search import search_each
from chroma_async.engine.write.request import Delete, DeleteMatching, TransactionRequest, Write, check_batch
from chroma_async.errors import InvalidArgumentError, NotFoundError, ResetDisabledError, StoreError, UniqueConstraintError
from chroma_async.query_language.filter_ast import Filter
from chroma_async.query_language.filter_rules import check_filter, sparse_weighting
from chroma_async.query_language.search_ast import Search, SparseKnn, knns
from chroma_async.query_language.search_parse import check as check_searches
from chroma_async.query_language.search_parse import parse as parse_searches
from chroma_async.schema.collection_settings import create_settings
from chroma_async.schema.metadata import replace_collection_metadata
from chroma_async.schema.names import check_collection_name, check_database_name, check_tenant_name
from chroma_async.service.cursor import read_cursor, read_order, write_cursor
from chroma_async.service.filters import condition, parsing_us
from chroma_async.service.sharing import Lease, share_engine
from chroma_async.storage.base.catalog import Catalog
from chroma_async.storage.base.collections import CollectionRow
from chroma_async.threads import Threads
from chroma_async.types import (
    DEFAULT_DATABASE,
    DEFAULT_TENANT,
    Alias,
    Attachment,
    CollectionInfo,
    CommitOutcome,
    ConditionalCommit,
    Database,
    DeleteOperation,
    DeleteRequest,
    FunctionInfo,
    GetRequest,
    Health,
    Identity,
    IndexingStatus,
    Json,
    Neighbours,
    Operation,
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

#: What Chroma's servers answer, whatever their release.
API_VERSION = "1.0.0"


class LocalAPI:
    """See :class:`chroma_async.api.ChromaAPI`. Made by :func:`open_local`."""

    def __init__(self, lease: Lease) -> None:
        self._lease = lease

    @property
    def engine(self) -> Engine:
        """The engine, possibly shared with other clients of this process. :raises ClosedError: this client was closed."""
        return self._lease.engine()

    @property
    def _catalog(self) -> Catalog:
        engine = self.engine
        engine.check_usable()
        return engine.context.backends.catalog

    @property
    def _threads(self) -> Threads:
        return self.engine.context.threads

    @property
    def settings(self) -> Settings:
        """What the store was opened with."""
        return self.engine.context.settings

    # ------------------------------------------------------------------------------------------------------------------------- system

    async def heartbeat(self) -> int:
        return self.engine.context.clock()

    async def health(self) -> Health:
        try:
            engine = self.engine
            engine.check_usable()
        except StoreError:  # closed, forked, or the lease was lost
            return Health(is_executor_ready=False, is_log_client_ready=False)
        return Health(is_executor_ready=True, is_log_client_ready=engine.context.log_writer.poisoned is None)

    async def version(self) -> str:
        return API_VERSION

    async def preflight(self) -> Preflight:
        return Preflight(max_batch_size=self.settings.max_batch_size, supports_base64_encoding=True)

    async def identity(self) -> Identity:
        return Identity(user_id="", tenant=DEFAULT_TENANT, databases=[DEFAULT_DATABASE])

    async def reset(self) -> bool:
        if not self.settings.allow_reset:
            raise ResetDisabledError("Reset is disabled by config")
        await self.engine.reset()
        return True

    # ----------------------------------------------------------------------------------------------------------- tenants and databases

    async def create_tenant(self, name: str) -> None:
        check_tenant_name(name)
        await self._catalog.create_tenant(name)

    async def get_tenant(self, name: str) -> Tenant:
        return await self._catalog.get_tenant(name)

    async def update_tenant(self, name: str, resource_name: str) -> None:
        await self._catalog.set_resource_name(name, resource_name)

    async def create_database(self, name: str, tenant: str) -> None:
        check_database_name(name)
        await self._catalog.create_database(Database(uuid4(), name, tenant))

    async def get_database(self, name: str, tenant: str) -> Database:
        return await self._catalog.get_database(Scope(tenant, name))

    async def delete_database(self, name: str, tenant: str) -> None:
        await self.engine.delete_database(Scope(tenant, name))

    async def list_databases(self, tenant: str, limit: int | None = None, offset: int = 0) -> list[Database]:
        return await self._catalog.list_databases(tenant, limit, offset)

    # -------------------------------------------------------------------------------------------------------------------- collections

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
        check_collection_name(name)
        made = create_settings(metadata, configuration, schema, num_threads=self.settings.query_threads)
        catalog = self._catalog
        if get_or_create:
            try:
                return self._info(await catalog.get_collection(scope, name))
            except NotFoundError:
                pass
        row = CollectionRow(
            id=uuid4(),
            name=name,
            tenant=scope.tenant,
            database=scope.database,
            metadata=made.metadata,
            configuration=made.configuration,
            schema=made.schema,
            dimension=None,
            created_ns=self.engine.context.clock(),
        )
        try:
            await catalog.create_collection(row)
        except UniqueConstraintError:
            if not get_or_create:
                raise
            # Another caller created it between the two steps.
            row = await catalog.get_collection(scope, name)
        return self._info(row)

    async def get_collection(self, scope: Scope, name: str) -> CollectionInfo:
        return self._info(await self._catalog.get_collection(scope, name))

    async def get_collection_by_id(self, scope: Scope, id: UUID) -> CollectionInfo:
        return self._info(await self._catalog.get_collection_by_id(scope, id))

    async def list_collections(self, scope: Scope, limit: int | None = None, offset: int = 0) -> list[CollectionInfo]:
        return await in_slices(await self._catalog.list_collections(scope, limit, offset), READ_COLLECTION, self._info)

    async def count_collections(self, scope: Scope) -> int:
        return await self._catalog.count_collections(scope)

    async def modify_collection(
        self, scope: Scope, id: UUID, *, new_name: str | None = None, new_metadata: Json = None, new_configuration: Json = None
    ) -> None:
        if new_name is not None:
            check_collection_name(new_name, "new_name")
        async with self.engine.using(scope, id) as collection:
            metadata = replace_collection_metadata(collection.row.metadata, new_metadata)
            await collection.modify(new_name, metadata, new_metadata is not None, new_configuration)

    async def get_collection_by_crn(self, crn: str) -> CollectionInfo:
        parts = crn.split(":")
        if len(parts) != 3 or not all(parts):
            raise InvalidArgumentError(f"{crn!r} is not a CRN; it has three parts, tenant_resource_name:database:collection")
        resource_name, database, name = parts
        try:
            tenant = await self._catalog.find_tenant(resource_name)
            return await self.get_collection(Scope(tenant.name, database), name)
        except NotFoundError:
            raise NotFoundError(f"Collection [{crn}] does not exist") from None

    async def fork_collection(self, scope: Scope, id: UUID, new_name: str) -> CollectionInfo:
        check_collection_name(new_name, "new_name")
        return self._info(await self.engine.fork_collection(scope, id, new_name))

    async def fork_count(self, scope: Scope, id: UUID) -> int:
        await self._catalog.get_collection_by_id(scope, id)
        return await self._catalog.fork_count(id)

    async def indexing_status(self, scope: Scope, id: UUID) -> IndexingStatus:
        async with self.engine.using(scope, id) as collection:
            return collection.indexing_status()

    async def delete_collection(self, scope: Scope, name: str) -> None:
        await self.engine.delete_collection(scope, name)

    # ------------------------------------------------------------------------------------------------------------------------ records

    async def set_alias(self, scope: Scope, alias: str, collection: UUID) -> None:
        check_collection_name(alias, "alias")
        await self._catalog.set_alias(scope, alias, collection)

    async def delete_alias(self, scope: Scope, alias: str) -> None:
        await self._catalog.delete_alias(scope, alias)

    async def list_aliases(self, scope: Scope) -> list[Alias]:
        return await self._catalog.list_aliases(scope)

    async def attach_function(
        self, scope: Scope, id: UUID, name: str, function_id: str, output_collection: str, params: dict[str, Json] | None = None
    ) -> Attachment:
        check_collection_name(output_collection, "output_collection")
        self.engine.check_usable()
        row, created = await self.engine.functions.attach(scope, id, name, function_id, output_collection, params or {})
        return Attachment(row.id, row.name, row.function, created)

    async def get_attached_function(self, scope: Scope, id: UUID, name: str) -> FunctionInfo:
        database = await self._catalog.get_database(scope)
        row, output = await self.engine.functions.get(scope, id, name)
        return FunctionInfo(
            id=row.id,
            name=row.name,
            function_name=row.function,
            input_collection_id=row.collection,
            output_collection=output.name,
            output_collection_id=row.output,
            params=json.dumps(row.params),
            tenant_id=scope.tenant,
            database_id=str(database.id),
            completion_offset=row.completed,
            min_records_for_invocation=row.min_records,
        )

    async def detach_function(self, scope: Scope, id: UUID, name: str, delete_output: bool = False) -> bool:
        self.engine.check_usable()
        row, output = await self.engine.functions.get(scope, id, name)
        if delete_output:
            await self.engine.delete_collection(scope, output.name)
        else:
            await self.engine.functions.detach(row)
        return True

    async def write(self, scope: Scope, id: UUID, kind: WriteKind, batch: RecordBatch) -> WriteCounts:
        async with self.engine.using(scope, id) as collection:
            count = await collection.write(await by_cost(self._threads.write, _checking_us(batch), check_batch, kind, batch))
        if kind is WriteKind.ADD:
            return WriteCounts(inserted=count)
        if kind is WriteKind.UPDATE:
            return WriteCounts(updated=count)
        distinct = await by_cost(self._threads.write, HASH_ID * len(batch.ids), set, batch.ids)
        return WriteCounts(inserted=count, updated=len(distinct) - count)

    async def delete(self, scope: Scope, id: UUID, request: DeleteRequest) -> int:
        async with self.engine.using(scope, id) as collection:
            filter = await self._filter(collection.row, request.where, request.where_document)
            if filter is None:
                if request.limit is not None:
                    raise InvalidArgumentError("limit can only be specified when a where clause is provided")
                if request.ids is None:
                    return 0
                if not request.ids:
                    raise InvalidArgumentError("delete needs at least one id, where or where_document: ids is an empty list")
                await collection.write(Delete(request.ids))
                return len(request.ids)
            return await collection.write(DeleteMatching(filter, request.ids, request.limit))

    async def get(self, scope: Scope, id: UUID, request: GetRequest) -> Records:
        async with self.engine.using(scope, id) as collection:
            filter = await self._filter(collection.row, request.where, request.where_document)
            if request.order_by is None and request.cursor is None:
                rows = await collection.read(get, filter, request.ids, request.limit, request.offset, request.include)
                return Records(rows, request.include)
            order = () if request.order_by is None else read_order(request.order_by)
            after = None if request.cursor is None else read_cursor(request.cursor, id, order)
            rows, mark = await collection.read(get_page, filter, request.ids, request.limit, request.offset, request.include, order, after)
            cursor = None if mark is None or request.cursor is None else write_cursor(id, order, mark)
            return Records(rows, request.include, cursor)

    async def conditional_get(self, scope: Scope, id: UUID, request: GetRequest, read_token: int | None = None) -> tuple[Records, int]:
        async with self.engine.using(scope, id) as collection:
            filter = await self._filter(collection.row, request.where, request.where_document)
            version = await collection.present() if read_token is None else collection.tokens.at(read_token)
            token = collection.tokens.issue(version)
            rows = await collection.bounded()(get, version, filter, request.ids, request.limit, request.offset, request.include)
            return Records(rows, request.include), token

    async def conditional_commit(self, scope: Scope, id: UUID, commit: ConditionalCommit) -> CommitOutcome:
        async with self.engine.using(scope, id) as collection:
            then = collection.tokens.at(commit.read_token)
            cost_us = sum(CHECK_ROW if isinstance(one, DeleteOperation) else _checking_us(one.batch) for one in commit.operations)
            operations = await by_cost(self._threads.write, cost_us, _checked_operations, commit.operations)
            first, count = await collection.commit(TransactionRequest(then, commit.read_ids, operations))
            return CommitOutcome(first, count)

    async def query(self, scope: Scope, id: UUID, request: QueryRequest) -> Neighbours:
        async with self.engine.using(scope, id) as collection:
            filter = await self._filter(collection.row, request.where, request.where_document)
            nearest = replace(
                collection.nearest_request,
                queries=request.embeddings,
                k=request.n_results,
                exact=request.exact,
                max_distance=request.max_distance,
                include=request.include,
            )
            return Neighbours(await collection.read(query, nearest, filter, request.ids), request.include)

    async def search(self, scope: Scope, id: UUID, request: SearchRequest) -> list[SearchRows]:
        run, cost_us = self._threads.run, parsing_us(request.searches)
        searches = await by_cost(run, cost_us, parse_searches, request.searches, self.settings.max_pattern_chars)
        async with self.engine.using(scope, id) as collection:
            sparse = await by_cost(run, cost_us, _checked_searches, collection.row.schema, searches)
            dense, at_once = collection.nearest_request, self.settings.search_concurrency
            version = await collection.version_at(request.read_level)
            return await search_each(version, searches, collection.bounded(), at_once, dense, sparse)

    async def count(
        self,
        scope: Scope,
        id: UUID,
        read_level: ReadLevel = ReadLevel.INDEX_AND_WAL,
        *,
        where: Json = None,
        where_document: Json = None,
    ) -> int:
        async with self.engine.using(scope, id) as collection:
            filter = await self._filter(collection.row, where, where_document)
            version = await collection.version_at(read_level)
            return version.count if filter is None else await collection.bounded()(count_matching, version, filter)

    # -------------------------------------------------------------------------------------------------------------------- maintenance

    def check(self) -> AsyncIterator[Finding]:
        """Read every stored byte and say what is wrong: checksums, invariants, and each graph against exact search on a sample."""
        return check_store(self.engine)

    def compact(self) -> AsyncIterator[Step]:
        """Flush, merge, vacuum and index every collection now, saying how far it is."""
        return compact_store(self.engine)

    async def aclose(self) -> None:
        await self._lease.aclose()

    # ------------------------------------------------------------------------------------------------------------------------- inside

    def _info(self, row: CollectionRow) -> CollectionInfo:
        row = self.engine.described(row)
        place, settings = (row.id, row.name, row.tenant, row.database), (row.metadata, row.configuration, row.schema)
        return CollectionInfo(*place, *settings, row.dimension, log_position=row.seq, version=row.seq)

    async def _filter(self, row: CollectionRow, where: Json, where_document: Json) -> Filter | None:
        return await condition(row.schema, where, where_document, self.settings.max_pattern_chars, self._threads.run)


def _checking_us(batch: RecordBatch) -> float:
    """What checking a batch costs in microseconds. Looks at the lengths of no more rows than could be checked at once."""
    cost_us = CHECK_ROW * len(batch.ids) + (0.0 if batch.embeddings is None else CHECK_NUMBER * batch.embeddings.size)
    if cost_us <= INLINE_US:
        characters = sum(map(len, batch.ids)) + sum(map(len, filter(None, batch.documents or ())))
        cost_us += CHECK_CHARACTER * characters + CHECK_VALUE * sum(map(len, filter(None, batch.metadatas or ())))
    return cost_us


def _checked_operations(operations: Sequence[Operation]) -> list[Write | Delete]:
    return [Delete(one.ids) if isinstance(one, DeleteOperation) else check_batch(one.kind, one.batch) for one in operations]


def _checked_searches(schema: dict[str, Json], searches: Sequence[Search]) -> dict[str, bool]:
    """For each sparse key whether its terms are weighted by rarity. :raises InvalidArgumentError: a search breaks a rule."""
    check_searches(searches)
    sparse: dict[str, bool] = {}
    for search in searches:
        check_filter(schema, search.filter)
        for knn in knns(search.rank):
            if isinstance(knn, SparseKnn):
                sparse[knn.key] = sparse_weighting(schema, knn.key)
    return sparse


async def open_local(path: str | None, settings: Settings | None = None, *, refuse_when_full: bool = False) -> LocalAPI:
    """Open the store at ``path``, or a new one in memory for ``None``. Clients of one path in one process share an engine.

    :param refuse_when_full: full queues raise RateLimitError; without it, writes wait.
    :raises LockedError: another process owns the directory; names it.
    :raises ForeignDirectoryError: the directory holds another program's files.
    :raises WrongLoopError: another running event loop of this process has it open.
    :raises ValidationError: it is open with other settings.
    """
    return LocalAPI(await share_engine(path, settings or Settings(), refuse_when_full=refuse_when_full))
