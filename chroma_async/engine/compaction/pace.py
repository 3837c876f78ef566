"""How fast rows are written and indexed: what decides when indexing is worth its while, and how long writers are held back."""

from __future__ import annotations

from collections.abc import Callable

from chroma_async.engine.compaction.compaction_policy import Load

#: Rows a second that an index build is taken to add before one was measured.
ASSUMED_INDEX_RATE = 4000.0


class Pace:
    """Of one collection. Belongs to one event loop.

    :ivar index_rate: rows a second that the last index build added.
    :ivar last_write_s: when rows were last written, by ``monotonic``.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        """:param monotonic: seconds that only go forward."""
        self._monotonic = monotonic
        self.index_rate = ASSUMED_INDEX_RATE
        self.last_write_s = monotonic()
        self._rows_written = 0
        self._since_s = self.last_write_s

    def written(self, rows: int) -> None:
        """A group of so many rows was published."""
        self.last_write_s = self._monotonic()
        self._rows_written += rows

    def indexed(self, rate: float) -> None:
        """A build has ended; ``rate`` is the rows a second that it added."""
        self.index_rate = max(1.0, rate)
        self._rows_written, self._since_s = 0, self._monotonic()

    def load(self) -> Load:
        """The load as policies see it: since the last build, or the last second at least."""
        now_s = self._monotonic()
        elapsed_s = max(now_s - self._since_s, 1.0)
        return Load(idle_s=now_s - self.last_write_s, write_share=self._rows_written / elapsed_s / self.index_rate)
