"""Vacuum: a segment is rewritten without its dead rows, in order of birth."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from chroma_async.engine.compaction.chunk_writer import write_chunk
from chroma_async.engine.snapshot.file_pins import Making
from chroma_async.engine.snapshot.frozen import Vacuumed
from chroma_async.engine.snapshot.segment import Segment
from chroma_async.format import documents as documents_file
from chroma_async.format.manifest import ChunkEntry
from chroma_async.format.postings import Postings
from chroma_async.format.rowtable import RowTable
from chroma_async.types import Floats, Ints

#: Rows whose vectors are in memory at once while a segment is rewritten.
SLICE_ROWS = 4096


def write_vacuumed(making: Making, new_key: Callable[[], str], segment: Segment, chunk_rows: int) -> Vacuumed:
    """Rewrite a segment as it is now. Blocking.

    Only rows that were dead at the manifest's flushed seq are left out: a later deletion is still in the log alone, and a crash must find
    its victim.

    :param chunk_rows: rows of a new chunk at the most.
    """
    positions = segment.alive.positions()
    borns = segment.borns(positions)
    kept = positions[np.argsort(borns, kind="stable")]
    table = RowTable.concat([chunk.table for chunk in segment.chunks])
    postings = Postings.concat([chunk.postings for chunk in segment.chunks])
    entries = tuple(
        _write(making, new_key(), segment, table, postings, kept[start : start + chunk_rows]) for start in range(0, len(kept), chunk_rows)
    )
    return Vacuumed(entries, len(segment.chunks), segment.rows, kept)


def _write(making: Making, key: str, segment: Segment, table: RowTable, postings: Postings, chosen: Ints) -> ChunkEntry:
    slices = [chosen[start : start + SLICE_ROWS] for start in range(0, len(chosen), SLICE_ROWS)]

    def vectors() -> Iterator[Floats]:
        for positions in slices:
            yield segment.embeddings(positions)

    became = np.full(segment.rows, -1, dtype=np.int64)
    became[chosen] = np.arange(len(chosen), dtype=np.int64)
    texts = partial(documents_file.copy, entries=segment.renumbered_texts(became))
    return write_chunk(making, key, segment.dimension, vectors(), table.select(chosen), postings.select(chosen), texts)
