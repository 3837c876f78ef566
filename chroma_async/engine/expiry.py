"""Records that end by themselves. When a record expires is a hidden number of its metadata, seconds since the epoch: ``chroma:expires_at``.

An expired record is invisible from that moment on, by the store's clock, though its row is still there; the next write, or the clock's
next tick, writes its deletion into the log. So nobody resolves a write against a row that no reader sees.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from chroma_async.engine.version import Part, Places, SegmentView, Version
from chroma_async.format.columns import Columns
from chroma_async.schema.record import EXPIRES_KEY
from chroma_async.types import Ints


@dataclass(frozen=True)
class Schedule:
    """When the alive rows of a Version expire: ``times`` ascending, and where each row is."""

    times: npt.NDArray[np.float64]
    places: Places

    def due(self, now_s: float) -> Places:
        """The rows that have expired at ``now_s``."""
        return self.places.at(np.arange(int(np.searchsorted(self.times, now_s, side="right"))))


def schedule(version: Version) -> Schedule | None:
    """``None`` when no row of the version ever expires. Computed once for a version."""
    cached = version.__dict__.get("_schedule", False)
    if cached is False:
        cached = version.__dict__["_schedule"] = _schedule(version)
    found: Schedule | None = cached
    return found


def visible(version: Version, now_s: float) -> Version:
    """The version without the rows that have expired; the version itself while there are none."""
    planned = schedule(version)
    if planned is None:
        return version
    due = planned.due(now_s)
    if not len(due):
        return version
    cached: tuple[int, Version] | None = version.__dict__.get("_visible")
    if cached is None or cached[0] != len(due):
        cached = version.__dict__["_visible"] = (len(due), _without(version, due))
    return cached[1]


def _schedule(version: Version) -> Schedule | None:
    numbers: list[Ints] = []
    positions: list[Ints] = []
    times: list[npt.NDArray[np.float64]] = []
    for number, part in enumerate(version.parts):
        rows, ends = _expiries(part)
        if rows.size:
            numbers.append(np.full(rows.size, number, dtype=np.int64))
            positions.append(rows)
            times.append(ends)
    if not numbers:
        return None
    ends = np.concatenate(times)
    order = np.argsort(ends, kind="stable")
    return Schedule(ends[order], Places(np.concatenate(numbers), np.concatenate(positions)).at(order))


def _expiries(part: Part) -> tuple[Ints, npt.NDArray[np.float64]]:
    """Alive rows of a part that expire, and when."""
    rows: list[Ints] = [np.empty(0, dtype=np.int64)]
    times: list[npt.NDArray[np.float64]] = [np.empty(0, dtype=np.float64)]

    def collect(columns: Columns, base: int) -> None:
        for column in columns.of(EXPIRES_KEY):
            at, values = column.entries()
            rows.append(at + base)
            times.append(values.astype(np.float64))
        for row, value in columns.overflow.of(EXPIRES_KEY):
            rows.append(np.array([row + base]))
            times.append(np.array([value], dtype=np.float64))

    if isinstance(part, SegmentView):
        for base, chunk in zip(part.segment.bases.tolist(), part.segment.chunks, strict=True):
            collect(chunk.table.columns, base)
    elif part.memtable.expires:
        for block in part.blocks:
            collect(block.columns, block.start)
        sealed = part.blocks[-1].stop if part.blocks else 0
        collect(Columns.build(part.memtable.metadatas[sealed : part.rows]), sealed)
    found, ends = np.concatenate(rows), np.concatenate(times)
    alive = part.alive.contains(found)
    return found[alive], ends[alive]


def _without(version: Version, due: Places) -> Version:
    segments, memtables = list(version.segments), list(version.memtables)
    for number in np.unique(due.part).tolist():
        rows = due.position[due.part == number]
        if number < len(segments):
            segments[number] = replace(segments[number], alive=segments[number].alive.without(rows))
        else:
            view = memtables[number - len(segments)]
            memtables[number - len(segments)] = replace(view, alive=view.alive.without(rows))
    return Version(version.seq, version.dimension, tuple(segments), tuple(memtables))
