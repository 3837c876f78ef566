"""nginx and Caddy in front of a server: TLS, who is asking, and nothing kept on the way."""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.deploy.programs import DEPLOY, ROOT, output_of, program
from tests.deploy.proxies import KINDS, Proxy, running

pytestmark = pytest.mark.deployment
TOKEN = "a-token-for-the-tests"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
JSON = {**BEARER, "Content-Type": "application/json"}
SCOPE = "/api/v2/tenants/default_tenant/databases/default_database"
MIB = 1 << 20


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a real server that asks for a token."""
    path = tmp_path_factory.mktemp("data")
    command = [str(Path(sys.executable).parent / "chroma-async"), "run", "--port", "0", "--path", str(path)]
    environment = {**os.environ, "CHROMA_SERVER_AUTHN_CREDENTIALS": TOKEN}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        match = re.search(r"ready at http://127\.0\.0\.1:(\d+)", process.stdout.readline())
        assert match
        yield int(match[1])
        process.terminate()


def trust() -> ssl.SSLContext:
    """The authority of the tests and no other."""
    return ssl.create_default_context(cafile=str(ROOT / "tests" / "data" / "tls" / "authority.pem"))


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust())) as session:
        yield session
    # A connection over TLS takes some turns of the loop to let go of its socket, and the loop of a test ends at once.
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.mark.parametrize("kind", KINDS)
async def test_clients_of_the_plain_port_are_sent_to_tls_and_served_there(
    kind: str, server: int, client: aiohttp.ClientSession, tmp_path: Path
) -> None:
    with running(kind, server, tmp_path) as proxy:
        async with client.get(f"http://localhost:{proxy.plain}/api/v2/heartbeat", allow_redirects=False) as answer:
            assert answer.status == 308
            assert answer.headers["Location"].startswith("https://localhost")
        async with client.get(f"{proxy.url}/api/v2/heartbeat") as answer:
            assert list(await answer.json()) == ["nanosecond heartbeat"]
            assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert not re.search(r"\d", answer.headers.get("Server", ""))


@pytest.mark.parametrize("kind", KINDS)
async def test_the_token_reaches_the_server_and_its_refusals_the_client(
    kind: str, server: int, client: aiohttp.ClientSession, tmp_path: Path
) -> None:
    with running(kind, server, tmp_path) as proxy:
        async with client.get(f"{proxy.url}{SCOPE}/collections") as answer:
            assert answer.status in (401, 403)
            assert "error" in await answer.json()
        for headers in (BEARER, {"X-Chroma-Token": TOKEN}):
            async with client.get(f"{proxy.url}{SCOPE}/collections", headers=headers) as answer:
                assert answer.status == 200


@pytest.mark.parametrize("kind", KINDS)
async def test_a_large_write_goes_through_and_one_that_is_too_large_is_refused_by_the_server(
    kind: str, server: int, client: aiohttp.ClientSession, tmp_path: Path
) -> None:
    with running(kind, server, tmp_path) as proxy:
        made = {"name": f"behind-{kind}", "get_or_create": True}
        async with client.post(f"{proxy.url}{SCOPE}/collections", json=made, headers=BEARER) as answer:
            records = f"{proxy.url}{SCOPE}/collections/{(await answer.json())['id']}/upsert"
        async with client.post(records, data=write_of(30 * MIB), headers=JSON) as answer:
            assert (answer.status, await answer.json()) == (200, {})
        said = await asyncio.wait_for(answer_to_a_head(proxy, records.removeprefix(proxy.url), 41 * MIB), 30)
        assert said.startswith("HTTP/1.1 413 ")
        assert "larger than" in said


def write_of(size: int) -> io.BytesIO:
    """One record whose document has this many bytes."""
    return io.BytesIO(json.dumps({"ids": ["a"], "embeddings": [[1.0, 2.0]], "documents": ["x" * size]}).encode())


async def answer_to_a_head(proxy: Proxy, path: str, size: int) -> str:
    """What is answered to a request that announces a body of this size, before any of it was sent."""
    reader, writer = await asyncio.open_connection("localhost", proxy.tls, ssl=trust())
    head = {"Host": f"localhost:{proxy.tls}", **JSON, "Content-Length": str(size), "Connection": "close"}
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in head.items()), "", ""]
    writer.write("\r\n".join(lines).encode())
    said = await reader.readuntil(b"}")
    writer.close()
    await writer.wait_closed()
    return said.decode()


async def piecewise(may_end: asyncio.Event) -> TestServer:
    """A server that sends the rest of its answer when it is told to."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"begin,")
        await may_end.wait()
        await response.write(b"end")
        return response

    app = web.Application()
    app.router.add_get("/", answer)
    started = TestServer(app)
    await started.start_server()
    return started


@pytest.mark.parametrize("kind", KINDS)
async def test_what_the_server_sends_arrives_before_its_answer_is_complete(
    kind: str, client: aiohttp.ClientSession, tmp_path: Path
) -> None:
    may_end = asyncio.Event()
    async with await piecewise(may_end) as upstream:
        assert upstream.port
        with running(kind, upstream.port, tmp_path) as proxy:
            async with asyncio.timeout(30), client.get(proxy.url) as answer:
                assert await answer.content.read(6) == b"begin,"
                may_end.set()
                assert await answer.content.read() == b"end"


@pytest.mark.parametrize("kind", KINDS)
async def test_what_a_client_sends_arrives_before_its_request_is_complete(kind: str, client: aiohttp.ClientSession, tmp_path: Path) -> None:
    has_begun = asyncio.Event()

    async def taking(request: web.Request) -> web.StreamResponse:
        first = await request.content.readany()
        has_begun.set()
        return web.Response(body=first + await request.content.read())

    async def pieces() -> AsyncIterator[bytes]:
        yield b"begin,"
        await has_begun.wait()
        yield b"end"

    app = web.Application()
    app.router.add_post("/", taking)
    async with TestServer(app) as upstream:
        assert upstream.port
        with running(kind, upstream.port, tmp_path) as proxy:
            async with asyncio.timeout(30), client.post(proxy.url, data=pieces()) as answer:
                assert await answer.read() == b"begin,end"


@pytest.mark.parametrize("kind", KINDS)
async def test_the_server_is_told_who_asks_by_the_proxy_and_not_by_the_client(
    kind: str, client: aiohttp.ClientSession, tmp_path: Path
) -> None:
    async def heard(request: web.Request) -> web.StreamResponse:
        return web.json_response({name.lower(): request.headers.getall(name) for name in request.headers})

    app = web.Application()
    app.router.add_get("/", heard)
    async with TestServer(app) as upstream:
        assert upstream.port
        with running(kind, upstream.port, tmp_path) as proxy:
            forged = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "http", "X-Request-Id": "mine-1"}
            async with client.get(proxy.url, headers=forged) as answer:
                told = await answer.json()
    assert told["x-forwarded-for"] == ["127.0.0.1"]
    assert told["x-forwarded-proto"] == ["https"]
    assert told["x-request-id"] == ["mine-1"]
    assert told["host"] == [f"localhost:{proxy.tls}"]


@pytest.mark.parametrize(
    ("kind", "change"),
    [("nginx", ("allow 127.0.0.1;", "allow 192.0.2.1;")), ("caddy", ("not remote_ip 127.0.0.1", "not remote_ip 192.0.2.1"))],
)
async def test_figures_are_for_this_machine_only(
    kind: str, change: tuple[str, str], server: int, client: aiohttp.ClientSession, tmp_path: Path
) -> None:
    for name, more, refused in (("here", (), False), ("elsewhere", (change,), True)):
        (tmp_path / name).mkdir()
        with running(kind, server, tmp_path / name, *more) as proxy:
            async with client.get(f"{proxy.url}/metrics", headers=BEARER) as answer:
                assert (answer.status == 403) is refused
            async with client.get(f"{proxy.url}/api/v2/heartbeat") as answer:
                assert answer.status == 200


def test_caddys_own_check_has_no_warning_and_its_formatter_nothing_to_change() -> None:
    file = DEPLOY / "caddy" / "Caddyfile"
    code, said = output_of(program("caddyserver"), "validate", "--adapter", "caddyfile", "--config", file)
    assert code == 0, said
    assert '"level":"warn"' not in said
    assert output_of(program("caddyserver"), "fmt", file) == (0, file.read_text("utf-8"))
