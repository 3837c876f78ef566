"""Writing a chunk: its files, whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from chroma_async.engine.snapshot.file_pins import Making
from chroma_async.format.database import WritableDatabase
from chroma_async.format.manifest import ChunkEntry
from chroma_async.format.postings import Postings
from chroma_async.format.rowtable import RowTable
from chroma_async.format.vectors import write_vectors
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
            making.write("vectors", key, lambda staged: write_vectors(staged, vectors, dimension)),
            making.write("columns", key, table.write),
            making.write_database("documents", key, fill),
            making.write("postings", key, postings.write) if postings.keys else None,
        )
    except BaseException:
        making.discard(("vectors", "columns", "documents", "postings"), key)
        raise
