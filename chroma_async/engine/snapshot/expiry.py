"""Records that end by themselves. When a record expires is a hidden number of its metadata, seconds since the epoch: ``chroma:expires_at``.

An expired record is invisible from that moment on, by the store's clock, though its row is still there; the next write, or the clock's
next tick, writes its deletion into the log. So nobody resolves a write against a row that no reader sees.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from chroma_async.engine.snapshot.version import Places, Version
from chroma_async.types import Ints


def may_expire(version: Version) -> bool:
    """Whether any row of the version ever expires. Cheap, so that a collection without such rows pays nothing for them."""
    return any(part.expires for part in version.parts)


def due(version: Version, now_s: float) -> Places:
    """The alive rows that have expired at ``now_s``. Blocking; what can be sorted once is."""
    numbers: list[Ints] = [np.empty(0, dtype=np.int64)]
    positions: list[Ints] = [np.empty(0, dtype=np.int64)]
    for number, part in enumerate(version.parts):
        found = [run.expiry_index.due(now_s) + base for base, run in part.runs] if part.expires else []
        rows = np.concatenate(found) if found else positions[0]
        if rows.size:
            rows = rows[part.alive.contains(rows)]
            numbers.append(np.full(rows.size, number, dtype=np.int64))
            positions.append(rows)
    return Places(np.concatenate(numbers), np.concatenate(positions))


def visible(version: Version, now_s: float) -> Version:
    """The version without the rows that have expired; the version itself while there are none. Blocking where rows ever expire."""
    if not may_expire(version):
        return version
    gone = due(version, now_s)
    if not len(gone):
        return version
    # Time only adds to what has expired, so their number says which they are.
    kept = version.by_expired
    found = kept.get(len(gone))
    if found is None:
        found = _without(version, gone)
        kept.clear()
        kept[len(gone)] = found
    return found


def _without(version: Version, gone: Places) -> Version:
    segments, memtables = list(version.segments), list(version.memtables)
    for number in np.unique(gone.part).tolist():
        rows = gone.position[gone.part == number]
        if number < len(segments):
            segments[number] = replace(segments[number], alive=segments[number].alive.without(rows))
        else:
            view = memtables[number - len(segments)]
            memtables[number - len(segments)] = replace(view, alive=view.alive.without(rows))
    return Version(version.seq, version.dimension, tuple(segments), tuple(memtables))
