"""What is loaded: idle collections leave memory when too much is held, and come back as they were; the scope decides as ever."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from chroma_async.engine.compaction import jobs
from chroma_async.errors import NotFoundError
from chroma_async.types import CollectionInfo, RecordBatch, Scope, WriteKind
from tests.engine.gate import JobGate, lanes_end
from tests.engine.store import SCOPE, TINY, Clock, Store, same, vectors

Open = Callable[..., Awaitable[Store]]
TIGHT = replace(TINY, cache_bytes=1)


async def fill(store: Store, count: int = 30) -> None:
    await store.add([f"r{number}" for number in range(count)], vectors(range(count)), metadatas=[{"n": number} for number in range(count)])
    await store.finish()


async def tick(store: Store, clock: Clock, seconds: float) -> None:
    """Time passes, and the engine looks after its collections; what that begins comes to its end."""
    clock.now += seconds
    await store.engine.ticker.tick()
    await lanes_end()


def is_loaded(store: Store) -> bool:
    return store.id in store.engine.registry.loaded


async def test_an_idle_collection_is_unloaded_and_comes_back_as_it_was(open_store: Open, clock: Clock) -> None:
    store = await open_store(settings=TIGHT)
    await fill(store)
    expected, info = await store.everything(), await store.api.get_collection(SCOPE, "docs")
    await tick(store, clock, 61)
    assert not is_loaded(store)
    assert await store.api.get_collection(SCOPE, "docs") == info
    assert same(await store.everything(), expected)
    assert is_loaded(store)
    await tick(store, clock, 61)
    assert not is_loaded(store)
    await store.update(["r3"], metadatas=[{"fresh": True}])
    assert await store.ids(where={"fresh": True}) == ["r3"]
    assert "fresh" in (await store.api.get_collection(SCOPE, "docs")).schema["keys"]


async def test_a_collection_in_recent_use_stays(open_store: Open, clock: Clock) -> None:
    store = await open_store(settings=TIGHT)
    await fill(store)
    await tick(store, clock, 59)
    assert is_loaded(store)
    await store.count()
    await tick(store, clock, 59)
    assert is_loaded(store)
    await tick(store, clock, 2)
    assert not is_loaded(store)


async def test_nothing_is_unloaded_while_there_is_room(open_store: Open, clock: Clock) -> None:
    store = await open_store()
    await fill(store)
    await tick(store, clock, 10_000)
    assert is_loaded(store)


async def test_the_longest_idle_goes_first_and_no_more_than_needed(open_store: Open, clock: Clock) -> None:
    store = await open_store()
    stores = [store, await store.other("second"), await store.other("third")]
    for each in stores:
        await fill(each)
    held = [each.engine.registry.loaded[each.id].bytes for each in stores]
    store.engine.ticker.context = replace(store.engine.context, settings=replace(TINY, cache_bytes=sum(held) - 1))
    clock.now += 5
    await stores[0].count()
    await tick(store, clock, 61)
    assert [is_loaded(each) for each in stores] == [True, False, True]


async def test_what_is_not_flushed_or_in_use_stays(open_store: Open, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    store = await open_store(settings=replace(TIGHT, flush_max_s=1e6, flush_idle_rows=1000))
    await fill(store)
    await store.add(["unflushed"])
    await tick(store, clock, 61)
    assert is_loaded(store)
    await store.flush()
    async with store.engine.registry.using(SCOPE, store.id):
        await tick(store, clock, 61)
        assert is_loaded(store)
    await store.delete(["r1"])
    gate = JobGate(monkeypatch, jobs, "write_vacuumed")
    work = asyncio.ensure_future(store.finish())
    await gate.reached()
    clock.now += 61
    await store.engine.ticker.tick()
    assert is_loaded(store)
    gate.open()
    await work
    await tick(store, clock, 61)
    assert not is_loaded(store)
    assert await store.count() == 30


async def test_a_store_in_memory_never_unloads(open_store: Open, clock: Clock) -> None:
    store = await open_store(disk=False, settings=TIGHT)
    await fill(store)
    await tick(store, clock, 10_000)
    assert is_loaded(store)


async def test_many_requests_for_an_unloaded_collection_load_it_once(open_store: Open, clock: Clock) -> None:
    store = await open_store(settings=TIGHT)
    await fill(store)
    await tick(store, clock, 61)
    counts = await asyncio.gather(*(store.count() for _ in range(20)), store.add(["x"]), *(store.count() for _ in range(20)))
    assert set(counts) <= {None, 30, 31}
    assert await store.count() == 31
    assert len(store.engine.registry.loaded) == 1


async def test_a_caller_that_goes_away_leaves_the_loading_to_the_others(open_store: Open, clock: Clock) -> None:
    store = await open_store(settings=TIGHT)
    await fill(store)
    await tick(store, clock, 61)
    first, second = asyncio.ensure_future(store.count()), asyncio.ensure_future(store.count())
    await asyncio.sleep(0)
    first.cancel()
    assert await second == 30


async def test_idle_rows_are_flushed_and_old_ones_too(open_store: Open, clock: Clock) -> None:
    store = await open_store(settings=replace(TINY, flush_idle_rows=10))
    await store.add([f"r{number}" for number in range(20)], vectors(range(20)))
    await tick(store, clock, 1)
    assert not (await store.collection()).version.segments
    await tick(store, clock, 1.5)
    assert (await store.collection()).version.segments[0].rows == 20
    await store.add(["one"])
    await tick(store, clock, 30)
    assert (await store.collection()).version.memtables[-1].rows == 1
    await tick(store, clock, 31)
    assert (await store.collection()).version.memtables[-1].rows == 0


async def test_the_scope_decides_also_for_what_is_loaded(disk: Store) -> None:
    await disk.add(["a"])
    await disk.api.create_database("second", SCOPE.tenant)
    stranger: Scope = Scope(SCOPE.tenant, "second")
    with pytest.raises(NotFoundError):
        await disk.api.write(stranger, disk.id, WriteKind.ADD, RecordBatch(["x"], vectors([1])))
    info: CollectionInfo = await disk.api.get_collection_by_id(SCOPE, disk.id)
    assert info.id == disk.id
