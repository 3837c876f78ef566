"""When a failed request is sent again, and after which wait."""

from __future__ import annotations

import random
from dataclasses import dataclass

from chroma_async.config.settings import ClientSettings
from chroma_async.errors import ChromaError, ConnectError, ProtocolError, RequestTimeoutError, TLSError, TransportError


@dataclass
class Retries:
    """One client's policy and budget.

    A request is sent again when it cannot have had an effect (no connection was made; the server said 429 or 503 with Retry-After), or when
    it may have twice (``idempotent``) and the connection broke. Waits follow "full jitter": uniform between zero and a bound that doubles.
    Retries are paid from a budget that every request fills by ``retry_budget_share``, so a failing server sees little more than the
    normal load; it starts, and is capped, at ``max_retries`` retries.
    """

    settings: ClientSettings
    rng: random.Random

    def __post_init__(self) -> None:
        self._budget = float(self.settings.max_retries)

    def request(self) -> None:
        """A request begins."""
        self._budget = min(self._budget + self.settings.retry_budget_share, float(self.settings.max_retries))

    def wait(self, error: ChromaError, attempt: int, *, idempotent: bool) -> float | None:
        """Seconds to wait before sending again after failed ``attempt`` (from 0), or ``None`` to give up."""
        if attempt >= self.settings.max_retries or self._budget < 1.0 or not _may_retry(error, idempotent):
            return None
        told = error.retry_after_s or 0.0
        if told > self.settings.retry_backoff_max_s:
            return None
        self._budget -= 1.0
        # The mean of a uniform wait is half its bound.
        bound = min(2 * self.settings.retry_backoff_s * 2**attempt, self.settings.retry_backoff_max_s)
        return told + self.rng.uniform(0.0, bound)


def _may_retry(error: ChromaError, idempotent: bool) -> bool:
    if isinstance(error, ConnectError):
        return True
    if isinstance(error, TransportError):
        return idempotent and not isinstance(error, RequestTimeoutError | TLSError | ProtocolError)
    return error.retryable and error.retry_after_s is not None
