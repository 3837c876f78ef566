"""Records that expire are gone for every reader from that moment on, and for good; the event loop and the ticker wait for nothing."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest

from chroma_async.config.settings import Settings
from chroma_async.engine.collection import Collection
from chroma_async.engine.engine import Engine
from chroma_async.engine.read.get import get
from chroma_async.engine.read.query import query
from chroma_async.engine.snapshot import expiry
from chroma_async.engine.write.request import Delete, check_batch
from chroma_async.errors import InvalidArgumentError
from chroma_async.schema.collection_settings import create_settings
from chroma_async.storage.base.collections import CollectionRow
from chroma_async.types import RecordBatch, Scope, WriteKind
from tests.engine.gate import HeldLog, held
from tests.engine.settling import settled
from tests.engine.store import Clock, Store, vectors

Open = Callable[..., Awaitable[Store]]

NOW = 1_000_000


class Wall:
    """Seconds since the epoch, set by hand."""

    def __init__(self) -> None:
        self.now_s = float(NOW)

    def __call__(self) -> int:
        return int(self.now_s * 1e9)


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture(params=["memory", "disk"])
async def engine(request: pytest.FixtureRequest, tmp_path: Path, wall: Wall) -> AsyncIterator[Engine]:
    location = None if request.param == "memory" else str(tmp_path / "store")
    engine = await Engine.open(location, Settings(flat_rows=4), automatic=False, clock=wall)
    yield engine
    await engine.aclose()


async def made(engine: Engine) -> Collection:
    settings = create_settings(None, None, None, num_threads=1)
    row = CollectionRow(uuid4(), "docs", "default_tenant", "default_database", None, settings.configuration, settings.schema, None, 0)
    await engine.context.backends.catalog.create_collection(row)
    async with engine.registry.holding(row.id) as collection:
        return collection


async def write(
    collection: Collection, kind: WriteKind, ids: list[str], expires_at: list[float | None] | None = None, **columns: Any
) -> None:
    vectors = np.array([[float(ord(id[-1])), 1.0] for id in ids], dtype=np.float32)
    await collection.write(check_batch(kind, RecordBatch(ids, vectors, expires_at=expires_at, **columns)))


def ids(collection: Collection) -> list[str]:
    return get(collection.version, None, None, None, 0, ()).ids


async def test_a_record_is_there_until_its_time_and_not_after(engine: Engine, wall: Wall) -> None:
    collection = await made(engine)
    await write(collection, WriteKind.ADD, ["a", "b", "c"], [NOW + 10, None, NOW + 20])
    assert ids(collection) == ["a", "b", "c"]
    wall.now_s = NOW + 9.9
    assert collection.version.count == 3
    wall.now_s = NOW + 10
    assert ids(collection) == ["b", "c"]
    wall.now_s = NOW + 20
    assert ids(collection) == ["b"]
    assert collection.version.count == 1


async def test_no_query_finds_an_expired_record_flushed_or_not(engine: Engine, wall: Wall) -> None:
    collection = await made(engine)
    await write(collection, WriteKind.ADD, list("abcdefgh"), [NOW + 5 if id in "ace" else None for id in "abcdefgh"])
    for flushed in (False, True):
        if flushed:
            await collection.finish()
        for now_s, expected in ((NOW, "abcdefgh"), (NOW + 6, "bdfgh")):
            wall.now_s = now_s
            nearest = collection.nearest_request(np.array([[97.0, 1.0]], dtype=np.float32), 10)
            (found,) = query(collection.version, nearest, None, None)
            assert found.ids == list(expected)
        wall.now_s = NOW


async def test_an_expired_id_can_be_added_again_and_is_then_a_new_record(engine: Engine, wall: Wall) -> None:
    collection = await made(engine)
    await write(collection, WriteKind.ADD, ["a", "b"], [NOW + 5, None], documents=["old", "b"])
    await collection.flush()
    wall.now_s = NOW + 6
    await write(collection, WriteKind.ADD, ["a"], documents=["new"])
    rows = get(collection.version, None, None, None, 0, ("documents", "metadatas"))
    assert rows.ids == ["b", "a"]
    assert rows.documents == ["b", "new"]
    assert rows.metadatas == [None, None]


async def test_an_update_can_move_or_remove_the_end(engine: Engine, wall: Wall) -> None:
    collection = await made(engine)
    await write(collection, WriteKind.ADD, ["a", "b", "c"], [NOW + 5] * 3)
    await write(collection, WriteKind.UPDATE, ["a", "b"], [NOW + 50, None], metadatas=[None, {"chroma:expires_at": None}])
    wall.now_s = NOW + 6
    assert ids(collection) == ["a", "b"]
    wall.now_s = NOW + 60
    assert ids(collection) == ["b"]


async def test_the_clock_writes_the_deletion_into_the_log_and_vacuum_takes_the_row(engine: Engine, wall: Wall) -> None:
    collection = await made(engine)
    await write(collection, WriteKind.ADD, list("abcdefgh"), [NOW + 5] * 4 + [None] * 4)
    await collection.finish()
    wall.now_s = NOW + 6
    before = collection.version.seq
    await collection.tick()
    await settled(engine)
    assert collection.version.seq == before + 4
    await collection.finish()
    assert sum(segment.rows for segment in collection.manifest.segments) == 4
    assert ids(collection) == ["e", "f", "g", "h"]


async def test_what_expired_while_the_store_was_closed_is_gone_when_it_opens(tmp_path: Path, wall: Wall) -> None:
    engine = await Engine.open(str(tmp_path / "store"), Settings(), automatic=False, clock=wall)
    collection = await made(engine)
    await write(collection, WriteKind.ADD, ["a", "b"], [NOW + 5, NOW + 500])
    await engine.aclose(flush=False)
    wall.now_s = NOW + 100
    engine = await Engine.open(str(tmp_path / "store"), Settings(), automatic=False, clock=wall)
    async with engine.registry.using(Scope(), collection.id) as again:
        assert ids(again) == ["b"]
        await again.write(Delete(["b"]))
        assert ids(again) == []
    await engine.aclose()
    engine = await Engine.open(str(tmp_path / "store"), Settings(), automatic=False, clock=wall)
    async with engine.registry.using(Scope(), collection.id) as again:
        assert ids(again) == []
    await engine.aclose()


async def test_collections_without_expiry_pay_nothing(engine: Engine) -> None:
    collection = await made(engine)
    await write(collection, WriteKind.ADD, ["a"])
    version = collection.version
    assert collection.version is version


@pytest.mark.parametrize("value", [True, "soon", [1.0]])
def test_an_end_that_is_no_number_is_refused(value: Any) -> None:
    batch = RecordBatch(["a"], np.ones((1, 2), dtype=np.float32), metadatas=[{"chroma:expires_at": value}])
    with pytest.raises(InvalidArgumentError, match="expires_at"):
        check_batch(WriteKind.ADD, batch)


async def test_expired_rows_are_found_in_threads(open_store: Open, wall: Wall, monkeypatch: pytest.MonkeyPatch) -> None:
    store = await open_store(clock=wall)
    find, threads = expiry.due, set[int]()

    def noted(*arguments: Any) -> Any:
        threads.add(threading.get_ident())
        return find(*arguments)

    monkeypatch.setattr(expiry, "due", noted)
    monkeypatch.setattr("chroma_async.engine.write.group_resolver.due", noted)
    ids = [f"a{n}" for n in range(40)]
    for flushed in (False, True):
        wall.now_s = NOW
        await store.upsert(ids, vectors(range(40)), expires_at=[NOW + 10 + n for n in range(40)])
        if flushed:
            await store.flush()
        for now in (NOW + 9, NOW + 10, NOW + 30):
            wall.now_s = now
            alive = 40 - max(0, now - NOW - 9)
            assert await store.count() == alive
            assert len(await store.ids()) == alive
            await store.query([1.0] * 4)
    await store.engine.ticker.tick()
    await settled(store.engine)
    assert threads
    assert threading.get_ident() not in threads


async def test_the_ticker_does_not_wait_for_the_log(open_store: Open, clock: Clock, wall: Wall) -> None:
    store = await open_store(wrap=held, clock=wall)
    other = await store.other("other")
    await other.add(["old"])
    await store.add(["a", "b"], expires_at=[NOW + 10, None])
    log: Any = store.engine.context.backends.log
    assert isinstance(log, HeldLog)
    wall.now_s = NOW + 10
    clock.now += 120
    log.hold()
    await asyncio.wait_for(store.engine.ticker.tick(), 10)
    await log.reached()
    await asyncio.wait_for(store.engine.ticker.tick(), 10)
    log.release()
    await settled(store.engine)
    assert (await other.collection()).manifest.version == 1
    assert await store.ids() == ["b"]
