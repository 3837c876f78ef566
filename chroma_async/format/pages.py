"""Pages of rows in order of birth, without sorting.

Nearly all rows lie in that order already: a row is appended when its id is born. Such rows are *natural*; a popcount finds the n-th.
The others, which updates left behind their place, are *displaced*, few, and kept sorted; a bisection finds those of the page.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

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

    def page(self, allowed: Bitmap, offset: int, limit: int | None) -> Ints:
        """Of the allowed rows in order of birth those from ``offset`` on, at most ``limit``: positions."""
        return page([(self, allowed)], offset, limit)[1]

    def natural_before(self, members: Bitmap, borns: Ints) -> Ints:
        """For each of ascending ``borns`` how many of the natural rows in ``members`` were born before it."""
        before = np.zeros(len(borns), np.int64)
        low, high = np.searchsorted(borns, [self.lowest, self.highest + 1]).tolist()
        before[low:high] = members.rank(np.searchsorted(self._cover, borns[low:high], side="left"))
        before[high:] = members.count()
        return before


def page(parts: Sequence[tuple[BirthOrder, Bitmap]], offset: int, limit: int | None) -> tuple[Ints, Ints]:
    """A page over several parts: segments and memtables, oldest first, each with the rows that are allowed.

    :returns: for each row of the page the index of its part and its position in it, both int64, in order of birth over all parts.

    A floor that is too low for the parts before it is raised here; the answer does not depend on it, only the speed of the next call.
    """
    orders: list[BirthOrder] = []
    floor = 0
    for given, allowed in parts:
        if given.count != allowed.size:
            raise ValueError(f"{allowed.size} allowed bits for {given.count} rows")
        order = given.raised(floor)
        orders.append(order)
        floor = max(floor, order.highest + 1)
    natural = [allowed & order.natural for order, (_, allowed) in zip(orders, parts, strict=True)]
    owner, position, born = _displaced(orders, [allowed for _, allowed in parts])

    def place(begin: int, end: int, step: int = 1) -> Ints:
        """Where displaced rows stand: behind the natural rows born before them, and the displaced ones."""
        places = np.arange(begin, end, step, dtype=np.int64)
        for order, members in zip(orders, natural, strict=True):
            places += order.natural_before(members, born[begin:end:step])
        return places

    total = sum(members.count() for members in natural) + len(born)
    start = min(offset, total)
    stop = total if limit is None else min(total, start + limit)
    first = _first(place, start, 0, len(born))
    last = len(born) if stop == total else _first(place, stop, first, min(len(born), first + stop - start))

    page_part = np.empty(stop - start, np.int64)
    page_position = np.empty(stop - start, np.int64)
    inserted = place(first, last) - start
    page_part[inserted], page_position[inserted] = owner[first:last], position[first:last]
    rest = np.ones(stop - start, np.bool_)
    rest[inserted] = False
    slots = np.flatnonzero(rest)
    # The natural rows of the page are the n-th ones over all parts, n from `low` to `high`.
    low, high = start - first, stop - last
    base = filled = 0
    for index, members in enumerate(natural):
        begin, end = max(low - base, 0), min(high - base, members.count())
        base += members.count()
        if begin < end:
            here = slots[filled : filled + end - begin]
            page_part[here], page_position[here] = index, members.members(begin, end)
            filled += end - begin
    return page_part, page_position


def _first(place: Callable[[int, int, int], Ints], target: int, low: int, high: int) -> int:
    """The first displaced row of ``range(low, high)`` that stands at ``target`` or later, else ``high``; looks at few of them."""
    while low < high:
        step = max(1, (high - low) // _SAMPLES)
        at = int(np.searchsorted(place(low, high, step), target))
        # The row is behind the last sample before the target, and not behind the sample at or after it.
        high = min(high, low + at * step)
        if at:
            low += (at - 1) * step + 1
    return low


def _displaced(orders: Sequence[BirthOrder], allowed: Sequence[Bitmap]) -> tuple[Ints, Ints, Ints]:
    """Part, position and born of the allowed displaced rows of all parts, ascending by born."""
    owners, positions, borns = [], [], []
    for index, (order, members) in enumerate(zip(orders, allowed, strict=True)):
        if len(order.displaced):
            kept = members.contains(order.displaced)
            positions.append(order.displaced[kept])
            borns.append(order.displaced_borns[kept])
            owners.append(np.full(len(positions[-1]), index, np.int64))
    if not positions:
        nothing = np.empty(0, np.int64)
        return nothing, nothing, nothing
    if len(positions) == 1:
        return owners[0], positions[0], borns[0]
    owner, position, born = np.concatenate(owners), np.concatenate(positions), np.concatenate(borns)
    order_of_birth = np.argsort(born, kind="stable")
    return owner[order_of_birth], position[order_of_birth], born[order_of_birth]
