"""Attached functions in the catalog's file. They end with the collection that they read, and with the one that they fill."""

from __future__ import annotations

import json
from uuid import UUID

from chroma_async.storage import refusals
from chroma_async.storage.base.collections import CollectionRow
from chroma_async.storage.base.functions import FunctionRow
from chroma_async.storage.sqlite.collection_rows import insert_collection
from chroma_async.storage.sqlite.connection import CatalogPart, Row, Statements
from chroma_async.types import Seq

_COLUMNS = "id, collection, name, function, output, params, completed, min_records"


class SqliteFunctions(CatalogPart):
    """:class:`~chroma_async.storage.base.functions.FunctionStore` in SQLite."""

    async def attach_function(self, row: FunctionRow, output: CollectionRow) -> None:
        async def work(step: Statements) -> None:
            await _check_function(step, row, output)
            await insert_collection(step, output)
            ids = (row.id.bytes, row.collection.bytes, row.name, row.function, row.output.bytes)
            values = (*ids, json.dumps(row.params), row.completed, row.min_records)
            await step.rows(f"INSERT INTO attached_functions ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)

        await self._connection.write(work)

    async def detach_function(self, id: UUID) -> None:
        await self._connection.write(lambda step: step.rows("DELETE FROM attached_functions WHERE id = ?", (id.bytes,)))

    async def complete_function(self, id: UUID, completed: Seq) -> None:
        sql = "UPDATE attached_functions SET completed = ? WHERE id = ?"
        await self._connection.write(lambda step: step.rows(sql, (completed, id.bytes)))

    async def list_functions(self) -> list[FunctionRow]:
        rows = await self._connection.read(f"SELECT {_COLUMNS} FROM attached_functions ORDER BY collection")
        return [_read_function(row) for row in rows]


def _read_function(row: Row) -> FunctionRow:
    """The function of a row of :data:`_COLUMNS`."""
    id, collection, name, function, output, params, completed, min_records = row
    return FunctionRow(
        UUID(bytes=id), UUID(bytes=collection), name, function, UUID(bytes=output), json.loads(params), completed, min_records
    )


async def _check_function(step: Statements, row: FunctionRow, output: CollectionRow) -> None:
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
