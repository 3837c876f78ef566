"""What an engine tells of itself is what it holds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from chroma_async.engine.inspection import inspect
from chroma_async.errors import ClosedError, CorruptionError
from chroma_async.statistics import CollectionStatistics, StoreStatistics
from tests.engine.store import SCOPE, Clock, Store, vectors

Open: TypeAlias = Callable[..., Awaitable[Store]]


async def of(store: Store) -> CollectionStatistics:
    return next(each for each in (await inspect(store.engine)).collections if each.id == store.id)


async def test_the_lag_is_the_age_of_the_oldest_write_that_is_in_the_log_alone(store: Store, clock: Clock) -> None:
    await store.add(["a"])
    clock.now += 5
    await store.add(["b"])
    assert ((await of(store)).lag_rows, (await of(store)).lag_s) == (2, 5.0)
    collection = await store.collection()
    async with collection.live.turn:
        collection.compactor.freeze()
    clock.now += 5
    await store.add(["c"])
    clock.now += 1
    assert (await of(store)).lag_s == 11.0
    await store.flush_oldest()
    assert ((await of(store)).lag_rows, (await of(store)).lag_s) == (1, 1.0)
    await store.flush()
    assert ((await of(store)).lag_rows, (await of(store)).lag_s) == (0, 0.0)


async def test_deleted_rows_count_as_dead_until_they_are_vacuumed(store: Store) -> None:
    await store.add([f"{n}" for n in range(20)], vectors(range(20)))
    await store.flush()
    await store.delete(["0", "1", "2", "3", "4"])
    found = await of(store)
    assert (found.rows, found.dead_rows) == (15, 5)
    await store.finish()
    found = await of(store)
    assert (found.rows, found.dead_rows) == (15, 0)


async def test_rows_that_no_graph_covers_are_told(store: Store) -> None:
    await store.add([f"{n}" for n in range(30)], vectors(range(30)))
    await store.flush()
    assert (await of(store)).unindexed_rows == 30
    await store.finish()
    found, whole = await of(store), await inspect(store.engine)
    assert (found.unindexed_rows, found.segments) == (0, 1)
    assert {kind: work.rows for kind, work in whole.work.items()} == {"flush": 30, "merge": 0, "vacuum": 0, "index": 30, "text_index": 30}


async def test_collections_are_counted_whether_they_are_loaded_or_not(open_store: Open) -> None:
    store = await open_store()
    await store.other("another")
    await store.count()
    found: StoreStatistics = await inspect(store.engine)
    assert (found.total_collections, [each.name for each in found.collections]) == (2, ["docs"])


async def test_a_collection_that_is_damaged_is_counted_until_it_is_deleted(open_store: Open, tmp_path: Path) -> None:
    store = await open_store()
    await store.add([f"{n}" for n in range(20)])
    await store.flush()
    await store.engine.aclose()
    for file in (tmp_path / "data" / "segments").glob("*.vectors"):
        file.unlink()
    again = await open_store()
    with pytest.raises(CorruptionError):
        await again.count()
    assert (await inspect(again.engine)).damaged == 1
    await again.api.delete_collection(SCOPE, "docs")
    assert (await inspect(again.engine)).damaged == 0


async def test_a_closed_engine_tells_nothing(store: Store) -> None:
    await store.engine.aclose()
    with pytest.raises(ClosedError):
        await inspect(store.engine)
