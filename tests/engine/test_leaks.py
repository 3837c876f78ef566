"""What is opened is closed, and what is deleted leaves nothing behind: descriptors, threads, tasks, memory, files, log."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import tracemalloc
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from chroma_async.client.embedded import AsyncEphemeralClient, AsyncPersistentClient
from chroma_async.service.local import open_local
from chroma_async.types import GetRequest, QueryRequest, RecordBatch, WriteKind
from tests.engine.store import SCOPE, TINY, Clock, Store, vectors

Open = Callable[..., Awaitable[Store]]


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def maps() -> int:
    """Stored files that are mapped, deleted ones included."""
    return sum("/segments/" in line for line in Path("/proc/self/maps").read_text().splitlines())


async def threads_end() -> int:
    """Threads of this package that are still there once those that are ending have ended."""
    for _ in range(1000):
        left = [thread for thread in threading.enumerate() if thread.name.startswith(("chroma-", "Thread-"))]
        if not left:
            return 0
        await asyncio.sleep(0.001)
    return len(left)


async def test_two_hundred_rounds_of_opening_and_closing_leave_nothing_open(tmp_path: Path) -> None:
    settings = replace(TINY, is_persistent=True)

    async def round(number: int) -> None:
        api = await open_local(str(tmp_path / "data"), settings)
        info = await api.create_collection(SCOPE, "docs", get_or_create=True)
        await api.write(SCOPE, info.id, WriteKind.UPSERT, RecordBatch([f"a{number % 30}"], vectors([number]), documents=["x"]))
        await api.get(SCOPE, info.id, GetRequest())
        await api.query(SCOPE, info.id, QueryRequest(vectors([1]), 3))
        if number % 20 == 0:
            async for _ in api.compact():
                pass
        await api.aclose()

    for number in range(10):
        await round(number)
    await threads_end()
    gc.collect()
    before = descriptors(), maps(), len(asyncio.all_tasks())
    gc.disable()
    try:
        for number in range(200):
            await round(number)
        # Not even until the garbage collector comes by.
        assert (descriptors(), maps(), len(asyncio.all_tasks())) == before
    finally:
        gc.enable()
    assert await threads_end() == 0


async def test_rounds_of_opening_and_closing_take_no_memory(tmp_path: Path) -> None:
    async def rounds(count: int) -> None:
        for _ in range(count):
            async with AsyncEphemeralClient() as client:
                await (await client.create_collection("docs")).add(["a"], embeddings=[[1.0, 2.0]])
            async with AsyncPersistentClient(tmp_path / "data") as client:
                collection = await client.get_or_create_collection("docs")
                await collection.upsert(["a"], embeddings=[[1.0, 2.0]], documents=["x"])

    await rounds(10)
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        await rounds(30)
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] - before < 300_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("count", [200, pytest.param(2000, marks=pytest.mark.slow)])
async def test_collections_created_and_deleted_leave_nothing_behind(open_store: Open, clock: Clock, tmp_path: Path, count: int) -> None:
    store = await open_store()
    engine, api = store.engine, store.api

    async def one(number: int) -> None:
        info = await api.create_collection(SCOPE, f"collection-{number}", metadata={"n": number})
        embeddings = np.random.default_rng(number).standard_normal((10, 4), dtype=np.float32)
        columns = {"documents": ["text"] * 10, "metadatas": [{f"key{number}": n} for n in range(10)]}
        await api.write(SCOPE, info.id, WriteKind.ADD, RecordBatch([f"a{n}" for n in range(10)], embeddings, **columns))  # type: ignore[arg-type]
        if number % 10 == 0:
            async with engine.registry.using(SCOPE, info.id) as collection:
                await collection.flush()
        await api.get(SCOPE, info.id, GetRequest(where={f"key{number}": 1}))
        await api.delete_collection(SCOPE, f"collection-{number}")

    for number in range(100):
        await one(number)
    gc.collect()
    before = descriptors()
    tracemalloc.start()
    try:
        held = tracemalloc.get_traced_memory()[0]
        for start in range(100, 100 + count, 20):
            await asyncio.gather(*(one(number) for number in range(start, start + 20)))
            clock.now += 6
            await engine.ticker.tick()
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] - held < 3_000_000
    finally:
        tracemalloc.stop()
    assert descriptors() <= before + 2
    assert len(engine.registry.loaded) <= 1
    assert not engine.registry.loading
    assert not engine.registry._facts
    assert await engine.context.backends.log.collections() == {}
    assert await api.count_collections(SCOPE) == 1
    assert list((tmp_path / "data" / "segments").iterdir()) == []
    assert engine.context.store.pinned() == set()
