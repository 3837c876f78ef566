"""A Version is everything a reader needs, at one moment: segments, memtables and who is alive. Readers hold one and never wait."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

import numpy as np

from chroma_async.engine.memtable import MemtableView
from chroma_async.engine.segment import Segment
from chroma_async.filter.ast import Filter
from chroma_async.format.bitmap import Bitmap
from chroma_async.format.pages import BirthOrder
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
    def born_ceiling(self) -> int:
        """The highest born of any row."""
        return self.segment.born_ceiling

    def order(self, floor: int) -> BirthOrder:
        """Its rows by age; those born before ``floor`` are displaced."""
        return self.segment.order(floor)

    def find(self, ids: Sequence[str]) -> Ints:
        """The position of each id's newest row, alive or dead, or -1."""
        return self.segment.find(ids)

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

    def mask(self, filter: Filter) -> Bitmap:
        """Which of the alive rows match."""
        return self.segment.mask(filter, self.alive)


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
        for number in range(len(self.parts) - 1, -1, -1):
            if not missing.size:
                break
            wanted = ids if missing.size == count else [ids[at] for at in missing.tolist()]
            rows = self.parts[number].find(wanted)
            known = rows >= 0
            if known.any():
                at, rows = missing[known], rows[known]
                alive = self.parts[number].alive.contains(rows)
                part[at[alive]], position[at[alive]] = number, rows[alive]
                missing = missing[~known]
        return Places(part, position)

    def seqs_at(self, places: Places) -> Ints:
        """Own seq of each row; all must be present."""
        seqs = np.empty(len(places), dtype=np.int64)
        for number, at in _by_part(places):
            seqs[at] = self.parts[number].seqs_at(places.position[at])
        return seqs

    def borns_at(self, places: Places) -> Ints:
        """Born of each row; all must be present."""
        borns = np.empty(len(places), dtype=np.int64)
        for number, at in _by_part(places):
            borns[at] = self.parts[number].borns_at(places.position[at])
        return borns

    def embeddings_at(self, places: Places) -> Floats:
        """``(len(places), dimension)`` float32; a copy."""
        embeddings = np.empty((len(places), self.dimension or 0), dtype=np.float32)
        for number, at in _by_part(places):
            embeddings[at] = self.parts[number].embeddings(places.position[at])
        return embeddings

    def ids_at(self, places: Places) -> list[str]:
        """Id of each row."""
        ids = [""] * len(places)
        for number, at in _by_part(places):
            for target, id in zip(at.tolist(), self.parts[number].ids(places.position[at]), strict=True):
                ids[target] = id
        return ids

    def fetch(
        self, places: Places, *, documents: bool, uris: bool, metadatas: bool
    ) -> tuple[list[str | None] | None, list[str | None] | None, list[Metadata | None] | None]:
        """What the rows carry, in the order of ``places``; ``None`` for what was not asked."""
        count = len(places)
        columns: tuple[list[str | None], list[str | None], list[Metadata | None]] = ([None] * count, [None] * count, [None] * count)
        if documents or uris or metadatas:
            for number, at in _by_part(places):
                fetched = self.parts[number].fetch(places.position[at], documents=documents, uris=uris, metadatas=metadatas)
                for target, column in zip(columns, fetched, strict=True):
                    if column is not None:
                        for place, value in zip(at.tolist(), column, strict=True):
                            target[place] = value  # type: ignore[index]
        return columns[0] if documents else None, columns[1] if uris else None, columns[2] if metadatas else None


def _by_part(places: Places) -> list[tuple[int, Ints]]:
    numbers = np.unique(places.part).tolist()
    if len(numbers) == 1:
        return [(numbers[0], np.arange(len(places)))]
    return [(number, np.flatnonzero(places.part == number)) for number in numbers]
