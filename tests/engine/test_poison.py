"""A write that fails in doubt, or is half applied, ends all writes until the store is reopened, and nobody sees it before.

The server says 503 and is not healthy; reads go on.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from chroma_async import costs
from chroma_async.config.settings import Settings
from chroma_async.engine.compaction import flush_lane
from chroma_async.engine.snapshot.memtable import Memtable
from chroma_async.engine.snapshot.segment import Segment
from chroma_async.errors import ChromaError, FencedError, PoisonedError
from chroma_async.format.logbatch import LogBatch
from chroma_async.server.app import create_app
from tests.engine.gate import PATIENCE_S, JobGate, held
from tests.engine.store import TINY, Store, vectors

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
        readiness = await client.get("/readyz")
        assert readiness.status == 503
        assert (await readiness.json()).startswith("damaged: a write failed in doubt")
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
        readiness = await client.get("/readyz")
        assert (readiness.status, (await readiness.json())[:26]) == (503, "the store cannot be used (")


async def test_a_write_that_is_half_applied_is_neither_seen_nor_flushed_and_whole_after_reopening(
    open_store: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await open_store()
    await store.add(["a"])
    seal = Memtable._seal

    def fail(self: Memtable) -> None:
        raise MemoryError

    monkeypatch.setattr(Memtable, "_seal", fail)
    with pytest.raises(ChromaError):
        await store.add(["b", "c"])
    monkeypatch.setattr(Memtable, "_seal", seal)
    assert await store.ids() == ["a"]
    with pytest.raises(PoisonedError):
        await store.add(["d"])
    with pytest.raises(ChromaError):
        await store.flush()
    assert await store.ids() == ["a"]
    await store.engine.aclose()
    again = await open_store()
    assert await again.ids() == ["a", "b", "c"]
    await again.flush()
    assert await again.ids() == ["a", "b", "c"]


async def test_a_flush_under_way_while_a_write_is_half_applied_does_not_show_it(open_store: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    store = await open_store()
    await store.add(["a"])
    gate = JobGate(monkeypatch, flush_lane, "write_memtable")
    flushing = asyncio.ensure_future(store.flush())
    await gate.reached()
    seal = Memtable._seal
    monkeypatch.setattr(Memtable, "_seal", lambda self: (_ for _ in ()).throw(MemoryError()))
    with pytest.raises(ChromaError):
        await store.add(["b"])
    monkeypatch.setattr(Memtable, "_seal", seal)
    gate.open()
    await flushing
    assert await store.ids() == ["a"]
    with pytest.raises(ChromaError):
        await store.flush()
    assert await store.ids() == ["a"]
    await store.engine.aclose()
    assert await (await open_store()).ids() == ["a", "b"]


async def test_a_write_that_is_being_applied_does_not_look_to_a_flush_like_one_that_failed(
    open_store: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await open_store(settings=replace(TINY, memtable_rows=20))
    for name in "ab":  # two memtables, both frozen
        await store.add([f"{name}{n}" for n in range(20)], vectors(range(20)))
    between, written = JobGate(monkeypatch, Segment, "encode_tail"), JobGate(monkeypatch, flush_lane, "write_memtable")
    written.open()
    flushing = asyncio.ensure_future(store.flush())
    await between.reached()  # the first is flushed
    gate, reached, append = threading.Event(), threading.Event(), Memtable.append

    def slow(self: Memtable, batch: LogBatch) -> None:
        reached.set()
        assert gate.wait(PATIENCE_S)
        append(self, batch)

    monkeypatch.setattr(Memtable, "append", slow)
    monkeypatch.setattr(costs, "INLINE_US", 0.0)  # it is applied in a thread
    writing = asyncio.ensure_future(store.add([f"c{n}" for n in range(40)], vectors(range(40))))
    await asyncio.to_thread(reached.wait, PATIENCE_S)
    between.open()
    while written.calls < 2 and not flushing.done():  # noqa: ASYNC110 - the flush goes on, or takes itself for ended
        await asyncio.sleep(0)
    gate.set()
    await writing
    await flushing
    assert await store.count() == 80


async def test_a_write_does_not_wait_for_a_flush_that_never_comes(open_store: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    store = await open_store(settings=replace(TINY, memtable_rows=1, frozen_memtables=2))
    await store.add(["a"])
    await store.add(["b"])
    (await store.collection()).live.broken = True
    with pytest.raises(PoisonedError):
        await asyncio.wait_for(store.add(["c"]), 10)
