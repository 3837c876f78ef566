"""What follows when a job of a lane fails: it is said, and tried again later and later; a failure in doubt ends all writes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from uuid import UUID

from chroma_async.engine.write.log_writer import LogWriter
from chroma_async.errors import CorruptionError, FencedError, NotFoundError, PoisonedError

logger = logging.getLogger(__name__)

#: Pause after a job that failed for a reason that may pass, doubled each time.
RETRY_S, RETRY_MOST_S = 1.0, 60.0


class Retry:
    """How often one lane has failed in a row, and when it may begin again by itself."""

    def __init__(self, lane: str, collection: UUID, log_writer: LogWriter, monotonic: Callable[[], float]) -> None:
        """
        :param lane: what the log calls it.
        :param log_writer: told when nobody knows any more what is durable.
        :param monotonic: seconds that only go forward.
        """
        self._lane = lane
        self._collection = collection
        self._log_writer = log_writer
        self._monotonic = monotonic
        self._not_before_s = 0.0
        self.failures = 0

    @property
    def due(self) -> bool:
        """Whether the lane may begin."""
        return not self.failures or self._monotonic() >= self._not_before_s

    def succeeded(self) -> None:
        """A job came to its end: the next failure is the first again."""
        self.failures = 0

    def failed(self, error: Exception) -> None:
        """Say so, and pause. A damaged file stays damaged, so that lane rests until the collection is loaded again; the other lane, which
        does not need the file, goes on."""
        if isinstance(error, (PoisonedError, FencedError)):
            self.end_writes(error)
        if isinstance(error, NotFoundError):
            logger.info("%s of collection %s ended: it was deleted", self._lane, self._collection)
        else:
            logger.error("%s of collection %s failed", self._lane, self._collection, exc_info=error)
        backoff_s = min(RETRY_MOST_S, RETRY_S * 2 ** min(self.failures, 16))
        pause_s = float("inf") if isinstance(error, CorruptionError) else backoff_s
        self.failures += 1
        self._not_before_s = self._monotonic() + pause_s

    def end_writes(self, error: PoisonedError | FencedError) -> None:
        """Nobody knows what is durable, or somebody else owns it: no write is acknowledged until the store is opened again."""
        self._log_writer.poison(PoisonedError(f"{self._lane} failed in doubt: {error}"))
