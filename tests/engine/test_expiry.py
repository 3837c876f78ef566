"""Records that expire are gone for every reader from that moment on, and for good."""

from __future__ import annotations

from collections.abc import AsyncIterator
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
from chroma_async.engine.write.resolve import Delete, Write
from chroma_async.errors import InvalidArgumentError
from chroma_async.schema.collection_settings import create_settings
from chroma_async.service.batch import check_batch
from chroma_async.storage.base import CollectionRow
from chroma_async.types import RecordBatch, Scope, Space, WriteKind
from tests.engine.settling import settled

NOW = 1_000_000


class Clock:
    """Seconds since the epoch, set by hand."""

    def __init__(self) -> None:
        self.now_s = float(NOW)

    def __call__(self) -> int:
        return int(self.now_s * 1e9)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", "disk"])
async def engine(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> AsyncIterator[Engine]:
    location = None if request.param == "memory" else str(tmp_path / "store")
    engine = await Engine.open(location, Settings(flat_rows=4), automatic=False, clock=clock)
    yield engine
    await engine.aclose()


async def made(engine: Engine) -> Collection:
    settings = create_settings(None, None, None, num_threads=1)
    row = CollectionRow(uuid4(), "docs", "default_tenant", "default_database", None, settings.configuration, settings.schema, None, 0)
    await engine.context.backends.catalog.create_collection(row)
    return await engine.load(row)


async def write(
    collection: Collection, kind: WriteKind, ids: list[str], expires_at: list[float | None] | None = None, **columns: Any
) -> None:
    vectors = np.array([[float(ord(id[-1])), 1.0] for id in ids], dtype=np.float32)
    await collection.write(Write(kind, check_batch(kind, RecordBatch(ids, vectors, expires_at=expires_at, **columns))))


def ids(collection: Collection) -> list[str]:
    return get(collection.version, None, None, None, 0, ()).ids


async def test_a_record_is_there_until_its_time_and_not_after(engine: Engine, clock: Clock) -> None:
    collection = await made(engine)
    await write(collection, WriteKind.ADD, ["a", "b", "c"], [NOW + 10, None, NOW + 20])
    assert ids(collection) == ["a", "b", "c"]
    clock.now_s = NOW + 9.9
    assert collection.version.count == 3
    clock.now_s = NOW + 10
    assert ids(collection) == ["b", "c"]
    clock.now_s = NOW + 20
    assert ids(collection) == ["b"]
    assert collection.version.count == 1


async def test_no_query_finds_an_expired_record_flushed_or_not(engine: Engine, clock: Clock) -> None:
    collection = await made(engine)
    await write(collection, WriteKind.ADD, list("abcdefgh"), [NOW + 5 if id in "ace" else None for id in "abcdefgh"])
    for flushed in (False, True):
        if flushed:
            await collection.finish()
        for now_s, expected in ((NOW, "abcdefgh"), (NOW + 6, "bdfgh")):
            clock.now_s = now_s
            (found,) = query(collection.version, Space.L2, np.array([[97.0, 1.0]], dtype=np.float32), 10, None, None, (), collection.plan)
            assert found.ids == list(expected)
        clock.now_s = NOW


async def test_an_expired_id_can_be_added_again_and_is_then_a_new_record(engine: Engine, clock: Clock) -> None:
    collection = await made(engine)
    await write(collection, WriteKind.ADD, ["a", "b"], [NOW + 5, None], documents=["old", "b"])
    await collection.flush()
    clock.now_s = NOW + 6
    await write(collection, WriteKind.ADD, ["a"], documents=["new"])
    rows = get(collection.version, None, None, None, 0, ("documents", "metadatas"))
    assert rows.ids == ["b", "a"]
    assert rows.documents == ["b", "new"]
    assert rows.metadatas == [None, None]


async def test_an_update_can_move_or_remove_the_end(engine: Engine, clock: Clock) -> None:
    collection = await made(engine)
    await write(collection, WriteKind.ADD, ["a", "b", "c"], [NOW + 5] * 3)
    await write(collection, WriteKind.UPDATE, ["a", "b"], [NOW + 50, None], metadatas=[None, {"chroma:expires_at": None}])
    clock.now_s = NOW + 6
    assert ids(collection) == ["a", "b"]
    clock.now_s = NOW + 60
    assert ids(collection) == ["b"]


async def test_the_clock_writes_the_deletion_into_the_log_and_vacuum_takes_the_row(engine: Engine, clock: Clock) -> None:
    collection = await made(engine)
    await write(collection, WriteKind.ADD, list("abcdefgh"), [NOW + 5] * 4 + [None] * 4)
    await collection.finish()
    clock.now_s = NOW + 6
    before = collection.version.seq
    await collection.tick()
    await settled(engine)
    assert collection.version.seq == before + 4
    await collection.finish()
    assert sum(segment.rows for segment in collection.manifest.segments) == 4
    assert ids(collection) == ["e", "f", "g", "h"]


async def test_what_expired_while_the_store_was_closed_is_gone_when_it_opens(tmp_path: Path, clock: Clock) -> None:
    engine = await Engine.open(str(tmp_path / "store"), Settings(), automatic=False, clock=clock)
    collection = await made(engine)
    await write(collection, WriteKind.ADD, ["a", "b"], [NOW + 5, NOW + 500])
    await engine.aclose(flush=False)
    clock.now_s = NOW + 100
    engine = await Engine.open(str(tmp_path / "store"), Settings(), automatic=False, clock=clock)
    async with engine.using(Scope(), collection.id) as again:
        assert ids(again) == ["b"]
        await again.write(Delete(["b"], None, None))
        assert ids(again) == []
    await engine.aclose()
    engine = await Engine.open(str(tmp_path / "store"), Settings(), automatic=False, clock=clock)
    async with engine.using(Scope(), collection.id) as again:
        assert ids(again) == []
    await engine.aclose()


async def test_collections_without_expiry_pay_nothing(engine: Engine) -> None:
    collection = await made(engine)
    await write(collection, WriteKind.ADD, ["a"])
    assert collection.version is collection.live.version


@pytest.mark.parametrize("value", [True, "soon", [1.0]])
def test_an_end_that_is_no_number_is_refused(value: Any) -> None:
    batch = RecordBatch(["a"], np.ones((1, 2), dtype=np.float32), metadatas=[{"chroma:expires_at": value}])
    with pytest.raises(InvalidArgumentError, match="expires_at"):
        check_batch(WriteKind.ADD, batch)
