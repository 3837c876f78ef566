"""The keys that an identity provider signs with: a JWKS from a file, or from an address and then again and again."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Sequence
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from ipaddress import ip_address
from typing import Any, Protocol
from urllib.parse import urlsplit

from chroma_async.errors import UnavailableError
from chroma_async.threads import Run

logger = logging.getLogger(__name__)

#: Largest JWKS that is read, and the time in which each step of fetching it must be done.
JWKS_BYTES, FETCH_S = 1 << 20, 10.0
#: Time after a fetch before a key that is not known leads to the next one.
RETRY_S = 10.0

#: An algorithm, and the key for it; of which key of a set it is, if it says so.
SigningKey = tuple[str, Any, str | None]


class SigningKeys(Protocol):
    """Where keys come from."""

    async def candidates(self, kid: str | None) -> Sequence[SigningKey]:
        """The keys that may have signed a token which names this one, or none. :raises UnavailableError: they cannot be had."""


def read_jwks(text: str) -> tuple[SigningKey, ...]:
    """The keys of a JWKS that sign by RS256 or ES256. Others are left out, so are secrets: whoever may read the set could sign.

    :raises ValueError: it is none, or has no such key.
    """
    import jwt

    try:
        entries = json.loads(text)["keys"]
        known = [entry for entry in entries if entry.get("use", "sig") == "sig" and _algorithm(entry) is not None]
        found = tuple((str(_algorithm(entry)), jwt.PyJWK(entry, _algorithm(entry)).key, entry.get("kid")) for entry in known)
    except (ValueError, TypeError, LookupError, AttributeError, jwt.PyJWTError):
        raise ValueError("it is no JWKS") from None
    if not found:
        raise ValueError("there is no key for RS256 or ES256 in it")
    return found


def _algorithm(entry: dict[str, Any]) -> str | None:
    """The algorithm of a key: its type decides, and what the set says must not be another."""
    algorithms: dict[tuple[object, object], str] = {("RSA", None): "RS256", ("EC", "P-256"): "ES256"}
    kind = algorithms.get((entry.get("kty"), entry.get("crv")))
    return kind if entry.get("alg", kind) == kind else None


class FixedKeys:
    """Keys that stay as they are."""

    def __init__(self, keys: Sequence[SigningKey]) -> None:
        self._keys = keys

    async def candidates(self, kid: str | None) -> Sequence[SigningKey]:
        return _of(self._keys, kid)


class FetchedKeys:
    """Keys at an address. They are fetched when they are first needed, when they have become old, and when one is not among them.

    Those that are there go on to count when they cannot be fetched again.
    """

    def __init__(self, fetch: Callable[[], str], run: Run, refresh_s: float, clock_s: Callable[[], float]) -> None:
        """:param fetch: blocks; raises OSError or ValueError. :param run: a way to a thread. :param clock_s: seconds of a steady clock."""
        self._fetch = fetch
        self._run = run
        self._refresh_s = refresh_s
        self._clock_s = clock_s
        self._keys: tuple[SigningKey, ...] = ()
        self._asked_s = float("-inf")
        self._fetching: asyncio.Task[None] | None = None

    async def candidates(self, kid: str | None) -> Sequence[SigningKey]:
        found, age_s = _of(self._keys, kid), self._clock_s() - self._asked_s
        if found and age_s > self._refresh_s:
            self._begin()
        elif not found and (age_s > RETRY_S or self._fetching is not None):
            await asyncio.shield(self._begin())
            found = _of(self._keys, kid)
        if not self._keys:
            raise UnavailableError("the keys of the identity provider cannot be had at present")
        return found

    def _begin(self) -> asyncio.Task[None]:
        if self._fetching is None:
            self._asked_s = self._clock_s()
            self._fetching = asyncio.ensure_future(self._refresh())
        return self._fetching

    async def _refresh(self) -> None:
        try:
            self._keys = read_jwks(await self._run(self._fetch))
        except (OSError, ValueError, HTTPException) as error:
            logger.warning("the keys of the identity provider could not be fetched: %s", error or type(error).__name__)
        finally:
            self._fetching = None


def fetching(url: str) -> Callable[[], str]:
    """What fetches the text at an address, in this thread. Redirects are not followed.

    :raises ValueError: it is none of https, nor of http on this machine: whoever is in between could give keys of its own.
    """
    parts = urlsplit(url)
    host, is_secure = parts.hostname, parts.scheme == "https"
    if host is None or not (is_secure or (parts.scheme == "http" and _is_here(host))):
        raise ValueError("an address that begins with https:// is expected")
    path = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"

    def fetch() -> str:
        connection = (HTTPSConnection if is_secure else HTTPConnection)(host, parts.port, timeout=FETCH_S)
        try:
            connection.request("GET", path, headers={"Accept": "application/json"})
            answer = connection.getresponse()
            content = answer.read(JWKS_BYTES + 1)
        finally:
            connection.close()
        if answer.status != 200 or len(content) > JWKS_BYTES:
            raise ValueError(f"the answer has status {answer.status} and {len(content)} bytes")
        return content.decode("utf-8")

    return fetch


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _of(keys: Sequence[SigningKey], kid: str | None) -> Sequence[SigningKey]:
    return [key for key in keys if kid is None or key[2] is None or key[2] == kid]
