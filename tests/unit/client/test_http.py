"""The HTTP client against a real socket whose answers each test writes: routes, bodies, headers, timeouts, retries, errors."""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import numpy as np
import orjson
import pytest
from aiohttp import web

from chroma_async.client.address import resolve_address
from chroma_async.client.http import AsyncHttpClient
from chroma_async.client.http_api import HttpAPI
from chroma_async.client.retry import Retries
from chroma_async.config.settings import ClientSettings
from chroma_async.errors import (
    AuthorizationError,
    ChromaError,
    ClosedError,
    ConnectError,
    InternalError,
    InvalidArgumentError,
    NotFoundError,
    ProtocolError,
    RateLimitError,
    RequestTimeoutError,
    TLSError,
    TransportError,
    UnavailableError,
    UniqueConstraintError,
    ValidationError,
)
from chroma_async.threads import Lane
from chroma_async.types import DeleteRequest, GetRequest, QueryRequest, RecordBatch, Scope, WriteKind

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
ID = UUID(int=5)
SCOPE = Scope("acme/x", "db 1")
TLS = Path(__file__).parents[2] / "data" / "tls"
QUICK = ClientSettings(retry_backoff_s=0.001, retry_backoff_max_s=0.01, grace_s=0.0)


@dataclass
class Scripted:
    """A server that answers what it was given, in turn, the last for ever, and remembers what it was asked."""

    answers: list[Answer] = field(default_factory=list)
    seen: list[web.Request] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def handle(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        self.seen.append(request)
        self.bodies.append(orjson.loads(raw) if raw else None)
        if request.path.endswith("/pre-flight-checks"):
            return web.json_response({"max_batch_size": 9, "supports_base64_encoding": True})
        answer = self.answers[0] if len(self.answers) == 1 else self.answers.pop(0)
        return await answer(request)


def says(status: int, body: Any = None, **headers: str) -> Answer:
    async def answer(request: web.Request) -> web.Response:
        return web.json_response(body, status=status, headers={name.replace("_", "-"): value for name, value in headers.items()})

    return answer


async def hangs_up(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.close()
    return web.Response()


@pytest.fixture
async def server() -> AsyncIterator[Scripted]:
    scripted = Scripted()
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", scripted.handle)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    scripted.port = runner.addresses[0][1]
    yield scripted
    await runner.cleanup()


@pytest.fixture
async def connect(server: Scripted) -> AsyncIterator[Callable[..., HttpAPI]]:
    made: list[HttpAPI] = []

    def make(**arguments: Any) -> HttpAPI:
        settings = {"client_settings": QUICK, **arguments}
        made.append(HttpAPI(resolve_address("127.0.0.1", server.port, **settings), lane=Lane("client", 1), rng=random.Random(1)))
        return made[-1]

    yield make
    for api in made:
        await api.aclose()


COLLECTION = {
    "id": str(ID),
    "name": "docs",
    "configuration_json": {"hnsw": {"space": "l2"}, "spann": None, "embedding_function": None},
    "schema": None,
    "metadata": {"a": 1},
    "dimension": 2,
    "tenant": "acme/x",
    "database": "db 1",
    "log_position": 0,
    "version": 0,
}


async def test_names_are_quoted_into_paths_whole(server: Scripted, connect: Callable[..., HttpAPI]) -> None:
    server.answers = [says(200, COLLECTION)]
    info = await connect().get_collection(SCOPE, "a/b c?d")
    assert server.seen[0].raw_path == "/api/v2/tenants/acme%2Fx/databases/db%201/collections/a%2Fb%20c%3Fd"
    assert (info.id, info.name, info.metadata, info.dimension) == (ID, "docs", {"a": 1}, 2)


async def test_a_write_sends_base64_when_the_server_reads_it(server: Scripted, connect: Callable[..., HttpAPI]) -> None:
    server.answers = [says(201, {})]
    api = connect()
    batch = RecordBatch(ids=["a"], embeddings=np.array([[1, 2]], dtype=np.float32), documents=["x"])
    await api.write(SCOPE, ID, WriteKind.ADD, batch)
    await api.write(SCOPE, ID, WriteKind.UPSERT, batch)
    assert [request.path.rsplit("/", 1)[-1] for request in server.seen] == ["pre-flight-checks", "add", "upsert"]
    assert server.bodies[1] == {"ids": ["a"], "embeddings": ["AACAPwAAAEA="], "documents": ["x"]}
    assert server.seen[1].content_type == "application/json"


async def test_reads_and_deletions_go_to_their_routes(server: Scripted, connect: Callable[..., HttpAPI]) -> None:
    api = connect()
    got = {"ids": ["a"], "embeddings": [[1.0, 2.0]], "documents": None, "uris": None, "metadatas": [None], "include": ["embeddings"]}
    server.answers = [says(200, got)]
    records = await api.get(SCOPE, ID, GetRequest(ids=["a"], include=("embeddings",)))
    assert records.rows.embeddings is not None
    assert records.rows.embeddings.tolist() == [[1, 2]]
    asked = {key: [value] if isinstance(value, list) else None for key, value in got.items()} | {
        "distances": [[0.5]],
        "include": ["distances"],
    }
    server.answers = [says(200, asked)]
    neighbours = await api.query(SCOPE, ID, QueryRequest(embeddings=np.array([[1, 2]], dtype=np.float32)))
    assert neighbours.queries[0].ids == ["a"]
    server.answers = [says(200, {"deleted": 3})]
    assert await api.delete(SCOPE, ID, DeleteRequest(ids=["a"])) == 3
    server.answers = [says(200, 7)]
    assert await api.count(SCOPE, ID) == 7
    assert [(request.method, request.path.rsplit("/", 1)[-1], request.query_string) for request in server.seen] == [
        ("POST", "get", ""),
        ("POST", "query", ""),
        ("POST", "delete", ""),
        ("GET", "count", "read_level=index_and_wal"),
    ]
    assert server.bodies[2] == {"ids": ["a"], "where": None, "where_document": None}


async def test_every_client_shows_its_own_headers_and_token(server: Scripted, connect: Callable[..., HttpAPI]) -> None:
    server.answers = [says(200, "1.0.0", set_cookie="session=1")]
    first, second = connect(token="one", headers={"x-mine": "1"}), connect(token="two")
    for api in (first, second, first):
        await api.version()
    assert [request.headers["x-chroma-token"] for request in server.seen] == ["one", "two", "one"]
    assert [request.headers.get("x-mine") for request in server.seen] == ["1", None, "1"]
    assert [request.headers.get("cookie") for request in server.seen] == [None, None, None]
    assert server.seen[0].headers["user-agent"].startswith("chroma-async")


@pytest.mark.parametrize(
    ("status", "name", "kind"),
    [
        (400, "InvalidArgumentError", InvalidArgumentError),
        (401, "ChromaError", AuthorizationError),
        (404, "NotFoundError", NotFoundError),
        (409, "ChromaError", UniqueConstraintError),
        (500, "InternalError", InternalError),
        (503, "ChromaError", UnavailableError),
        (429, "ChromaError", RateLimitError),
        (418, "Unheard", ChromaError),
    ],
)
async def test_the_servers_errors_keep_their_class_text_trace_and_url(
    server: Scripted, connect: Callable[..., HttpAPI], status: int, name: str, kind: type[ChromaError]
) -> None:
    server.answers = [says(status, {"error": name, "message": "the reason"}, chroma_trace_id="abc")]
    with pytest.raises(kind) as caught:
        await connect().version()
    assert type(caught.value) is kind
    assert caught.value.message() == "the reason"
    assert (caught.value.trace_id, caught.value.url) == ("abc", f"{server.url}/api/v2/version")
    assert len(server.seen) == 1


async def test_what_is_no_chroma_answer_is_a_protocol_error(server: Scripted, connect: Callable[..., HttpAPI]) -> None:
    api = connect()
    for answer in (says(200, {"other": 1}), says(404, "no"), says(302, None, location="http://else.where/")):
        server.answers = [answer]
        with pytest.raises(ProtocolError) as caught:
            await api.heartbeat()
        assert caught.value.url is not None
    assert "http://else.where/" in str(caught.value)


async def test_too_many_requests_are_retried_after_the_time_the_server_names(server: Scripted, connect: Callable[..., HttpAPI]) -> None:
    server.answers = [says(429, None, retry_after="0"), says(503, None, retry_after="0"), says(201, {})]
    batch = RecordBatch(ids=["a"], embeddings=np.zeros((1, 2), dtype=np.float32))
    await connect().write(SCOPE, ID, WriteKind.ADD, batch)
    assert len(server.seen) == 4


async def test_a_time_longer_than_the_client_waits_is_handed_to_the_caller(server: Scripted, connect: Callable[..., HttpAPI]) -> None:
    server.answers = [says(429, {"error": "ChromaError", "message": "busy"}, retry_after="60")]
    with pytest.raises(RateLimitError) as caught:
        await connect().version()
    assert caught.value.retry_after_s == 60.0
    assert len(server.seen) == 1


async def test_a_broken_connection_is_retried_for_what_may_be_done_twice_and_nothing_else(
    server: Scripted, connect: Callable[..., HttpAPI]
) -> None:
    api = connect()
    batch = RecordBatch(ids=["a"], embeddings=np.zeros((1, 2), dtype=np.float32))
    await api.preflight()
    server.answers = [hangs_up, says(200, {})]
    await api.write(SCOPE, ID, WriteKind.UPSERT, batch)
    for unsafe in (
        lambda: api.write(SCOPE, ID, WriteKind.ADD, batch),
        lambda: api.delete(SCOPE, ID, DeleteRequest(where={"a": 1})),
        lambda: api.create_tenant("acme"),
    ):
        server.seen.clear()
        server.answers = [hangs_up]
        with pytest.raises(TransportError, match="broke before the answer") as caught:
            await unsafe()
        assert not isinstance(caught.value, ConnectError)
        assert len(server.seen) == 1


async def test_retries_end_after_their_number(server: Scripted, connect: Callable[..., HttpAPI]) -> None:
    server.answers = [says(503, {"error": "ChromaError", "message": "draining"}, retry_after="0")]
    with pytest.raises(UnavailableError):
        await connect().version()
    assert len(server.seen) == 1 + QUICK.max_retries


async def test_retries_end_when_their_budget_is_spent(server: Scripted, connect: Callable[..., HttpAPI]) -> None:
    server.answers = [says(503, None, retry_after="0")]
    api = connect()
    for _ in range(20):
        with pytest.raises(UnavailableError):
            await api.version()
    assert len(server.seen) <= 20 + QUICK.max_retries + 20 * QUICK.retry_budget_share + 1


def test_waits_are_drawn_between_zero_and_a_bound_that_doubles() -> None:
    settings = ClientSettings(max_retries=6, retry_backoff_s=0.1, retry_backoff_max_s=1.0)
    retries = Retries(settings, random.Random(3))
    waits = [retries.wait(ConnectError("x"), attempt, idempotent=False) for attempt in range(6)]
    for attempt, wait in enumerate(waits):
        assert wait is not None
        assert 0 <= wait <= min(0.2 * 2**attempt, 1.0)
    assert retries.wait(ConnectError("x"), 6, idempotent=True) is None


async def test_nobody_listening_is_a_connect_error_with_address_and_hint(deaf_port: int) -> None:
    with pytest.raises(ConnectError, match=f"127.0.0.1:{deaf_port}.*Is a Chroma server running there") as caught:
        await AsyncHttpClient("127.0.0.1", deaf_port, client_settings=QUICK)
    assert caught.value.url == f"http://127.0.0.1:{deaf_port}/api/v2/auth/identity"


async def test_an_ipv6_address_stands_in_brackets_in_an_error(deaf_port: int) -> None:
    with pytest.raises(ConnectError, match=rf"http://\[::1\]:{deaf_port}\b") as caught:
        await AsyncHttpClient("::1", deaf_port, client_settings=QUICK)
    assert caught.value.url == f"http://[::1]:{deaf_port}/api/v2/auth/identity"


async def test_a_silent_server_ends_in_a_timeout_of_the_kind_of_request(server: Scripted, connect: Callable[..., HttpAPI]) -> None:
    never = asyncio.Event()

    async def silent(request: web.Request) -> web.Response:
        await never.wait()
        return web.Response()

    server.answers = [silent]
    api = connect(client_settings=replace(QUICK, read_timeout_s=0.05, write_timeout_s=0.1))
    with pytest.raises(RequestTimeoutError, match=r"within 0\.05 s") as caught:
        await api.version()
    assert isinstance(caught.value, TimeoutError)
    with pytest.raises(RequestTimeoutError, match=r"within 0\.1 s"):
        await api.create_tenant("acme")
    assert len(server.seen) == 2
    never.set()


async def test_a_certificate_is_trusted_only_by_who_was_told_of_its_authority() -> None:
    async def version(request: web.Request) -> web.Response:
        return web.json_response("1.0.0")

    app = web.Application()
    app.router.add_get("/api/v2/version", version)
    runner = web.AppRunner(app)
    await runner.setup()
    # A certificate for localhost, signed by itself, valid until 2099; its key is no secret.
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(TLS / "localhost.pem")
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    port = runner.addresses[0][1]
    secure = {"host": "127.0.0.1", "port": port, "ssl": True, "client_settings": QUICK, "connect": False}
    async with AsyncHttpClient(**secure) as stranger:
        with pytest.raises(TLSError, match="Pass ssl_verify=") as caught:
            await stranger.get_version()
        assert caught.value.url is not None
    for trusting in (TLS / "authority.pem", False):
        async with AsyncHttpClient(**secure, ssl_verify=trusting) as friend:
            assert await friend.get_version() == "1.0.0"
    async with AsyncHttpClient("127.0.0.1", port, client_settings=QUICK, connect=False) as plain:
        with pytest.raises(TransportError):
            await plain.get_version()
    await runner.cleanup()


async def test_closing_waits_for_requests_under_way_and_then_drops_them(server: Scripted, connect: Callable[..., HttpAPI]) -> None:
    begun, go = asyncio.Event(), asyncio.Event()

    async def slow(request: web.Request) -> web.Response:
        begun.set()
        await go.wait()
        return web.json_response("1.0.0")

    server.answers = [slow]
    patient = connect(client_settings=replace(QUICK, grace_s=10.0))
    request = asyncio.create_task(patient.version())
    await begun.wait()
    closing = asyncio.create_task(patient.aclose())
    go.set()
    assert await request == "1.0.0"
    await closing

    begun.clear()
    go.clear()
    hasty = connect()
    request = asyncio.create_task(hasty.version())
    await begun.wait()
    await hasty.aclose()
    with pytest.raises(ClosedError):
        await request
    with pytest.raises(ClosedError):
        await hasty.version()
    go.set()


async def test_a_client_is_awaited_or_entered_and_asks_three_things(server: Scripted) -> None:
    server.answers = [
        says(200, {"user_id": "me", "tenant": "acme", "databases": ["db1"]}),
        says(200, {"name": "acme"}),
        says(200, {"id": str(ID), "name": "db1", "tenant": "acme"}),
    ]
    opening = AsyncHttpClient("127.0.0.1", server.port, tenant="acme", database="db1")
    client = await opening
    assert await opening is client
    assert [request.path for request in server.seen] == [
        "/api/v2/auth/identity",
        "/api/v2/tenants/acme",
        "/api/v2/tenants/acme/databases/db1",
    ]
    await opening.close()
    with pytest.raises(ClosedError):
        await client.heartbeat()
    async with AsyncHttpClient("127.0.0.1", server.port, connect=False) as lazy:
        assert len(server.seen) == 3
        assert lazy.tenant == "default_tenant"


async def test_a_client_that_fails_to_open_leaves_nothing_open(server: Scripted) -> None:
    server.answers = [says(401, {"error": "ChromaError", "message": "who are you"})]
    with pytest.raises(AuthorizationError):
        async with AsyncHttpClient("127.0.0.1", server.port):
            raise AssertionError("never entered")


async def test_the_identity_decides_the_scope_where_chromas_setting_says_so(server: Scripted) -> None:
    server.answers = [
        says(200, {"user_id": "me", "tenant": "acme", "databases": ["db1"]}),
        says(200, {"name": "acme"}),
        says(200, {"id": str(ID), "name": "db1", "tenant": "acme"}),
    ]
    settings = SimpleNamespace(chroma_overwrite_singleton_tenant_database_access_from_auth=True)
    async with AsyncHttpClient("127.0.0.1", server.port, settings=settings) as client:
        assert (client.tenant, client.database) == ("acme", "db1")
        assert client.get_settings() is settings


@pytest.mark.parametrize(
    ("arguments", "url"),
    [
        ({}, "http://localhost:8000/api/v2"),
        ({"host": "h", "port": "81", "ssl": True}, "https://h:81/api/v2"),
        ({"host": "::1"}, "http://[::1]:8000/api/v2"),
        ({"host": "http://h/prefix/"}, "http://h/prefix/api/v2"),
        ({"host": "https://h:9/api/v2"}, "https://h:9/api/v2"),
    ],
)
def test_host_and_port_make_the_address(arguments: dict[str, Any], url: str) -> None:
    assert str(resolve_address(**{"host": "localhost", "port": 8000, **arguments}).url) == url


@pytest.mark.parametrize("host", ["a/b", "", "ftp://h", "http://", "http://h:x"])
def test_a_host_that_makes_no_address_is_refused(host: str) -> None:
    with pytest.raises(ValueError, match="Invalid URL"):
        AsyncHttpClient(host)


class Header(Enum):
    X = "X-Chroma-Token"


def test_chromas_settings_are_read_by_attribute() -> None:
    settings = SimpleNamespace(
        chroma_server_host="h",
        chroma_server_http_port=81,
        chroma_server_ssl_enabled=True,
        chroma_server_headers={"x-mine": "1"},
        chroma_server_ssl_verify=False,
        chroma_http_keepalive_secs=7.0,
        chroma_http_max_connections=3,
        chroma_client_auth_provider="chromadb.auth.token_authn.TokenAuthClientProvider",
        chroma_client_auth_credentials="secret",
        chroma_auth_token_transport_header=Header.X,
    )
    address = resolve_address("h", 81, settings=settings)
    assert str(address.url) == "https://h:81/api/v2"
    assert address.headers == {"x-mine": "1", "X-Chroma-Token": "secret"}
    assert address.verify is False
    assert (address.settings.keepalive_s, address.settings.max_connections) == (7.0, 3)
    with pytest.raises(ValueError, match="port is 80 as argument and 81 in settings"):
        resolve_address("h", 80, settings=settings)
    settings.chroma_client_auth_provider = "mine.Provider"
    with pytest.raises(ValidationError, match=r"'Provider' is not known"):
        resolve_address("h", 81, settings=settings)


def test_certificates_are_verified_unless_told_otherwise(tmp_path: Any) -> None:
    assert resolve_address("h", 1).verify is True
    assert resolve_address("h", 1, ssl_verify=False).verify is False
    assert isinstance(resolve_address("h", 1, ssl=True, ssl_verify=tmp_path).verify, ssl.SSLContext)
    with pytest.raises(ValidationError, match="no certificates"):
        resolve_address("h", 1, ssl=True, ssl_verify=str(tmp_path / "missing.pem"))


def test_tls_that_is_asked_for_is_never_left_out() -> None:
    enabled = SimpleNamespace(chroma_server_ssl_enabled=True)
    for asked in ({"ssl": True}, {"settings": enabled}):
        with pytest.raises(ValidationError, match="ssl is asked for and the host 'http://h' begins with http://"):
            resolve_address("http://h", 8000, headers={"x-chroma-token": "secret"}, **asked)
        assert str(resolve_address("https://h", 8000, **asked).url) == "https://h/api/v2"
        assert resolve_address("h", 1, **asked).url.scheme == "https"


def test_credentials_leave_the_url_for_a_header() -> None:
    address = resolve_address("http://user:pass@h", 8000)
    assert str(address.url) == "http://h/api/v2"
    assert address.headers == {"Authorization": "Basic dXNlcjpwYXNz"}


def test_timeouts_are_finite_unless_switched_off() -> None:
    assert (resolve_address("h", 1).settings.connect_timeout_s, resolve_address("h", 1).settings.read_timeout_s) == (5.0, 60.0)
    patient = ClientSettings(read_timeout_s=None)
    assert resolve_address("h", 1, settings=patient).settings.read_timeout_s is None
