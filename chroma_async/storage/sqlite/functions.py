"""Attached functions, in the catalog's transactions. They end with the collection that they read, and with the one that they fill."""

from __future__ import annotations

import json
from uuid import UUID

from chroma_async.storage import refusals
from chroma_async.storage.base.catalog import CollectionRow, FunctionRow
from chroma_async.storage.sqlite.connection import Row, Statements
from chroma_async.types import Seq

_COLUMNS = "id, collection, name, function, output, params, completed, min_records"

LIST = f"SELECT {_COLUMNS} FROM attached_functions ORDER BY collection"


def read_function(row: Row) -> FunctionRow:
    """A row of :data:`LIST`."""
    id, collection, name, function, output, params, completed, min_records = row
    return FunctionRow(
        UUID(bytes=id), UUID(bytes=collection), name, function, UUID(bytes=output), json.loads(params), completed, min_records
    )


async def check_function(step: Statements, row: FunctionRow, output: CollectionRow) -> None:
    """
    :raises NotFoundError: the collection is gone.
    :raises UniqueConstraintError: it has a function already, or there is a collection of the output's name.
    """
    if not await step.row("SELECT 1 FROM collections WHERE id = ?", (row.collection.bytes,)):
        raise refusals.collection_id_missing(row.collection)
    sql = "SELECT f.name, f.function, o.name FROM attached_functions f JOIN collections o ON o.id = f.output WHERE f.collection = ?"
    held = await step.row(sql, (row.collection.bytes,))
    if held is not None:
        raise refusals.function_taken(*held)
    place = (output.tenant, output.database, output.name)
    if await step.row("SELECT 1 FROM collections WHERE tenant = ? AND database = ? AND name = ?", place):
        raise refusals.output_taken(output.name)


async def attach_function(step: Statements, row: FunctionRow) -> None:
    """Its output collection is there already, and :func:`check_function` has passed."""
    values = (row.id.bytes, row.collection.bytes, row.name, row.function, row.output.bytes)
    numbers = (json.dumps(row.params), row.completed, row.min_records)
    await step.rows(f"INSERT INTO attached_functions ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (*values, *numbers))


async def detach_function(step: Statements, id: UUID) -> None:
    """See :meth:`chroma_async.storage.base.catalog.Catalog.detach_function`."""
    await step.rows("DELETE FROM attached_functions WHERE id = ?", (id.bytes,))


async def complete_function(step: Statements, id: UUID, completed: Seq) -> None:
    """See :meth:`chroma_async.storage.base.catalog.Catalog.complete_function`."""
    await step.rows("UPDATE attached_functions SET completed = ? WHERE id = ?", (completed, id.bytes))
