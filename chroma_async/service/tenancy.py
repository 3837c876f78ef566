"""Tenants and their databases."""

from __future__ import annotations

from uuid import uuid4

from chroma_async.schema.names import check_database_name, check_tenant_name
from chroma_async.service.verbs import Verbs
from chroma_async.types import Database, Scope, Tenant


class TenancyVerbs(Verbs):
    """Tenants and databases."""

    async def create_tenant(self, name: str) -> None:
        check_tenant_name(name)
        await self._tenancy.create_tenant(name)

    async def get_tenant(self, name: str) -> Tenant:
        return await self._tenancy.get_tenant(name)

    async def update_tenant(self, name: str, resource_name: str) -> None:
        await self._tenancy.set_resource_name(name, resource_name)

    async def create_database(self, name: str, tenant: str) -> None:
        check_database_name(name)
        await self._tenancy.create_database(Database(uuid4(), name, tenant))

    async def get_database(self, name: str, tenant: str) -> Database:
        return await self._tenancy.get_database(Scope(tenant, name))

    async def delete_database(self, name: str, tenant: str) -> None:
        await self.engine.removal.delete_database(Scope(tenant, name))

    async def list_databases(self, tenant: str, limit: int | None = None, offset: int = 0) -> list[Database]:
        return await self._tenancy.list_databases(tenant, limit, offset)
