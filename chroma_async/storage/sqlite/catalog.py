"""The catalog in one SQLite file. Every write is one transaction, synced before it returns."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

from chroma_async.storage.poison import Poison
from chroma_async.storage.sqlite.collections import SqliteCollections
from chroma_async.storage.sqlite.connection import CatalogConnection, Statements
from chroma_async.storage.sqlite.functions import SqliteFunctions
from chroma_async.storage.sqlite.manifests import SqliteManifests
from chroma_async.storage.sqlite.migrations import MIGRATIONS
from chroma_async.storage.sqlite.tenancy import SqliteTenancy
from chroma_async.types import DEFAULT_DATABASE, DEFAULT_TENANT


class SqliteCatalog(SqliteTenancy, SqliteCollections, SqliteManifests, SqliteFunctions):
    """:class:`~chroma_async.storage.base.catalog.Catalog` in an SQLite file of its own."""

    @classmethod
    async def open(cls, path: Path, *, wal_bytes: int, poison: Poison | None = None) -> SqliteCatalog:
        """Open or create the catalog; creating makes the default tenant and database.

        :param wal_bytes: what SQLite's write-ahead file is cut to after a checkpoint.
        :param poison: the store's.
        :raises CorruptionError: the file is no database, or damaged; names it.
        :raises StoreError: a newer release wrote it.
        """
        return cls(await CatalogConnection.open(path, MIGRATIONS, wal_bytes=wal_bytes, poison=poison), path)

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
