from __future__ import annotations

import asyncio
import os
import signal
import socket

import aiohttp
import pytest

from chroma_async.config.settings import Settings
from chroma_async.server.lifecycle import StopRequest, serve
from chroma_async.server.listening import bound
from tests.fakes.api import FakeAPI, id_of

QUERY = f"/api/v2/tenants/default_tenant/databases/default_database/collections/{id_of('docs')}/query"
BODY = {"query_embeddings": [[1.0]]}


class Running:
    """A server in a task of its own."""

    def __init__(self, api: FakeAPI, grace_s: float = 30.0, keepalive_s: float = 60.0) -> None:
        self.stop = StopRequest()
        self.address: asyncio.Future[tuple[str, int]] = asyncio.get_running_loop().create_future()
        settings = Settings(port=0, grace_s=grace_s, keepalive_s=keepalive_s)
        self.task = asyncio.create_task(self._serve(api, settings))

    async def _serve(self, api: FakeAPI, settings: Settings) -> None:
        async with bound(settings.host, settings.port) as sockets:
            await serve(api, settings, asyncio.to_thread, sockets, lambda host, port: self.address.set_result((host, port)), self.stop)

    async def url(self) -> str:
        host, port = await self.address
        return f"http://{host}:{port}"


async def test_a_server_says_where_it_listens_and_stops_when_asked() -> None:
    server = Running(FakeAPI())
    async with aiohttp.ClientSession(await server.url()) as client:
        async with client.get("/api/v2/version") as response:
            assert await response.json() == "1.0.0"
        server.stop.request()
        await server.task
        with pytest.raises(aiohttp.ClientConnectionError):
            await client.get("/api/v2/version")


async def test_a_connection_without_a_request_is_closed_after_its_time() -> None:
    server = Running(FakeAPI(), keepalive_s=0.05)
    reader, writer = await asyncio.open_connection(*await server.address)
    writer.write(b"GET /api/v2/version HTTP/1.1\r\nhost: here\r\n\r\n")
    async with asyncio.timeout(10):
        assert (await reader.read()).endswith(b'"1.0.0"')
    writer.close()
    server.stop.request()
    await server.task


async def test_a_request_in_flight_is_answered_before_the_server_ends() -> None:
    api = FakeAPI()
    api.gate = asyncio.Event()
    server = Running(api)
    async with aiohttp.ClientSession(await server.url()) as client:
        answer = asyncio.create_task(client.post(QUERY, json=BODY))
        await api.waiting.wait()
        server.stop.request()
        host, port = await server.address
        for _ in range(5):  # turns of the loop in which the server closes its door
            await asyncio.sleep(0)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(host, port)
        assert not server.task.done()
        api.gate.set()
        async with await answer as response:
            assert response.status == 200
            assert (await response.json())["ids"] == [["a", "b"]]
        await server.task


@pytest.mark.parametrize("insist", [True, False])
async def test_a_second_request_or_the_end_of_grace_cuts_off_what_is_in_flight(insist: bool) -> None:
    api = FakeAPI()
    api.gate = asyncio.Event()
    server = Running(api, grace_s=60.0 if insist else 0.05)
    async with aiohttp.ClientSession(await server.url()) as client:
        answer = asyncio.create_task(client.post(QUERY, json=BODY))
        await api.waiting.wait()
        server.stop.request()
        if insist:
            server.stop.request()
        async with asyncio.timeout(5):
            await server.task
        with pytest.raises(aiohttp.ClientConnectionError):
            await answer


async def test_sigterm_stops_the_server_and_gives_the_signal_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    server = Running(FakeAPI())
    await server.url()
    os.kill(os.getpid(), signal.SIGTERM)
    async with asyncio.timeout(5):
        await server.task
    assert signal.getsignal(signal.SIGTERM) in (before, signal.SIG_DFL)


async def test_a_port_at_which_another_begins_to_listen_in_between_is_an_os_error() -> None:
    async with bound("127.0.0.1", 0) as sockets:
        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            other.bind(sockets[0].getsockname())
            other.listen()
            with pytest.raises(OSError, match="Address already in use"):
                await serve(FakeAPI(), Settings(), asyncio.to_thread, sockets, lambda host, port: None)


async def test_a_server_whose_task_is_cancelled_closes_its_socket() -> None:
    server = Running(FakeAPI())
    host, port = await server.address
    server.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await server.task
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(host, port)
