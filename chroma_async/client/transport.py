"""Requests over one aiohttp session: timeouts, retries, and every failure in the package's own error tree.

A session belongs to one client: its pool, its headers and its token are shared with nobody.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping

import aiohttp
from yarl import URL

from chroma_async.client.address import Address
from chroma_async.client.client_span import client_span, tracing
from chroma_async.client.retry import Retries
from chroma_async.errors import ChromaError, ClosedError, ConnectError, ProtocolError, RequestTimeoutError, TLSError, TransportError
from chroma_async.release import release
from chroma_async.wire.errors import decode_error

TRACE_HEADER = "chroma-trace-id"
#: The headers of a request that is in no trace.
NO_TRACE: Mapping[str, str] = {}


class Transport:
    """Made inside a running loop. ``rng`` and ``pause`` are what retries wait by."""

    def __init__(self, address: Address, *, rng: random.Random, pause: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        settings = address.settings
        self._address = address
        self._settings = settings
        self._pause = pause
        self._retries = Retries(settings, rng)
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=settings.max_connections,
                keepalive_timeout=settings.keepalive_s,
                ttl_dns_cache=max(1, round(settings.dns_ttl_s)),
                ssl=address.verify,
            ),
            headers={"User-Agent": f"chroma-async/{release()}", "x-chroma-counts": "true", **address.headers},
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def send(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        query: Mapping[str, str] | None = None,
        writes: bool = False,
        idempotent: bool = False,
        accept: tuple[int, ...] = (),
    ) -> bytes:
        """The body of a successful answer, or of one with a status in ``accept``.

        :param path: percent-encoded, below the API's path. :param writes: which of the two timeouts applies.
        :param idempotent: doing it twice does no harm, so a broken connection may be tried again.
        :raises ChromaError: what the server answered. :raises TransportError: it did not. :raises ClosedError: the client was closed.
        """
        url = URL(str(self._address.url) + path, encoded=True)
        if query:
            url = url.with_query(query)
        self._retries.request()
        self._in_flight += 1
        self._idle.clear()
        try:
            return await self._until_answered(lambda: self._traced(method, url, body, writes, accept), idempotent)
        finally:
            self._in_flight -= 1
            if self._in_flight == 0:
                self._idle.set()

    async def _until_answered(self, attempt: Callable[[], Awaitable[bytes]], idempotent: bool) -> bytes:
        number = 0
        while True:
            try:
                return await attempt()
            except ChromaError as error:
                wait = None if self._closed else self._retries.wait(error, number, idempotent=idempotent)
                if wait is None:
                    raise
                await self._pause(wait)
            number += 1

    async def _traced(self, method: str, url: URL, body: bytes | None, writes: bool, accept: tuple[int, ...]) -> bytes:
        if not tracing():
            return await self._attempt(method, url, body, writes, accept)
        with client_span(method, url.host or "", url.port) as in_trace:
            return await self._attempt(method, url, body, writes, accept, in_trace)

    async def _attempt(
        self, method: str, url: URL, body: bytes | None, writes: bool, accept: tuple[int, ...], in_trace: Mapping[str, str] = NO_TRACE
    ) -> bytes:
        if self._closed and self._session.closed:
            raise ClosedError("the client is closed")
        settings = self._settings
        timeout = aiohttp.ClientTimeout(
            total=settings.write_timeout_s if writes else settings.read_timeout_s,
            connect=_sum(settings.pool_timeout_s, settings.connect_timeout_s),
            sock_connect=settings.connect_timeout_s,
        )
        headers = {"Content-Type": "application/json", **in_trace} if body is not None else in_trace or None
        try:
            async with self._session.request(method, url, data=body, headers=headers, timeout=timeout, allow_redirects=False) as answer:
                raw = await answer.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._named(error, url, settings.write_timeout_s if writes else settings.read_timeout_s) from error
        if 200 <= answer.status < 300 or answer.status in accept:
            return raw
        if answer.status < 200:
            raise _at(url, ProtocolError(f"{url} answered with status {answer.status}, which ends no request of Chroma's"))
        if 300 <= answer.status < 400:
            raise _at(url, ProtocolError(f"{url} redirects to {answer.headers.get('location')!r}; give that address to the client"))
        raise decode_error(
            answer.status, raw, url=str(url), trace_id=answer.headers.get(TRACE_HEADER), retry_after=answer.headers.get("retry-after")
        )

    def _named(self, error: Exception, url: URL, timeout_s: float | None) -> ChromaError:
        """The error of this package that ``error`` amounts to."""
        if self._closed:
            return _at(url, ClosedError(f"the client was closed while it waited for {url}"))
        place = f"{url.scheme}://{url.raw_authority}"  # an IPv6 address in its brackets
        if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError):
            return _at(
                url,
                TLSError(
                    f"{place}: the TLS handshake failed: {error}. Pass ssl_verify=<path of the authority's certificate> to trust another"
                ),
            )
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            return _at(url, ConnectError(f"could not connect to {place} within {self._settings.connect_timeout_s} s"))
        if isinstance(error, aiohttp.ClientConnectorError):
            return _at(
                url,
                ConnectError(f"could not connect to {place}: {error.os_error}. Is a Chroma server running there, and is the port its own?"),
            )
        if isinstance(error, TimeoutError):
            return _at(url, RequestTimeoutError(f"{url} did not answer within {timeout_s} s; the request may have been carried out"))
        if isinstance(error, aiohttp.ClientResponseError | aiohttp.InvalidURL):
            return _at(url, ProtocolError(f"{place} did not answer in HTTP: {error}. Does it expect https?"))
        return _at(url, TransportError(f"the connection to {place} broke before the answer was complete: {error!r}"))

    def not_chromas(self, path: str, error: ProtocolError) -> ChromaError:
        """The failure to read an answer, with the address that gave it: most often it is not a Chroma server's."""
        url = URL(str(self._address.url) + path, encoded=True)
        return _at(url, ProtocolError(f"{url!s:.200}: {error.message()}"))

    async def aclose(self) -> None:
        """Wait at most ``grace_s`` for requests under way, then drop the connections. Idempotent."""
        if self._closed:
            return
        self._closed = True
        try:
            async with asyncio.timeout(self._settings.grace_s):
                await self._idle.wait()
        except TimeoutError:
            pass
        finally:
            await self._session.close()


def _sum(first: float | None, second: float | None) -> float | None:
    return None if first is None or second is None else first + second


def _at(url: URL, error: ChromaError) -> ChromaError:
    error.url = str(url)
    return error
