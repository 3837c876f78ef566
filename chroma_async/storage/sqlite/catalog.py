"""The catalog in one SQLite file. Every write is one transaction, synced before it returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from chroma_async.errors import ChromaError, CorruptionError
from chroma_async.storage import refusals
from chroma_async.storage.base.catalog import CollectionRow, ForkCommit, FunctionRow, ManifestCommit, ManifestRow, TailRow
from chroma_async.storage.poison import Poison
from chroma_async.storage.sqlite import aliases, functions
from chroma_async.storage.sqlite.connection import CatalogConnection, Row, Statements
from chroma_async.storage.sqlite.json_columns import dump, load
from chroma_async.storage.sqlite.migrations import MIGRATIONS
from chroma_async.storage.sqlite.row_checksums import row_checksum
from chroma_async.threads import in_slices
from chroma_async.types import DEFAULT_DATABASE, DEFAULT_TENANT, Alias, Database, Json, Scalar, Scope, Seq, Tenant

_COLUMNS = "id, name, tenant, database, metadata, configuration, schema, dimension, created_ns, crc32"
#: A row as it is read: as it is sealed, and the seq of its manifest.
_ROW = f"{_COLUMNS}, ifnull((SELECT seq FROM manifests WHERE collection = collections.id), 0)"
_SCOPED = "tenant = ? AND database = ?"
#: SQLite's integers end here, and no list is longer.
_NO_LIMIT = 2**63 - 1


def _window(limit: int | None, offset: int) -> tuple[int, int]:
    """Values for ``LIMIT ? OFFSET ?``."""
    return _NO_LIMIT if limit is None else min(limit, _NO_LIMIT), min(offset, _NO_LIMIT)


def _collection(row: Row, file: str) -> CollectionRow:
    """:raises CorruptionError: the row is not what was written."""
    *sealed, seq = row
    _verify(sealed, file)
    id, name, tenant, database, metadata, configuration, schema, dimension, created_ns, _ = sealed
    return CollectionRow(
        UUID(bytes=id),
        name,
        tenant,
        database,
        None if metadata is None else load(metadata),
        load(configuration),
        load(schema),
        dimension,
        created_ns,
        seq,
    )


def _verify(row: Sequence[Any], file: str) -> None:
    """:raises CorruptionError: the row of a collection fails its checksum; names file and collection."""
    if row_checksum(row[:-1]) != row[-1]:
        raise CorruptionError(f"{file}: the row of collection {row[1]!r} [{UUID(bytes=row[0])}] fails its checksum", file)


def _assignments(row: Row, changes: Mapping[str, str | int | None]) -> tuple[str, tuple[object, ...]]:
    """What changes columns of a row and seals it again, as ``SET ...`` and its values."""
    values = [changes.get(column, value) for column, value in zip(_COLUMNS.split(", ")[:-1], row[:-1], strict=True)]
    sealed = {**changes, "crc32": row_checksum(values)}
    return "SET " + ", ".join(f"{column} = ?" for column in sealed), tuple(sealed.values())


class SqliteCatalog:
    """:class:`~chroma_async.storage.base.catalog.Catalog` in an SQLite file of its own."""

    def __init__(self, connection: CatalogConnection, path: Path) -> None:
        self._connection = connection
        self._file = str(path)

    @classmethod
    async def open(cls, path: Path, *, wal_bytes: int, poison: Poison | None = None) -> SqliteCatalog:
        """Open or create the catalog; creating makes the default tenant and database.

        :param wal_bytes: what SQLite's write-ahead file is cut to after a checkpoint.
        :param poison: the store's.
        :raises CorruptionError: the file is no database, or damaged; names it.
        :raises StoreError: a newer release wrote it.
        """
        return cls(await CatalogConnection.open(path, MIGRATIONS, wal_bytes=wal_bytes, poison=poison), path)

    # Tenants

    async def create_tenant(self, name: str) -> None:
        async def work(step: Statements) -> None:
            if await step.row("SELECT 1 FROM tenants WHERE name = ?", (name,)):
                raise refusals.tenant_taken(name)
            await step.rows("INSERT INTO tenants (name) VALUES (?)", (name,))

        await self._connection.write(work)

    async def get_tenant(self, name: str) -> Tenant:
        row = await self._one("SELECT name, resource_name FROM tenants WHERE name = ?", (name,), refusals.tenant_missing(name))
        return Tenant(*row)

    async def find_tenant(self, resource_name: str) -> Tenant:
        sql = "SELECT name, resource_name FROM tenants WHERE resource_name = ?"
        return Tenant(*await self._one(sql, (resource_name,), refusals.tenant_missing(resource_name)))

    async def set_resource_name(self, tenant: str, resource_name: str) -> None:
        async def work(step: Statements) -> None:
            held = await step.row("SELECT resource_name FROM tenants WHERE name = ?", (tenant,))
            if held is None or held[0] == resource_name:
                return
            if held[0] is not None:
                raise refusals.resource_name_set(tenant)
            if await step.row("SELECT 1 FROM tenants WHERE resource_name = ?", (resource_name,)):
                raise refusals.resource_name_taken(resource_name)
            await step.rows("UPDATE tenants SET resource_name = ? WHERE name = ?", (resource_name, tenant))

        await self._connection.write(work)

    # Databases

    async def create_database(self, database: Database) -> None:
        async def work(step: Statements) -> None:
            if await step.row("SELECT 1 FROM databases WHERE tenant = ? AND name = ?", (database.tenant, database.name)):
                raise refusals.database_taken(database.name, database.tenant)
            values = (database.tenant, database.name, database.id.bytes)
            await step.rows("INSERT INTO databases (tenant, name, id) VALUES (?, ?, ?)", values)

        await self._connection.write(work)

    async def get_database(self, scope: Scope) -> Database:
        sql = "SELECT id FROM databases WHERE tenant = ? AND name = ?"
        (id,) = await self._one(sql, (scope.tenant, scope.database), refusals.database_missing(scope.database))
        return Database(UUID(bytes=id), scope.database, scope.tenant)

    async def list_databases(self, tenant: str, limit: int | None, offset: int) -> list[Database]:
        sql = "SELECT id, name FROM databases WHERE tenant = ? ORDER BY name LIMIT ? OFFSET ?"
        return [Database(UUID(bytes=id), name, tenant) for id, name in await self._connection.read(sql, (tenant, *_window(limit, offset)))]

    async def delete_database(self, scope: Scope) -> list[UUID]:
        async def work(step: Statements) -> list[UUID]:
            place = (scope.tenant, scope.database)
            if not await step.row("SELECT 1 FROM databases WHERE tenant = ? AND name = ?", place):
                raise refusals.database_missing_at_delete(scope.database)
            deleted = await step.rows(f"SELECT id FROM collections WHERE {_SCOPED} ORDER BY id", place)
            await step.rows("DELETE FROM databases WHERE tenant = ? AND name = ?", place)
            return [UUID(bytes=id) for (id,) in deleted]

        return await self._connection.write(work)

    # Collections

    async def create_collection(self, row: CollectionRow) -> None:
        await self._connection.write(lambda step: _insert(step, row))

    async def get_collection(self, scope: Scope, name: str) -> CollectionRow:
        aliased = "SELECT collection FROM aliases WHERE tenant = ? AND database = ? AND name = ?"
        sql = f"SELECT {_ROW} FROM collections WHERE {_SCOPED} AND (name = ? OR id = ({aliased}))"
        place = (scope.tenant, scope.database, name)
        return self._read(await self._one(sql, (*place, *place), refusals.collection_missing(name)))

    async def get_collection_by_id(self, scope: Scope, id: UUID) -> CollectionRow:
        sql = f"SELECT {_ROW} FROM collections WHERE {_SCOPED} AND id = ?"
        return self._read(await self._one(sql, (scope.tenant, scope.database, id.bytes), refusals.collection_id_missing(id)))

    async def find_collection(self, id: UUID) -> CollectionRow:
        sql = f"SELECT {_ROW} FROM collections WHERE id = ?"
        return self._read(await self._one(sql, (id.bytes,), refusals.collection_id_missing(id)))

    async def list_collections(self, scope: Scope, limit: int | None, offset: int) -> list[CollectionRow]:
        sql = f"SELECT {_ROW} FROM collections WHERE {_SCOPED} ORDER BY id LIMIT ? OFFSET ?"
        rows = await self._connection.read(sql, (scope.tenant, scope.database, *_window(limit, offset)))
        return await in_slices(rows, self._read)

    async def count_collections(self, scope: Scope) -> int:
        ((count,),) = await self._connection.read(f"SELECT count(*) FROM collections WHERE {_SCOPED}", (scope.tenant, scope.database))
        return int(count)

    async def update_collection(
        self,
        scope: Scope,
        id: UUID,
        *,
        name: str | None,
        metadata: dict[str, Scalar] | None,
        replace_metadata: bool,
        configuration: dict[str, Json] | None,
        schema: dict[str, Json] | None,
    ) -> CollectionRow:
        changes: dict[str, str | int | None] = {}
        if name is not None:
            changes["name"] = name
        if replace_metadata:
            changes["metadata"] = None if metadata is None else dump(metadata)
        if configuration is not None:
            changes["configuration"] = dump(configuration)
        if schema is not None:
            changes["schema"] = dump(schema)
        place = (scope.tenant, scope.database)

        async def work(step: Statements) -> CollectionRow:
            held = await step.row(f"SELECT {_COLUMNS} FROM collections WHERE {_SCOPED} AND id = ?", (*place, id.bytes))
            if held is None:
                raise refusals.collection_id_missing(id)
            _verify(held, self._file)
            if name is not None and await step.row(
                f"SELECT 1 FROM collections WHERE {_SCOPED} AND name = ? AND id <> ?", (*place, name, id.bytes)
            ):
                raise refusals.collection_taken(name)
            if name is not None:
                await aliases.refuse_alias(step, place, name)
            if changes:
                assignments, values = _assignments(held, changes)
                await step.rows(f"UPDATE collections {assignments} WHERE id = ?", (*values, id.bytes))
            (row,) = await step.rows(f"SELECT {_ROW} FROM collections WHERE id = ?", (id.bytes,))
            return self._read(row)

        return await self._connection.write(work)

    async def delete_collection(self, scope: Scope, name: str) -> UUID:
        async def work(step: Statements) -> UUID:
            row = await step.row(f"SELECT id FROM collections WHERE {_SCOPED} AND name = ?", (scope.tenant, scope.database, name))
            if row is None:
                raise refusals.collection_missing(name)
            await aliases.refuse_aliased(step, row[0], name)
            await step.rows("DELETE FROM collections WHERE id = ?", row)
            return UUID(bytes=row[0])

        return await self._connection.write(work)

    async def set_alias(self, scope: Scope, alias: str, collection: UUID) -> None:
        await self._connection.write(lambda step: aliases.set_alias(step, scope, alias, collection))

    async def delete_alias(self, scope: Scope, alias: str) -> None:
        await self._connection.write(lambda step: aliases.delete_alias(step, scope, alias))

    async def list_aliases(self, scope: Scope) -> list[Alias]:
        return [aliases.read_alias(row) for row in await self._connection.read(aliases.LIST, (scope.tenant, scope.database))]

    async def attach_function(self, row: FunctionRow, output: CollectionRow) -> None:
        async def work(step: Statements) -> None:
            await functions.check_function(step, row, output)
            await _insert(step, output)
            await functions.attach_function(step, row)

        await self._connection.write(work)

    async def detach_function(self, id: UUID) -> None:
        await self._connection.write(lambda step: functions.detach_function(step, id))

    async def complete_function(self, id: UUID, completed: Seq) -> None:
        await self._connection.write(lambda step: functions.complete_function(step, id, completed))

    async def list_functions(self) -> list[FunctionRow]:
        return [functions.read_function(row) for row in await self._connection.read(functions.LIST)]

    async def collection_ids(self) -> list[UUID]:
        return [UUID(bytes=id) for (id,) in await self._connection.read("SELECT id FROM collections ORDER BY id")]

    # Manifests

    async def load_manifest(self, collection: UUID) -> ManifestRow:
        sql = "SELECT version, body, crc32 FROM manifests WHERE collection = ?"
        for version, body, crc32 in await self._connection.read(sql, (collection.bytes,)):
            if row_checksum((collection.bytes, version), body) != crc32:
                raise CorruptionError(f"{self._file}: the manifest of collection [{collection}] fails its checksum", self._file)
            return ManifestRow(version, body)
        return ManifestRow(0, b"")

    async def commit_manifest(self, commit: ManifestCommit) -> None:
        key = commit.collection.bytes
        schema = dump(commit.schema)

        async def work(step: Statements) -> None:
            held = await step.row(f"SELECT {_COLUMNS} FROM collections WHERE id = ?", (key,))
            if held is None:
                raise refusals.collection_id_missing(commit.collection)
            _verify(held, self._file)
            present = await step.row("SELECT version FROM manifests WHERE collection = ?", (key,)) or (0,)
            if present[0] != commit.expected_version:
                raise refusals.manifest_fenced(commit.collection, commit.expected_version, present[0])
            named = {file for (file,) in await step.rows("SELECT file FROM files WHERE collection = ?", (key,))}
            if named - commit.files:
                await step.many("DELETE FROM files WHERE collection = ? AND file = ?", [(key, file) for file in named - commit.files])
            if commit.files - named:
                await step.many("INSERT INTO files (collection, file) VALUES (?, ?)", [(key, file) for file in commit.files - named])
            assignments, values = _assignments(held, {"dimension": commit.dimension, "schema": schema})
            await step.rows(f"UPDATE collections {assignments} WHERE id = ?", (*values, key))
            await _put_manifest(step, key, commit.expected_version + 1, commit.body, commit.seq)
            if not commit.keeps_tails:
                await step.rows("DELETE FROM tails WHERE collection = ?", (key,))

        await self._connection.write(work)

    # Forks

    async def fork_collection(self, commit: ForkCommit) -> None:
        row, key = commit.row, commit.row.id.bytes

        async def work(step: Statements) -> None:
            source = await step.row("SELECT ifnull(root, id) FROM collections WHERE id = ?", (commit.source.bytes,))
            if source is None:
                raise refusals.collection_id_missing(commit.source)
            await _insert(step, row)
            await step.rows("UPDATE collections SET root = ? WHERE id = ?", (source[0], key))
            await _put_manifest(step, key, 1, commit.body, row.seq)
            await step.many("INSERT INTO files (collection, file) VALUES (?, ?)", [(key, file) for file in commit.files])
            tails = [(key, tail.source.bytes, tail.after) for tail in commit.tails]
            await step.many("INSERT INTO tails (collection, source, after) VALUES (?, ?, ?)", tails)

        await self._connection.write(work)

    async def fork_count(self, collection: UUID) -> int:
        sql = "SELECT count(*) FROM collections WHERE root = (SELECT ifnull(root, id) FROM collections WHERE id = ?)"
        ((count,),) = await self._connection.read(sql, (collection.bytes,))
        return int(count)

    async def tails(self) -> list[TailRow]:
        rows = await self._connection.read("SELECT collection, source, after FROM tails")
        return [TailRow(UUID(bytes=collection), UUID(bytes=source), after) for collection, source, after in rows]

    async def named_files(self) -> set[str]:
        return {file for (file,) in await self._connection.read("SELECT DISTINCT file FROM files")}

    # The whole

    async def reset(self) -> None:
        async def work(step: Statements) -> None:
            for table in ("aliases", "attached_functions", "tails", "files", "manifests", "collections", "databases", "tenants"):
                await step.rows(f"DELETE FROM {table}")
            await step.rows("INSERT INTO tenants (name) VALUES (?)", (DEFAULT_TENANT,))
            values = (DEFAULT_TENANT, DEFAULT_DATABASE, UUID(int=0).bytes)
            await step.rows("INSERT INTO databases (tenant, name, id) VALUES (?, ?, ?)", values)

        await self._connection.write(work)

    async def aclose(self) -> None:
        await self._connection.aclose()

    async def abandon(self) -> None:
        await self._connection.abandon()

    def _read(self, row: Row) -> CollectionRow:
        return _collection(row, self._file)

    async def _one(self, sql: str, values: tuple[object, ...], missing: ChromaError) -> Row:
        """The row that there must be."""
        rows = await self._connection.read(sql, values)
        if not rows:
            raise missing
        return rows[0]


async def _insert(step: Statements, row: CollectionRow) -> None:
    """A new collection without a manifest."""
    place = (row.tenant, row.database)
    if not await step.row("SELECT 1 FROM databases WHERE tenant = ? AND name = ?", place):
        raise refusals.database_missing_at_create(row.database)
    if await step.row(f"SELECT 1 FROM collections WHERE {_SCOPED} AND name = ?", (*place, row.name)):
        raise refusals.collection_taken(row.name)
    await aliases.refuse_alias(step, place, row.name)
    if await step.row("SELECT 1 FROM collections WHERE id = ?", (row.id.bytes,)):
        raise refusals.collection_id_taken(row.id)
    values: list[bytes | str | int | None] = [
        row.id.bytes,
        row.name,
        row.tenant,
        row.database,
        None if row.metadata is None else dump(row.metadata),
        dump(row.configuration),
        dump(row.schema),
        row.dimension,
        row.created_ns,
    ]
    await step.rows(f"INSERT INTO collections ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (*values, row_checksum(values)))


async def _put_manifest(step: Statements, collection: bytes, version: int, body: bytes, seq: Seq) -> None:
    """In place of the one that there is, if there is one."""
    await step.rows(
        "INSERT OR REPLACE INTO manifests (collection, version, body, crc32, seq) VALUES (?, ?, ?, ?, ?)",
        (collection, version, body, row_checksum((collection, version), body), seq),
    )
