from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from yarl import URL

from chroma_async import errors
from chroma_async.config.settings import Settings
from tests.fakes.api import FakeAPI, id_of, served

COLLECTION = f"/api/v2/tenants/default_tenant/databases/default_database/collections/{id_of('docs')}"
ADD = COLLECTION + "/add"
RECORD = json.dumps({"ids": ["a"], "embeddings": [[1.0]]}).encode()
JSON = {"Content-Type": "application/json"}
LIMIT = 200_000


@pytest.fixture
def api() -> FakeAPI:
    return FakeAPI()


@pytest.fixture
async def client(api: FakeAPI) -> AsyncIterator[aiohttp.ClientSession]:
    async with served(api, Settings(max_body_bytes=LIMIT)) as session:
        yield session


async def post(client: aiohttp.ClientSession, data: Any, path: str = ADD, **headers: str) -> tuple[int, Any]:
    async with client.post(path, data=data, headers=JSON | {name.replace("_", "-"): value for name, value in headers.items()}) as response:
        text = await response.read()
        return response.status, json.loads(text) if text else None


@pytest.mark.parametrize("body", [b"{", b"", b"NaN", b'{"ids": 1e400}', b"\xef\xbb\xbf{}", b"\xff"])
async def test_a_body_that_is_not_json_is_a_bad_request(client: aiohttp.ClientSession, body: bytes) -> None:
    status, answer = await post(client, body)
    assert (status, answer["error"]) == (400, "InvalidArgumentError")


@pytest.mark.parametrize("body", [b"[]", b'"x"', b"5", b"{}", b'{"ids": ["a"], "ids": ["b"], "embeddings": [[1]]}'])
async def test_json_of_the_wrong_shape_is_unprocessable(client: aiohttp.ClientSession, body: bytes) -> None:
    status, answer = await post(client, body)
    assert (status, answer["error"]) == (422, "ChromaError")


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 201),
        ("application/json; charset=utf-8", 201),
        ("Application/JSON;x=y", 201),
        ("application/ld+json", 201),
        ("text/plain", 415),
        ("application/octet-stream", 415),
        ("", 415),
    ],
)
async def test_only_json_content_types_are_read(client: aiohttp.ClientSession, content_type: str, status: int) -> None:
    found, answer = await post(client, RECORD, Content_Type=content_type)
    assert found == status
    if status == 415:
        assert answer == {"error": "ChromaError", "message": f"Content-Type: expected application/json, found {content_type!r}"}


async def test_a_body_without_a_content_type_is_taken_for_json(client: aiohttp.ClientSession) -> None:
    async with client.post(ADD, data=RECORD, skip_auto_headers=["Content-Type"]) as response:
        assert response.status == 201


async def test_a_body_over_the_limit_is_too_large_announced_or_not(client: aiohttp.ClientSession, api: FakeAPI) -> None:
    fits = RECORD[:-1] + b" " * (LIMIT - len(RECORD)) + b"}"
    assert (await post(client, fits))[0] == 201

    async def chunks(body: bytes) -> AsyncIterator[bytes]:
        for start in range(0, len(body), 50_000):
            yield body[start : start + 50_000]

    assert (await post(client, chunks(fits)))[0] == 201
    for body in (fits + b" ", chunks(fits + b" ")):
        status, answer = await post(client, body)
        assert (status, answer["error"]) == (413, "ChromaError")
    assert api.verbs == ["add", "add"]


def bare_deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush()


@pytest.mark.parametrize(
    ("encoding", "compress"),
    [
        ("gzip", gzip.compress),
        ("GZIP", gzip.compress),
        ("x-gzip", gzip.compress),
        ("gzip", lambda data: gzip.compress(data[:10]) + gzip.compress(data[10:])),
        ("deflate", zlib.compress),
        ("deflate", bare_deflate),
        ("identity", bytes),
    ],
)
@pytest.mark.parametrize("padding", [0, 150_000])
async def test_compressed_bodies_are_read(client: aiohttp.ClientSession, api: FakeAPI, encoding: str, compress: Any, padding: int) -> None:
    assert (await post(client, compress(RECORD + b" " * padding), Content_Encoding=encoding))[0] == 201
    assert api.sent("add").ids == ["a"]


async def test_a_small_body_that_unpacks_beyond_the_limit_is_too_large(client: aiohttp.ClientSession) -> None:
    for bomb in (b" " * 50_000_000, b" " * (LIMIT + 1)):
        status, answer = await post(client, gzip.compress(bomb), Content_Encoding="gzip")
        assert (status, answer["error"]) == (413, "ChromaError")
    many = gzip.compress(b" " * 1000) * 300
    assert (await post(client, many, Content_Encoding="gzip"))[0] == 413


@pytest.mark.parametrize(
    "data",
    [RECORD, gzip.compress(RECORD)[:-9], gzip.compress(RECORD) + b"trailing", b"\x1f\x8b"],
    ids=["not compressed", "cut short", "something behind", "two bytes"],
)
async def test_a_body_that_is_not_compressed_as_it_says_is_a_bad_request(client: aiohttp.ClientSession, data: bytes) -> None:
    status, answer = await post(client, data, Content_Encoding="gzip")
    assert (status, answer["error"]) == (400, "InvalidArgumentError")


async def test_an_unknown_compression_is_unsupported_and_unlabelled_gzip_is_no_json(client: aiohttp.ClientSession) -> None:
    assert (await post(client, RECORD, Content_Encoding="br"))[0] == 415
    assert (await post(client, gzip.compress(RECORD)))[0] == 400


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/api/v2/tenants", {"POST"}),
        ("DELETE", ADD, {"POST"}),
        ("POST", COLLECTION, {"GET", "HEAD", "PUT", "DELETE"}),
        ("POST", "/api/v2/heartbeat", {"GET", "HEAD"}),
    ],
)
async def test_a_wrong_method_names_the_right_ones(client: aiohttp.ClientSession, method: str, path: str, allowed: set[str]) -> None:
    async with client.request(method, path) as response:
        assert (response.status, await response.read()) == (405, b"")
        assert set(response.headers["Allow"].split(",")) == allowed


@pytest.mark.parametrize(
    "path", ["/", "/api", "/api/v2/", "/api/v2/nothing", "/api/v2/heartbeat/", COLLECTION + "/add/", COLLECTION + "/peek"]
)
async def test_an_unknown_path_is_not_found_with_an_empty_body(client: aiohttp.ClientSession, path: str) -> None:
    async with client.get(path) as response:
        assert (response.status, await response.read()) == (404, b"")


async def test_head_answers_like_get_without_the_body(client: aiohttp.ClientSession) -> None:
    async with client.head("/api/v2/version") as response:
        assert (response.status, response.headers["Content-Length"], await response.read()) == (200, "7", b"")


@pytest.mark.parametrize(
    ("failure", "status", "name"),
    [
        (errors.InvalidDimensionException("dimension"), 400, "InvalidArgumentError"),
        (errors.NotFoundError("x"), 404, "NotFoundError"),
        (errors.UniqueConstraintError("x"), 409, "ChromaError"),
        (errors.StaleReadError("x"), 412, "ChromaError"),
        (errors.RateLimitError("x"), 429, "ChromaError"),
        (errors.CorruptionError("x", "file"), 500, "InternalError"),
        (errors.ClosedError("x"), 500, "InternalError"),
        (errors.UnimplementedError("x"), 501, "ChromaError"),
        (errors.UnavailableError("x"), 503, "ChromaError"),
    ],
)
async def test_a_failure_has_the_status_and_name_of_its_class(
    client: aiohttp.ClientSession, api: FakeAPI, failure: errors.ChromaError, status: int, name: str
) -> None:
    api.failure = failure
    found, answer = await post(client, RECORD)
    assert (found, answer["error"], answer["message"]) == (status, name, failure.message())


async def test_a_refusal_that_may_be_retried_says_when(client: aiohttp.ClientSession, api: FakeAPI) -> None:
    error = errors.UnavailableError("disk full")
    error.retry_after_s = 2.5
    for failure, wait in ((errors.RateLimitError("x"), "1"), (error, "3")):
        api.failure = failure
        async with client.post(ADD, data=RECORD, headers=JSON) as response:
            assert response.headers["Retry-After"] == wait


async def test_an_unforeseen_failure_tells_the_log_and_not_the_caller(
    client: aiohttp.ClientSession, api: FakeAPI, caplog: pytest.LogCaptureFixture
) -> None:
    api.failure = ZeroDivisionError("secret detail")
    status, answer = await post(client, RECORD)
    assert (status, answer["error"]) == (500, "InternalError")
    assert "secret" not in answer["message"]
    assert any(record.exc_info and "secret detail" in str(record.exc_info[1]) for record in caplog.records)


async def test_errors_carry_the_callers_trace_and_zeros_without_one(client: aiohttp.ClientSession) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    for headers, expected in (({}, "0" * 32), ({"traceparent": f"00-{trace}-00f067aa0ba902b7-01"}, trace)):
        async with client.post(ADD, data=b"{", headers=JSON | headers) as response:
            assert response.headers["chroma-trace-id"] == expected


async def test_requests_beyond_the_bound_are_refused_while_probes_are_answered() -> None:
    api = FakeAPI()
    api.gate = asyncio.Event()
    body = json.dumps({"query_embeddings": [[1]]}).encode()
    async with served(api, Settings(max_in_flight=1)) as client:
        first = asyncio.create_task(post(client, body, COLLECTION + "/query"))
        await api.waiting.wait()
        async with client.post(ADD, data=RECORD, headers=JSON) as response:
            assert (response.status, response.headers["Retry-After"], (await response.json())["error"]) == (429, "1", "ChromaError")
        for probe in ("/api/v2/heartbeat", "/livez", "/readyz", "/api/v2/healthcheck"):
            async with client.get(probe) as response:
                assert response.status == 200
        api.gate.set()
        assert (await first)[0] == 200
        assert (await post(client, RECORD))[0] == 201


async def test_no_cors_header_is_sent_unless_origins_are_set(client: aiohttp.ClientSession) -> None:
    async with client.get("/api/v2/version", headers={"Origin": "https://a.example"}) as response:
        assert "Access-Control-Allow-Origin" not in response.headers
    async with client.options("/api/v2/version", headers={"Access-Control-Request-Method": "GET"}) as response:
        assert response.status == 405


@pytest.mark.parametrize(
    ("origins", "origin", "allowed"),
    [
        (("*",), "https://a.example", "*"),
        (("https://a.example",), "https://a.example", "https://a.example"),
        (("https://a.example",), "https://b.example", None),
    ],
)
async def test_listed_origins_may_call_from_a_browser(origins: tuple[str, ...], origin: str, allowed: str | None) -> None:
    async with served(FakeAPI(), Settings(cors_allow_origins=origins)) as client:
        async with client.get("/api/v2/version", headers={"Origin": origin}) as response:
            assert response.headers.get("Access-Control-Allow-Origin") == allowed
        async with client.post(ADD, data=b"{", headers={"Origin": origin} | JSON) as response:
            assert response.status == 400
            assert response.headers.get("Access-Control-Allow-Origin") == allowed
        headers = {"Origin": origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
        async with client.options(ADD, headers=headers) as response:
            assert (response.status, await response.read()) == (200, b"")
            assert response.headers.get("Access-Control-Allow-Methods") == (allowed and "*")
            assert response.headers.get("Access-Control-Allow-Headers") == (allowed and "*")


async def test_a_path_of_escaped_bytes_that_are_no_text_is_a_bad_request(client: aiohttp.ClientSession) -> None:
    for path in ("/api/v2/tenants/%ff%fe", COLLECTION.replace("default_tenant", "%C3%28") + "/count"):
        async with client.get(URL(path, encoded=True)) as response:
            assert (response.status, (await response.json())["error"]) == (400, "InvalidArgumentError")


async def test_long_names_and_headers_get_through(client: aiohttp.ClientSession) -> None:
    async with client.get("/api/v2/tenants/" + "x" * 30_000, headers={"Cookie": "y" * 30_000}) as response:
        assert (response.status, (await response.json())["error"]) == (404, "NotFoundError")
