"""Writing a chunk: its files, whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from chroma_async.engine.snapshot.file_pins import Making
from chroma_async.format.database import WritableDatabase
from chroma_async.format.files import FileRef
from chroma_async.format.manifest import ChunkEntry
from chroma_async.format.names import StoredName
from chroma_async.format.postings import Postings
from chroma_async.format.rowtable import RowTable
from chroma_async.format.vectors import write_vectors
from chroma_async.storage.base.segments import StagedFile
from chroma_async.types import Floats


def write_chunk(
    making: Making,
    key: str,
    dimension: int,
    vectors: Iterable[Floats],
    table: RowTable,
    postings: Postings,
    fill: Callable[[WritableDatabase], None],
) -> ChunkEntry:
    """Write the rows of ``table`` as a chunk. Durable when it returns; named by nothing yet.

    :param vectors: float32 arrays ``(*, dimension)`` that make up the rows in order.
    :param postings: the sparse vectors of the rows; a file is written where there are any.
    :param fill: makes the table of documents and writes every row to it: :mod:`chroma_async.format.documents`.
    :raises UnavailableError: the disk is full; nothing is left behind.
    """
    try:
        return ChunkEntry(
            len(table.seqs),
            _write_vectors(making, key, dimension, vectors),
            write_table(making, key, table),
            _write_documents(making, key, fill),
            write_postings(making, key, postings),
        )
    except BaseException:
        making.discard(str(StoredName(kind, key)) for kind in ("vectors", "columns", "documents", "postings"))
        raise


def _write_vectors(making: Making, key: str, dimension: int, vectors: Iterable[Floats]) -> FileRef:
    staged = making.create(str(StoredName("vectors", key)))
    try:
        write_vectors(staged, vectors, dimension)
        return staged.commit()
    finally:
        staged.discard()


def _write_documents(making: Making, key: str, fill: Callable[[WritableDatabase], None]) -> FileRef:
    database = making.create_database(str(StoredName("documents", key)))
    try:
        fill(database)
        return database.commit()
    finally:
        database.discard()


def write_table(making: Making, key: str, table: RowTable) -> FileRef:
    """Write the columns file."""
    staged: StagedFile = making.create(str(StoredName("columns", key)))
    try:
        table.write(staged)
        return staged.commit()
    finally:
        staged.discard()


def write_postings(making: Making, key: str, postings: Postings) -> FileRef | None:
    """Write the postings file, unless no row holds a sparse vector."""
    if not postings.keys:
        return None
    staged: StagedFile = making.create(str(StoredName("postings", key)))
    try:
        postings.write(staged)
        return staged.commit()
    finally:
        staged.discard()
