"""Rows of collections, sealed with their checksums, as the parts of the catalog write and read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from chroma_async.errors import CorruptionError
from chroma_async.format.json_columns import dump, load
from chroma_async.storage import refusals
from chroma_async.storage.base.collections import CollectionRow
from chroma_async.storage.sqlite.connection import Row, Statements
from chroma_async.storage.sqlite.row_checksums import row_checksum

#: What a row is sealed over, in order, and the seal.
COLUMNS = "id, name, tenant, database, metadata, configuration, schema, dimension, created_ns, crc32"
#: A row as it is read: as it is sealed, and the seq of its manifest.
ROW = f"{COLUMNS}, ifnull((SELECT seq FROM manifests WHERE collection = collections.id), 0)"
#: The condition that the two values of a scope satisfy.
SCOPED = "tenant = ? AND database = ?"


def read_collection(row: Row, file: str) -> CollectionRow:
    """The collection of a row of :data:`ROW`. :raises CorruptionError: the row is not what was written."""
    *sealed, seq = row
    verify_collection(sealed, file)
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


def verify_collection(row: Sequence[Any], file: str) -> None:
    """:raises CorruptionError: the row of a collection fails its checksum; names file and collection."""
    if row_checksum(row[:-1]) != row[-1]:
        raise CorruptionError(f"{file}: the row of collection {row[1]!r} [{UUID(bytes=row[0])}] fails its checksum", file)


def resealed(row: Row, changes: Mapping[str, str | int | None]) -> tuple[str, tuple[object, ...]]:
    """What changes columns of a row of :data:`COLUMNS` and seals it again, as ``SET ...`` and its values."""
    values = [changes.get(column, value) for column, value in zip(COLUMNS.split(", ")[:-1], row[:-1], strict=True)]
    sealed = {**changes, "crc32": row_checksum(values)}
    return "SET " + ", ".join(f"{column} = ?" for column in sealed), tuple(sealed.values())


async def refuse_alias(step: Statements, place: tuple[str, str], name: str) -> None:
    """:raises UniqueConstraintError: the name, which a collection is to have, is an alias."""
    if await step.row(f"SELECT 1 FROM aliases WHERE {SCOPED} AND name = ?", (*place, name)):
        raise refusals.alias_taken(name)


async def insert_collection(step: Statements, row: CollectionRow) -> None:
    """A new collection without a manifest.

    :raises UniqueConstraintError: the database has a collection or an alias of that name.
    :raises InvalidArgumentError: the database does not exist.
    """
    place = (row.tenant, row.database)
    if not await step.row("SELECT 1 FROM databases WHERE tenant = ? AND name = ?", place):
        raise refusals.database_missing_at_create(row.database)
    if await step.row(f"SELECT 1 FROM collections WHERE {SCOPED} AND name = ?", (*place, row.name)):
        raise refusals.collection_taken(row.name)
    await refuse_alias(step, place, row.name)
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
    await step.rows(f"INSERT INTO collections ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (*values, row_checksum(values)))
