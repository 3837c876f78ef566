"""The watermark of a collection: the last operation that counts as indexed, which its ``version`` shows and ``index_only`` reads up to.

What is flushed counts. A memtable that is too small to be worth files counts too, once nobody has written to it for a second: it is scanned
exactly, and nothing better would become of it. No file is made and nothing is stored for that, since an opening finds the same rows in the
log. So a watermark never falls, whatever is unloaded, killed and opened again.
"""

from __future__ import annotations

from chroma_async.config.settings import Settings
from chroma_async.engine.compaction.compaction_policy import counts_unflushed
from chroma_async.engine.compaction.pace import Pace
from chroma_async.engine.write.live_state import LiveState
from chroma_async.types import Seq


class Watermark:
    """Belongs to one event loop. Asked, it looks at the clock; told of ticks, it misses no pause between writes that nobody asked in."""

    def __init__(self, live: LiveState, pace: Pace, settings: Settings) -> None:
        self._live = live
        self._pace = pace
        self._settings = settings
        #: All that the log held was acknowledged, and may have been shown as indexed.
        self._opened_at = live.version.seq
        self._counted = live.manifest.flushed_seq
        self._count(idle_s=float("inf"))

    @property
    def seq(self) -> Seq:
        """The last operation that counts as indexed, and that a read of the index alone sees."""
        return max(self.indexed, self._opened_at)

    @property
    def indexed(self) -> Seq:
        """As :attr:`seq`, without the rows that an opening has found in the log and that are yet to be flushed."""
        self.advance()
        return max(self._counted, self._live.manifest.flushed_seq)

    def advance(self) -> None:
        """Count what has come to rest. Called with each tick."""
        self._count(self._pace.load().idle_s)

    def _count(self, idle_s: float) -> None:
        live = self._live
        if not live.frozen and counts_unflushed(live.active.rows, idle_s, self._settings):
            self._counted = live.version.seq
