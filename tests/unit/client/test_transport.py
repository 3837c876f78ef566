"""Connections that go wrong at every point: whatever a peer sends or cuts off, an error of this package says where and what."""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from chroma_async import AsyncHttpClient
from chroma_async.config.settings import ClientSettings
from chroma_async.errors import (
    AuthorizationError,
    ChromaError,
    ConnectError,
    InternalError,
    NotFoundError,
    ProtocolError,
    RateLimitError,
    RequestTimeoutError,
    TLSError,
    TransportError,
    UnavailableError,
)

TLS = Path(__file__).parents[2] / "data" / "tls"
ONCE = ClientSettings(max_retries=0, connect_timeout_s=0.5, read_timeout_s=0.5)
BODY = b'{"nanosecond heartbeat":5}'
OK = b"HTTP/1.1 200 OK\r\n"
LENGTH = b"Content-Length: %d\r\n" % len(BODY)

#: What a peer sends before it hangs up -> what that is.
SENT: dict[str, tuple[bytes, type[ChromaError]]] = {
    "nothing": (b"", TransportError),
    "half a status line": (b"HTTP/1.1 20", TransportError),
    "half a header": (OK + b"Content-Le", TransportError),
    "half a body": (OK + LENGTH + b"\r\n{", TransportError),
    "half a chunk": (OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab", TransportError),
    "a chunk of no size": (OK + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\nabc", ProtocolError),
    "bytes": (b"\x00\xff\xfe bytes\r\n\r\n", ProtocolError),
    "the greeting of another protocol": (b"SSH-2.0-OpenSSH_9\r\n", ProtocolError),
    "an alert of TLS": (b"\x15\x03\x01\x00\x02\x02\x46", ProtocolError),
    "another version of HTTP": (b"HTTP/2 200 OK\r\n\r\n", ProtocolError),
    "what is no gzip": (OK + b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello", TransportError),
    "half of a gzip": (OK + b"Content-Encoding: gzip\r\nContent-Length: 15\r\n\r\n" + gzip.compress(BODY)[:15], ProtocolError),
    "an encoding that is not installed": (OK + b"Content-Encoding: br\r\nContent-Length: 5\r\n\r\nhello", ProtocolError),
    "a length that is none": (OK + b"Content-Length: -5\r\n\r\nhello", ProtocolError),
    "two lengths": (OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", ProtocolError),
    "a header without end": (OK + b"X: " + b"y" * 100_000 + b"\r\n\r\n", ProtocolError),
    "an upgrade": (b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", ProtocolError),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", ProtocolError),
    "a redirection": (b"HTTP/1.1 302 Found\r\nLocation: \xff\xfe\r\nContent-Length: 0\r\n\r\n", ProtocolError),
    "an odd status": (b"HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n", InternalError),
    "a refusal in other words": (b"HTTP/1.1 401 No\r\nContent-Length: 2\r\n\r\nno", AuthorizationError),
    "a wait that is no number": (b"HTTP/1.1 429 No\r\nRetry-After: \xd9\xa3\r\nContent-Length: 2\r\n\r\nno", RateLimitError),
    "a wait without end": (b"HTTP/1.1 503 No\r\nRetry-After: " + b"9" * 400 + b"\r\nContent-Length: 2\r\n\r\nno", UnavailableError),
    "an error in bytes": (b"HTTP/1.1 500 No\r\nContent-Length: 4\r\n\r\n\xff\xfe\x00\x01", InternalError),
    "an error that is a list": (b"HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\n[]", InternalError),
    "an error of null": (b'HTTP/1.1 404 No\r\nContent-Length: 28\r\n\r\n{"error":"Q","message":null}', NotFoundError),
}


@asynccontextmanager
async def peer(sends: bytes | None, *, resets: bool = False, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Sends the same to everyone who asks, then hangs up, or is silent; its port."""
    silent = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            if sends is None:
                await silent.wait()
            writer.write(sends or b"")
            await writer.drain()
            if resets:
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        silent.set()
        server.close()
        await server.wait_closed()


async def heartbeat(host: str, port: int, **arguments: Any) -> int:
    async with AsyncHttpClient(host, port, connect=False, client_settings=ONCE, **arguments) as client:
        return await client.heartbeat()


@pytest.mark.parametrize("resets", [False, True], ids=["closes", "resets"])
@pytest.mark.parametrize("sent", SENT)
async def test_what_a_peer_sends_or_cuts_off_is_an_error_of_the_package(sent: str, resets: bool) -> None:
    sends, kind = SENT[sent]
    async with peer(sends, resets=resets) as port:
        with pytest.raises(ChromaError) as refusal:
            await heartbeat("127.0.0.1", port)
    # A reset may overtake what was sent before it.
    assert type(refusal.value) in {kind, TransportError} if resets else type(refusal.value) is kind
    assert refusal.value.url is not None
    assert f":{port}" in refusal.value.url
    assert str(refusal.value) not in ("", "None")


async def test_a_peer_that_says_nothing_is_waited_for_as_long_as_the_settings_say() -> None:
    async with peer(None) as port:
        with pytest.raises(RequestTimeoutError, match=r"did not answer within 0\.5 s"):
            await heartbeat("127.0.0.1", port)


async def test_tls_to_a_plain_port_and_plain_to_a_port_of_tls_are_told() -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(TLS / "localhost.pem")
    async with peer(OK + LENGTH + b"\r\n" + BODY, tls=context) as port:
        with pytest.raises(TransportError, match=f"http://127.0.0.1:{port} (broke|did not answer in HTTP)"):
            await heartbeat("127.0.0.1", port)
        with pytest.raises(TLSError, match=r"the TLS handshake failed.*ssl_verify="):
            await heartbeat("127.0.0.1", port, ssl=True)
        assert await heartbeat("localhost", port, ssl=True, ssl_verify=TLS / "authority.pem") == 5
    # It waits for the end of a request, as we wait for its part of the handshake.
    async with peer(OK + LENGTH + b"\r\n" + BODY) as port:
        with pytest.raises((TLSError, ConnectError, RequestTimeoutError), match=f"https://127.0.0.1:{port}"):
            await heartbeat("127.0.0.1", port, ssl=True)


async def test_a_host_that_nobody_knows_is_one_that_cannot_be_connected_to() -> None:
    with pytest.raises(ConnectError, match=r"could not connect to http://no-such-host\.invalid:1"):
        await heartbeat("no-such-host.invalid", 1)
