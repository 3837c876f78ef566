"""The memtable: the log's tail in memory, searched exactly.

Append-only. One writer appends and marks rows dead; readers hold a :class:`MemtableView`, which is a row count and the alive bits of one
moment, and never look past it. So nothing a reader sees ever changes, without a lock: arrays are replaced when they grow (a view keeps the
old one) and lists only get longer.

Columns are built by the same code as a chunk's. The newest rows (fewer than ``SEAL_ROWS``) are still dictionaries and are judged one by
one; older ones are sealed into column blocks whose sizes double up to ``MOST_BLOCK_ROWS``, so that a filter looks at few blocks and a row
is re-coded a few times at most.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from chroma_async.costs import APPEND_BYTE, APPEND_REQUEST, COPY_BYTE, UNKNOWN
from chroma_async.engine.snapshot.column_runs import ColumnRun, UnsealedRun
from chroma_async.engine.snapshot.expiry_index import ExpiryIndex, expiry_index
from chroma_async.engine.snapshot.memory_estimates import deletions_bytes, rows_bytes
from chroma_async.format.bitmap import Bitmap
from chroma_async.format.columns import Columns
from chroma_async.format.logbatch import LogBatch
from chroma_async.format.pages import BirthOrder
from chroma_async.format.postings import Postings
from chroma_async.index.mask import evaluate_mask
from chroma_async.query_language.filter_ast import Filter
from chroma_async.query_language.filter_evaluate import predicate
from chroma_async.schema.record import EXPIRES_KEY, copied
from chroma_async.types import Bools, Floats, Ints, Metadata

T = TypeVar("T", bound=np.generic)

#: Rows that are judged one by one before they are sealed into columns: about 0.3 ms of Python at the most.
SEAL_ROWS = 256
#: Two blocks of up to half as many rows are joined; larger ones would make writers wait, and a filter has few of these to look at.
MOST_BLOCK_ROWS = 2048


@dataclass(frozen=True)
class Block:
    """Rows ``start`` to ``start + columns.rows`` in column form, and their sparse vectors as postings."""

    start: int
    columns: Columns
    postings: Postings

    @property
    def stop(self) -> int:
        """The row after its last."""
        return self.start + self.columns.rows

    @cached_property
    def expiry_index(self) -> ExpiryIndex:
        """When its records expire."""
        return expiry_index(self.columns)


class Memtable:
    """Rows in order of arrival. Mutated by the collection's writer alone, one thread at a time."""

    def __init__(self, capacity: int = 64) -> None:
        self.rows = 0
        self.bytes = 0
        self.ids: list[str] = []
        self.documents: list[str | None] = []
        self.uris: list[str | None] = []
        self.metadatas: list[Metadata | None] = []
        self.blocks: tuple[Block, ...] = ()
        #: Whether a record in it ever expires; see :mod:`chroma_async.engine.snapshot.expiry`.
        self.expires = False
        self._capacity = capacity
        self._vectors: Floats | None = None
        self._norms: Floats = np.zeros(capacity, dtype=np.float32)
        self._seqs: Ints = np.zeros(capacity, dtype=np.int64)
        self._borns: Ints = np.zeros(capacity, dtype=np.int64)
        self._alive: Bools = np.zeros(capacity, dtype=np.bool_)
        self._newest: dict[str, int] = {}
        #: Row to the row of the same id before it, for readers of older views.
        self._older: dict[int, int] = {}

    def append(self, batch: LogBatch) -> None:
        """Add the rows of a batch, all alive. Deletions of the batch are counted, not applied: see :meth:`kill`."""
        count = len(batch.ids)
        # The log holds them until this memtable is flushed.
        self.bytes += deletions_bytes(batch.deleted_ids)
        if not count:
            return
        start, stop = self.rows, self.rows + count
        vectors = self._reserve(stop, batch.embeddings.shape[1])
        vectors[start:stop] = batch.embeddings
        wide = batch.embeddings.astype(np.float64)
        self._norms[start:stop] = np.sqrt(np.einsum("ij,ij->i", wide, wide))
        self._seqs[start:stop] = np.arange(batch.first, batch.first + count)
        self._borns[start:stop] = np.where(batch.borns == 0, self._seqs[start:stop], batch.borns)
        self._alive[start:stop] = True
        for row, id in enumerate(batch.ids, start):
            older = self._newest.get(id)
            if older is not None:
                self._older[row] = older
            self._newest[id] = row
        self.ids.extend(batch.ids)
        self.documents.extend(batch.documents or [None] * count)
        self.uris.extend(batch.uris or [None] * count)
        self.metadatas.extend(batch.metadatas or [None] * count)
        self.expires = self.expires or any(EXPIRES_KEY in metadata for metadata in batch.metadatas or () if metadata)
        self.bytes += batch.embeddings.nbytes + rows_bytes(batch.ids, batch.documents, batch.uris, batch.metadatas)
        self.rows = stop
        self._seal()

    def appending_us(self, batches: int, rows: int, size: int) -> float:
        """What appending batches of so many rows and bytes together costs in microseconds."""
        sealed = self.blocks[-1].stop if self.blocks else 0
        if self.rows + rows - sealed >= SEAL_ROWS:
            return UNKNOWN
        moved = 0 if self._vectors is None or self.rows + rows <= self._capacity else self._vectors.nbytes
        return APPEND_REQUEST * batches + APPEND_BYTE * size + COPY_BYTE * moved

    def kill(self, rows: Ints) -> None:
        """Mark rows dead."""
        self._alive[rows] = False

    def row_before(self, id: str, stop: int) -> int:
        """The last row of that id below ``stop``, or -1."""
        row = self._newest.get(id, -1)
        while row >= stop:
            row = self._older.get(row, -1)
        return row

    def view(self) -> MemtableView:
        """The present moment, for ever."""
        rows = self.rows
        vectors = np.zeros((0, 0), dtype=np.float32) if self._vectors is None else self._vectors[:rows]
        return MemtableView(
            memtable=self,
            rows=rows,
            alive=Bitmap.from_bools(self._alive[:rows]),
            vectors=vectors,
            norms=self._norms[:rows],
            seqs=self._seqs[:rows],
            borns=self._borns[:rows],
            blocks=self.blocks,
        )

    def _reserve(self, rows: int, dimension: int) -> Floats:
        if self._vectors is None:
            self._capacity = max(self._capacity, rows)
            self._vectors = np.zeros((self._capacity, dimension), dtype=np.float32)
            self._grow_numbers()
        elif rows > self._capacity:
            self._capacity = max(rows, 2 * self._capacity)
            grown = np.zeros((self._capacity, dimension), dtype=np.float32)
            grown[: self.rows] = self._vectors[: self.rows]
            self._vectors = grown
            self._grow_numbers()
        return self._vectors

    def _grow_numbers(self) -> None:
        self._norms, self._alive = self._grown(self._norms), self._grown(self._alive)
        self._seqs, self._borns = self._grown(self._seqs), self._grown(self._borns)

    def _grown(self, array: npt.NDArray[T]) -> npt.NDArray[T]:
        longer = np.zeros(self._capacity, dtype=array.dtype)
        longer[: self.rows] = array[: self.rows]
        return longer

    def _seal(self) -> None:
        sealed = self.blocks[-1].stop if self.blocks else 0
        if self.rows - sealed < SEAL_ROWS:
            return
        metadatas = self.metadatas[sealed : self.rows]
        blocks = [*self.blocks, Block(sealed, Columns.build(metadatas), Postings.build(metadatas))]
        while len(blocks) > 1 and blocks[-2].columns.rows <= min(blocks[-1].columns.rows, MOST_BLOCK_ROWS // 2):
            last, before = blocks.pop(), blocks.pop()
            columns, postings = Columns.concat([before.columns, last.columns]), Postings.concat([before.postings, last.postings])
            blocks.append(Block(before.start, columns, postings))
        self.blocks = tuple(blocks)


@dataclass(frozen=True)
class MemtableView:
    """A memtable at one moment: its first ``rows`` rows, of which those in ``alive`` exist."""

    memtable: Memtable
    rows: int
    alive: Bitmap
    vectors: Floats = field(repr=False)
    norms: Floats = field(repr=False)
    seqs: Ints = field(repr=False)
    borns: Ints = field(repr=False)
    blocks: tuple[Block, ...] = field(repr=False)

    @cached_property
    def count(self) -> int:
        """Alive rows."""
        return self.alive.count()

    def order(self, floor: int) -> BirthOrder:
        """Its rows by age; those born before ``floor`` are displaced."""
        return BirthOrder.build(self.borns, floor)

    @property
    def expires(self) -> bool:
        """Whether a record in it ever expires."""
        return self.memtable.expires

    @cached_property
    def runs(self) -> list[tuple[int, ColumnRun]]:
        """(first row, run) of the runs that make up all rows."""
        sealed = self.blocks[-1].stop if self.blocks else 0
        newest = UnsealedRun(self.memtable.metadatas[sealed : self.rows])
        return [*((block.start, block) for block in self.blocks), (sealed, newest)]

    @cached_property
    def born_ceiling(self) -> int:
        """The highest born of any row, -1 without rows."""
        return int(self.borns.max()) if self.rows else -1

    def find(self, ids: Sequence[str]) -> Ints:
        """The row of each id that was the id's last at that moment, alive or dead, or -1."""
        row_before, rows = self.memtable.row_before, self.rows
        return np.fromiter((row_before(id, rows) for id in ids), dtype=np.int64, count=len(ids))

    def seqs_at(self, positions: Ints) -> Ints:
        """Own seq of each row."""
        return self.seqs[positions]

    def borns_at(self, positions: Ints) -> Ints:
        """Born of each row."""
        return self.borns[positions]

    def embeddings(self, positions: Ints) -> Floats:
        """``(len(positions), dimension)`` float32; a copy."""
        return self.vectors[positions]

    def ids(self, positions: Ints) -> list[str]:
        """Id of each row."""
        ids = self.memtable.ids
        return [ids[row] for row in positions.tolist()]

    def fetch(
        self, positions: Ints, *, documents: bool, uris: bool, metadatas: bool
    ) -> tuple[list[str | None] | None, list[str | None] | None, list[Metadata | None] | None]:
        """What the rows carry, in the order of ``positions``, to do with as one likes; ``None`` for what was not asked."""
        rows, table = positions.tolist(), self.memtable
        return (
            [table.documents[row] for row in rows] if documents else None,
            [table.uris[row] for row in rows] if uris else None,
            [None if metadata is None else copied(metadata) for metadata in map(table.metadatas.__getitem__, rows)] if metadatas else None,
        )

    def mask(self, filter: Filter, *, approximate: bool = False) -> Bitmap:
        """Which of the alive rows match, always exactly."""
        candidates = self.alive.to_bools()
        matching = np.zeros(self.rows, dtype=np.bool_)
        sealed = 0
        for block in self.blocks:
            part = _BlockPart(self, block)
            matching[block.start : block.stop] = evaluate_mask(filter, part, candidates[block.start : block.stop])
            sealed = block.stop
        if sealed < self.rows:
            matches = predicate(filter)
            table = self.memtable
            for row in range(sealed, self.rows):
                if candidates[row] and matches(table.ids[row], table.metadatas[row], table.documents[row]):
                    matching[row] = True
        return Bitmap.from_bools(matching)


class _BlockPart:
    """A block as a filter sees it."""

    def __init__(self, view: MemtableView, block: Block) -> None:
        self._view = view
        self._start = block.start
        self.columns = block.columns
        self.rows = block.columns.rows

    def find_ids(self, ids: Sequence[str]) -> Ints:
        rows = self._view.find(ids) - self._start
        return rows[(rows >= 0) & (rows < self.rows)]

    def contains(self, needle: str, candidates: Bools) -> Bools:
        found = np.zeros(self.rows, dtype=np.bool_)
        for row, document in self.documents(candidates):
            found[row] = needle in document
        return found

    def documents(self, candidates: Bools) -> Iterator[tuple[int, str]]:
        documents, start = self._view.memtable.documents, self._start
        for row in np.flatnonzero(candidates).tolist():
            document = documents[start + row]
            if document is not None:
                yield row, document
