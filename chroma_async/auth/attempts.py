"""Failed attempts, by address: who guesses has to wait, and others who come from the same address with what was good before do not."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from ipaddress import IPv6Address, ip_address
from secrets import token_bytes

from chroma_async.config.settings import Settings
from chroma_async.limits.buckets import Buckets

#: Addresses whose failures are remembered, and pairs of an address and a credential that was good there.
_ADDRESSES, _KNOWN = 4096, 16384


class Attempts:
    """A bucket of attempts for each address: one is taken out before a credential is judged, and put back if it is good; time fills it."""

    def __init__(self, burst: int, refill_s: float, clock_s: Callable[[], float]) -> None:
        """:param burst: attempts that may fail at once. :param refill_s: time for one more. :param clock_s: seconds of a steady clock."""
        self._buckets = Buckets(burst, refill_s, _ADDRESSES, clock_s)
        #: Pairs of address and credential: those that were good, and those that are being judged, with how many requests wait for that.
        self._known: OrderedDict[bytes, None] = OrderedDict()
        self._pending: dict[bytes, _Pending] = {}
        self._key = token_bytes(32)

    @contextmanager
    def attempt(self, address: str, shown: str) -> Iterator[Callable[[bool], None]]:
        """Around the judging of a credential, which tells what it gives whether that is good. Left without a word, nothing was judged.

        :raises RateLimitError: too many failed from there, and this one was not good there before.
        """
        place = _place(address)
        digest = self._digest(place, shown)
        if digest in self._known:
            self._known.move_to_end(digest)
            yield _ignore
            return
        self._begin(place, digest)
        verdict: list[bool] = []
        try:
            yield verdict.append
        finally:
            self._end(place, digest, verdict)

    def _begin(self, place: str, digest: bytes) -> None:
        pending = self._pending.get(digest)
        if pending is None:
            self._buckets.take(place, "too many credentials from this address were wrong; wait before the next")
            pending = self._pending[digest] = _Pending()
        pending.requests += 1

    def _end(self, place: str, digest: bytes, verdict: list[bool]) -> None:
        pending = self._pending[digest]
        pending.requests -= 1
        pending.is_bad |= verdict == [False]
        if not pending.requests:
            del self._pending[digest]
        if digest in self._known:
            return
        if verdict == [True]:
            self._known[digest] = None
            if len(self._known) > _KNOWN:
                self._known.popitem(last=False)
        if verdict == [True] or not (pending.requests or pending.is_bad):
            self._buckets.put_back(place)

    def _digest(self, place: str, shown: str) -> bytes:
        return blake2b(f"{place} {shown}".encode(), key=self._key, digest_size=16).digest()


@dataclass(slots=True)
class _Pending:
    """A credential that is being judged: for how many requests, and whether it was found bad for one of them."""

    requests: int = 0
    is_bad: bool = False


def _ignore(_is_good: bool) -> None:
    """What becomes of a credential that was good before is of no interest here."""


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
