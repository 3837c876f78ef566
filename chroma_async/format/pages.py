"""Pages of rows in order of birth, without sorting.

Nearly all rows lie in that order already: a row is appended when its id is born. Such rows are *natural*; a popcount finds the n-th.
The others, which updates left behind their place, are *displaced*, few, and kept sorted; a bisection finds those of the page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from chroma_async.format.bitmap import Bitmap
from chroma_async.types import Ints

#: Displaced rows that one step of the bisection places.
_SAMPLES = 64


class BirthOrder:
    """The order of birth of one part's rows. Immutable.

    ``natural`` holds positions whose ``born`` exceeds every earlier one and is at least ``floor``; ``displaced`` the other positions,
    ascending by born, and ``displaced_borns`` their borns. ``lowest`` and ``highest`` bound the natural borns (``lowest > highest``: none).
    """

    __slots__ = ("_borns", "_cover", "_raised", "displaced", "displaced_borns", "floor", "highest", "lowest", "natural")

    def __init__(self, borns: Ints, floor: int) -> None:
        self._borns = borns
        #: The highest natural born up to each position: ascending, so that it can be bisected.
        self._cover: Ints = np.maximum.accumulate(np.maximum(borns, floor - 1))
        natural = borns > np.concatenate([[floor - 1], self._cover[:-1]]) if len(borns) else np.zeros(0, np.bool_)
        displaced = np.flatnonzero(~natural)
        order = np.argsort(borns[displaced], kind="stable")
        self.floor = floor
        self.natural = Bitmap.from_bools(natural)
        self.displaced: Ints = displaced[order]
        self.displaced_borns: Ints = borns[self.displaced]
        some = len(displaced) < len(borns)
        self.lowest = int(borns[int(np.argmax(natural))]) if some else floor
        self.highest = int(self._cover[-1]) if some else floor - 1
        if not len(displaced):
            self._cover = borns
        self._raised: BirthOrder | None = None

    @classmethod
    def build(cls, borns: Ints, floor: int) -> BirthOrder:
        """
        :param borns: the seq of birth of the row at each position; kept, not copied.
        :param floor: what is born earlier counts as displaced: the end of the parts before this one.
        """
        return cls(np.asarray(borns, np.int64), floor)

    @property
    def count(self) -> int:
        """Rows, whatever their order."""
        return self.natural.size

    def raised(self, floor: int) -> BirthOrder:
        """The same rows with natural borns not below ``floor``: this object, where that holds already."""
        if floor <= self.lowest:
            return self
        # Read once: another thread may put an order of another floor in its place.
        raised = self._raised
        if raised is None or raised.floor != floor:
            raised = self._raised = BirthOrder(self._borns, floor)
        return raised

    def natural_before(self, members: Bitmap, borns: Ints) -> Ints:
        """For each of ascending ``borns`` how many of the natural rows in ``members`` were born before it."""
        before = np.zeros(len(borns), np.int64)
        low, high = np.searchsorted(borns, [self.lowest, self.highest + 1]).tolist()
        before[low:high] = members.rank(np.searchsorted(self._cover, borns[low:high], side="left"))
        before[high:] = members.count()
        return before


def page(parts: Sequence[tuple[BirthOrder, Bitmap]], offset: int, limit: int | None) -> tuple[Ints, Ints]:
    """A page over several parts: segments and memtables, oldest first, each with the rows that are allowed.

    ::

        place in the answer   0   1   2   3   4   5   6   7
        natural rows          n0  n1      n2  n3          n4
        displaced rows                d0          d1  d2
        page 3 to 7                       └─── n2, n3, d1, d2 ───

    A displaced row stands behind the natural rows that were born before it and behind the displaced ones before it. So the places of
    displaced rows ascend, and those of a page are a run of them; natural rows, in their own order, fill the places between.

    :returns: for each row of the page the index of its part and its position in it, both int64, in order of birth over all parts.
    :raises ValueError: a part has not as many allowed bits as rows.

    A floor that is too low for the parts before it is raised here; the answer does not depend on it, only the speed of the next call.
    """
    orders = _raised(parts)
    natural = [allowed & order.natural for order, (_, allowed) in zip(orders, parts, strict=True)]
    displaced = _displaced(orders, [allowed for _, allowed in parts])
    total = sum(members.count() for members in natural) + len(displaced.born)
    start = min(offset, total)
    stop = total if limit is None else min(total, start + limit)

    def places(begin: int, end: int, step: int = 1) -> Ints:
        """Where displaced rows stand in the answer."""
        displaced_before = np.arange(begin, end, step, dtype=np.int64)
        natural_before = (
            order.natural_before(members, displaced.born[begin:end:step]) for order, members in zip(orders, natural, strict=True)
        )
        return sum(natural_before, start=displaced_before)

    first = _first_from(places, start, 0, len(displaced.born))
    # No more displaced rows than the page has places can be on it.
    most = min(len(displaced.born), first + stop - start)
    last = len(displaced.born) if stop == total else _first_from(places, stop, first, most)

    page_part = np.empty(stop - start, np.int64)
    page_position = np.empty(stop - start, np.int64)
    displaced_slots = places(first, last) - start
    page_part[displaced_slots] = displaced.part[first:last]
    page_position[displaced_slots] = displaced.position[first:last]
    free = np.ones(stop - start, np.bool_)
    free[displaced_slots] = False
    natural_slots = np.flatnonzero(free)
    for index, positions in _natural_rows(natural, start - first, stop - last):
        slots, natural_slots = natural_slots[: len(positions)], natural_slots[len(positions) :]
        page_part[slots] = index
        page_position[slots] = positions
    return page_part, page_position


class _Displaced(NamedTuple):
    """Allowed rows that do not stand where they were born, over all parts, ascending by born: three int64 arrays of one length."""

    part: Ints
    position: Ints
    born: Ints


def _raised(parts: Sequence[tuple[BirthOrder, Bitmap]]) -> list[BirthOrder]:
    """Each part's order, with what was born before the end of the parts before it counted as displaced."""
    orders: list[BirthOrder] = []
    floor = 0
    for order, allowed in parts:
        if order.count != allowed.size:
            raise ValueError(f"{allowed.size} allowed bits for {order.count} rows")
        orders.append(order.raised(floor))
        floor = max(floor, orders[-1].highest + 1)
    return orders


def _displaced(orders: Sequence[BirthOrder], allowed: Sequence[Bitmap]) -> _Displaced:
    found: list[_Displaced] = []
    for part, (order, members) in enumerate(zip(orders, allowed, strict=True)):
        if len(order.displaced):
            kept = members.contains(order.displaced)
            positions = order.displaced[kept]
            found.append(_Displaced(np.full(len(positions), part, np.int64), positions, order.displaced_borns[kept]))
    if not found:
        nothing = np.empty(0, np.int64)
        return _Displaced(nothing, nothing, nothing)
    if len(found) == 1:
        return found[0]
    joined = _Displaced(*map(np.concatenate, zip(*found, strict=True)))
    by_birth = np.argsort(joined.born, kind="stable")
    return _Displaced(joined.part[by_birth], joined.position[by_birth], joined.born[by_birth])


def _first_from(places: Callable[[int, int, int], Ints], target: int, low: int, high: int) -> int:
    """The first displaced row of ``range(low, high)`` that stands at ``target`` or later, else ``high``; looks at few of them.

    Each round places every ``step``-th row and keeps the run between two of these samples.
    """
    while low < high:
        step = max(1, (high - low) // _SAMPLES)
        samples_before = int(np.searchsorted(places(low, high, step), target))
        high = min(high, low + samples_before * step)
        if samples_before:
            low += (samples_before - 1) * step + 1
    return low


def _natural_rows(natural: Sequence[Bitmap], begin: int, end: int) -> Iterator[tuple[int, Ints]]:
    """(part, positions) of the natural rows whose numbers over all parts are ``begin`` to ``end``."""
    before = 0
    for part, members in enumerate(natural):
        count = members.count()
        here = max(begin - before, 0), min(end - before, count)
        if here[0] < here[1]:
            yield part, members.members(*here)
        before += count
