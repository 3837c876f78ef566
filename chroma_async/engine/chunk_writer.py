"""Writing a chunk: three files, whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable

import chroma_async.format.documents as documents_file
from chroma_async.engine.pins import Making
from chroma_async.format.files import FileRef
from chroma_async.format.manifest import ChunkEntry
from chroma_async.format.names import StoredName
from chroma_async.format.rowtable import RowTable
from chroma_async.format.vectors import write_vectors
from chroma_async.storage.base import StagedFile
from chroma_async.types import Floats, Metadata


def write_chunk(
    making: Making,
    key: str,
    dimension: int,
    vectors: Iterable[Floats],
    table: RowTable,
    rows: Iterable[tuple[int, str | None, str | None, Metadata | None]],
) -> ChunkEntry:
    """Write the rows of ``table`` as a chunk. Durable when it returns; named by nothing yet.

    :param vectors: float32 arrays ``(*, dimension)`` that make up the rows in order.
    :param rows: (row, document, uri, metadata) of every row, ascending.
    :raises UnavailableError: the disk is full; nothing is left behind.
    """
    staged = making.create(str(StoredName("vectors", key)))
    try:
        write_vectors(staged, vectors, dimension)
        vectors_file = staged.commit()
    finally:
        staged.discard()
    columns_file = write_table(making, key, table)
    database = making.create_database(str(StoredName("documents", key)))
    try:
        documents_file.fill(database.connection, rows)
        documents = database.commit()
    finally:
        database.discard()
    return ChunkEntry(len(table.seqs), vectors_file, columns_file, documents)


def write_table(making: Making, key: str, table: RowTable) -> FileRef:
    """Write the columns file."""
    staged: StagedFile = making.create(str(StoredName("columns", key)))
    try:
        table.write(staged)
        return staged.commit()
    finally:
        staged.discard()
