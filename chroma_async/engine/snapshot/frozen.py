"""What a flush or a vacuum leaves for the step that installs it: the frozen state, and where its rows went."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from chroma_async.engine.snapshot.memtable import Memtable, MemtableView
from chroma_async.format.bitmap import Bitmap
from chroma_async.format.manifest import ChunkEntry
from chroma_async.types import Bools, Ints, Seq


@dataclass
class Frozen:
    """A memtable that takes no more rows, with everything that was true when it was frozen: the state to be flushed.

    Deletions that come later are not in it; the step that installs the flush maps them to the chunk's rows.
    """

    memtable: Memtable
    seq: Seq
    view: MemtableView
    #: Alive rows of each segment at ``seq``; kept true when a segment is vacuumed or takes over an older memtable.
    alive: dict[str, Bitmap]
    #: The same for memtables frozen earlier and not flushed yet.
    older: dict[int, Bitmap] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FlushedChunk:
    """What a flush made. ``rows`` maps each row of the chunk to its row of the memtable; no entry when no row was alive."""

    entry: ChunkEntry | None
    rows: Ints


def chunk_alive(flushed: FlushedChunk, memtable_alive: Bitmap) -> Bitmap:
    """The memtable's alive bits, in the order of the chunk's rows."""
    return Bitmap.from_bools(memtable_alive.contains(flushed.rows))


def appended(alive: Bitmap | None, more: Bitmap) -> Bitmap:
    """Alive bits of a segment that has grown by a chunk."""
    if alive is None or alive.size == 0:
        return more
    return Bitmap.from_bools(np.concatenate([alive.to_bools(), more.to_bools()]))


@dataclass(frozen=True, slots=True)
class Vacuumed:
    """What became of the first ``chunks`` chunks of a segment, which were positions ``0..covered-1``."""

    entries: tuple[ChunkEntry, ...]
    chunks: int
    covered: int
    #: Old position of each new one, for the part that was rewritten.
    kept: Ints

    def moved(self, alive: Bitmap) -> Bitmap:
        """Alive bits in terms of the new positions; chunks behind the rewritten ones move up."""
        bools: Bools = alive.to_bools()
        return Bitmap.from_bools(np.concatenate([bools[: self.covered][self.kept], bools[self.covered :]]))
