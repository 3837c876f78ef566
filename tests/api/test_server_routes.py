from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import aiohttp
import numpy as np
import pytest

from chroma_async.types import QueryRequest, ReadLevel, Scope, SearchRequest, WriteKind
from tests.fakes.api import CONFIGURATION, Asked, FakeAPI, id_of, served

COLLECTION_ID = id_of("docs")
TENANT = "/api/v2/tenants/default_tenant"
DATABASE = TENANT + "/databases/default_database"
COLLECTION = f"{DATABASE}/collections/{COLLECTION_ID}"
SCOPE = Scope()


@pytest.fixture
def api() -> FakeAPI:
    return FakeAPI()


@pytest.fixture
async def client(api: FakeAPI) -> AsyncIterator[aiohttp.ClientSession]:
    async with served(api) as session:
        yield session


async def call(client: aiohttp.ClientSession, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    async with client.request(method, path, json=body) as response:
        text = await response.read()
        if text:
            assert response.headers["Content-Type"] == "application/json"
        assert ("chroma-trace-id" in response.headers) == (response.status >= 400 and bool(text))
        return response.status, json.loads(text) if text else None


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "value"),
    [
        ("GET", "/api/v2", None, 200, {"nanosecond heartbeat": 1_700_000_000_000_000_000}),
        ("GET", "/api/v2/heartbeat", None, 200, {"nanosecond heartbeat": 1_700_000_000_000_000_000}),
        ("GET", "/api/v2/healthcheck", None, 200, {"is_executor_ready": True, "is_log_client_ready": True}),
        ("GET", "/api/v2/version", None, 200, "1.0.0"),
        ("GET", "/api/v2/pre-flight-checks", None, 200, {"max_batch_size": 5461, "supports_base64_encoding": True}),
        ("GET", "/api/v2/auth/identity", None, 200, {"user_id": "", "tenant": "default_tenant", "databases": ["default_database"]}),
        ("POST", "/api/v2/reset", None, 403, {"error": "ChromaError", "message": "Reset is disabled by config"}),
        ("POST", "/api/v2/tenants", {"name": "acme"}, 200, {}),
        ("POST", "/api/v2/tenants", {"name": "default_tenant"}, 409, None),
        ("POST", "/api/v2/tenants", {"name": "ab"}, 400, None),
        ("GET", TENANT, None, 200, {"name": "default_tenant", "resource_name": None}),
        ("GET", "/api/v2/tenants/nobody", None, 404, {"error": "NotFoundError", "message": "Tenant [nobody] not found"}),
        ("PATCH", TENANT, {"resource_name": "r"}, 200, {}),
        ("PATCH", TENANT, {}, 422, None),
        ("POST", TENANT + "/databases", {"name": "second"}, 200, {}),
        ("GET", TENANT + "/databases", None, 200, [{"id": str(UUID(int=0)), "name": "default_database", "tenant": "default_tenant"}]),
        ("GET", TENANT + "/databases?limit=0", None, 200, []),
        ("GET", DATABASE, None, 200, {"id": str(UUID(int=0)), "name": "default_database", "tenant": "default_tenant"}),
        ("DELETE", DATABASE, None, 200, {}),
        ("GET", DATABASE + "/collections", None, 200, []),
        ("GET", DATABASE + "/collections_count", None, 200, 0),
        ("GET", DATABASE + "/collections/nothing", None, 404, {"error": "NotFoundError", "message": "Collection [nothing] does not exist"}),
        ("DELETE", DATABASE + "/collections/nothing", None, 404, None),
        ("PUT", COLLECTION, {"new_name": "x", "new_metadata": {"a": 1}}, 200, {}),
        ("POST", COLLECTION + "/add", {"ids": ["a"], "embeddings": [[1, 2]]}, 201, {}),
        ("POST", COLLECTION + "/update", {"ids": ["a"]}, 200, {}),
        ("POST", COLLECTION + "/upsert", {"ids": ["a"], "embeddings": ["AACAPw=="]}, 200, {}),
        ("POST", COLLECTION + "/delete", {"ids": ["a", "b"]}, 200, {"deleted": 2}),
        ("GET", COLLECTION + "/count", None, 200, 2),
    ],
)
async def test_a_route_answers_as_chroma_does(
    client: aiohttp.ClientSession, method: str, path: str, body: Any, status: int, value: Any
) -> None:
    found, answer = await call(client, method, path, body)
    assert found == status
    if value is not None:
        assert answer == value


async def test_the_probes_follow_the_engine(client: aiohttp.ClientSession, api: FakeAPI) -> None:
    assert await call(client, "GET", "/livez") == (200, "ok")
    assert await call(client, "GET", "/readyz") == (200, "ok")
    api.is_healthy = False
    async with client.get("/api/v2/healthcheck") as response:
        assert (response.status, await response.json()) == (503, {"is_executor_ready": False, "is_log_client_ready": True})
    async with client.get("/readyz") as response:
        assert response.status == 503


async def test_reset_answers_true_when_allowed(client: aiohttp.ClientSession, api: FakeAPI) -> None:
    api.allow_reset = True
    assert await call(client, "POST", "/api/v2/reset") == (200, True)


async def test_a_collection_is_made_read_listed_and_deleted(client: aiohttp.ClientSession, api: FakeAPI) -> None:
    wanted = {"name": "docs", "metadata": {"a": 1}, "configuration": None, "schema": None, "get_or_create": False}
    status, made = await call(client, "POST", DATABASE + "/collections", wanted)
    assert status == 200
    assert made == {
        "id": str(COLLECTION_ID), "name": "docs", "configuration_json": CONFIGURATION, "schema": {}, "metadata": {"a": 1},
        "dimension": None, "tenant": "default_tenant", "database": "default_database", "log_position": 0, "version": 0,
    }  # fmt: skip
    assert api.asked == [Asked("create_collection", wanted, SCOPE)]
    assert (await call(client, "POST", DATABASE + "/collections", wanted))[0] == 409
    for path in ("/collections/docs", f"/collections/by-id/{COLLECTION_ID}"):
        assert await call(client, "GET", DATABASE + path) == (200, made)
    assert (await call(client, "GET", f"{DATABASE}/collections/{COLLECTION_ID}"))[0] == 404
    assert await call(client, "GET", DATABASE + "/collections?limit=1&offset=0&x=y") == (200, [made])
    assert await call(client, "DELETE", DATABASE + "/collections/docs") == (200, {})
    assert await call(client, "GET", DATABASE + "/collections_count") == (200, 0)


async def test_names_in_the_path_are_percent_decoded(client: aiohttp.ClientSession, api: FakeAPI) -> None:
    await call(client, "POST", "/api/v2/tenants/a%2Fb/databases/d%C3%A4%20b/collections", {"name": "docs"})
    assert api.asked[0].scope == Scope("a/b", "dä b")


@pytest.mark.parametrize("kind", list(WriteKind))
async def test_a_write_reaches_the_api_typed(client: aiohttp.ClientSession, api: FakeAPI, kind: WriteKind) -> None:
    body = {"ids": ["a", "b"], "embeddings": [[1, 2], [3, 4]], "documents": ["x", None], "metadatas": None}
    await call(client, "POST", f"{COLLECTION}/{kind}", body)
    (asked,) = api.asked
    assert (asked.verb, asked.scope, asked.id) == (kind, SCOPE, COLLECTION_ID)
    batch = asked.what
    assert batch.embeddings is not None
    assert batch.embeddings.tolist() == [[1, 2], [3, 4]]
    assert (batch.ids, batch.documents, batch.uris, batch.metadatas) == (["a", "b"], ["x", None], None, None)


async def test_a_get_result_holds_included_columns_only(client: aiohttp.ClientSession) -> None:
    status, value = await call(client, "POST", COLLECTION + "/get", {"include": ["metadatas", "embeddings"]})
    assert status == 200
    assert value == {
        "ids": ["a", "b"], "embeddings": [[0.1, 2.0], [3.0, -0.0]], "documents": None, "uris": None, "metadatas": [{"n": 1}, None],
        "include": ["metadatas", "embeddings"],
    }  # fmt: skip


async def test_a_query_result_holds_one_list_per_query(client: aiohttp.ClientSession, api: FakeAPI) -> None:
    body = {"query_embeddings": [[1, 2], [3, 4]], "n_results": 2, "where": {"n": 1}, "ids": ["a"]}
    status, value = await call(client, "POST", COLLECTION + "/query?limit=5", body)
    assert status == 200
    assert value == {
        "ids": [["a", "b"]] * 2, "embeddings": None, "documents": [["one", None]] * 2, "uris": None, "metadatas": [[{"n": 1}, None]] * 2,
        "distances": [[0.1, 1.0]] * 2, "include": ["documents", "metadatas", "distances"],
    }  # fmt: skip
    request = api.sent("query")
    assert isinstance(request, QueryRequest)
    assert np.array_equal(request.embeddings, [[1, 2], [3, 4]])
    assert (request.n_results, request.where, request.ids) == (2, {"n": 1}, ["a"])


async def test_bodies_and_answers_too_long_for_the_loop_come_out_the_same(client: aiohttp.ClientSession, api: FakeAPI) -> None:
    vectors = np.random.default_rng(1).standard_normal((300, 64), dtype=np.float32)
    body = {"ids": [str(i) for i in range(300)], "embeddings": vectors.astype(float).tolist()}
    assert await call(client, "POST", COLLECTION + "/add", body) == (201, {})
    assert api.sent("add").embeddings.tobytes() == vectors.tobytes()
    api.rows = type(api.rows)(body["ids"], vectors, ["d" * 1000] * 300, metadatas=[None] * 300, distances=vectors[:, 0])
    for verb in ("get", "query"):
        status, value = await call(
            client, "POST", f"{COLLECTION}/{verb}", {"query_embeddings": [[1]], "include": ["embeddings", "documents"]}
        )
        assert status == 200
        columns = value["embeddings"], value["documents"]
        embeddings, documents = columns if verb == "get" else (column[0] for column in columns)
        assert np.array(embeddings, dtype=np.float32).tobytes() == vectors.tobytes()
        assert documents == ["d" * 1000] * 300


@pytest.mark.parametrize("level", list(ReadLevel))
async def test_count_takes_a_read_level(client: aiohttp.ClientSession, api: FakeAPI, level: ReadLevel) -> None:
    assert await call(client, "GET", f"{COLLECTION}/count?read_level={level}") == (200, 2)
    assert api.sent("count") is level


@pytest.mark.parametrize(
    "path",
    [
        COLLECTION + "/count?read_level=all",
        COLLECTION + "/count?read_level=",
        COLLECTION + "/count?read_level=index_only&read_level=index_only",
        DATABASE + "/collections?limit=-1",
        DATABASE + "/collections?limit=x",
        DATABASE + "/collections?offset=4294967296",
        DATABASE + "/collections?limit=",
        TENANT + "/databases?limit=1.5",
        TENANT + "/databases?limit=1&limit=2",
    ],
)
async def test_a_bad_query_string_is_a_bad_request(client: aiohttp.ClientSession, path: str) -> None:
    status, answer = await call(client, "GET", path)
    assert (status, answer["error"]) == (400, "InvalidArgumentError")
    assert "query string" in answer["message"]


@pytest.mark.parametrize("form", ["{}", "{{{}}}", "urn:uuid:{}"])
@pytest.mark.parametrize("change", [str, str.upper])
async def test_a_collection_id_may_take_every_form_of_a_uuid(client: aiohttp.ClientSession, api: FakeAPI, form: str, change: Any) -> None:
    path = f"{DATABASE}/collections/{change(form.format(COLLECTION_ID))}/add"
    assert (await call(client, "POST", path, {"ids": [], "embeddings": []}))[0] == 201
    assert api.asked[0].id == COLLECTION_ID
    path = f"{DATABASE}/collections/{COLLECTION_ID.hex}/count"
    assert await call(client, "GET", path) == (200, 2)


@pytest.mark.parametrize("id", ["x", COLLECTION_ID.hex[:-1], COLLECTION_ID.hex + "0", str(COLLECTION_ID).replace("-", "_"), "docs-1"])
async def test_anything_else_for_an_id_is_a_bad_request(client: aiohttp.ClientSession, id: str) -> None:
    for method, path in (("GET", f"/collections/{id}/count"), ("GET", f"/collections/by-id/{id}"), ("PUT", f"/collections/{id}")):
        status, answer = await call(client, method, DATABASE + path, {} if method == "PUT" else None)
        assert (status, answer["error"]) == (400, "InvalidArgumentError")
        assert "not a valid UUIDv4" in answer["message"]


async def test_a_database_name_under_three_characters_is_a_bad_request(client: aiohttp.ClientSession) -> None:
    short = TENANT + "/databases/ab"
    for method, path in (
        ("GET", ""),
        ("DELETE", "/collections/x"),
        ("GET", "/collections"),
        ("GET", f"/collections/{COLLECTION_ID}/count"),
    ):
        status, answer = await call(client, method, short + path)
        assert (status, answer["error"]) == (400, "InvalidArgumentError")


async def test_a_search_goes_through_with_its_read_level(client: aiohttp.ClientSession, api: FakeAPI) -> None:
    body = {"searches": [{"rank": {"$val": 1}}, {}], "read_level": "index_only"}
    status, answer = await call(client, "POST", COLLECTION + "/search", body)
    found = (status, answer["ids"], answer["documents"], answer["select"], answer["scores"])
    assert found == (200, [["a"]] * 2, [["text"]] * 2, [["#document", "#score"]] * 2, [[0.5]] * 2)
    assert api.asked == [Asked("search", SearchRequest(body["searches"], ReadLevel.INDEX_ONLY), Scope(), COLLECTION_ID)]


@pytest.mark.parametrize(("body", "expected"), [({}, 422), ({"searches": {}}, 422), ({"searches": [], "read_level": "x"}, 422)])
async def test_a_search_body_of_the_wrong_shape_is_refused(client: aiohttp.ClientSession, body: dict[str, Any], expected: int) -> None:
    assert (await call(client, "POST", COLLECTION + "/search", body))[0] == expected


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
async def test_api_v1_is_gone(client: aiohttp.ClientSession, method: str) -> None:
    status, answer = await call(client, method, "/api/v1/collections")
    assert (status, answer["error"]) == (410, "Unimplemented")
    async with client.post("/api/v1/collections") as response:
        assert (response.status, await response.read()) == (405, b"")
    async with client.get("/api/v1") as response:
        assert (response.status, await response.read()) == (404, b"")
