"""Transactions: together or not at all, and only on what was read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
from aiohttp.test_utils import TestServer

import chroma_async
from chroma_async.client.client import AsyncClient
from chroma_async.client.collection import AsyncCollection
from chroma_async.client.transaction import Transaction
from chroma_async.config.settings import Settings
from chroma_async.errors import ConditionalWriteConflictError, InvalidArgumentError, StaleReadError, ValidationError
from chroma_async.server.app import create_app
from chroma_async.service.local import open_local
from chroma_async.types import ConditionalCommit, DeleteOperation, GetRequest, RecordBatch, WriteKind, WriteOperation


@pytest.fixture(params=["ephemeral", "http"])
async def client(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[AsyncClient]:
    if request.param == "http":
        api = await open_local(str(tmp_path / "store"), Settings(read_tokens=8))
        app = create_app(api, Settings(), api.engine.context.threads.run)
        async with TestServer(app) as server, chroma_async.AsyncHttpClient(host=str(server.make_url(""))) as client:
            yield client
        await api.aclose()
        return
    async with chroma_async.AsyncEphemeralClient(Settings(read_tokens=8)) as client:
        yield client


async def accounts(client: AsyncClient) -> AsyncCollection:
    collection = await client.create_collection("accounts")
    await collection.add(ids=["a", "b"], embeddings=[[1.0], [2.0]], metadatas=[{"balance": 100}, {"balance": 0}])
    return collection


async def balances(collection: AsyncCollection) -> dict[str, Any]:
    got = await collection.get()
    return {id: metadata["balance"] for id, metadata in zip(got["ids"], got["metadatas"] or [], strict=True) if metadata}


async def move(transaction: Transaction, amount: int) -> None:
    got = await transaction.get(ids=["a", "b"])
    one, two = (metadata["balance"] for metadata in got["metadatas"] or [] if metadata)
    await transaction.update(ids=["a", "b"], metadatas=[{"balance": one - amount}, {"balance": two + amount}])


async def test_concurrent_transfers_lose_nothing(client: AsyncClient) -> None:
    collection = await accounts(client)
    await asyncio.gather(*(collection.run(lambda transaction: move(transaction, 1), attempts=50) for _ in range(10)))
    assert await balances(collection) == {"a": 90, "b": 10}


async def test_a_transaction_conflicts_when_what_it_read_was_changed_and_writes_nothing(client: AsyncClient) -> None:
    collection = await accounts(client)

    async def disturbed(transaction: Transaction) -> None:
        await move(transaction, 5)
        await collection.update(ids=["b"], metadatas=[{"balance": 7}])

    with pytest.raises(ConditionalWriteConflictError, match="'b'"):
        await collection.run(disturbed, attempts=1)
    assert await balances(collection) == {"a": 100, "b": 7}


async def test_a_change_of_other_records_is_no_conflict(client: AsyncClient) -> None:
    collection = await accounts(client)

    async def beside(transaction: Transaction) -> None:
        await move(transaction, 5)
        await collection.add(ids=["c"], embeddings=[[3.0]], metadatas=[{"balance": 1}])

    await collection.run(beside, attempts=1)
    assert await balances(collection) == {"a": 95, "b": 5, "c": 1}


async def test_an_absent_record_that_somebody_adds_is_a_conflict(client: AsyncClient) -> None:
    collection = await accounts(client)

    async def claim(transaction: Transaction) -> None:
        assert (await transaction.get(ids=["name"]))["ids"] == []
        await transaction.add(ids=["name"], embeddings=[[1.0]])
        await collection.add(ids=["name"], embeddings=[[9.0]])

    with pytest.raises(ConditionalWriteConflictError):
        await collection.run(claim, attempts=1)


async def test_operations_take_effect_in_order_as_one(client: AsyncClient) -> None:
    collection = await accounts(client)

    async def many(transaction: Transaction) -> None:
        await transaction.delete(ids=["a"])
        await transaction.add(ids=["a", "c"], embeddings=[[5.0], [6.0]], metadatas=[{"balance": 1}, {"balance": 2}])
        await transaction.update(ids=["a", "nobody"], metadatas=[{"note": "x"}, {"note": "y"}])
        await transaction.upsert(ids=["b", "d"], embeddings=[[7.0], [8.0]])
        await transaction.delete(ids=["c"])

    await collection.run(many)
    got = await collection.get(include=["metadatas", "embeddings"])
    assert got["ids"] == ["b", "a", "d"]
    assert got["metadatas"] == [{"balance": 0}, {"balance": 1, "note": "x"}, None]
    assert np.asarray(got["embeddings"]).tolist() == [[7.0], [5.0], [8.0]]


async def test_reads_of_one_transaction_see_one_moment(client: AsyncClient) -> None:
    collection = await accounts(client)
    seen: list[Any] = []

    async def twice(transaction: Transaction) -> None:
        seen.append((await transaction.get(ids=["a"]))["metadatas"])
        await collection.update(ids=["a"], metadatas=[{"balance": 1}])
        seen.append((await transaction.get(ids=["a"]))["metadatas"])

    await collection.run(twice)
    assert seen == [[{"balance": 100}]] * 2


async def test_a_refused_operation_leaves_nothing_behind(client: AsyncClient) -> None:
    collection = await accounts(client)

    async def wrong(transaction: Transaction) -> None:
        await transaction.delete(ids=["a"])
        await transaction.add(ids=["c"], embeddings=[[1.0, 2.0]])

    with pytest.raises(InvalidArgumentError, match="dimension"):
        await collection.run(wrong)
    assert await balances(collection) == {"a": 100, "b": 0}
    with pytest.raises(ValidationError):
        await collection.run(wrong, attempts=0)


async def test_a_token_that_is_not_held_any_longer_is_refused(client: AsyncClient) -> None:
    collection = await accounts(client)
    scope = client.scope
    _, token = await client.api.conditional_get(scope, collection.id, GetRequest(ids=["a"]))
    for number in range(10):
        await collection.update(ids=["b"], metadatas=[{"balance": number}])
        await client.api.conditional_get(scope, collection.id, GetRequest(ids=["a"]))
    commit = ConditionalCommit(token, ["a"], [DeleteOperation(("a",))])
    with pytest.raises(StaleReadError):
        await client.api.conditional_commit(scope, collection.id, commit)
    assert await collection.count() == 2


async def test_a_commit_says_where_its_records_are_in_the_log(client: AsyncClient) -> None:
    collection = await accounts(client)
    _, token = await client.api.conditional_get(client.scope, collection.id, GetRequest(ids=[]))
    batch = RecordBatch(["x", "y"], np.ones((2, 1), dtype=np.float32))
    operations = [WriteOperation(WriteKind.ADD, batch), DeleteOperation(("a",))]
    outcome = await client.api.conditional_commit(client.scope, collection.id, ConditionalCommit(token, [], operations))
    assert (outcome.first_inserted_record_offset, outcome.record_count) == (3, 3)
    nothing = ConditionalCommit(token, [], [DeleteOperation(("nobody",))])
    outcome = await client.api.conditional_commit(client.scope, collection.id, nothing)
    assert (outcome.first_inserted_record_offset, outcome.record_count) == (None, 0)


async def test_a_committed_transaction_survives_a_restart(tmp_path: Path) -> None:
    for close_flushes in (False, True):
        path = tmp_path / str(close_flushes)
        client = await chroma_async.AsyncPersistentClient(path)
        collection = await accounts(client)

        async def replace(transaction: Transaction) -> None:
            await transaction.get(ids=["a"])
            await transaction.delete(ids=["a"])
            await transaction.add(ids=["a"], embeddings=[[9.0]], metadatas=[{"balance": 9}])

        await collection.run(replace)
        await client.api.engine.aclose(flush=close_flushes)  # type: ignore[attr-defined]
        await client.aclose()
        async with chroma_async.AsyncPersistentClient(path) as again:
            assert await balances(await again.get_collection("accounts")) == {"b": 0, "a": 9}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"read_token": "x", "operations": []}, 422),
        ({"read_token": -1, "operations": []}, 422),
        ({"read_token": 10**9, "operations": []}, 412),
        ({"read_token": 0, "operations": {}}, 422),
        ({"read_token": 0, "operations": [{"operation": "merge", "payload": {}}]}, 422),
        ({"read_token": 0, "operations": [{"operation": "add"}]}, 422),
        ({"read_token": 0, "operations": [{"operation": "add", "payload": {"ids": ["a"]}}]}, 422),
        ({"read_token": 0, "operations": [{"operation": "delete", "payload": {"where": {"a": 1}}}]}, 400),
        ({"read_token": 0, "operations": [{"operation": "delete", "payload": {}}]}, 400),
    ],
)
async def test_a_commit_of_the_wrong_shape_is_refused(tmp_path: Path, body: dict[str, Any], status: int) -> None:
    api = await open_local(None, Settings())
    app = create_app(api, Settings(), api.engine.context.threads.run)
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        base = server.make_url("/api/v2/tenants/default_tenant/databases/default_database/collections")
        async with session.post(base, json={"name": "docs"}) as answer:
            url = f"{base}/{(await answer.json())['id']}/conditional"
        async with session.post(f"{url}/get", json={"limit": 1}) as answer:
            assert (answer.status, (await answer.json())["read_token"]) == (200, 0)
        async with session.post(f"{url}/commit", json=body) as answer:
            assert answer.status == status, await answer.text()
    await api.aclose()
