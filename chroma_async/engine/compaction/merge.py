"""Merge: adjacent chunks become one. Positions stay, so graphs, alive bits and trigram indexes stay valid."""

from __future__ import annotations

from functools import partial

import numpy as np

from chroma_async.engine.compaction.chunk_writer import write_chunk
from chroma_async.engine.snapshot.file_pins import Making
from chroma_async.engine.snapshot.segment import Segment
from chroma_async.format import documents as documents_file
from chroma_async.format.manifest import ChunkEntry
from chroma_async.format.postings import Postings
from chroma_async.format.rowtable import RowTable


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

    became = np.full(segment.rows, -1, dtype=np.int64)
    became[base : base + rows] = np.where(alive, np.arange(rows, dtype=np.int64), -1)
    texts = partial(documents_file.copy, entries=segment.renumbered_texts(became))
    return write_chunk(making, key, segment.dimension, (chunk.vectors for chunk in chunks), table, postings, texts)
