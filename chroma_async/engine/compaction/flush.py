"""Flush: the live rows of a frozen memtable become a chunk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from chroma_async.engine.compaction.chunk_writer import write_chunk
from chroma_async.engine.snapshot.file_pins import Making
from chroma_async.engine.snapshot.frozen import FlushedChunk
from chroma_async.engine.snapshot.memtable import MemtableView
from chroma_async.format import documents as documents_file
from chroma_async.format.bitmap import Bitmap
from chroma_async.format.columns import Columns
from chroma_async.format.ids import Ids
from chroma_async.format.manifest import Manifest, SegmentEntry
from chroma_async.format.postings import Postings
from chroma_async.format.rowtable import RowTable


def write_memtable(making: Making, key: str, view: MemtableView, dimension: int) -> FlushedChunk:
    """Write the live rows of a frozen memtable. Blocking."""
    rows = view.alive.positions()
    if not rows.size:
        return FlushedChunk(None, rows)
    table = view.memtable
    chosen = rows.tolist()
    columns = Columns.concat([run.columns for _, run in view.runs])
    postings = Postings.concat([run.postings for _, run in view.runs])
    everything = len(chosen) == view.rows
    entry = write_chunk(
        making,
        key,
        dimension,
        [view.vectors] if everything else [view.vectors[rows]],
        RowTable(
            ids=Ids.build([table.ids[row] for row in chosen]),
            seqs=view.seqs[rows],
            borns=view.borns[rows],
            columns=columns if everything else columns.select(rows),
        ),
        postings if everything else postings.select(rows),
        partial(
            documents_file.fill,
            rows=((at, table.documents[row], table.uris[row], table.metadatas[row]) for at, row in enumerate(chosen)),
        ),
    )
    return FlushedChunk(entry, rows)


def receiving_segment(manifest: Manifest, rows: int, segment_rows: int, segment_bytes: int, key: str) -> SegmentEntry:
    """The segment that a new chunk joins: the last one while it has room, else a new one of that key."""
    vector_bytes = 4 * (manifest.dimension or 0)
    if manifest.segments:
        last = manifest.segments[-1]
        after = last.rows + rows
        if after <= segment_rows and after * vector_bytes <= segment_bytes:
            return last
    return SegmentEntry(key, ())


def with_alive(segment: SegmentEntry, alive: Bitmap, before: Mapping[str, Bitmap], making: Making, key: str) -> SegmentEntry:
    """The entry with its alive bits at the flushed seq; a file is written only when they differ from those it has. Blocking.

    :param before: by segment key, the bits that the manifest's own files hold.
    """
    dead = alive.size - alive.count()
    if not dead:
        return replace(segment, alive=None, dead=0)
    stored = before.get(segment.key)
    if segment.alive is not None and stored is not None and stored == alive:
        return segment
    return replace(segment, alive=making.write("alive", key, alive.write), dead=dead)
