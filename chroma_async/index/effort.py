"""How far a graph is searched: by how many results are wanted, and by how far the query lies from the data.

Links lead well between rows that lie as the data does. A query elsewhere (another topic, a text where images are stored, no sense at all)
has its neighbours on many sides, all about equally far, and a search that stops early misses them. So a graph's check measures the effort
for three zones, and a search finds out which zone its query is in.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from chroma_async.types import Json

#: Results that the first measurement of an effort is for, and at the most the second.
FEW = 10
MANY = 100
#: The least ef off the data in graphs whose check did not measure it.
_UNMEASURED_EF = 400


class Zone(StrEnum):
    """Where a query lies, judged by its tenth neighbour."""

    #: Nearer than that of nearly all stored rows.
    NEAR = "near"
    #: Further, by no more than the stored rows' own differ.
    OFF = "off"
    #: Further than that.
    FAR = "far"


@dataclass(frozen=True, slots=True)
class Effort:
    """The least ef at which enough is found, as measured: ``few`` for ten results, ``many`` for ``results``. 0: at no ef that was tried."""

    few: int
    many: int
    results: int = MANY

    def ef(self, k: int) -> int:
        """The least ef for ``k`` results: between the measurements along a line, beyond them in proportion. 0: do not follow the links."""
        if k <= FEW or not self.few:
            return self.few
        if not self.many:
            return 0
        if k >= self.results:
            return -(-self.many * k // self.results)
        return self.few + max(0, self.many - self.few) * (k - FEW) // (self.results - FEW)

    def to_json(self) -> list[Json]:
        return [self.few, self.many, self.results]


@dataclass(frozen=True, slots=True)
class Efforts:
    """What a graph's check found.

    :ivar reach: how remote the tenth neighbours of nearly all stored rows are at the most, and where the zone :attr:`Zone.FAR` begins;
        both in the units of :meth:`Encoding.remoteness <chroma_async.index.codes.Encoding.remoteness>`, ``inf`` when nothing is remote.
    """

    near: Effort
    off: Effort
    far: Effort
    reach: float
    far_from: float

    def zone(self, remoteness: float) -> Zone:
        """The zone of a query whose tenth neighbour is so remote."""
        if remoteness <= self.reach:
            return Zone.NEAR
        return Zone.OFF if remoteness <= self.far_from else Zone.FAR

    def efs(self, k: int) -> tuple[int, int, int]:
        """The least ef for ``k`` results near the data, off it, and far from it. 0: do not follow the links."""
        return self.near.ef(k), self.off.ef(k), self.far.ef(k)

    def to_json(self) -> dict[str, Json]:
        """As a graph's file holds it; ``null`` for what is endless."""
        bounds = {"reach": self.reach, "far_from": self.far_from}
        return {
            **{name: None if math.isinf(bound) else bound for name, bound in bounds.items()},
            Zone.NEAR.value: self.near.to_json(),
            Zone.OFF.value: self.off.to_json(),
            Zone.FAR.value: self.far.to_json(),
        }

    @classmethod
    def from_json(cls, stored: dict[str, Json]) -> Efforts:
        """What :meth:`to_json` wrote. :raises KeyError, ValueError, TypeError: it is something else."""
        near, off, far = (Effort(*map(int, stored[zone.value])) for zone in Zone)
        reach, far_from = (math.inf if stored[name] is None else float(stored[name]) for name in ("reach", "far_from"))
        return cls(near, off, far, reach, far_from)

    @classmethod
    def unmeasured(cls, ef: int, reach: float) -> Efforts:
        """Those of a graph whose check asked for ten neighbours of stored rows only; ``ef`` is what it chose, 0 for none."""
        elsewhere = Effort(_UNMEASURED_EF, _UNMEASURED_EF)
        return cls(Effort(ef, max(ef, 2 * MANY) if ef else 0), elsewhere, elsewhere, reach, reach)
