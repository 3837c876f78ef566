"""When the rows of an immutable run of columns expire."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from chroma_async.format.columns import Columns
from chroma_async.schema.record import EXPIRES_KEY
from chroma_async.types import Ints


@dataclass(frozen=True)
class ExpiryIndex:
    """Rows that expire, and when (seconds since the epoch): the earliest first."""

    times: npt.NDArray[np.float64]
    rows: Ints

    def due(self, now_s: float) -> Ints:
        """The rows that have expired at ``now_s``, alive or dead."""
        return self.rows[: int(np.searchsorted(self.times, now_s, side="right"))]


def any_expiry(columns: Columns) -> bool:
    """Whether any row expires. Cheap."""
    return bool(columns.of(EXPIRES_KEY)) or (len(columns.spilled) > 0 and columns.spilled.keys.find_sorted(EXPIRES_KEY) >= 0)


def expiry_index(columns: Columns) -> ExpiryIndex:
    """Sorts them: milliseconds for a large chunk."""
    rows: list[Ints] = [np.empty(0, dtype=np.int64)]
    times: list[npt.NDArray[np.float64]] = [np.empty(0, dtype=np.float64)]
    for column in columns.of(EXPIRES_KEY):
        at, values = column.entries()
        rows.append(at)
        times.append(values.astype(np.float64))
    for row, value in columns.spilled.of(EXPIRES_KEY):
        rows.append(np.array([row]))
        times.append(np.array([value], dtype=np.float64))
    every, ends = np.concatenate(rows), np.concatenate(times)
    order = np.argsort(ends, kind="stable")
    return ExpiryIndex(ends[order], every[order])
