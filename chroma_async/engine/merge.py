"""Merge: adjacent chunks become one. Positions stay, so graphs, alive bits and trigram indexes stay valid."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from chroma_async.engine.chunk_writer import write_chunk
from chroma_async.engine.pins import Making
from chroma_async.engine.segment import Segment
from chroma_async.format.manifest import ChunkEntry
from chroma_async.format.postings import Postings
from chroma_async.format.rowtable import RowTable
from chroma_async.types import Metadata

#: Rows whose documents are in memory at once while a chunk is rewritten.
SLICE_ROWS = 4096


def write_merged(making: Making, key: str, segment: Segment, first: int, last: int) -> ChunkEntry:
    """Write chunks ``first`` to ``last`` (inclusive) of a segment as one. Blocking.

    Rows that were dead at the flushed seq keep their position, their id and their vector (a graph may still lead there) and lose the rest.
    """
    chunks = segment.chunks[first : last + 1]
    base = int(segment.bases[first])
    rows = sum(chunk.rows for chunk in chunks)
    alive = segment.alive.slice_bools(base, base + rows)
    table = RowTable.concat([chunk.table for chunk in chunks])
    postings = Postings.concat([chunk.postings for chunk in chunks])
    if not alive.all():
        kept = np.where(alive, np.arange(rows, dtype=np.int64), -1)
        table = RowTable(table.ids, table.seqs, table.borns, table.columns.select(kept))
        postings = postings.select(kept)

    def contents() -> Iterator[tuple[int, str | None, str | None, Metadata | None]]:
        for start in range(0, rows, SLICE_ROWS):
            numbers = np.arange(start, min(start + SLICE_ROWS, rows), dtype=np.int64)
            documents, uris, metadatas = segment.fetch(base + numbers, documents=True, uris=True, metadatas=True)
            assert documents is not None
            assert uris is not None
            assert metadatas is not None
            for at, row in enumerate(numbers.tolist()):
                yield (row, documents[at], uris[at], metadatas[at]) if alive[row] else (row, None, None, None)

    return write_chunk(making, key, segment.dimension, (chunk.vectors for chunk in chunks), table, postings, contents())
