"""ChromaAPI as one caller may use it.

Every verb is allowed by name here, so one that is new is refused until it is. What names a collection is resolved first, whichever way it
names it, and the collection's own name decides. Requests for the default tenant and database go to the caller's own, if it has but one.
"""

from __future__ import annotations

from functools import partial
from typing import TypeVar
from uuid import UUID

from chroma_async.api import ChromaAPI, Inspectable
from chroma_async.auth.permission import Permission
from chroma_async.costs import in_slices
from chroma_async.errors import ChromaAuthError, NotFoundError
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
    WriteOperation,
)

T = TypeVar("T")

#: Microseconds that it takes to see whether a name is one of those that a grant has.
_MATCH_US = 2.0


class AuthorizedAPI:
    """See :class:`chroma_async.api.ChromaAPI`. Every verb may raise ChromaAuthError, before anything is changed."""

    def __init__(self, api: ChromaAPI, permission: Permission) -> None:
        self._api = api
        self._permission = permission

    # ------------------------------------------------------------------------------------------------------------------------- the server

    async def heartbeat(self) -> int:
        return await self._api.heartbeat()

    async def health(self) -> Health:
        return await self._api.health()

    async def version(self) -> str:
        return await self._api.version()

    async def preflight(self) -> Preflight:
        return await self._api.preflight()

    async def identity(self) -> Identity:
        return self._permission.identity

    async def reset(self) -> bool:
        self._require(self._permission.on_system("system:reset"), "system:reset")
        return await self._api.reset()

    async def statistics(self) -> StoreStatistics | None:
        """Names collections of all tenants, so only who may see the whole server is told."""
        self._require(self._permission.on_system("system:metrics"), "system:metrics")
        return await self._api.statistics() if isinstance(self._api, Inspectable) else None

    async def aclose(self) -> None:
        """Nothing: the API belongs to all callers."""

    # -------------------------------------------------------------------------------------------------------------- tenants and databases

    async def create_tenant(self, name: str) -> None:
        self._require(self._permission.on_whole_tenant("tenant:create_tenant", name), "tenant:create_tenant")
        await self._api.create_tenant(name)

    async def get_tenant(self, name: str) -> Tenant:
        name = self._permission.tenant(name)
        self._require(self._permission.on_tenant("tenant:get_tenant", name), "tenant:get_tenant")
        return await self._api.get_tenant(name)

    async def update_tenant(self, name: str, resource_name: str) -> None:
        name = self._permission.tenant(name)
        self._require(self._permission.on_whole_tenant("tenant:update_tenant", name), "tenant:update_tenant")
        await self._api.update_tenant(name, resource_name)

    async def create_database(self, name: str, tenant: str) -> None:
        tenant = self._permission.tenant(tenant)
        self._database("db:create_database", Scope(tenant, name))
        await self._api.create_database(name, tenant)

    async def get_database(self, name: str, tenant: str) -> Database:
        scope = self._permission.place(Scope(tenant, name))
        self._database("db:get_database", scope)
        return await self._api.get_database(scope.database, scope.tenant)

    async def delete_database(self, name: str, tenant: str) -> None:
        scope = Scope(self._permission.tenant(tenant), name)
        # Its collections go with it.
        self._require(self._permission.on_all_collections("db:delete_database", scope), "db:delete_database")
        await self._api.delete_database(name, scope.tenant)

    async def list_databases(self, tenant: str, limit: int | None = None, offset: int = 0) -> list[Database]:
        tenant = self._permission.tenant(tenant)
        self._require(self._permission.on_tenant("db:list_databases", tenant), "db:list_databases")
        found = await self._api.list_databases(tenant)
        places = [Scope(tenant, database.name) for database in found]
        seen = await in_slices(places, _MATCH_US, partial(self._permission.on_database, "db:list_databases"))
        return _window([database for database, is_seen in zip(found, seen, strict=True) if is_seen], limit, offset)

    # ------------------------------------------------------------------------------------------------------------------------ collections

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
        action = "db:get_or_create_collection" if get_or_create else "db:create_collection"
        scope = self._permission.place(scope)
        self._require(self._permission.on_collection(action, scope, name), action)
        made = await self._api.create_collection(
            scope, name, metadata=metadata, configuration=configuration, schema=schema, get_or_create=get_or_create
        )
        # An alias leads to a collection that was there.
        self._require(made.name == name or self._permission.on_collection(action, scope, made.name), action)
        return made

    async def get_collection(self, scope: Scope, name: str) -> CollectionInfo:
        action, scope = "collection:get_collection", self._permission.place(scope)
        return await self._resolved(action, scope, name)

    async def get_collection_by_id(self, scope: Scope, id: UUID) -> CollectionInfo:
        scope = self._permission.place(scope)
        self._database("collection:get_collection", scope)
        found = await self._api.get_collection_by_id(scope, id)
        self._named("collection:get_collection", scope, found.name)
        return found

    async def get_collection_by_crn(self, crn: str) -> CollectionInfo:
        action = "collection:get_collection_by_crn"
        try:
            found = await self._api.get_collection_by_crn(crn)
        except NotFoundError:
            # What is not there and what is not theirs look alike to those who may not see everything.
            self._require(self._permission.on_system(action), action)
            raise
        self._named(action, Scope(found.tenant, found.database), found.name)
        return found

    async def list_collections(self, scope: Scope, limit: int | None = None, offset: int = 0) -> list[CollectionInfo]:
        action, scope = "db:list_collections", self._permission.place(scope)
        self._database(action, scope)
        if self._permission.on_all_collections(action, scope):
            return await self._api.list_collections(scope, limit, offset)
        return _window(await self._seen(action, scope), limit, offset)

    async def count_collections(self, scope: Scope) -> int:
        action, scope = "db:count_collections", self._permission.place(scope)
        self._database(action, scope)
        if self._permission.on_all_collections(action, scope):
            return await self._api.count_collections(scope)
        return len(await self._seen(action, scope))

    async def modify_collection(
        self, scope: Scope, id: UUID, *, new_name: str | None = None, new_metadata: Json = None, new_configuration: Json = None
    ) -> None:
        scope = await self._collection("collection:update_collection", scope, id)
        if new_name is not None:
            self._named("collection:update_collection", scope, new_name)
        await self._api.modify_collection(scope, id, new_name=new_name, new_metadata=new_metadata, new_configuration=new_configuration)

    async def delete_collection(self, scope: Scope, name: str) -> None:
        scope = self._permission.place(scope)
        self._named("collection:delete_collection", scope, name)
        await self._api.delete_collection(scope, name)

    async def fork_collection(self, scope: Scope, id: UUID, new_name: str) -> CollectionInfo:
        scope = await self._collection("collection:fork_collection", scope, id)
        self._named("collection:fork_collection", scope, new_name)
        return await self._api.fork_collection(scope, id, new_name)

    async def fork_count(self, scope: Scope, id: UUID) -> int:
        return await self._api.fork_count(await self._collection("collection:count_forks", scope, id), id)

    async def indexing_status(self, scope: Scope, id: UUID) -> IndexingStatus:
        return await self._api.indexing_status(await self._collection("collection:get_collection", scope, id), id)

    async def set_alias(self, scope: Scope, alias: str, collection: UUID) -> None:
        scope = await self._collection("collection:update_collection", scope, collection)
        await self._alias(scope, alias)
        await self._api.set_alias(scope, alias, collection)

    async def delete_alias(self, scope: Scope, alias: str) -> None:
        scope = self._permission.place(scope)
        await self._alias(scope, alias)
        await self._api.delete_alias(scope, alias)

    async def list_aliases(self, scope: Scope) -> list[Alias]:
        action, scope = "db:list_collections", self._permission.place(scope)
        self._database(action, scope)
        aliases = await self._api.list_aliases(scope)
        if self._permission.on_all_collections(action, scope) or not aliases:
            return aliases
        seen = {info.id for info in await self._seen(action, scope)}
        return [alias for alias in aliases if alias.collection in seen]

    # -------------------------------------------------------------------------------------------------------------------------- functions

    async def attach_function(
        self, scope: Scope, id: UUID, name: str, function_id: str, output_collection: str, params: dict[str, Json] | None = None
    ) -> Attachment:
        action = "collection:create_attached_function"
        scope = await self._collection(action, scope, id)
        self._named(action, scope, output_collection)
        return await self._api.attach_function(scope, id, name, function_id, output_collection, params)

    async def get_attached_function(self, scope: Scope, id: UUID, name: str) -> FunctionInfo:
        return await self._api.get_attached_function(await self._collection("collection:get_collection", scope, id), id, name)

    async def detach_function(self, scope: Scope, id: UUID, name: str, delete_output: bool = False) -> bool:
        scope = await self._collection("collection:remove_attached_function", scope, id)
        if delete_output and not self._permission.on_all_collections("collection:delete_collection", scope):
            attached = await self._api.get_attached_function(scope, id, name)
            self._named("collection:delete_collection", scope, attached.output_collection)
        return await self._api.detach_function(scope, id, name, delete_output)

    # ---------------------------------------------------------------------------------------------------------------------------- records

    async def write(self, scope: Scope, id: UUID, kind: WriteKind, batch: RecordBatch) -> WriteCounts:
        return await self._api.write(await self._collection(f"collection:{kind.value}", scope, id), id, kind, batch)

    async def delete(self, scope: Scope, id: UUID, request: DeleteRequest) -> int:
        return await self._api.delete(await self._collection("collection:delete", scope, id), id, request)

    async def get(self, scope: Scope, id: UUID, request: GetRequest) -> Records:
        return await self._api.get(await self._collection("collection:get", scope, id), id, request)

    async def conditional_get(self, scope: Scope, id: UUID, request: GetRequest, read_token: int | None = None) -> tuple[Records, int]:
        return await self._api.conditional_get(await self._collection("collection:get", scope, id), id, request, read_token)

    async def conditional_commit(self, scope: Scope, id: UUID, commit: ConditionalCommit) -> CommitOutcome:
        kinds = {operation.kind.value if isinstance(operation, WriteOperation) else "delete" for operation in commit.operations}
        place = self._permission.place(scope)
        # Whether records have changed is something that is read.
        for action in sorted(f"collection:{kind}" for kind in kinds | {"get"}):
            place = await self._collection(action, scope, id)
        return await self._api.conditional_commit(place, id, commit)

    async def query(self, scope: Scope, id: UUID, request: QueryRequest) -> Neighbours:
        return await self._api.query(await self._collection("collection:query", scope, id), id, request)

    async def search(self, scope: Scope, id: UUID, request: SearchRequest) -> list[SearchRows]:
        return await self._api.search(await self._collection("collection:search", scope, id), id, request)

    async def count(
        self,
        scope: Scope,
        id: UUID,
        read_level: ReadLevel = ReadLevel.INDEX_AND_WAL,
        *,
        where: Json = None,
        where_document: Json = None,
    ) -> int:
        place = await self._collection("collection:count", scope, id)
        return await self._api.count(place, id, read_level, where=where, where_document=where_document)

    # -------------------------------------------------------------------------------------------------------------------------- questions

    def _require(self, allowed: bool, action: str) -> None:
        if not allowed:
            raise ChromaAuthError(f"{self._permission.caller.user!r:.200} may not do {action} here")

    def _database(self, action: str, scope: Scope) -> None:
        """Refuse what is allowed nowhere in a database."""
        self._require(self._permission.on_database(action, scope), action)

    def _named(self, action: str, scope: Scope, name: str) -> None:
        """Refuse what is not allowed on the collection of that name."""
        self._require(self._permission.on_collection(action, scope, name), action)

    async def _collection(self, action: str, scope: Scope, id: UUID) -> Scope:
        """Where the collection is, if the action on it is allowed. It is looked up only if it matters which one it is."""
        scope = self._permission.place(scope)
        if not self._permission.on_all_collections(action, scope):
            self._database(action, scope)
            self._named(action, scope, (await self._api.get_collection_by_id(scope, id)).name)
        return scope

    async def _resolved(self, action: str, scope: Scope, name: str) -> CollectionInfo:
        """What a name or an alias stands for. One that is not there and one that is not theirs look alike, but among names that are."""
        self._database(action, scope)
        try:
            found = await self._api.get_collection(scope, name)
        except NotFoundError:
            self._named(action, scope, name)
            raise
        self._named(action, scope, found.name)
        return found

    async def _alias(self, scope: Scope, alias: str) -> None:
        """Refuse to change an alias whose name, or whose present collection, is not theirs."""
        action = "collection:update_collection"
        self._named(action, scope, alias)
        if self._permission.on_all_collections(action, scope):
            return
        standing = [each.collection for each in await self._api.list_aliases(scope) if each.name == alias]
        for id in standing:
            await self._collection(action, scope, id)

    async def _seen(self, action: str, scope: Scope) -> list[CollectionInfo]:
        """The collections that a list shows: those that the grant to list has."""
        found = await self._api.list_collections(scope)
        seen = await in_slices([info.name for info in found], _MATCH_US, partial(self._permission.on_collection, action, scope))
        return [info for info, is_seen in zip(found, seen, strict=True) if is_seen]


def _window(items: list[T], limit: int | None, offset: int) -> list[T]:
    return items[offset:] if limit is None else items[offset : offset + limit]
