"""A server with tokens lets in who has one, tells the others what it needs, and never repeats what they showed."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from chroma_async.config.settings import Settings
from chroma_async.server.app import ROUTES
from chroma_async.server.docs import document_routes
from chroma_async.server.lifecycle import StopRequest, serve
from chroma_async.server.listening import bound
from chroma_async.server.route import Route
from tests.fakes.api import FakeAPI, id_of, served

TOKEN = "the-right-token"
SETTINGS = Settings(auth_credentials=f"{TOKEN}\nanother-right-token", cors_allow_origins=("https://app.example",))
QUERY = f"/api/v2/tenants/default_tenant/databases/default_database/collections/{id_of('docs')}/query"
OPEN = {
    "heartbeat", "root", "healthcheck", "livez", "readyz", "version", "pre_flight_checks", "openapi", "docs", "docs_page",
    "v1_get", "v1_put", "v1_patch", "v1_delete", "v1_options",
}  # fmt: skip


@pytest.fixture
def api() -> FakeAPI:
    return FakeAPI()


@pytest.fixture
async def client(api: FakeAPI) -> AsyncIterator[aiohttp.ClientSession]:
    async with served(api, SETTINGS) as session:
        yield session


def test_the_routes_that_anybody_may_ask_are_these() -> None:
    assert {route.operation for route in (*ROUTES, *document_routes(ROUTES)) if route.open} == OPEN


@pytest.mark.parametrize("route", [*ROUTES, *document_routes(ROUTES)], ids=lambda route: route.operation)
async def test_without_a_credential_only_open_routes_answer(client: aiohttp.ClientSession, api: FakeAPI, route: Route) -> None:
    path = route.path.replace("{rest:.+}", "collections").replace("{collection_id}", str(id_of("docs")))
    for name in ("tenant", "database", "crn", "alias", "name", "function_name", "key_id"):
        path = path.replace(f"{{{name}}}", "some-name")
    async with client.request(route.method, path, json={}, allow_redirects=False) as response:
        assert (response.status == 401) == (not route.open)
        if not route.open:
            assert json.loads(await response.read())["error"] == "ChromaError"
            assert response.headers["WWW-Authenticate"] == "Bearer"
            assert api.asked == []


@pytest.mark.parametrize(
    "headers", [{"Authorization": f"Bearer {TOKEN}"}, {"X-Chroma-Token": TOKEN}, {"x-chroma-token": "another-right-token"}]
)
async def test_a_right_token_is_let_in(client: aiohttp.ClientSession, headers: dict[str, str]) -> None:
    async with client.post(QUERY, json={"query_embeddings": [[1.0]]}, headers=headers) as response:
        assert response.status == 200
    async with client.get("/api/v2/auth/identity", headers=headers) as response:
        assert await response.json() == {"user_id": "anonymous", "tenant": "*", "databases": ["*"]}


@pytest.mark.parametrize(
    "headers",
    [
        [("Authorization", "Bearer wrong")],
        [("X-Chroma-Token", "wrong")],
        [("X-Chroma-Token", TOKEN), ("X-Chroma-Token", TOKEN)],
        [("Authorization", f"Bearer {TOKEN}"), ("X-Chroma-Token", "another-right-token")],
        [("Authorization", f"Basic {TOKEN}")],
        [("Authorization", TOKEN)],
        [("X-Chroma-Token", TOKEN.upper())],
        [("X-Chroma-Token", TOKEN * 1000)],
        [("Cookie", f"token={TOKEN}")],
    ],
    ids=["wrong", "wrong in the other header", "doubled", "two", "basic", "no scheme", "upper case", "oversized", "elsewhere"],
)
async def test_everything_else_is_refused_before_the_body_is_read_and_repeated_nowhere(
    client: aiohttp.ClientSession, api: FakeAPI, headers: list[tuple[str, str]], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        async with client.post(QUERY, data=b"{", headers=headers) as response:
            text = await response.text()
    assert (response.status, json.loads(text)["error"]) == (401, "ChromaError")
    assert api.asked == []
    assert TOKEN not in text + caplog.text + str(response.headers)


@pytest.mark.parametrize(
    "path",
    [
        "/api/v2/nothing",
        "/api/v2/heartbeat/",
        "/API/V2/heartbeat",
        "/api/v2/heartbeat/../reset",
        "/api/v2//auth/identity",
        "/api/v2/%61uth/identity",
        "/api/v2/tenants%2Fdefault_tenant",
        "/api/v1/../v2/auth/identity",
        "/docs/..%2fapi/v2/auth/identity",
    ],
)
async def test_no_spelling_of_a_path_leads_past_the_question(client: aiohttp.ClientSession, path: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", client._base_url.port)  # type: ignore[union-attr]
    writer.write(f"GET {path} HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n".encode())
    status = int((await reader.read()).split()[1])
    writer.close()
    assert status == (410 if path.startswith("/api/v1/") else 401)


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "TRACE", "PATCH"])
async def test_no_method_leads_past_the_question(client: aiohttp.ClientSession, api: FakeAPI, method: str) -> None:
    async with client.request(method, "/api/v2/auth/identity") as response:
        assert response.status == 401
    assert api.asked == []


async def test_a_browser_may_ask_without_a_credential_what_it_may_send(client: aiohttp.ClientSession) -> None:
    asking = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
    async with client.options(QUERY, headers=asking) as response:
        assert (response.status, response.headers["Access-Control-Allow-Origin"]) == (200, "https://app.example")


async def test_nothing_of_a_header_that_cannot_be_read_is_answered_or_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    stop, address = StopRequest(), asyncio.get_running_loop().create_future()

    async def opening() -> FakeAPI:
        return FakeAPI()

    bad = [
        f"GET / HTTP/1.1\r\nhost: here\r\nAuthorization: Bearer {TOKEN}\x00\r\n\r\n",
        f"GET / HTTP/1.1\r\nhost: here\r\nAuthorization Bearer: {TOKEN}\r\n\r\n",
        f"GET / HTTP/1.1\r\nhost: here\r\nX-Chroma-Token: {TOKEN}{'x' * 70_000}\r\n\r\n",
        f"GET /{TOKEN} HTTP/9.9.9\r\n\r\n",
    ]
    with caplog.at_level(logging.DEBUG):
        async with bound("127.0.0.1", 0) as sockets:
            task = asyncio.create_task(
                serve(opening, SETTINGS, asyncio.to_thread, sockets, lambda host, port: address.set_result((host, port)), stop)
            )
            for request in bad:
                reader, writer = await asyncio.open_connection(*await address)
                writer.write(request.encode("latin-1"))
                answer = (await reader.read()).decode()
                writer.close()
                head, body = answer.split("\r\n\r\n", 1)
                assert head.split()[1] == "400"
                assert json.loads(body)["error"] == "InvalidArgumentError"
                assert TOKEN not in answer
            stop.request()
            await task
    assert caplog.text.count("a request that cannot be read was refused with 400") == len(bad)
    assert TOKEN not in caplog.text
    assert "Traceback" not in caplog.text
