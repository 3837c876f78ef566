"""Plain counters: what parts of the engine and of the server count as they work, for whoever asks how they are.

They know nothing of metrics systems. Each is changed by one thread, or under a lock of its owner; readers take copies, which may be a
moment apart from each other.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

#: Upper bounds in seconds of what a caller waits for.
LATENCY_BOUNDS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
#: Upper bounds in seconds of what happens in the background.
JOB_BOUNDS_S = (0.01, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 1800.0)


class Histogram:
    """How often a value fell between which bounds.

    :ivar counts: one for each bound, for values up to it and above the one before; and a last one for values above all.
    :ivar sum: of all values.
    """

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float] = LATENCY_BOUNDS_S) -> None:
        """:param bounds: ascending."""
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.sum = 0.0

    @property
    def count(self) -> int:
        """How many values there were."""
        return sum(self.counts)

    def observe(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def copy(self) -> Histogram:
        """As it is now."""
        copied = Histogram(self.bounds)
        copied.counts, copied.sum = list(self.counts), self.sum
        return copied


class Work:
    """What became of one kind of background work.

    :ivar seconds: how long those took that came to their end.
    :ivar rows: how many rows they went through.
    :ivar failures: how many failed.
    """

    __slots__ = ("failures", "rows", "seconds")

    def __init__(self) -> None:
        self.seconds = Histogram(JOB_BOUNDS_S)
        self.rows = 0
        self.failures = 0

    def done(self, seconds: float, rows: int) -> None:
        """One has come to its end."""
        self.seconds.observe(seconds)
        self.rows += rows

    def copy(self) -> Work:
        """As it is now."""
        copied = Work()
        copied.seconds, copied.rows, copied.failures = self.seconds.copy(), self.rows, self.failures
        return copied
