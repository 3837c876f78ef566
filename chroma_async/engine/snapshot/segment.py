"""An opened segment: its chunks in a row, a graph over the older part of them, and the rows that were alive at the manifest's seq."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from weakref import WeakValueDictionary

import numpy as np

from chroma_async.engine.snapshot.chunk import Chunk, Proposals
from chroma_async.engine.snapshot.file_pins import PinningStore
from chroma_async.engine.snapshot.filter_cache import CachedFilter, FilterCache, new_owner
from chroma_async.engine.snapshot.scatter import Contents, Share, chosen, group_by_owner, scatter
from chroma_async.errors import CorruptionError
from chroma_async.format import documents as documents_file
from chroma_async.format.bitmap import Bitmap
from chroma_async.format.files import FileRef
from chroma_async.format.ids import Hashes
from chroma_async.format.manifest import ChunkEntry, SegmentEntry, TrigramEntry
from chroma_async.format.pages import BirthOrder
from chroma_async.index import trigrams
from chroma_async.index.base import Codec, SegmentVectors, VectorChunk
from chroma_async.index.codes import ChunkCodes
from chroma_async.index.hnsw import Graph, encode_chunk
from chroma_async.index.mask import evaluate_mask
from chroma_async.query_language.filter_ast import Filter
from chroma_async.storage.base.segments import Blob
from chroma_async.types import Bools, Floats, Ints, Metadata, Space

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrigramIndex:
    """A trigram file and the positions whose documents it holds."""

    entry: TrigramEntry
    blob: Blob


@dataclass(frozen=True)
class Segment:
    """Immutable and thread-safe. Positions count through all chunks; ``bases[i]`` is the first of chunk i."""

    entry: SegmentEntry
    chunks: tuple[Chunk, ...]
    #: Alive at the manifest's flushed seq; later deletions are the Version's.
    alive: Bitmap
    graph: Graph | None
    trigrams: tuple[TrigramIndex, ...]
    filter_cache: FilterCache = field(repr=False)
    #: Files that it consists of besides its chunks, held so that the janitor leaves them: a job of a collection that was just deleted may
    #: open them again.
    held: tuple[Blob, ...] = field(default=(), repr=False)
    #: Its name in ``filter_cache``.
    owner: int = field(init=False, repr=False)
    bases: Ints = field(init=False, repr=False)
    rows: int = field(init=False)
    #: Whether a record in it ever expires.
    expires: bool = field(init=False)

    def __post_init__(self) -> None:
        rows = np.array([chunk.rows for chunk in self.chunks], dtype=np.int64)
        object.__setattr__(self, "bases", np.cumsum(rows) - rows)
        object.__setattr__(self, "rows", int(rows.sum()))
        object.__setattr__(self, "expires", any(chunk.expires for chunk in self.chunks))
        object.__setattr__(self, "owner", new_owner())

    @property
    def key(self) -> str:
        """The segment's name in manifests."""
        return self.entry.key

    @cached_property
    def vectors(self) -> SegmentVectors:
        """All chunks' vectors, as the index sees them."""
        chunks = [VectorChunk(base, chunk.vectors, chunk.norms) for base, chunk in zip(self.bases.tolist(), self.chunks, strict=True)]
        return SegmentVectors(chunks, self.dimension)

    @property
    def dimension(self) -> int:
        """Length of its vectors."""
        return int(self.chunks[0].vectors.shape[1])

    @cached_property
    def born_ceiling(self) -> int:
        """The highest born of any row."""
        return max(int(chunk.borns.max()) for chunk in self.chunks)

    @cached_property
    def _borns(self) -> Ints:
        return self.chunks[0].borns if len(self.chunks) == 1 else np.concatenate([chunk.borns for chunk in self.chunks])

    @cached_property
    def _order(self) -> BirthOrder:
        return BirthOrder.build(self._borns, 0)

    def order(self, floor: int) -> BirthOrder:
        """Its rows by age; those born before ``floor`` (the end of the segments before) are displaced."""
        return self._order.raised(floor)

    @cached_property
    def tie_order(self) -> Ints | None:
        """What decides between equal distances: born per position, or ``None`` where that is the order of positions."""
        return self._borns if len(self._order.displaced) else None

    @property
    def covers(self) -> int:
        """Rows below this position are in the graph, or were dead when it was built."""
        return 0 if self.graph is None else self.graph.covers

    @property
    def codes(self) -> Mapping[int, ChunkCodes]:
        """Codes of the chunks outside the graph that have any, by base."""
        held = ((base, chunk.codes) for base, chunk in zip(self.bases.tolist(), self.chunks, strict=True))
        return {base: codes for base, codes in held if codes is not None and codes.base == base}

    def encode_tail(self, space: Space, tail_rows: int) -> None:
        """Make codes for the chunks outside the graph if they hold over ``tail_rows`` rows, and drop those no longer needed. Blocking."""
        # A graph of a finer codec says that codes of one byte do not tell these rows apart, or that there is little to gain.
        coded = self.graph is None or self.graph.encoding.codec is Codec.SQ8
        needed = coded and self.rows - self.covers > tail_rows
        for base, chunk in zip(self.bases.tolist(), self.chunks, strict=True):
            if not needed or base + chunk.rows <= self.covers:
                chunk.codes = None
            elif chunk.codes is None or chunk.codes.base != base:
                chunk.codes = encode_chunk(VectorChunk(base, chunk.vectors, chunk.norms), self.graph, space)

    # ----------------------------------------------------------------------------------------------------------------------- lookups

    def find(self, ids: Sequence[str], hashes: Hashes) -> Ints:
        """The position of each id's newest row, alive or dead, or -1. ``hashes`` are :func:`~chroma_async.format.ids.hash_ids` of them."""
        found = np.full(len(ids), -1, dtype=np.int64)
        missing = np.arange(len(ids))
        for base, chunk in zip(reversed(self.bases), reversed(self.chunks), strict=True):
            if not missing.size:
                break
            wanted = ids if missing.size == len(ids) else [ids[at] for at in missing.tolist()]
            rows = chunk.table.ids.find(wanted, None, hashes[missing])
            hit = rows >= 0
            if not hit.any():
                continue
            found[missing[hit]] = rows[hit] + base
            missing = missing[~hit]
        return found

    def seqs(self, positions: Ints) -> Ints:
        """Own seq of the row at each position."""
        return self._gather(positions, lambda chunk: chunk.seqs)

    def borns(self, positions: Ints) -> Ints:
        """Born of the row at each position."""
        return self._gather(positions, lambda chunk: chunk.borns)

    def embeddings(self, positions: Ints) -> Floats:
        """``(len(positions), dimension)`` float32 as written; a copy."""
        gathered = np.empty((len(positions), self.chunks[0].vectors.shape[1]), dtype=np.float32)
        for share, chunk, rows in self._by_chunk(positions):
            gathered[slice(None) if share is None else share] = chunk.vectors[rows]
        return gathered

    def ids(self, positions: Ints) -> list[str]:
        """Id of the row at each position."""
        ids: list[str] | None = None
        for share, chunk, rows in self._by_chunk(positions):
            ids = scatter(chunk.table.ids.take(rows), share, ids, len(positions))
        return ids or []

    def fetch(
        self, positions: Ints, *, documents: bool, uris: bool, metadatas: bool
    ) -> tuple[list[str | None] | None, list[str | None] | None, list[Metadata | None] | None]:
        """What the rows carry, in the order of ``positions``; ``None`` for what was not asked."""
        contents = Contents(len(positions), documents=documents, uris=uris, metadatas=metadatas)
        for share, chunk, rows in self._by_chunk(positions):
            contents.put(share, chunk.fetch(rows.tolist(), documents=documents, uris=uris, metadatas=metadatas))
        return contents.columns

    def renumbered_texts(self, became: Ints) -> Iterator[documents_file.Entry]:
        """What the documents files of the chunks hold, one after the other, for :func:`chroma_async.format.documents.copy`.

        :param became: for each position the row that it becomes, or -1.
        """
        for base, chunk in zip(self.bases.tolist(), self.chunks, strict=True):
            targets = became[base : base + chunk.rows]
            if (targets >= 0).any():
                with chunk.texts() as database:
                    yield from documents_file.renumbered(database, targets)

    def documents(self, start: int, alive: Bools) -> Iterator[tuple[int, str]]:
        """(position, document) of the ``alive`` positions from ``start`` on, ascending; few are in memory at a time."""
        for base, chunk in zip(self.bases.tolist(), self.chunks, strict=True):
            candidates = alive[base : base + chunk.rows].copy()
            candidates[: max(0, start - base)] = False
            for row, document in chunk.part(None).documents(candidates):
                yield base + row, document

    # ------------------------------------------------------------------------------------------------------------------------ filters

    def mask(self, filter: Filter, alive: Bitmap, *, approximate: bool = False) -> Bitmap:
        """Which of the ``alive`` positions match. The same object for the same question, while it is kept.

        :param approximate: rows that the trigram indexes propose need not be looked at, so there may be rows too many. Only for filters for
            which :func:`~chroma_async.engine.read.text_candidates.may_be_approximate` holds.
        """
        approximate = approximate and bool(self.trigrams)
        kept = self.filter_cache.get(self.owner, filter, approximate)
        if kept is not None and kept.result is not None and kept.alive is alive:
            return kept.result
        whole = self._matching(filter, approximate) if kept is None else kept.whole
        result = whole & alive
        self.filter_cache.put(self.owner, filter, approximate, CachedFilter(whole, alive, result))
        return result

    def _matching(self, filter: Filter, approximate: bool) -> Bitmap:
        """The positions that match, dead or alive."""
        proposed: dict[str, tuple[Bools, Bools] | None] = {}
        parts: list[Bitmap] = []
        for base, chunk in zip(self.bases.tolist(), self.chunks, strict=True):
            kept = self.filter_cache.get(chunk.owner, filter, approximate)
            if kept is None:
                proposals = self._proposals(proposed, base, base + chunk.rows) if self.trigrams else None
                kept = CachedFilter(Bitmap.from_bools(evaluate_mask(filter, chunk.part(proposals, approximate=approximate), None)))
                self.filter_cache.put(chunk.owner, filter, approximate, kept)
            parts.append(kept.whole)
        return parts[0] if len(parts) == 1 else Bitmap.from_bools(np.concatenate([part.to_bools() for part in parts]))

    def _proposals(self, memo: dict[str, tuple[Bools, Bools] | None], start: int, stop: int) -> Proposals:
        def propose(needle: str) -> tuple[Bools, Bools] | None:
            if needle not in memo:
                memo[needle] = self._propose(needle)
            proposed = memo[needle]
            return None if proposed is None else (proposed[0][start:stop], proposed[1][start:stop])

        return propose

    def _propose(self, needle: str) -> tuple[Bools, Bools] | None:
        """Positions that may hold the needle: what the indexes say, and all that no index covers. And which positions one covers."""
        proposed, known = np.ones(self.rows, dtype=np.bool_), np.zeros(self.rows, dtype=np.bool_)
        for index in self.trigrams:
            try:
                with index.blob.database() as database:
                    positions = trigrams.propose(database, needle)
            except CorruptionError as error:
                logger.warning("derived file is damaged, its documents are read instead until the store is opened again: %s", error)
                continue
            if positions is None:
                return None
            proposed[index.entry.start : index.entry.stop] = False
            known[index.entry.start : index.entry.stop] = True
            proposed[positions] = True
        return proposed, known

    # ------------------------------------------------------------------------------------------------------------------------- inside

    def _by_chunk(self, positions: Ints) -> Iterator[tuple[Share, Chunk, Ints]]:
        """(places in ``positions``, chunk, rows of it) for each chunk that is asked."""
        if len(self.chunks) == 1:
            yield None, self.chunks[0], positions
            return
        for owner, share in group_by_owner(self.bases.searchsorted(positions, side="right") - 1):
            yield share, self.chunks[owner], chosen(positions, share) - self.bases[owner]

    def _gather(self, positions: Ints, column: Callable[[Chunk], Ints]) -> Ints:
        gathered = np.empty(len(positions), dtype=np.int64)
        for share, chunk, rows in self._by_chunk(positions):
            gathered[slice(None) if share is None else share] = column(chunk)[rows]
        return gathered


class SegmentOpener:
    """Opens what manifests name. Worker threads only.

    A chunk or graph that is open already, for this collection or for a fork of it, is shared.
    """

    def __init__(self, store: PinningStore, filter_cache: FilterCache, *, verify: bool) -> None:
        """:param verify: read every byte of a file when it is opened."""
        self._store = store
        #: What all segments that it opens remember filters in.
        self.filter_cache = filter_cache
        self._verify = verify
        self._chunks: WeakValueDictionary[ChunkEntry, Chunk] = WeakValueDictionary()
        self._graphs: WeakValueDictionary[FileRef, Graph] = WeakValueDictionary()

    def open(self, entry: SegmentEntry) -> Segment:
        """
        A graph or trigram index that cannot be read is left out: it is derived, searches go on without it.

        :raises CorruptionError: a chunk or the alive bitmap is missing or damaged; names the file.
        """
        graph = self._open_graph(entry)
        held = (entry.alive, entry.graph.file if graph is not None and entry.graph is not None else None)
        return Segment(
            entry=entry,
            chunks=tuple(self._open_chunk(chunk) for chunk in entry.chunks),
            alive=self._open_alive(entry),
            graph=graph,
            trigrams=tuple(self._open_trigrams(entry)),
            filter_cache=self.filter_cache,
            held=tuple(self._store.open(file) for file in held if file is not None),
        )

    def _open_chunk(self, entry: ChunkEntry) -> Chunk:
        chunk = self._chunks.get(entry)
        if chunk is None:
            chunk = self._chunks[entry] = Chunk(entry, self._store, verify=self._verify)
        return chunk

    def _open_alive(self, entry: SegmentEntry) -> Bitmap:
        if entry.alive is None:
            return Bitmap.ones(entry.rows)
        blob = self._store.open(entry.alive)
        blob.verify()
        return Bitmap.open(blob.buffer(), entry.alive.name)

    def _open_graph(self, entry: SegmentEntry) -> Graph | None:
        if entry.graph is None:
            return None
        graph = self._graphs.get(entry.graph.file)
        if graph is not None:
            return graph
        blob = self._derived(entry.graph.file)
        if blob is None:
            return None
        try:
            graph = self._graphs[entry.graph.file] = Graph.open(blob.buffer(), entry.graph.file.name)
        except CorruptionError as error:
            logger.warning("graph is damaged, exact search serves until it is rebuilt: %s", error)
        return graph

    def _open_trigrams(self, entry: SegmentEntry) -> Iterator[TrigramIndex]:
        for trigram in entry.trigrams:
            blob = self._derived(trigram.file)
            if blob is not None:
                yield TrigramIndex(trigram, blob)

    def _derived(self, file: FileRef) -> Blob | None:
        """A file that can be made again, or ``None`` when it cannot be read."""
        try:
            blob = self._store.open(file)
            if self._verify:
                blob.verify()
        except CorruptionError as error:
            logger.warning("derived file is damaged, going on without it until it is rebuilt: %s", error)
            return None
        return blob
