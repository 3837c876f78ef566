"""Tenants and databases, with the names and results of chromadb's async admin client."""

from __future__ import annotations

from collections.abc import Sequence

from chroma_async.api import ChromaAPI
from chroma_async.client.loop_guard import LoopGuard
from chroma_async.client.results import DatabaseResult, TenantResult
from chroma_async.client.validate import check_name, check_window
from chroma_async.refusing import refusing
from chroma_async.types import DEFAULT_TENANT, Database


class AsyncAdminClient:
    """Reached as ``client.admin``. Lives as long as the client that it came from, on that client's event loop."""

    def __init__(self, api: ChromaAPI, loop_guard: LoopGuard) -> None:
        self._connected = api
        self._loop_guard = loop_guard

    @property
    def _api(self) -> ChromaAPI:
        self._loop_guard.check()
        return self._connected

    async def create_tenant(self, name: str) -> None:
        """:raises InvalidArgumentError: shorter than 3 characters. :raises UniqueConstraintError: it exists."""
        with refusing("create_tenant"):
            own_name = check_name(name, "tenant")
        await self._api.create_tenant(own_name)

    async def get_tenant(self, name: str) -> TenantResult:
        """:raises NotFoundError:"""
        with refusing("get_tenant"):
            own_name = check_name(name, "tenant")
        return {"name": (await self._api.get_tenant(own_name)).name}

    async def create_database(self, name: str, tenant: str = DEFAULT_TENANT) -> None:
        """:raises InvalidArgumentError: the name breaks the rules. :raises UniqueConstraintError: it exists."""
        with refusing("create_database"):
            place = check_name(name, "database"), check_name(tenant, "tenant")
        await self._api.create_database(*place)

    async def get_database(self, name: str, tenant: str = DEFAULT_TENANT) -> DatabaseResult:
        """:raises NotFoundError:"""
        with refusing("get_database"):
            place = check_name(name, "database"), check_name(tenant, "tenant")
        return _result(await self._api.get_database(*place))

    async def delete_database(self, name: str, tenant: str = DEFAULT_TENANT) -> None:
        """With its collections. :raises NotFoundError:"""
        with refusing("delete_database"):
            place = check_name(name, "database"), check_name(tenant, "tenant")
        await self._api.delete_database(*place)

    async def list_databases(
        self, limit: int | None = None, offset: int | None = None, tenant: str = DEFAULT_TENANT
    ) -> Sequence[DatabaseResult]:
        """By name."""
        with refusing("list_databases"):
            asked = check_name(tenant, "tenant"), check_window(limit, "limit"), check_window(offset, "offset") or 0
        return [_result(database) for database in await self._api.list_databases(*asked)]


def _result(database: Database) -> DatabaseResult:
    return {"id": str(database.id), "name": database.name, "tenant": database.tenant}
