"""A Version is everything a reader needs, at one moment: segments, memtables and who is alive. Readers hold one and never wait."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

import numpy as np

from chroma_async.engine.snapshot.column_runs import ColumnRun
from chroma_async.engine.snapshot.memtable import MemtableView
from chroma_async.engine.snapshot.scatter import Contents, chosen, group_by_owner, scatter
from chroma_async.engine.snapshot.segment import Segment
from chroma_async.format.bitmap import Bitmap
from chroma_async.format.ids import Hashes, hash_ids
from chroma_async.format.pages import BirthOrder
from chroma_async.query_language.filter_ast import Filter
from chroma_async.types import Bools, Floats, Ints, Metadata, Seq


@dataclass(frozen=True)
class SegmentView:
    """A segment with the rows that are alive now."""

    segment: Segment
    alive: Bitmap

    @property
    def rows(self) -> int:
        """Positions in use, dead ones included."""
        return self.segment.rows

    @cached_property
    def count(self) -> int:
        """Alive rows."""
        return self.alive.count()

    @property
    def expires(self) -> bool:
        """Whether a record in it ever expires."""
        return self.segment.expires

    @property
    def runs(self) -> list[tuple[int, ColumnRun]]:
        """(first position, chunk) of its chunks."""
        return list(zip(self.segment.bases.tolist(), self.segment.chunks, strict=True))

    @property
    def born_ceiling(self) -> int:
        """The highest born of any row."""
        return self.segment.born_ceiling

    def order(self, floor: int) -> BirthOrder:
        """Its rows by age; those born before ``floor`` are displaced."""
        return self.segment.order(floor)

    def find(self, ids: Sequence[str], hashes: Hashes) -> Ints:
        """The position of each id's newest row, alive or dead, or -1. ``hashes`` are those of the ids."""
        return self.segment.find(ids, hashes)

    def seqs_at(self, positions: Ints) -> Ints:
        """Own seq of each row."""
        return self.segment.seqs(positions)

    def borns_at(self, positions: Ints) -> Ints:
        """Born of each row."""
        return self.segment.borns(positions)

    def embeddings(self, positions: Ints) -> Floats:
        """``(len(positions), dimension)`` float32; a copy."""
        return self.segment.embeddings(positions)

    def ids(self, positions: Ints) -> list[str]:
        """Id of each row."""
        return self.segment.ids(positions)

    def fetch(
        self, positions: Ints, *, documents: bool, uris: bool, metadatas: bool
    ) -> tuple[list[str | None] | None, list[str | None] | None, list[Metadata | None] | None]:
        """What the rows carry, in the order of ``positions``; ``None`` for what was not asked."""
        return self.segment.fetch(positions, documents=documents, uris=uris, metadatas=metadatas)

    def mask(self, filter: Filter, *, approximate: bool = False) -> Bitmap:
        """Which of the alive rows match; ``approximate`` as for :meth:`Segment.mask`."""
        return self.segment.mask(filter, self.alive, approximate=approximate)


Part: TypeAlias = SegmentView | MemtableView


@dataclass(frozen=True)
class Places:
    """Rows of a Version: ``part[i]`` says which of its parts, ``position[i]`` which row of it. Absent: -1 in both."""

    part: Ints
    position: Ints

    def __len__(self) -> int:
        return len(self.part)

    @property
    def present(self) -> Bools:
        """Which of them exist."""
        return self.part >= 0

    def at(self, chosen: Ints | Bools) -> Places:
        """Some of them."""
        return Places(self.part[chosen], self.position[chosen])


@dataclass(frozen=True)
class Version:
    """Everything as of ``seq``. Immutable; shared by any number of readers in any thread."""

    seq: Seq
    dimension: int | None
    segments: tuple[SegmentView, ...] = ()
    #: Oldest first; the last one is still being filled, those before it wait to be flushed.
    memtables: tuple[MemtableView, ...] = ()
    parts: tuple[Part, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "parts", (*self.segments, *self.memtables))

    @cached_property
    def count(self) -> int:
        """Alive rows."""
        return sum(part.count for part in self.parts)

    @cached_property
    def by_expired(self) -> dict[int, Version]:
        """Room for one version without what has expired, by their number (:func:`chroma_async.engine.snapshot.expiry.visible`).

        Two threads may make the same one at once; it is the same.
        """
        return {}

    @cached_property
    def orders(self) -> tuple[BirthOrder, ...]:
        """Each part's rows by age."""
        orders: list[BirthOrder] = []
        floor = 0
        for part in self.parts:
            orders.append(part.order(floor))
            floor = max(floor, part.born_ceiling + 1)
        return tuple(orders)

    def find(self, ids: Sequence[str]) -> Places:
        """Where each id's row is, if it is alive.

        The newest part that knows an id decides: when its row there is dead, no older part has a living one.
        """
        count = len(ids)
        part, position = np.full(count, -1, dtype=np.int64), np.full(count, -1, dtype=np.int64)
        missing = np.arange(count)
        hashes: Hashes | None = None
        for number in range(len(self.parts) - 1, -1, -1):
            if not missing.size:
                break
            wanted = ids if missing.size == count else [ids[at] for at in missing.tolist()]
            asked = self.parts[number]
            if not asked.rows:
                continue
            if isinstance(asked, MemtableView):
                rows = asked.find(wanted)
            else:
                # Every chunk looks for hashes; they are made once for all.
                hashes = hash_ids(ids) if hashes is None else hashes
                rows = asked.find(wanted, hashes[missing])
            known = rows >= 0
            if known.any():
                at, rows = missing[known], rows[known]
                alive = asked.alive.contains(rows)
                part[at[alive]], position[at[alive]] = number, rows[alive]
                missing = missing[~known]
        return Places(part, position)

    def seqs_at(self, places: Places) -> Ints:
        """Own seq of each row; all must be present."""
        return self._gather(places, lambda part, positions: part.seqs_at(positions))

    def borns_at(self, places: Places) -> Ints:
        """Born of each row; all must be present."""
        return self._gather(places, lambda part, positions: part.borns_at(positions))

    def embeddings_at(self, places: Places) -> Floats:
        """``(len(places), dimension)`` float32; a copy."""
        embeddings = np.empty((len(places), self.dimension or 0), dtype=np.float32)
        for number, share in group_by_owner(places.part):
            embeddings[slice(None) if share is None else share] = self.parts[number].embeddings(chosen(places.position, share))
        return embeddings

    def ids_at(self, places: Places) -> list[str]:
        """Id of each row."""
        ids: list[str] | None = None
        for number, share in group_by_owner(places.part):
            ids = scatter(self.parts[number].ids(chosen(places.position, share)), share, ids, len(places))
        return ids or []

    def fetch(
        self, places: Places, *, documents: bool, uris: bool, metadatas: bool
    ) -> tuple[list[str | None] | None, list[str | None] | None, list[Metadata | None] | None]:
        """What the rows carry, in the order of ``places``; ``None`` for what was not asked."""
        contents = Contents(len(places), documents=documents, uris=uris, metadatas=metadatas)
        if contents.wanted:
            for number, share in group_by_owner(places.part):
                positions = chosen(places.position, share)
                contents.put(share, self.parts[number].fetch(positions, documents=documents, uris=uris, metadatas=metadatas))
        return contents.columns

    def _gather(self, places: Places, column: Callable[[Part, Ints], Ints]) -> Ints:
        gathered = np.empty(len(places), dtype=np.int64)
        for number, share in group_by_owner(places.part):
            numbers = column(self.parts[number], chosen(places.position, share))
            if share is None:
                return numbers
            gathered[share] = numbers
        return gathered
