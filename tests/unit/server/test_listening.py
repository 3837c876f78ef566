"""Sockets that are taken before anybody is let in."""

from __future__ import annotations

import asyncio
import socket

import pytest

from chroma_async.server.listening import bound


async def test_nobody_is_let_in_before_the_server_listens() -> None:
    async with bound("127.0.0.1", 0) as (taken,):
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(*taken.getsockname())


async def test_a_port_that_is_taken_is_an_os_error(deaf_port: int) -> None:
    with pytest.raises(OSError, match="Address already in use"):
        async with bound("127.0.0.1", deaf_port):
            pass


async def test_all_addresses_of_a_host_get_the_same_port(monkeypatch: pytest.MonkeyPatch) -> None:
    async def two(*_: object, **__: object) -> list[tuple[object, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in ("127.0.0.1", "127.0.0.2", "127.0.0.1")]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", two)
    async with bound("two", 0) as sockets:
        names = [each.getsockname() for each in sockets]
    assert [host for host, _ in names] == ["127.0.0.1", "127.0.0.2"]
    assert len({port for _, port in names}) == 1
    assert [each.fileno() for each in sockets] == [-1, -1]


async def test_an_unknown_host_is_an_os_error() -> None:
    with pytest.raises(OSError):
        async with bound("no such host", 0):
            pass
