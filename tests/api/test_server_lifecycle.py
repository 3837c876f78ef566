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

    def __init__(self, api: FakeAPI, grace_s: float = 30.0, keepalive_s: float = 60.0, drain_delay_s: float = 0.0) -> None:
        self.stop = StopRequest()
        self.address: asyncio.Future[tuple[str, int]] = asyncio.get_running_loop().create_future()
        #: Set when the store may be opened, and when its opening begins.
        self.may_open = asyncio.Event()
        self.may_open.set()
        self.opening: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        settings = Settings(port=0, grace_s=grace_s, keepalive_s=keepalive_s, drain_delay_s=drain_delay_s)
        self.task = asyncio.create_task(self._serve(api, settings))

    async def _serve(self, api: FakeAPI, settings: Settings) -> None:
        async with bound(settings.host, settings.port) as sockets:

            async def opening() -> FakeAPI:
                self.opening.set_result(sockets[0].getsockname()[1])
                await self.may_open.wait()
                return api

            await serve(opening, settings, asyncio.to_thread, sockets, lambda host, port: self.address.set_result((host, port)), self.stop)

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
                await serve(unopened, Settings(), asyncio.to_thread, sockets, lambda host, port: None)


async def unopened() -> FakeAPI:
    raise AssertionError("what cannot be served is not opened")


async def test_while_the_store_is_opened_the_server_lives_is_not_ready_and_says_why() -> None:
    server = Running(FakeAPI())
    server.may_open.clear()
    async with aiohttp.ClientSession(f"http://127.0.0.1:{await server.opening}") as client:
        async with client.get("/livez") as response:
            assert response.status == 200
        async with client.get("/readyz") as response:
            assert (response.status, await response.json()) == (503, "recovering: the store is being opened")
        async with client.get("/api/v2/healthcheck") as response:
            assert (response.status, await response.json()) == (503, {"is_executor_ready": False, "is_log_client_ready": False})
        async with client.post(QUERY, json=BODY) as response:
            assert (response.status, response.headers["Retry-After"]) == (503, "1")
        assert not server.address.done()
        server.may_open.set()
        await server.address
        async with client.get("/readyz") as response:
            assert (response.status, await response.json()) == (200, "ok")
        async with client.post(QUERY, json=BODY) as response:
            assert response.status == 200
    server.stop.request()
    await server.task


async def test_a_store_that_cannot_be_opened_ends_the_server_and_its_socket() -> None:
    async with bound("127.0.0.1", 0) as sockets:
        port = sockets[0].getsockname()[1]
        with pytest.raises(AssertionError, match="is not opened"):
            await serve(unopened, Settings(), asyncio.to_thread, sockets, lambda host, port: None)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_a_server_told_to_stop_says_so_for_a_while_and_serves_meanwhile() -> None:
    server = Running(FakeAPI(), drain_delay_s=60.0)
    async with aiohttp.ClientSession(await server.url()) as client:
        server.stop.request()
        while True:
            async with client.get("/readyz") as response:
                if response.status == 503:
                    assert await response.json() == "draining: the server stops"
                    break
        async with client.post(QUERY, json=BODY) as response:
            assert response.status == 200
        server.stop.request()
        async with asyncio.timeout(5):
            await server.task


async def test_a_server_whose_task_is_cancelled_closes_its_socket() -> None:
    server = Running(FakeAPI())
    host, port = await server.address
    server.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await server.task
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(host, port)
