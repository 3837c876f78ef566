"""Whose collections they are: tenants and their databases."""

from __future__ import annotations

from typing import Protocol
from uuid import UUID

from chroma_async.types import Database, Scope, Tenant


class Tenancy(Protocol):
    """Tenants and databases. Each method is one atomic step, and a write is durable and visible to all who ask later when it returns.

    :raises UnavailableError: of any method: nothing was changed, and it may be tried again.
    :raises PoisonedError: of any write: it may or may not be durable; the store takes no more writes.
    """

    async def create_tenant(self, name: str) -> None:
        """:raises UniqueConstraintError: it exists."""

    async def get_tenant(self, name: str) -> Tenant:
        """:raises NotFoundError: it does not exist."""

    async def find_tenant(self, resource_name: str) -> Tenant:
        """:raises NotFoundError: no tenant has that resource name."""

    async def set_resource_name(self, tenant: str, resource_name: str) -> None:
        """Give a tenant its resource name, once. Does nothing for an unknown tenant.

        :raises UniqueConstraintError: it has another one, or another tenant has this one.
        """

    async def create_database(self, database: Database) -> None:
        """The tenant need not exist (as in Chroma). :raises UniqueConstraintError: the tenant has a database of that name."""

    async def get_database(self, scope: Scope) -> Database:
        """:raises NotFoundError: it does not exist."""

    async def list_databases(self, tenant: str, limit: int | None, offset: int) -> list[Database]:
        """By name; nothing for an unknown tenant."""

    async def delete_database(self, scope: Scope) -> list[UUID]:
        """Delete it with its collections and their manifests; the ids of those. :raises NotFoundError: it does not exist."""
