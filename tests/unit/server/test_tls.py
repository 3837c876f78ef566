"""Files that are replaced while connections come: each handshake uses the newest that could be read."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from chroma_async.config.settings import Settings, SettingsError
from chroma_async.server.tls import Certificates, certificates_from
from tests.fakes.authority import Authority, Issued


@asynccontextmanager
async def listening(certificates: Certificates) -> AsyncIterator[int]:
    """A server that sends one line to whoever may connect; its port."""

    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0, ssl=certificates.context)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def shown(port: int, trusted: Authority, client: Issued | None = None) -> str:
    """Whose certificate the server shows; it lets the client in."""
    context = ssl.create_default_context(cafile=trusted.file)
    if client is not None:
        context.load_cert_chain(client.certificate, client.key)
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    try:
        if await reader.readline() != b"hello\n":
            raise ConnectionError("the server closed the connection")
        return str(writer.get_extra_info("peercert")["subject"][0][0][1])
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def test_the_next_connection_is_shown_the_file_that_was_read_last(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    used, other = authority.issue("first"), authority.issue("second")
    certificates = Certificates(used.certificate, used.key)
    async with listening(certificates) as port:
        assert await shown(port, authority) == "first"
        used.certificate.write_bytes(other.certificate.read_bytes())
        with pytest.raises(SettingsError, match="the key is not that of the certificate"):
            certificates.reload()
        assert await shown(port, authority) == "first"
        used.key.write_bytes(other.key.read_bytes())
        certificates.reload()
        assert await shown(port, authority) == "second"


async def test_clients_of_an_authority_that_was_taken_away_are_let_in_no_longer(tmp_path: Path) -> None:
    authority, before, after = Authority(tmp_path), Authority(tmp_path, "before"), Authority(tmp_path, "after")
    used, old, new = authority.issue("server"), before.issue("old"), after.issue("new")
    file = tmp_path / "clients.pem"
    file.write_bytes(before.file.read_bytes())
    certificates = Certificates(used.certificate, used.key, file)
    async with listening(certificates) as port:
        assert await shown(port, authority, old) == "server"
        file.write_bytes(after.file.read_bytes())
        certificates.reload()
        assert await shown(port, authority, new) == "server"
        for refused in (old, None):
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await shown(port, authority, refused)


def test_a_key_may_be_in_the_file_of_the_certificate(tmp_path: Path) -> None:
    issued = Authority(tmp_path).issue("server")
    issued.certificate.write_bytes(issued.certificate.read_bytes() + issued.key.read_bytes())
    assert certificates_from(Settings(tls_cert=str(issued.certificate))) is not None
    assert certificates_from(Settings()) is None
