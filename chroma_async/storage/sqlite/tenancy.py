"""Tenants and databases in the catalog's file."""

from __future__ import annotations

from uuid import UUID

from chroma_async.storage import refusals
from chroma_async.storage.sqlite.collection_rows import SCOPED
from chroma_async.storage.sqlite.connection import CatalogPart, Statements, window
from chroma_async.types import Database, Scope, Tenant


class SqliteTenancy(CatalogPart):
    """:class:`~chroma_async.storage.base.tenancy.Tenancy` in SQLite."""

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
        return [Database(UUID(bytes=id), name, tenant) for id, name in await self._connection.read(sql, (tenant, *window(limit, offset)))]

    async def delete_database(self, scope: Scope) -> list[UUID]:
        async def work(step: Statements) -> list[UUID]:
            place = (scope.tenant, scope.database)
            if not await step.row("SELECT 1 FROM databases WHERE tenant = ? AND name = ?", place):
                raise refusals.database_missing_at_delete(scope.database)
            deleted = await step.rows(f"SELECT id FROM collections WHERE {SCOPED} ORDER BY id", place)
            await step.rows("DELETE FROM databases WHERE tenant = ? AND name = ?", place)
            return [UUID(bytes=id) for (id,) in deleted]

        return await self._connection.write(work)
