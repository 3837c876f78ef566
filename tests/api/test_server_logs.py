"""What the server's log says of requests, and what it never says."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from chroma_async.server.connection_log import ConnectionLog
from tests.fakes.api import FakeAPI, id_of, served

COLLECTION = f"/api/v2/tenants/default_tenant/databases/default_database/collections/{id_of('docs')}"
ROUTE = "/api/v2/tenants/{tenant}/databases/{database}/collections/{collection_id}"
RECORD = {"ids": ["a"], "embeddings": [[0.123456]], "documents": ["a secret document"]}
HEAD = f"POST {COLLECTION}/add HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nauthorization: Bearer SECRET\r\n"


@pytest.fixture
def api() -> FakeAPI:
    return FakeAPI()


@pytest.fixture
async def client(api: FakeAPI, caplog: pytest.LogCaptureFixture) -> AsyncIterator[aiohttp.ClientSession]:
    caplog.set_level(logging.DEBUG)
    async with served(api) as session:
        yield session


def ours(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """What this package's own loggers wrote."""
    return [record for record in caplog.records if record.name.startswith("chroma_async.")]


def fields(record: logging.LogRecord) -> dict[str, Any]:
    found: dict[str, Any] = getattr(record, "fields", {})
    return found


def text_of(caplog: pytest.LogCaptureFixture) -> str:
    """All that could be read in the log: messages, fields and tracebacks."""
    return caplog.text + "".join(repr(fields(record)) for record in caplog.records)


async def test_each_request_leaves_one_line_that_says_what_it_was_and_came_to(
    client: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    headers = {"traceparent": f"00-{trace}-00f067aa0ba902b7-01", "X-Request-Id": "mine-1", "Authorization": "Bearer SECRET"}
    async with client.post(f"{COLLECTION}/add?token=SECRET", json=RECORD, headers=headers) as response:
        assert response.headers["X-Request-Id"] == "mine-1"
    [line] = [record for record in ours(caplog) if record.name == "chroma_async.server.access"]
    assert line.getMessage() == f"POST {ROUTE}/add 201"
    found = fields(line)
    assert found.pop("duration_ms") > 0
    assert found.pop("request_bytes") > 0
    assert found == {
        "client": "127.0.0.1",
        "method": "POST",
        "route": f"{ROUTE}/add",
        "path": f"{COLLECTION}/add",
        "status": 201,
        "bytes": 2,
        "request_id": "mine-1",
        "trace_id": trace,
    }
    assert not any(word in text_of(caplog) for word in ("SECRET", "secret", "0.123456"))


async def test_a_path_without_a_route_is_not_in_the_log_as_it_may_be_anything(
    client: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    async with client.get("/SECRET%0Ano-such") as response:
        assert response.status == 404
    [line] = ours(caplog)
    assert (fields(line)["route"], fields(line)["path"], fields(line)["status"]) == ("unmatched", None, 404)
    assert "SECRET" not in text_of(caplog)


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, 'a"b', "é"])
async def test_a_request_id_that_would_spoil_a_line_is_replaced(client: aiohttp.ClientSession, given: str) -> None:
    async with client.get("/livez", headers={"X-Request-Id": given}) as first, client.get("/livez") as second:
        names = [first.headers["X-Request-Id"], second.headers["X-Request-Id"]]
    assert given not in names
    assert len(set(names)) == 2


async def test_a_failure_of_the_server_is_told_with_the_requests_name_and_without_its_query(
    client: aiohttp.ClientSession, api: FakeAPI, caplog: pytest.LogCaptureFixture
) -> None:
    api.failure = ZeroDivisionError("what failed")
    async with client.post(f"{COLLECTION}/add?token=SECRET", json=RECORD) as response:
        assert response.status == 500
        name = response.headers["X-Request-Id"]
    [line] = [record for record in ours(caplog) if record.levelno >= logging.WARNING]
    assert fields(line)["request_id"] == name
    assert line.exc_info is not None
    assert "what failed" in caplog.text
    assert not any(word in text_of(caplog) for word in ("SECRET", "secret"))


async def sent(client: aiohttp.ClientSession, data: bytes) -> bytes:
    """What the server answers to raw bytes, after which the client leaves."""
    base = client._base_url
    assert base is not None
    reader, writer = await asyncio.open_connection(base.host, base.port)
    writer.write(data)
    writer.write_eof()
    async with asyncio.timeout(10):
        answer = await reader.read()
    writer.close()
    return answer


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nhost: x\r\nAuthorization Bearer SECRET\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\nAuthorization: Bearer SECRET\x00\x01\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\nAuthorization: " + b"SECRET" * 20_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\nSECRET\xff\xfe: 1\r\n\r\n",
        b"GET SECRET\r\n\r\n",
        b"G@T /SECRET HTTP/1.1\r\nhost: x\r\n\r\n",
        b"\x16\x03\x01SECRET garbage\r\n\r\n",
        HEAD.encode() + b"content-length: SECRET\r\n\r\n{",
        HEAD.encode() + b"transfer-encoding: chunked\r\n\r\nSECRET\r\n{",
    ],
    ids=["no colon", "control characters", "too long", "bad name", "no version", "bad method", "no HTTP", "bad length", "bad chunk"],
)
async def test_a_request_that_cannot_be_read_leaves_no_traceback_and_nothing_of_itself(
    client: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture, data: bytes
) -> None:
    await sent(client, data)
    async with client.get("/livez") as response:
        assert response.status == 200
    assert "SECRET" not in text_of(caplog)
    assert "Traceback" not in caplog.text
    assert [record.levelname for record in ours(caplog) if record.name == "chroma_async.server.connection"] in (["INFO"], ["DEBUG"])


@pytest.mark.parametrize(
    "body", ["content-length: 1000\r\n\r\n{", "transfer-encoding: chunked\r\n\r\n5\r\n{"], ids=["announced", "chunked"]
)
async def test_an_upload_that_is_cut_off_leaves_one_line_of_level_debug(
    client: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture, body: str
) -> None:
    assert await sent(client, HEAD.encode() + body.encode()) == b""
    [line] = ours(caplog)
    assert (line.levelname, line.exc_info) == ("DEBUG", None)
    assert fields(line)["route"] == f"{ROUTE}/add"
    assert "SECRET" not in text_of(caplog)


def test_what_is_the_servers_own_fault_at_a_connection_keeps_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    ConnectionLog().exception("Unhandled exception", exc_info=ZeroDivisionError("what failed"))
    [line] = caplog.records
    assert line.levelname == "ERROR"
    assert "what failed" in caplog.text
