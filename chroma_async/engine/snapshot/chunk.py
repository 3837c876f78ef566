"""An opened chunk: vectors, columns and postings mapped, documents in a database."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from typing import TypeAlias

import numpy as np

from chroma_async.engine.snapshot.expiry_index import ExpiryIndex, any_expiry, expiry_index
from chroma_async.engine.snapshot.file_pins import PinningStore
from chroma_async.engine.snapshot.filter_cache import new_owner
from chroma_async.errors import CorruptionError
from chroma_async.format import documents as documents_file
from chroma_async.format.columns import Columns
from chroma_async.format.database import ReadableDatabase
from chroma_async.format.manifest import ChunkEntry
from chroma_async.format.postings import Postings
from chroma_async.format.rowtable import RowTable
from chroma_async.format.vectors import VectorsFile
from chroma_async.index.codes import ChunkCodes
from chroma_async.storage.base.segments import Blob
from chroma_async.types import Bools, Floats, Ints, Metadata

#: Asks the trigram indexes which rows may hold a text, and which rows they know; ``None`` when they cannot tell.
Proposals: TypeAlias = Callable[[str], tuple[Bools, Bools] | None]


class Chunk:
    """Rows ``0..rows-1`` of one chunk. Immutable and thread-safe.

    Its files stay while it is referenced: the :class:`~chroma_async.engine.snapshot.file_pins.PinningStore` remembers who reads which file,
    and the janitor asks it before it deletes one.
    """

    def __init__(self, entry: ChunkEntry, store: PinningStore, *, verify: bool) -> None:
        """
        :param verify: read every byte of all its files first.
        :raises CorruptionError: a file is missing, damaged, or disagrees with the manifest; names the file.
        """
        self.entry = entry
        blobs: list[Blob] = [store.open(file) for file in entry.files]
        if verify:
            for blob in blobs:
                blob.verify()
        # Held to be named among the files that are read.
        self._blobs = blobs
        vectors, columns, self._documents, *postings = blobs
        self._vectors = VectorsFile.open(vectors.buffer(), entry.vectors.name)
        self._table = RowTable.open(columns.buffer(), entry.columns.name)
        #: Its sparse vectors, by key.
        self.postings = Postings(entry.rows, {})
        if entry.postings is not None:
            self.postings = Postings.open(postings[0].buffer(), entry.postings.name)
        self.rows = entry.rows
        for held, file in (
            (len(self._vectors.vectors), entry.vectors),
            (len(self._table.seqs), entry.columns),
            (self.postings.rows, entry.postings or entry.columns),
        ):
            if held != entry.rows:
                raise CorruptionError(f"{file.name} holds {held} rows, the manifest says {entry.rows}", file.name)
        #: 8-bit codes for scanning it while no graph covers it; set once by whoever encodes it.
        self.codes: ChunkCodes | None = None
        #: Whether a record in it ever expires; see :mod:`chroma_async.engine.snapshot.expiry`.
        self.expires = any_expiry(self._table.columns)
        #: Its name in a :class:`~chroma_async.engine.snapshot.filter_cache.FilterCache`.
        self.owner = new_owner()

    @property
    def columns(self) -> Columns:
        """Metadata of each row."""
        return self._table.columns

    @cached_property
    def expiry_index(self) -> ExpiryIndex:
        """When its records expire."""
        return expiry_index(self._table.columns)

    @property
    def vectors(self) -> Floats:
        """``(rows, dimension)`` float32, as written."""
        return self._vectors.vectors

    @property
    def norms(self) -> Floats:
        """``(rows,)`` float32 lengths of the vectors."""
        return self._vectors.norms

    @property
    def table(self) -> RowTable:
        """Ids, seqs, borns and columns."""
        return self._table

    @property
    def seqs(self) -> Ints:
        """``(rows,)`` own seq of each row."""
        return self._table.seqs

    @property
    def borns(self) -> Ints:
        """``(rows,)`` seq at which each row's id was first inserted."""
        return self._table.borns

    def fetch(
        self, rows: Sequence[int], *, documents: bool, uris: bool, metadatas: bool
    ) -> tuple[list[str | None] | None, list[str | None] | None, list[Metadata | None] | None]:
        """What the rows carry, in their order; ``None`` for what was not asked."""
        with self.texts() as database:
            return documents_file.fetch(database, rows, documents=documents, uris=uris, metadatas=metadatas)

    def texts(self) -> AbstractContextManager[ReadableDatabase]:
        """Its documents file, for a ``with`` block."""
        return self._documents.database()

    def part(self, proposals: Proposals | None, *, approximate: bool = False) -> ChunkPart:
        """The chunk as a filter sees it.

        :param proposals: asks the trigram indexes of its segment.
        :param approximate: what an index proposes is taken for true. Only for filters that can then match too much, never too little.
        """
        return ChunkPart(self, proposals, approximate)


class ChunkPart:
    """A chunk as a filter sees it (:class:`chroma_async.index.mask.FilterPart`)."""

    def __init__(self, chunk: Chunk, proposals: Proposals | None, approximate: bool) -> None:
        self._chunk = chunk
        self._proposals = proposals
        self._approximate = approximate
        self.rows = chunk.rows
        self.columns = chunk.table.columns

    def find_ids(self, ids: Sequence[str]) -> Ints:
        rows = self._chunk.table.ids.find(ids, None)
        return rows[rows >= 0]

    def contains(self, needle: str, candidates: Bools) -> Bools:
        proposed = None if self._proposals is None else self._proposals(needle)
        found = np.zeros(self.rows, dtype=np.bool_)
        if proposed is not None:
            may, known = proposed
            candidates = candidates & may
            if self._approximate:
                found |= candidates & known
                candidates &= ~known
        rows = np.flatnonzero(candidates)
        if rows.size:
            with self._chunk.texts() as database:
                everything = rows.size == self.rows
                found[documents_file.scan_contains(database, needle, None if everything else rows)] = True
        return found

    def documents(self, candidates: Bools) -> Iterator[tuple[int, str]]:
        rows = np.flatnonzero(candidates)
        if rows.size:
            with self._chunk.texts() as database:
                yield from documents_file.iter_documents(database, rows)
