"""Collections, the forks of them, and the names by which they are found."""

from __future__ import annotations

from uuid import UUID, uuid4

from chroma_async.costs import READ_COLLECTION, by_cost, in_slices
from chroma_async.errors import InvalidArgumentError, NotFoundError
from chroma_async.schema.collection_settings import create_settings
from chroma_async.schema.metadata import replace_collection_metadata
from chroma_async.schema.names import check_collection_name
from chroma_async.service.filters import parsing_us
from chroma_async.service.verbs import Verbs
from chroma_async.storage.base.collections import CollectionRow
from chroma_async.types import Alias, CollectionInfo, IndexingStatus, Json, Scope


class CollectionVerbs(Verbs):
    """Collections, forks and aliases."""

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
        cost_us = sum(map(parsing_us, (metadata, configuration, schema)))
        threads = self.settings.query_threads
        made = await by_cost(self._threads.run, cost_us, create_settings, metadata, configuration, schema, num_threads=threads)
        collections = self._collections
        if get_or_create:
            # Most of the time it is there: a read does not wait for the catalog's writers.
            try:
                return self._info(await collections.get_collection(scope, name))
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
        return self._info(await collections.create_collection(row, or_get=get_or_create))

    async def get_collection(self, scope: Scope, name: str) -> CollectionInfo:
        return self._info(await self._collections.get_collection(scope, name))

    async def get_collection_by_id(self, scope: Scope, id: UUID) -> CollectionInfo:
        return self._info(await self._collections.get_collection_by_id(scope, id))

    async def get_collection_by_crn(self, crn: str) -> CollectionInfo:
        parts = crn.split(":")
        if len(parts) != 3 or not all(parts):
            raise InvalidArgumentError(f"{crn!r} is not a CRN; it has three parts, tenant_resource_name:database:collection")
        resource_name, database, name = parts
        try:
            tenant = await self._tenancy.find_tenant(resource_name)
            return await self.get_collection(Scope(tenant.name, database), name)
        except NotFoundError:
            raise NotFoundError(f"Collection [{crn}] does not exist") from None

    async def list_collections(self, scope: Scope, limit: int | None = None, offset: int = 0) -> list[CollectionInfo]:
        return await in_slices(await self._collections.list_collections(scope, limit, offset), READ_COLLECTION, self._info)

    async def count_collections(self, scope: Scope) -> int:
        return await self._collections.count_collections(scope)

    async def modify_collection(
        self, scope: Scope, id: UUID, *, new_name: str | None = None, new_metadata: Json = None, new_configuration: Json = None
    ) -> None:
        if new_name is not None:
            check_collection_name(new_name, "new_name")
        async with self.engine.registry.using(scope, id) as collection:
            cost_us, present = parsing_us(new_metadata), collection.row.metadata
            metadata = await by_cost(self._threads.run, cost_us, replace_collection_metadata, present, new_metadata)
            await collection.modify(new_name, metadata, new_metadata is not None, new_configuration)

    async def delete_collection(self, scope: Scope, name: str) -> None:
        await self.engine.removal.delete_collection(scope, name)

    async def fork_collection(self, scope: Scope, id: UUID, new_name: str) -> CollectionInfo:
        check_collection_name(new_name, "new_name")
        return self._info(await self.engine.fork_collection(scope, id, new_name))

    async def fork_count(self, scope: Scope, id: UUID) -> int:
        await self._collections.get_collection_by_id(scope, id)
        return await self._manifests.fork_count(id)

    async def indexing_status(self, scope: Scope, id: UUID) -> IndexingStatus:
        async with self.engine.registry.using(scope, id) as collection:
            return collection.indexing_status()

    async def set_alias(self, scope: Scope, alias: str, collection: UUID) -> None:
        check_collection_name(alias, "alias")
        await self._collections.set_alias(scope, alias, collection)

    async def delete_alias(self, scope: Scope, alias: str) -> None:
        await self._collections.delete_alias(scope, alias)

    async def list_aliases(self, scope: Scope) -> list[Alias]:
        return await self._collections.list_aliases(scope)

    def _info(self, row: CollectionRow) -> CollectionInfo:
        row = self.engine.registry.described(row)
        place, settings = (row.id, row.name, row.tenant, row.database), (row.metadata, row.configuration, row.schema)
        return CollectionInfo(*place, *settings, row.dimension, log_position=row.seq, version=row.seq)
