"""Every parameter beyond Chroma's takes and refuses the same values with the same words, in process and over HTTP; and so does the route.

NaN and infinity have no form in JSON, so the routes are asked for all other values.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Any

import aiohttp
import numpy as np
import pytest
import pytest_asyncio
from aiohttp.test_utils import TestServer

import chroma_async
from chroma_async.client.collection import AsyncCollection
from chroma_async.config.settings import Settings
from chroma_async.errors import ChromaError
from chroma_async.server.app import create_app
from chroma_async.service.local import open_local

# One store for all cases, and so one loop.
pytestmark = pytest.mark.asyncio(loop_scope="module")


class Word(StrEnum):
    YEAR = "year"
    WAL = "index_and_wal"


class Number(IntEnum):
    ONE = 1


@dataclass(frozen=True)
class Ways:
    """The same collection in process and over HTTP, and the address of its routes."""

    embedded: AsyncCollection
    remote: AsyncCollection
    session: aiohttp.ClientSession
    url: str


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ways(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Ways]:
    api = await open_local(str(tmp_path_factory.mktemp("store") / "data"), Settings())
    app = create_app(api, Settings(), api.engine.context.threads.run)
    async with (
        TestServer(app) as server,
        chroma_async.AsyncHttpClient(host=str(server.make_url(""))) as over_http,
        chroma_async.AsyncEphemeralClient() as in_process,
        aiohttp.ClientSession() as session,
    ):
        collections = [await client.create_collection("docs") for client in (in_process, over_http)]
        for collection in collections:
            await collection.add(ids=["a", "b", "c"], embeddings=[[0.0], [1.0], [2.0]], metadatas=[{"year": 2}, {"year": 1}, {"n": 0}])
        route = f"/api/v2/tenants/default_tenant/databases/default_database/collections/{collections[1].id}"
        yield Ways(collections[0], collections[1], session, str(server.make_url(route)))
    await api.aclose()


NUMBERS_TAKEN = [None, 0, 1, 1.5, -1.0, np.float32(1.5), np.float64(0.0), np.int64(1), Number.ONE, math.inf, 10**30]
NUMBERS_REFUSED = [math.nan, np.float32("nan"), -math.inf, True, False, np.bool_(True), "0.5", b"1", [1.0], {}, object(), 10**400, 1 + 0j]
FLAGS_TAKEN = [True, False, np.bool_(True)]
FLAGS_REFUSED = [1, 0, "true", 1.0, [], object(), Number.ONE]
LEVELS_TAKEN = ["index_and_wal", "index_only", chroma_async.ReadLevel.INDEX_ONLY, Word.WAL]
LEVELS_REFUSED = ["", "INDEX_ONLY", "all", None, 1, True, [], object()]
ORDERS_TAKEN = [None, "year", Word.YEAR, {"year": "desc"}, ["year", {"n": "asc"}], [], ("year",), {Word.YEAR: "asc"}]
ORDERS_REFUSED = [
    5,
    True,
    1.5,
    {"year": "down"},
    {"year": 1},
    {"year": "asc", "n": "asc"},
    {},
    [["year"]],
    [None],
    [5],
    object(),
    math.nan,
    b"year",
]
CURSORS_TAKEN = [None, ""]
CURSORS_REFUSED = ["x", "Zm9v", 5, True, [], {}, object(), b"", Number.ONE, "\ud800"]

Call = Callable[[AsyncCollection, Any], Awaitable[Any]]


async def _counted(collection: AsyncCollection, value: Any) -> Any:
    return await collection.count(value)


PARAMETERS: dict[str, tuple[Call, list[Any], list[Any]]] = {
    "query max_distance": (lambda c, v: c.query(query_embeddings=[[0.0]], max_distance=v), NUMBERS_TAKEN, NUMBERS_REFUSED),
    "query exact": (lambda c, v: c.query(query_embeddings=[[0.0]], exact=v), FLAGS_TAKEN, FLAGS_REFUSED),
    "get order_by": (lambda c, v: c.get(order_by=v), ORDERS_TAKEN, ORDERS_REFUSED),
    "get cursor": (lambda c, v: c.get(cursor=v, limit=2), CURSORS_TAKEN, CURSORS_REFUSED),
    "count read_level": (_counted, LEVELS_TAKEN, LEVELS_REFUSED),
    "search read_level": (lambda c, v: c.search({"limit": {"limit": 1}}, read_level=v), LEVELS_TAKEN, LEVELS_REFUSED),
    "upsert expires_at": (
        lambda c, v: c.upsert(ids=["z"], embeddings=[[9.0]], expires_at=v),
        [None, 10**11, 4e9, np.float64(4e9), [None], [4e9], (4e9,)],
        [math.nan, math.inf, True, "tomorrow", [1.0, 2.0], [], [True], {}, object(), 10**400, np.datetime64("2030-01-01")],
    ),
    "delete limit": (
        lambda c, v: c.delete(where={"no": "such"}, limit=v),
        [None, 0, 1, np.int64(2), Number.ONE],
        [-1, 1.5, True, "1", [], object(), 2**32, math.nan],
    ),
    "count where": (lambda c, v: c.count(where=v), [None, {"year": 1}, {Word.YEAR: 1}], [5, [], "year", {"$bad": 1}, {"year": object()}]),
}


async def _outcome(call: Call, collection: AsyncCollection, value: Any) -> tuple[str, str]:
    try:
        answer = await call(collection, value)
    except ChromaError as error:
        return type(error).__name__, error.message()
    return "answer", str({name: answer[name] for name in ("ids", "distances") if name in answer} if isinstance(answer, dict) else answer)


CASES = [
    pytest.param(name, value, taken, id=f"{name}: {'taken' if taken else 'refused'} {number} {type(value).__name__}")
    for name, (_, good, bad) in PARAMETERS.items()
    for taken, values in ((True, good), (False, bad))
    for number, value in enumerate(values)
]


@pytest.mark.parametrize(("name", "value", "taken"), CASES)
async def test_in_process_and_over_http_take_and_refuse_the_same_in_the_same_words(ways: Ways, name: str, value: Any, taken: bool) -> None:
    call = PARAMETERS[name][0]
    embedded, remote = await _outcome(call, ways.embedded, value), await _outcome(call, ways.remote, value)
    assert embedded == remote
    assert (embedded[0] == "answer") is taken, embedded


ROUTES: dict[str, tuple[str, dict[str, Any], list[Any], list[Any]]] = {
    "max_distance": ("query", {"query_embeddings": [[0.0]]}, [None, 0, 1.5, -1, 10**30], [True, "0.5", [1.0], {}]),
    "exact": ("query", {"query_embeddings": [[0.0]]}, [None, True, False], [1, "true", [], {}]),
    "order_by": (
        "get",
        {},
        [None, "year", {"year": "desc"}, ["year", {"n": "asc"}], []],
        [5, True, 1.5, {"year": "down"}, {}, [["year"]], [None]],
    ),
    "cursor": ("get", {}, [None, ""], ["x", "Zm9v", 5, True, [], {}]),
    "read_level": ("count", {"where": {"year": 1}}, ["index_and_wal", "index_only"], ["", "all", 1, True, []]),
    "expires_at": (
        "upsert",
        {"ids": ["z"], "embeddings": [[9.0]]},
        [None, 4e9, [None], [4e9]],
        [True, "tomorrow", [1.0, 2.0], [], [True], {}],
    ),
    "limit": ("delete", {"where": {"no": "such"}}, [None, 0, 1], [-1, 1.5, True, "1", [], 2**32]),
}


@pytest.mark.parametrize("name", ROUTES)
async def test_the_routes_take_and_refuse_the_same_values_as_the_clients(ways: Ways, name: str) -> None:
    route, body, good, bad = ROUTES[name]
    for taken, values in ((True, good), (False, bad)):
        for value in values:
            async with ways.session.post(f"{ways.url}/{route}", json={**body, name: value}) as answer:
                text = await answer.text()
            assert (answer.status == 200) is taken, f"{value!r}: {answer.status} {text}"
            assert taken or answer.status in (400, 422), f"{value!r}: {answer.status} {text}"
            assert taken or name in text, text


async def test_a_read_of_a_transaction_takes_no_order_and_no_cursor(ways: Ways) -> None:
    for extra in ({"order_by": "year"}, {"cursor": ""}):
        async with ways.session.post(f"{ways.url}/conditional/get", json=extra) as answer:
            assert answer.status == 400
            assert next(iter(extra)) in await answer.text()
