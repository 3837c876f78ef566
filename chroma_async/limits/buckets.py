"""Buckets that time refills evenly: the generic cell rate algorithm, one number for each key."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable

from chroma_async.errors import RateLimitError


class Buckets:
    """One for each key. Of those that are full nothing is remembered, and of the others the ``most`` that were taken from last."""

    def __init__(self, burst: int, refill_s: float, most: int, clock_s: Callable[[], float]) -> None:
        """:param burst: what a full one holds. :param refill_s: time for one more. :param clock_s: seconds of a steady clock."""
        self._refill_s = refill_s
        self._tolerance_s = (burst - 1) * refill_s
        self._most = most
        self._clock_s = clock_s
        #: Key -> when its bucket will be full again.
        self._full_at: OrderedDict[Hashable, float] = OrderedDict()

    def take(self, key: Hashable, refusal: str) -> None:
        """Take one out. :raises RateLimitError: it is empty; says ``refusal``, and when there will be one."""
        now_s = self._clock_s()
        full_at = max(self._full_at.get(key, now_s), now_s)
        wait_s = full_at - now_s - self._tolerance_s
        if wait_s > 0:
            error = RateLimitError(refusal)
            error.retry_after_s = wait_s
            raise error
        self._full_at[key] = full_at + self._refill_s
        self._full_at.move_to_end(key)
        if len(self._full_at) > self._most:
            self._full_at.popitem(last=False)

    def put_back(self, key: Hashable) -> None:
        """Put back what was taken."""
        if key in self._full_at:
            self._full_at[key] -= self._refill_s
