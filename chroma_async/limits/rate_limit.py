"""How often, and how much at once, one caller may ask."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Hashable

from chroma_async.config.settings import Settings
from chroma_async.errors import RateLimitError
from chroma_async.limits.buckets import Buckets

#: Callers that are remembered; of those that are not, none has asked for long.
_CALLERS = 16_384


class RateLimit:
    """A bucket of requests for each caller, and how many of its requests are being answered."""

    def __init__(self, per_s: float, burst: int, concurrent: int, clock_s: Callable[[], float]) -> None:
        """
        :param per_s: requests a second; 0 for any number. :param burst: requests at once after a rest.
        :param concurrent: requests that are answered at once; 0 for any number. :param clock_s: seconds of a steady clock.
        """
        self._buckets = Buckets(burst, 1 / per_s, _CALLERS, clock_s) if per_s else None
        self._per_s = per_s
        self._concurrent = concurrent
        self._running: Counter[Hashable] = Counter()

    @property
    def limits(self) -> bool:
        """Whether there is any bound."""
        return bool(self._per_s or self._concurrent)

    def enter(self, caller: Hashable) -> None:
        """A request begins; :meth:`leave` ends it. :raises RateLimitError: too many, or too often; it has not begun."""
        if self._concurrent and self._running[caller] >= self._concurrent:
            raise RateLimitError(f"{self._concurrent} requests of this caller are being answered, as many as may be")
        if self._buckets is not None:
            self._buckets.take(caller, f"this caller may ask {self._per_s:g} times a second; wait before the next request")
        self._running[caller] += 1

    def leave(self, caller: Hashable) -> None:
        """It has ended."""
        self._running[caller] -= 1
        if not self._running[caller]:
            del self._running[caller]


def rate_limit_from(settings: Settings) -> RateLimit:
    """As the settings bound it."""
    return RateLimit(settings.rate_limit_per_s, settings.rate_limit_burst, settings.concurrent_requests, time.monotonic)
