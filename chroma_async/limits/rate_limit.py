"""How often, and how much at once, one caller may ask."""

from __future__ import annotations

import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable

from chroma_async.config.settings import Settings
from chroma_async.errors import RateLimitError

#: Callers that are remembered; of those that are not, none has asked for long.
_CALLERS = 16_384


class RateLimit:
    """A bucket of requests for each caller, refilled evenly (the generic cell rate algorithm), and how many are being answered."""

    def __init__(self, per_s: float, burst: int, concurrent: int, clock_s: Callable[[], float]) -> None:
        """
        :param per_s: requests a second; 0 for any number. :param burst: requests at once after a rest.
        :param concurrent: requests that are answered at once; 0 for any number. :param clock_s: seconds of a steady clock.
        """
        self._interval_s = 1 / per_s if per_s else 0.0
        self._tolerance_s = self._interval_s * (burst - 1)
        self._per_s = per_s
        self._concurrent = concurrent
        self._clock_s = clock_s
        #: Caller -> when its bucket will be full again.
        self._full_at: OrderedDict[Hashable, float] = OrderedDict()
        self._running: Counter[Hashable] = Counter()

    @property
    def limits(self) -> bool:
        """Whether there is any bound."""
        return bool(self._interval_s or self._concurrent)

    def enter(self, caller: Hashable) -> None:
        """A request begins; :meth:`leave` ends it. :raises RateLimitError: too many, or too often; it has not begun."""
        if self._concurrent and self._running[caller] >= self._concurrent:
            raise RateLimitError(f"{self._concurrent} requests of this caller are being answered, as many as may be")
        if self._interval_s:
            self._take(caller)
        self._running[caller] += 1

    def leave(self, caller: Hashable) -> None:
        """It has ended."""
        self._running[caller] -= 1
        if not self._running[caller]:
            del self._running[caller]

    def _take(self, caller: Hashable) -> None:
        now_s = self._clock_s()
        full_at = max(self._full_at.get(caller, now_s), now_s)
        wait_s = full_at - now_s - self._tolerance_s
        if wait_s > 0:
            refusal = RateLimitError(f"this caller may ask {self._per_s:g} times a second; wait before the next request")
            refusal.retry_after_s = wait_s
            raise refusal
        self._full_at[caller] = full_at + self._interval_s
        self._full_at.move_to_end(caller)
        if len(self._full_at) > _CALLERS:
            self._full_at.popitem(last=False)


def rate_limit_from(settings: Settings) -> RateLimit:
    """As the settings bound it."""
    return RateLimit(settings.rate_limit_per_s, settings.rate_limit_burst, settings.concurrent_requests, time.monotonic)
