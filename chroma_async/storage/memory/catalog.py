"""A catalog in dicts: the same promises as on disk, for as long as the process lives."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from uuid import UUID

from chroma_async.costs import READ_COLLECTION, in_slices
from chroma_async.storage import refusals
from chroma_async.storage.base.collections import CollectionChange, CollectionRow
from chroma_async.storage.base.functions import FunctionRow
from chroma_async.storage.base.manifests import ForkCommit, ManifestCommit, ManifestRow, TailRow
from chroma_async.types import DEFAULT_DATABASE, DEFAULT_TENANT, Alias, Database, Scope, Seq, Tenant


@dataclass(slots=True)
class _Stored:
    """A row whose JSON members are text, so that no caller holds a reference into the catalog."""

    row: CollectionRow
    metadata: str
    configuration: str
    schema: str
    manifest: ManifestRow
    files: frozenset[str]
    #: The collection that the tree of forks began with; None for one that is no fork.
    root: UUID | None = None
    tails: tuple[TailRow, ...] = ()

    @classmethod
    def of(cls, row: CollectionRow) -> _Stored:
        bare = replace(row, metadata=None, configuration={}, schema={})
        return cls(bare, json.dumps(row.metadata), json.dumps(row.configuration), json.dumps(row.schema), ManifestRow(0, b""), frozenset())

    def read(self) -> CollectionRow:
        return replace(
            self.row,
            metadata=json.loads(self.metadata),
            configuration=json.loads(self.configuration),
            schema=json.loads(self.schema),
        )

    @property
    def scope(self) -> Scope:
        return Scope(self.row.tenant, self.row.database)


class MemoryCatalog:
    """:class:`~chroma_async.storage.base.catalog.Catalog` in memory.

    Nothing suspends between looking and changing, so each method is one atomic step.
    """

    def __init__(self) -> None:
        self._tenants: dict[str, str | None] = {}
        self._databases: dict[Scope, Database] = {}
        self._collections: dict[UUID, _Stored] = {}
        self._aliases: dict[tuple[Scope, str], UUID] = {}
        #: By the collection that each reads.
        self._functions: dict[UUID, FunctionRow] = {}
        self._closed = False
        self._create_defaults()

    def _create_defaults(self) -> None:
        self._tenants[DEFAULT_TENANT] = None
        self._databases[Scope()] = Database(UUID(int=0), DEFAULT_DATABASE, DEFAULT_TENANT)

    def _check_open(self) -> None:
        if self._closed:
            raise refusals.closed("catalog")

    async def create_tenant(self, name: str) -> None:
        self._check_open()
        if name in self._tenants:
            raise refusals.tenant_taken(name)
        self._tenants[name] = None

    async def get_tenant(self, name: str) -> Tenant:
        self._check_open()
        if name not in self._tenants:
            raise refusals.tenant_missing(name)
        return Tenant(name, self._tenants[name])

    async def find_tenant(self, resource_name: str) -> Tenant:
        self._check_open()
        for name, held in self._tenants.items():
            if held == resource_name:
                return Tenant(name, held)
        raise refusals.tenant_missing(resource_name)

    async def set_resource_name(self, tenant: str, resource_name: str) -> None:
        self._check_open()
        if tenant not in self._tenants or self._tenants[tenant] == resource_name:
            return
        if self._tenants[tenant] is not None:
            raise refusals.resource_name_set(tenant)
        if resource_name in self._tenants.values():
            raise refusals.resource_name_taken(resource_name)
        self._tenants[tenant] = resource_name

    async def create_database(self, database: Database) -> None:
        self._check_open()
        scope = Scope(database.tenant, database.name)
        if scope in self._databases:
            raise refusals.database_taken(database.name, database.tenant)
        self._databases[scope] = database

    async def get_database(self, scope: Scope) -> Database:
        self._check_open()
        if scope not in self._databases:
            raise refusals.database_missing(scope.database)
        return self._databases[scope]

    async def list_databases(self, tenant: str, limit: int | None, offset: int) -> list[Database]:
        self._check_open()
        found = sorted((database for database in self._databases.values() if database.tenant == tenant), key=lambda each: each.name)
        return found[offset:][:limit]

    async def delete_database(self, scope: Scope) -> list[UUID]:
        self._check_open()
        if scope not in self._databases:
            raise refusals.database_missing_at_delete(scope.database)
        del self._databases[scope]
        deleted = [stored.row.id for stored in self._within(scope)]
        for id in deleted:
            del self._collections[id]
        self._aliases = {place: id for place, id in self._aliases.items() if place[0] != scope}
        self._forget_functions()
        return deleted

    def _within(self, scope: Scope) -> list[_Stored]:
        return sorted((stored for stored in self._collections.values() if stored.scope == scope), key=lambda stored: stored.row.id)

    def _named(self, scope: Scope, name: str) -> _Stored | None:
        return next((stored for stored in self._collections.values() if stored.row.name == name and stored.scope == scope), None)

    def _found(self, scope: Scope, name: str) -> _Stored | None:
        """By its name or by an alias."""
        stored = self._named(scope, name)
        if stored is None and (scope, name) in self._aliases:
            stored = self._collections[self._aliases[scope, name]]
        return stored

    async def create_collection(self, row: CollectionRow, *, or_get: bool = False) -> CollectionRow:
        self._check_open()
        scope = Scope(row.tenant, row.database)
        if or_get and (held := self._found(scope, row.name)) is not None:
            return held.read()
        if scope not in self._databases:
            raise refusals.database_missing_at_create(row.database)
        if self._named(scope, row.name) is not None:
            raise refusals.collection_taken(row.name)
        if (scope, row.name) in self._aliases:
            raise refusals.alias_taken(row.name)
        if row.id in self._collections:
            raise refusals.collection_id_taken(row.id)
        self._collections[row.id] = _Stored.of(row)
        return row

    async def get_collection(self, scope: Scope, name: str) -> CollectionRow:
        self._check_open()
        stored = self._found(scope, name)
        if stored is None:
            raise refusals.collection_missing(name)
        return stored.read()

    def _scoped(self, scope: Scope, id: UUID) -> _Stored:
        stored = self._collections.get(id)
        if stored is None or stored.scope != scope:
            raise refusals.collection_id_missing(id)
        return stored

    async def get_collection_by_id(self, scope: Scope, id: UUID) -> CollectionRow:
        self._check_open()
        return self._scoped(scope, id).read()

    async def find_collection(self, id: UUID) -> CollectionRow:
        self._check_open()
        stored = self._collections.get(id)
        if stored is None:
            raise refusals.collection_id_missing(id)
        return stored.read()

    async def list_collections(self, scope: Scope, limit: int | None, offset: int) -> list[CollectionRow]:
        self._check_open()
        return await in_slices(self._within(scope)[offset:][:limit], READ_COLLECTION, _Stored.read)

    async def count_collections(self, scope: Scope) -> int:
        self._check_open()
        return len(self._within(scope))

    async def update_collection(self, scope: Scope, id: UUID, change: CollectionChange) -> CollectionRow:
        self._check_open()
        stored = self._scoped(scope, id)
        if change.name is not None:
            if self._named(scope, change.name) not in (None, stored):
                raise refusals.collection_taken(change.name)
            if (scope, change.name) in self._aliases:
                raise refusals.alias_taken(change.name)
            stored.row = replace(stored.row, name=change.name)
        if change.replace_metadata:
            stored.metadata = json.dumps(change.metadata)
        if change.configuration is not None:
            stored.configuration = json.dumps(change.configuration)
        if change.schema is not None:
            stored.schema = json.dumps(change.schema)
        return stored.read()

    async def delete_collection(self, scope: Scope, key: str | UUID) -> UUID:
        self._check_open()
        stored = self._named(scope, key) if isinstance(key, str) else self._scoped(scope, key)
        if stored is None:
            raise refusals.collection_missing(str(key))
        for (_, alias), target in self._aliases.items():
            if target == stored.row.id:
                raise refusals.aliased(stored.row.name, alias)
        del self._collections[stored.row.id]
        self._forget_functions()
        return stored.row.id

    async def set_alias(self, scope: Scope, alias: str, collection: UUID) -> None:
        self._check_open()
        self._scoped(scope, collection)
        if self._named(scope, alias) is not None:
            raise refusals.collection_taken(alias)
        self._aliases[scope, alias] = collection

    async def delete_alias(self, scope: Scope, alias: str) -> None:
        self._check_open()
        if self._aliases.pop((scope, alias), None) is None:
            raise refusals.alias_missing(alias)

    async def list_aliases(self, scope: Scope) -> list[Alias]:
        self._check_open()
        return sorted((Alias(name, id) for (place, name), id in self._aliases.items() if place == scope), key=lambda alias: alias.name)

    async def attach_function(self, row: FunctionRow, output: CollectionRow) -> None:
        self._check_open()
        source, held = self._collections.get(row.collection), self._functions.get(row.collection)
        if source is None:
            raise refusals.collection_id_missing(row.collection)
        if held is not None:
            raise refusals.function_taken(held.name, held.function, self._collections[held.output].row.name)
        if self._named(Scope(output.tenant, output.database), output.name) is not None:
            raise refusals.output_taken(output.name)
        await self.create_collection(output)
        self._functions[row.collection] = replace(row, params=json.loads(json.dumps(row.params)))

    async def detach_function(self, id: UUID) -> None:
        self._check_open()
        self._functions = {source: row for source, row in self._functions.items() if row.id != id}

    async def complete_function(self, id: UUID, completed: Seq) -> None:
        self._check_open()
        self._functions = {source: replace(row, completed=completed) if row.id == id else row for source, row in self._functions.items()}

    async def list_functions(self) -> list[FunctionRow]:
        self._check_open()
        return [self._functions[source] for source in sorted(self._functions)]

    def _forget_functions(self) -> None:
        """Those of which a collection is gone."""
        self._functions = {
            source: row for source, row in self._functions.items() if source in self._collections and row.output in self._collections
        }

    async def collection_ids(self) -> list[UUID]:
        self._check_open()
        return sorted(self._collections)

    async def load_manifest(self, collection: UUID) -> ManifestRow:
        self._check_open()
        stored = self._collections.get(collection)
        return stored.manifest if stored is not None else ManifestRow(0, b"")

    async def commit_manifest(self, commit: ManifestCommit) -> None:
        self._check_open()
        stored = self._collections.get(commit.collection)
        if stored is None:
            raise refusals.collection_id_missing(commit.collection)
        if stored.manifest.version != commit.expected_version:
            raise refusals.manifest_fenced(commit.collection, commit.expected_version, stored.manifest.version)
        stored.schema = json.dumps(commit.schema)
        stored.row = replace(stored.row, dimension=commit.dimension, seq=commit.seq)
        stored.files = commit.files
        stored.manifest = ManifestRow(commit.expected_version + 1, commit.body)
        if not commit.keeps_tails:
            stored.tails = ()

    async def fork_collection(self, commit: ForkCommit) -> None:
        self._check_open()
        source = self._collections.get(commit.source)
        if source is None:
            raise refusals.collection_id_missing(commit.source)
        forks = await self.fork_count(commit.source)
        if forks >= commit.max_forks:
            raise refusals.forks_full(commit.source, forks)
        await self.create_collection(commit.row)
        stored = self._collections[commit.row.id]
        stored.manifest, stored.files = ManifestRow(1, commit.body), commit.files
        stored.root, stored.tails = source.root or source.row.id, commit.tails

    async def fork_count(self, collection: UUID) -> int:
        self._check_open()
        stored = self._collections.get(collection)
        if stored is None:
            raise refusals.collection_id_missing(collection)
        root = stored.root or collection
        return sum(other.root == root for other in self._collections.values())

    async def tails(self) -> list[TailRow]:
        self._check_open()
        return [tail for stored in self._collections.values() for tail in stored.tails]

    async def named_files(self) -> set[str]:
        self._check_open()
        return {name for stored in self._collections.values() for name in stored.files}

    async def reset(self) -> None:
        self._check_open()
        self._tenants.clear()
        self._databases.clear()
        self._collections.clear()
        self._aliases.clear()
        self._functions.clear()
        self._create_defaults()

    async def aclose(self) -> None:
        self._closed = True

    async def abandon(self) -> None:
        self._closed = True
