"""Second names of collections, in the catalog's transactions. An alias and a collection of one database never share a name."""

from __future__ import annotations

from uuid import UUID

from chroma_async.storage import refusals
from chroma_async.storage.sqlite.connection import Statements
from chroma_async.types import Alias, Scope


async def refuse_alias(step: Statements, place: tuple[str, str], name: str) -> None:
    """:raises UniqueConstraintError: the name, which a collection is to have, is an alias."""
    if await step.row("SELECT 1 FROM aliases WHERE tenant = ? AND database = ? AND name = ?", (*place, name)):
        raise refusals.alias_taken(name)


async def refuse_aliased(step: Statements, collection: bytes, name: str) -> None:
    """:raises UniqueConstraintError: an alias stands for the collection, which is to be deleted."""
    alias = await step.row("SELECT name FROM aliases WHERE collection = ? ORDER BY name", (collection,))
    if alias is not None:
        raise refusals.aliased(name, alias[0])


async def set_alias(step: Statements, scope: Scope, alias: str, collection: UUID) -> None:
    """See :meth:`chroma_async.storage.base.catalog.Catalog.set_alias`."""
    place = (scope.tenant, scope.database)
    if not await step.row("SELECT 1 FROM collections WHERE tenant = ? AND database = ? AND id = ?", (*place, collection.bytes)):
        raise refusals.collection_id_missing(collection)
    if await step.row("SELECT 1 FROM collections WHERE tenant = ? AND database = ? AND name = ?", (*place, alias)):
        raise refusals.collection_taken(alias)
    await step.rows(
        "INSERT INTO aliases (tenant, database, name, collection) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (tenant, database, name) DO UPDATE SET collection = excluded.collection",
        (*place, alias, collection.bytes),
    )


async def delete_alias(step: Statements, scope: Scope, alias: str) -> None:
    """See :meth:`chroma_async.storage.base.catalog.Catalog.delete_alias`."""
    place = (scope.tenant, scope.database, alias)
    if not await step.row("SELECT 1 FROM aliases WHERE tenant = ? AND database = ? AND name = ?", place):
        raise refusals.alias_missing(alias)
    await step.rows("DELETE FROM aliases WHERE tenant = ? AND database = ? AND name = ?", place)


LIST = "SELECT name, collection FROM aliases WHERE tenant = ? AND database = ? ORDER BY name"


def read_alias(row: tuple[str, bytes]) -> Alias:
    """A row of :data:`LIST`."""
    return Alias(row[0], UUID(bytes=row[1]))
