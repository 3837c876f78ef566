"""Nothing that the engine does holds the event loop up: no call that waits for the system, and no long computation."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from blockbuster import blockbuster_ctx

from chroma_async.config.settings import Settings
from chroma_async.service.local import LocalAPI, open_local
from chroma_async.types import (
    CollectionInfo,
    ConditionalCommit,
    DeleteRequest,
    GetRequest,
    QueryRequest,
    ReadLevel,
    RecordBatch,
    SearchRequest,
    WriteKind,
    WriteOperation,
)
from tests.engine.store import SCOPE, TINY, Clock, Store, vectors

Open = Callable[..., Awaitable[Store]]


@dataclass
class Steps:
    """Processor time of the longest steps of the event loop, in seconds, and what they were."""

    longest: list[tuple[float, str]] = field(default_factory=list)

    def over(self, seconds: float) -> list[str]:
        return [f"{took * 1e3:.1f} ms: {what}" for took, what in sorted(self.longest, reverse=True) if took > seconds]


@contextmanager
def measured(monkeypatch: pytest.MonkeyPatch) -> Iterator[Steps]:
    """Steps that take over 1 ms. Processor time of this thread alone: what other threads and processes do does not count."""
    steps = Steps()
    run = asyncio.Handle._run

    def timed(handle: asyncio.Handle) -> None:
        start = time.thread_time()
        run(handle)
        took = time.thread_time() - start
        if took > 0.001:
            steps.longest.append((took, repr(handle)))

    with monkeypatch.context() as patch:
        patch.setattr(asyncio.Handle, "_run", timed)
        # A collection of garbage is nobody's step.
        gc.collect()
        gc.disable()
        try:
            yield steps
        finally:
            gc.enable()


async def life(api: LocalAPI, info: CollectionInfo) -> None:
    """Every verb, on rows in memory, in chunks and in graphs."""
    ids = [f"a{n}" for n in range(60)]

    async def write(kind: WriteKind, ids: list[str], **columns: Any) -> None:
        await api.write(SCOPE, info.id, kind, RecordBatch(ids, vectors(range(len(ids))), **columns))

    for round in range(3):
        await write(WriteKind.UPSERT, ids, documents=[f"text {round}"] * 60, metadatas=[{"n": n, "round": round} for n in range(60)])
        await write(WriteKind.ADD, [f"b{round}"])
        await write(WriteKind.UPDATE, ["a1", "nobody"], documents=["changed", None])
        for ask in (
            GetRequest(limit=5, include=("documents", "metadatas", "embeddings", "uris")),
            GetRequest(ids=["a1", "a2"]),
            GetRequest(where={"n": {"$lt": 9}}, where_document={"$regex": "te.t"}),
        ):
            await api.get(SCOPE, info.id, ask)
        await api.query(SCOPE, info.id, QueryRequest(vectors([3]), 5, where={"n": {"$gt": 3}}, where_document={"$contains": "text"}))
        await api.search(SCOPE, info.id, SearchRequest([{"rank": {"$knn": {"query": [1.0] * 4}}, "limit": {"limit": 3}}]))
        for level in ReadLevel:
            await api.count(SCOPE, info.id, level)
        await api.delete(SCOPE, info.id, DeleteRequest(ids=["a3"]))
        await api.delete(SCOPE, info.id, DeleteRequest(where={"n": 4}))
        async for _ in api.compact():
            pass
        await api.engine.ticker.tick()
    await api.modify_collection(SCOPE, info.id, new_metadata={"m": 1})
    fork = await api.fork_collection(SCOPE, info.id, f"fork-{info.name}")
    await api.get(SCOPE, fork.id, GetRequest())
    async for _ in api.check():
        pass
    await api.delete_collection(SCOPE, fork.name)
    await api.engine.ticker.sweep()


@pytest.mark.parametrize("kind", ["memory", "disk"])
async def test_no_verb_makes_a_blocking_call_on_the_loop(tmp_path: Path, kind: str) -> None:
    settings = replace(TINY, is_persistent=kind == "disk", allow_reset=True)
    with blockbuster_ctx("chroma_async") as buster:
        # Checking the lock and finding out the real path are a few calls that read no file.
        for name in ("os.stat", "os.lstat", "os.fstat", "os.path.abspath", "os.path.realpath", "os.readlink"):
            if name in buster.functions:
                buster.functions[name].deactivate()
        api = await open_local(str(tmp_path / "data") if kind == "disk" else None, settings)
        await life(api, await api.create_collection(SCOPE, "docs"))
        if kind == "disk":
            await api.aclose()
            api = await open_local(str(tmp_path / "data"), settings)
            await life(api, await api.create_collection(SCOPE, "again"))
        await api.reset()
        await api.aclose()


#: Steps of a millisecond or two are Python's own (a dictionary that grows, a socket's buffer); these would be felt.
LONGEST_S = 0.010


@pytest.mark.alone
async def test_large_requests_are_worked_on_in_threads(open_store: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    store = await open_store(settings=Settings(query_threads=2, index_threads=1, flat_rows=10**6))
    dimension, count = 128, 5000
    ids = [f"id-{n:06d}" for n in range(count)]
    rows = np.random.default_rng(1).standard_normal((count, dimension), dtype=np.float32)
    documents = [f"text {n} " + "word " * 20 for n in range(count)]
    metadatas: list[Any] = [{"n": n, "name": f"n{n % 100}", "share": n / count} for n in range(count)]
    many = [f"id-{n:06d}" for n in range(100_000)]
    with measured(monkeypatch) as steps:
        await store.upsert(ids, rows, documents=documents, metadatas=metadatas)
        for n in range(300):
            await store.add([f"single-{n}"], rows[:1], documents=["x"], metadatas=[{"n": n}])
        await store.add(["wide"], rows[:1], metadatas=[{f"key{n}": n for n in range(2000)}])
        await store.add(["long"], rows[:1], documents=["x" * 10_000_000])
        await store.get(include=("documents", "metadatas", "embeddings"))
        await store.get(ids=many, limit=10)
        await store.get(where={"name": {"$in": many}})
        await store.get(where={"#id": {"$in": many}})
        await store.get(where_document={"$regex": r"(?i)\p{Lu}" * 10})
        await store.query(rows[0], 4294967295)
        await store.delete(many[50_000:])
        await store.flush()
        await store.delete(where={"n": {"$lt": 4000}})
        await store.upsert(ids, rows, documents=documents, metadatas=metadatas)
        await store.flush()
        await store.engine.ticker.tick()
    assert steps.over(LONGEST_S) == []


@pytest.mark.alone
async def test_a_transaction_of_thousands_of_small_writes_is_checked_in_a_thread(open_store: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    store = await open_store(disk=False)
    await store.add(["a"])
    batches = [RecordBatch([f"b{n}"], vectors([n]), documents=["text"], metadatas=[{f"key{k}": n for k in range(20)}]) for n in range(3000)]
    operations = [WriteOperation(WriteKind.UPSERT, batch) for batch in batches]
    with measured(monkeypatch) as steps:
        _, token = await store.api.conditional_get(SCOPE, store.id, GetRequest(ids=["a"]))
        outcome = await store.api.conditional_commit(SCOPE, store.id, ConditionalCommit(token, ["a"], operations))
    assert outcome.record_count == 3000
    assert steps.over(LONGEST_S) == []


@pytest.mark.alone
async def test_looking_after_thousands_of_collections_takes_small_steps(
    open_store: Open, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await open_store(disk=False)
    for number in range(1000):
        other = await store.other(f"c{number:04d}")
        await other.add(["a"])
    with measured(monkeypatch) as steps:
        await store.engine.ticker.tick()
        clock.now += 3
        await store.engine.ticker.tick()
    assert steps.over(LONGEST_S) == []


@pytest.mark.alone
@pytest.mark.parametrize("disk", [True, False], ids=["disk", "memory"])
async def test_listing_thousands_of_collections_takes_small_steps(open_store: Open, monkeypatch: pytest.MonkeyPatch, disk: bool) -> None:
    store = await open_store(disk=disk)
    for number in range(1000):
        await store.other(f"c{number:04d}")
    with measured(monkeypatch) as steps:
        assert len(await store.api.list_collections(SCOPE)) == 1001
    assert steps.over(LONGEST_S) == []


@pytest.mark.alone
async def test_a_schema_of_thousands_of_keys_takes_small_steps(open_store: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    store = await open_store()
    metadatas: list[Any] = [{f"key{row}-{n}": n for n in range(1000)} for row in range(10)]
    with measured(monkeypatch) as steps:
        await store.add([f"a{n}" for n in range(10)], vectors(range(10)), metadatas=metadatas)
        await store.flush()
        info = await store.api.get_collection(SCOPE, "docs")
    assert steps.over(3 * LONGEST_S) == []
    discovered = [key for key in info.schema["keys"] if key.startswith("key")]
    assert 4000 < len(discovered) <= store.engine.context.settings.schema_keys
    # What found no place is filtered all the same.
    assert await store.ids(where={"key9-999": 999}) == ["a9"]
    await store.engine.aclose()
    again = await open_store()
    assert (await again.api.get_collection(SCOPE, "docs")).schema == info.schema
