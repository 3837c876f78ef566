"""A durable write that fails in doubt ends all writes until the store is reopened: the server says 503 and is not healthy; reads go on."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from chroma_async.config.settings import Settings
from chroma_async.errors import FencedError, PoisonedError
from chroma_async.server.app import create_app
from tests.engine.gate import held
from tests.engine.store import Store, vectors

Open = Callable[..., Awaitable[Store]]
BASE = "/api/v2/tenants/default_tenant/databases/default_database/collections"


async def in_log(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    log: Any = store.engine.context.backends.log
    log.errors.append(PoisonedError("a commit failed"))
    with pytest.raises(PoisonedError):
        await store.add(["doubt"])


async def in_manifest(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog: Any = store.engine.context.backends.catalog
    catalog.errors.append(PoisonedError("a commit failed"))
    await store.add(["written"])
    with pytest.raises(PoisonedError):
        await store.flush()


async def in_file(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: Any) -> None:
        raise OSError(5, "Input/output error")

    await store.add(["written"])
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(PoisonedError):
            await store.flush()


async def in_catalog(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog: Any = store.engine.context.backends.catalog
    connection = catalog._inner._connection._connection
    execute = connection.execute_fetchall

    async def fail(sql: str, *values: Any) -> Any:
        if sql == "COMMIT":
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
            raise error
        return await execute(sql, *values)

    with monkeypatch.context() as patch:
        patch.setattr(connection, "execute_fetchall", fail)
        with pytest.raises(PoisonedError):
            await store.other("doubt")


@pytest.mark.parametrize("place", [in_log, in_manifest, in_file, in_catalog], ids=lambda place: place.__name__)
async def test_a_store_in_doubt_says_so_over_http(
    open_store: Open, monkeypatch: pytest.MonkeyPatch, place: Callable[[Store, pytest.MonkeyPatch], Awaitable[None]]
) -> None:
    store = await open_store(wrap=held)
    await store.add(["a", "b"], documents=["x", "y"])
    await place(store, monkeypatch)
    app = create_app(store.api, Settings(), store.engine.context.threads.run)
    async with TestClient(TestServer(app)) as client:
        record = {"ids": ["c"], "embeddings": [[1.0, 1, 1, 1]]}
        for route, body in (
            ("add", record),
            ("upsert", record),
            ("update", {"ids": ["a"], "documents": ["z"]}),
            ("delete", {"ids": ["a"]}),
        ):
            answer = await client.post(f"{BASE}/{store.id}/{route}", json=body)
            assert answer.status == 503, await answer.text()
        assert (await client.post(BASE, json={"name": "another"})).status == 503
        health = await client.get("/api/v2/healthcheck")
        assert health.status == 503
        assert (await client.get("/readyz")).status == 503
        assert (await client.get("/livez")).status == 200
        read = await client.post(f"{BASE}/{store.id}/get", json={"where_document": {"$contains": "x"}})
        assert (read.status, (await read.json())["ids"]) == (200, ["a"])
        query = await client.post(f"{BASE}/{store.id}/query", json={"query_embeddings": [[0.0] * 4], "n_results": 1})
        assert (query.status, (await query.json())["ids"]) == (200, [["a"]])
        assert (await client.get(f"{BASE}/{store.id}/count")).status == 200
    await store.engine.aclose()
    again = await open_store()
    assert await again.ids(limit=2) == ["a", "b"]
    await again.add(["d"], vectors([9]))


@pytest.mark.parametrize("how", ["closed", "lease lost"])
async def test_a_store_that_cannot_be_used_is_not_ready(open_store: Open, tmp_path: Path, how: str) -> None:
    store = await open_store()
    app = create_app(store.api, Settings(), store.engine.context.threads.run)
    if how == "closed":
        await store.engine.aclose()
    else:
        (tmp_path / "data" / "LOCK").unlink()
        with pytest.raises(FencedError):
            await store.add(["a"])
    async with TestClient(TestServer(app)) as client:
        assert (await client.get("/api/v2/healthcheck")).status == 503
        assert (await client.get("/readyz")).status == 503
