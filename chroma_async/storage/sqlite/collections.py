"""Collections and their aliases in the catalog's file."""

from __future__ import annotations

from uuid import UUID

from chroma_async.costs import READ_COLLECTION, in_slices
from chroma_async.format.json_columns import dump
from chroma_async.storage import refusals
from chroma_async.storage.base.collections import CollectionChange, CollectionRow
from chroma_async.storage.sqlite.collection_rows import (
    COLUMNS,
    ROW,
    SCOPED,
    insert_collection,
    read_collection,
    refuse_alias,
    resealed,
    verify_collection,
)
from chroma_async.storage.sqlite.connection import CatalogPart, Row, Statements, window
from chroma_async.types import Alias, Scope

_ALIASED = f"SELECT collection FROM aliases WHERE {SCOPED} AND name = ?"
#: By its name or by an alias: the scope and the name, twice.
_FOUND = f"SELECT {ROW} FROM collections WHERE {SCOPED} AND (name = ? OR id = ({_ALIASED}))"


class SqliteCollections(CatalogPart):
    """:class:`~chroma_async.storage.base.collections.Collections` in SQLite."""

    async def create_collection(self, row: CollectionRow, *, or_get: bool = False) -> CollectionRow:
        place = (row.tenant, row.database, row.name)

        async def work(step: Statements) -> CollectionRow:
            held = await step.row(_FOUND, (*place, *place)) if or_get else None
            if held is not None:
                return self._read(held)
            await insert_collection(step, row)
            return row

        return await self._connection.write(work)

    async def get_collection(self, scope: Scope, name: str) -> CollectionRow:
        place = (scope.tenant, scope.database, name)
        return self._read(await self._one(_FOUND, (*place, *place), refusals.collection_missing(name)))

    async def get_collection_by_id(self, scope: Scope, id: UUID) -> CollectionRow:
        sql = f"SELECT {ROW} FROM collections WHERE {SCOPED} AND id = ?"
        return self._read(await self._one(sql, (scope.tenant, scope.database, id.bytes), refusals.collection_id_missing(id)))

    async def find_collection(self, id: UUID) -> CollectionRow:
        sql = f"SELECT {ROW} FROM collections WHERE id = ?"
        return self._read(await self._one(sql, (id.bytes,), refusals.collection_id_missing(id)))

    async def list_collections(self, scope: Scope, limit: int | None, offset: int) -> list[CollectionRow]:
        sql = f"SELECT {ROW} FROM collections WHERE {SCOPED} ORDER BY id LIMIT ? OFFSET ?"
        rows = await self._connection.read(sql, (scope.tenant, scope.database, *window(limit, offset)))
        return await in_slices(rows, READ_COLLECTION, self._read)

    async def count_collections(self, scope: Scope) -> int:
        ((count,),) = await self._connection.read(f"SELECT count(*) FROM collections WHERE {SCOPED}", (scope.tenant, scope.database))
        return int(count)

    async def update_collection(self, scope: Scope, id: UUID, change: CollectionChange) -> CollectionRow:
        columns, place, name = _columns(change), (scope.tenant, scope.database), change.name

        async def work(step: Statements) -> CollectionRow:
            held = await step.row(f"SELECT {COLUMNS} FROM collections WHERE {SCOPED} AND id = ?", (*place, id.bytes))
            if held is None:
                raise refusals.collection_id_missing(id)
            verify_collection(held, self._file)
            if name is not None and await step.row(
                f"SELECT 1 FROM collections WHERE {SCOPED} AND name = ? AND id <> ?", (*place, name, id.bytes)
            ):
                raise refusals.collection_taken(name)
            if name is not None:
                await refuse_alias(step, place, name)
            if columns:
                assignments, values = resealed(held, columns)
                await step.rows(f"UPDATE collections {assignments} WHERE id = ?", (*values, id.bytes))
            (row,) = await step.rows(f"SELECT {ROW} FROM collections WHERE id = ?", (id.bytes,))
            return self._read(row)

        return await self._connection.write(work)

    async def delete_collection(self, scope: Scope, key: str | UUID) -> UUID:
        column, value = ("name", key) if isinstance(key, str) else ("id", key.bytes)

        async def work(step: Statements) -> UUID:
            sql = f"SELECT id, name FROM collections WHERE {SCOPED} AND {column} = ?"
            row = await step.row(sql, (scope.tenant, scope.database, value))
            if row is None:
                raise refusals.collection_missing(key) if isinstance(key, str) else refusals.collection_id_missing(key)
            id, name = row
            await _refuse_aliased(step, id, name)
            await step.rows("DELETE FROM collections WHERE id = ?", (id,))
            return UUID(bytes=id)

        return await self._connection.write(work)

    async def set_alias(self, scope: Scope, alias: str, collection: UUID) -> None:
        place = (scope.tenant, scope.database)

        async def work(step: Statements) -> None:
            if not await step.row(f"SELECT 1 FROM collections WHERE {SCOPED} AND id = ?", (*place, collection.bytes)):
                raise refusals.collection_id_missing(collection)
            if await step.row(f"SELECT 1 FROM collections WHERE {SCOPED} AND name = ?", (*place, alias)):
                raise refusals.collection_taken(alias)
            await step.rows(
                "INSERT INTO aliases (tenant, database, name, collection) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (tenant, database, name) DO UPDATE SET collection = excluded.collection",
                (*place, alias, collection.bytes),
            )

        await self._connection.write(work)

    async def delete_alias(self, scope: Scope, alias: str) -> None:
        place = (scope.tenant, scope.database, alias)

        async def work(step: Statements) -> None:
            if not await step.row(f"SELECT 1 FROM aliases WHERE {SCOPED} AND name = ?", place):
                raise refusals.alias_missing(alias)
            await step.rows(f"DELETE FROM aliases WHERE {SCOPED} AND name = ?", place)

        await self._connection.write(work)

    async def list_aliases(self, scope: Scope) -> list[Alias]:
        sql = f"SELECT name, collection FROM aliases WHERE {SCOPED} ORDER BY name"
        return [Alias(name, UUID(bytes=id)) for name, id in await self._connection.read(sql, (scope.tenant, scope.database))]

    def _read(self, row: Row) -> CollectionRow:
        return read_collection(row, self._file)


async def _refuse_aliased(step: Statements, collection: bytes, name: str) -> None:
    """:raises UniqueConstraintError: an alias stands for the collection, which is to be deleted."""
    alias = await step.row("SELECT name FROM aliases WHERE collection = ? ORDER BY name", (collection,))
    if alias is not None:
        raise refusals.aliased(name, alias[0])


def _columns(change: CollectionChange) -> dict[str, str | int | None]:
    """The columns that it sets, with their values."""
    columns: dict[str, str | int | None] = {} if change.name is None else {"name": change.name}
    if change.replace_metadata:
        columns["metadata"] = None if change.metadata is None else dump(change.metadata)
    if change.configuration is not None:
        columns["configuration"] = dump(change.configuration)
    if change.schema is not None:
        columns["schema"] = dump(change.schema)
    return columns
