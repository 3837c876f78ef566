"""When compaction of a collection ends, and what those are told who ask for a job from then on."""

from __future__ import annotations

import threading

from chroma_async.engine.write.live_state import LiveState
from chroma_async.errors import ChromaError, ClosedError, PoisonedError


class Ending:
    """Shared by the lanes and jobs of one collection.

    :ivar stop: set when a running job should end at its next slice; asked in worker threads.
    :ivar reason: why it ended, once it has.
    """

    def __init__(self, live: LiveState) -> None:
        self._live = live
        self.stop = threading.Event()
        self.reason: ChromaError = ClosedError("the collection is closed")

    @property
    def ended(self) -> bool:
        """Whether no job may begin any more: it closes, or memory is no longer what the log says and must not be written down."""
        return self.stop.is_set() or self._live.broken

    def error(self) -> ChromaError:
        """What a caller is told who comes too late."""
        if self._live.broken:
            return PoisonedError("a write is durable but was not applied; the collection is whole again when the store is reopened")
        return self.reason
