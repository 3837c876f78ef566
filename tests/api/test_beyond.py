"""What goes beyond Chroma's API, in process and over HTTP: thresholds, exact search, orders, cursors, counts, expiry."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
from aiohttp.test_utils import TestServer

import chroma_async
from chroma_async.client.client import AsyncClient
from chroma_async.client.collection import AsyncCollection
from chroma_async.config.settings import Settings
from chroma_async.errors import InvalidArgumentError, NotFoundError, ValidationError
from chroma_async.server.app import create_app
from chroma_async.service.local import open_local
from chroma_async.types import RecordBatch, WriteCounts, WriteKind


@pytest.fixture(params=["ephemeral", "http"])
async def client(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[AsyncClient]:
    if request.param == "http":
        api = await open_local(str(tmp_path / "store"), Settings())
        app = create_app(api, Settings(), api.engine.context.threads.run)
        async with TestServer(app) as server, chroma_async.AsyncHttpClient(host=str(server.make_url(""))) as client:
            yield client
        await api.aclose()
        return
    async with chroma_async.AsyncEphemeralClient() as client:
        yield client


VALUES: list[Any] = [3, "b", None, 1.5, True, "a", [1], 3, None, False]
MIXED = [None if value is None else {"k": value} for value in VALUES]
MIXED[8] = {"other": 1}


async def ten(client: AsyncClient) -> AsyncCollection:
    collection = await client.create_collection("numbers")
    await collection.add(
        ids=[f"r{n}" for n in range(10)],
        embeddings=[[float(n), 0.0] for n in range(10)],
        metadatas=MIXED,  # type: ignore[arg-type]
        documents=[f"text {n}" for n in range(10)],
    )
    return collection


async def test_max_distance_leaves_out_what_is_farther(client: AsyncClient) -> None:
    collection = await ten(client)
    found = await collection.query(query_embeddings=[[0.0, 0.0], [100.0, 0.0]], n_results=10, max_distance=4.0)
    assert found["ids"] == [["r0", "r1", "r2"], []]
    assert found["distances"] == [[0.0, 1.0, 4.0], []]


async def test_exact_search_agrees_with_a_scan_where_there_is_a_graph(client: AsyncClient) -> None:
    collection = await client.create_collection("many")
    vectors = np.random.default_rng(8).normal(size=(300, 16)).astype(np.float32)
    await collection.add(ids=[str(n) for n in range(300)], embeddings=vectors)
    found = await collection.query(query_embeddings=vectors[:3], n_results=7, exact=True)
    for row, ids in enumerate(found["ids"]):
        assert [int(id) for id in ids] == np.argsort(((vectors - vectors[row]) ** 2).sum(1))[:7].tolist()


async def test_order_by_puts_kinds_apart_and_records_without_the_key_last(client: AsyncClient) -> None:
    collection = await ten(client)
    ascending = ["r9", "r4", "r3", "r0", "r7", "r5", "r1", "r2", "r6", "r8"]
    assert (await collection.get(order_by="k"))["ids"] == ascending
    assert (await collection.get(order_by={"k": "desc"}))["ids"] == ["r1", "r5", "r0", "r7", "r3", "r4", "r9", "r2", "r6", "r8"]
    assert (await collection.get(order_by="k", limit=3, offset=2))["ids"] == ascending[2:5]
    assert (await collection.get(order_by=[{"other": "asc"}, {"k": "asc"}]))["ids"][0] == "r8"


@pytest.mark.parametrize("order_by", [None, "k", [{"k": "desc"}, "other"]])
async def test_a_cursor_reads_every_record_once_in_pages(client: AsyncClient, order_by: Any) -> None:
    collection = await ten(client)
    everything = (await collection.get(order_by=order_by))["ids"]
    read: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = await collection.get(order_by=order_by, cursor=cursor, limit=3)
        read += page["ids"]
        cursor = page["cursor"]
    assert read == everything


async def test_a_cursor_stays_true_while_records_come_and_go(client: AsyncClient) -> None:
    collection = await ten(client)
    first = await collection.get(cursor="", limit=4)
    await collection.delete(ids=["r1", "r3", "r5"])
    await collection.add(ids=["late"], embeddings=[[0.0, 0.0]])
    await collection.update(ids=["r6"], metadatas=[{"changed": True}])
    second = await collection.get(cursor=first["cursor"], limit=100)
    assert second["ids"] == ["r4", "r6", "r7", "r8", "r9", "late"]
    assert second["cursor"] is None


async def test_a_cursor_of_another_collection_or_order_is_refused(client: AsyncClient) -> None:
    collection = await ten(client)
    other = await client.create_collection("other")
    cursor = (await collection.get(cursor="", limit=2))["cursor"]
    with pytest.raises(InvalidArgumentError, match="belongs to collection"):
        await other.get(cursor=cursor)
    with pytest.raises(InvalidArgumentError, match="order_by"):
        await collection.get(cursor=cursor, order_by="k")
    for forged in ("x", "e30=", "\u00e9", "W10="):
        with pytest.raises(InvalidArgumentError, match="cursor"):
            await collection.get(cursor=forged)


@pytest.mark.parametrize("order_by", [5, {"k": "up"}, {"a": "asc", "b": "asc"}, [""], {}])
async def test_an_order_that_is_none_is_refused_by_name(client: AsyncClient, order_by: Any) -> None:
    collection = await ten(client)
    with pytest.raises(InvalidArgumentError, match="order_by"):
        await collection.get(order_by=order_by)


async def test_count_takes_filters(client: AsyncClient) -> None:
    collection = await ten(client)
    assert await collection.count() == 10
    assert await collection.count(where={"k": {"$exists": True}}) == 8
    assert await collection.count(where={"k": 3}, where_document={"$contains": "7"}) == 1
    with pytest.raises((InvalidArgumentError, ValidationError)):
        await collection.count(where={"k": {"$up": 1}})


async def test_metadata_text_is_filtered_by_pattern(client: AsyncClient) -> None:
    collection = await ten(client)
    assert (await collection.get(where={"k": {"$regex": "^[ab]$"}}))["ids"] == ["r1", "r5"]
    assert (await collection.get(where={"k": {"$like": "a%"}}))["ids"] == ["r5"]
    assert (await collection.get(where={"k": {"$exists": False}}))["ids"] == ["r2", "r8"]


async def test_records_end_when_they_are_told_to(client: AsyncClient) -> None:
    collection = await client.create_collection("news")
    now = datetime.now(UTC)
    await collection.add(
        ids=["gone", "there", "for-ever"],
        embeddings=[[1.0], [2.0], [3.0]],
        expires_at=[now - timedelta(seconds=1), now + timedelta(days=1), None],
    )
    got = await collection.get()
    assert got["ids"] == ["there", "for-ever"]
    assert got["metadatas"] == [{}, None]
    assert await collection.count() == 2
    await collection.update(ids=["there"], expires_at=now.timestamp() - 1)
    assert (await collection.get())["ids"] == ["for-ever"]
    for wrong in ("soon", [1.0, 2.0], datetime(2030, 1, 1), math.nan):
        with pytest.raises(ValidationError, match="expires_at"):
            await collection.upsert(ids=["x"], embeddings=[[1.0]], expires_at=wrong)


async def test_writes_say_what_they_did(client: AsyncClient) -> None:
    collection = await ten(client)
    scope, vectors = client.scope, np.ones((3, 2), dtype=np.float32)

    async def write(kind: WriteKind) -> WriteCounts:
        return await client.api.write(scope, collection.id, kind, RecordBatch(["r0", "new", "r1"], vectors))

    assert await write(WriteKind.UPDATE) == WriteCounts(0, 2)
    assert await write(WriteKind.ADD) == WriteCounts(1, 0)
    assert await write(WriteKind.UPSERT) == WriteCounts(0, 3)


async def test_a_collection_is_found_by_the_resource_name_of_its_tenant(client: AsyncClient) -> None:
    await client.admin.create_tenant("acme")
    await client.admin.create_database("shop", "acme")
    await client.api.update_tenant("acme", "acme-resource")
    await client.set_tenant("acme", "shop")
    made = await client.create_collection("articles")
    assert (await client.api.get_collection_by_crn("acme-resource:shop:articles")).id == made.id
    with pytest.raises(NotFoundError):
        await client.api.get_collection_by_crn("acme-resource:shop:nothing")
    with pytest.raises(InvalidArgumentError, match="three parts"):
        await client.api.get_collection_by_crn("acme-resource:shop")


async def test_old_clients_never_see_counts_or_cursors(tmp_path: Path) -> None:
    api = await open_local(str(tmp_path / "store"), Settings())
    app = create_app(api, Settings(), api.engine.context.threads.run)
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        base = server.make_url("/api/v2/tenants/default_tenant/databases/default_database/collections")
        async with session.post(base, json={"name": "docs"}) as answer:
            url = f"{base}/{(await answer.json())['id']}"
        async with session.post(f"{url}/add", json={"ids": ["a"], "embeddings": [[1]]}) as answer:
            assert (answer.status, await answer.json()) == (201, {})
        async with session.post(
            f"{url}/add", json={"ids": ["a", "b"], "embeddings": [[1], [2]]}, headers={"x-chroma-counts": "1"}
        ) as answer:
            assert (answer.status, await answer.json()) == (201, {"inserted": 1, "updated": 0})
        async with session.post(f"{url}/get", json={"limit": 1}) as answer:
            assert "cursor" not in await answer.json()
        for body in ({"cursor": 5}, {"order_by": "a", "cursor": []}):
            async with session.post(f"{url}/get", json=body) as answer:
                assert answer.status == 422
        for body in ({"max_distance": "x"}, {"exact": 1}):
            async with session.post(f"{url}/query", json={"query_embeddings": [[1]], **body}) as answer:
                assert answer.status == 422
    await api.aclose()
