"""Failed attempts, by address: who guesses has to wait, and others who come from the same address with what was good before do not."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from hashlib import blake2b
from ipaddress import IPv6Address, ip_address
from secrets import token_bytes

from chroma_async.config.settings import Settings
from chroma_async.errors import RateLimitError

#: Addresses whose failures are remembered, and pairs of an address and a credential that was good there.
_ADDRESSES, _KNOWN = 4096, 16384


class Attempts:
    """A bucket of attempts for each address: a failure takes one out, and time puts it back."""

    def __init__(self, burst: int, refill_s: float, clock_s: Callable[[], float]) -> None:
        """:param burst: attempts that may fail at once. :param refill_s: time for one more. :param clock_s: seconds of a steady clock."""
        self._burst = burst
        self._refill_s = refill_s
        self._clock_s = clock_s
        #: Address -> when its bucket will be full again.
        self._full_at: OrderedDict[str, float] = OrderedDict()
        self._known: OrderedDict[bytes, None] = OrderedDict()
        self._key = token_bytes(32)

    def check(self, address: str, shown: str) -> None:
        """Before a credential is judged. :raises RateLimitError: too many failed from there, and this one was not good there before."""
        place = _place(address)
        full_at = self._full_at.get(place)
        if full_at is None or self._digest(place, shown) in self._known:
            return
        wait_s = full_at - self._clock_s() - (self._burst - 1) * self._refill_s
        if wait_s > 0:
            refusal = RateLimitError("too many credentials from this address were wrong; wait before the next")
            refusal.retry_after_s = wait_s
            raise refusal

    def failed(self, address: str) -> None:
        """The credential was wrong."""
        place, now_s = _place(address), self._clock_s()
        self._full_at[place] = max(self._full_at.get(place, now_s), now_s) + self._refill_s
        self._full_at.move_to_end(place)
        if len(self._full_at) > _ADDRESSES:
            self._full_at.popitem(last=False)

    def succeeded(self, address: str, shown: str) -> None:
        """The credential was good; from there it is let through from now on, whatever else fails."""
        digest = self._digest(_place(address), shown)
        self._known[digest] = None
        self._known.move_to_end(digest)
        if len(self._known) > _KNOWN:
            self._known.popitem(last=False)

    def _digest(self, place: str, shown: str) -> bytes:
        return blake2b(f"{place} {shown}".encode(), key=self._key, digest_size=16).digest()


def attempts_from(settings: Settings) -> Attempts:
    """As the settings bound them."""
    return Attempts(settings.failed_attempts, settings.failed_attempt_s, time.monotonic)


def _place(address: str) -> str:
    """An IPv4 address, or the network of an IPv6 address, of which one host has as many as it likes."""
    if ":" not in address:
        return address
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, IPv6Address):
        return str(found.ipv4_mapped) if found.ipv4_mapped else found.packed[:8].hex()
    return address
