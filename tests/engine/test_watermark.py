"""What counts as indexed: the version of a collection, its indexing status, and what a read of the index alone sees."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import replace

import numpy as np
import pytest

from chroma_async.types import ReadLevel
from tests.engine.store import DIMENSION, SCOPE, TINY, Clock, Store

#: Memtables of up to ten rows are too small to be flushed when idle.
SMALL = replace(TINY, flush_idle_rows=10)
Open = Callable[..., Awaitable[Store]]


async def version(store: Store) -> int:
    """The version, as every way to it says it."""
    by_name = await store.api.get_collection(SCOPE, store.info.name)
    by_id = await store.api.get_collection_by_id(SCOPE, store.id)
    (listed,) = [info for info in await store.api.list_collections(SCOPE) if info.id == store.id]
    assert by_name.version == by_id.version == listed.version == by_name.log_position
    return by_name.version


async def unindexed(store: Store) -> int:
    status = await store.api.indexing_status(SCOPE, store.id)
    assert status.op_indexing_progress == (1.0 if status.num_unindexed_ops == 0 else status.num_indexed_ops / status.total_ops)
    return status.num_unindexed_ops


async def indexed_count(store: Store, level: ReadLevel = ReadLevel.INDEX_ONLY) -> int:
    return await store.api.count(SCOPE, store.id, level)


async def reopened(open_store: Open, store: Store, **arguments: object) -> Store:
    await store.engine.aclose(flush=False)
    return await open_store(settings=SMALL, **arguments)


async def test_a_collection_too_small_for_a_flush_counts_as_indexed_a_second_after_its_last_write(open_store: Open, clock: Clock) -> None:
    store = await open_store(settings=SMALL)
    assert (await version(store), await unindexed(store)) == (0, 0)
    await store.add(["a", "b", "c"])
    clock.now += 0.9
    await store.engine.ticker.tick()
    assert (await version(store), await unindexed(store), await indexed_count(store)) == (0, 3, 0)
    await store.delete(["a"])
    clock.now += 0.9
    assert (await version(store), await unindexed(store), await indexed_count(store)) == (0, 4, 0)
    clock.now += 0.2
    assert (await version(store), await unindexed(store), await indexed_count(store)) == (4, 0, 2)


async def test_counting_makes_no_file_and_writes_nothing_to_the_catalog(open_store: Open, clock: Clock) -> None:
    store = await open_store(settings=SMALL)
    await store.add(["a"])
    catalog = store.engine.context.backends.catalog
    before = await catalog.find_collection(store.id), await catalog.load_manifest(store.id)
    for _ in range(20):
        clock.now += 0.5
        await store.engine.ticker.tick()
    assert await version(store) == 1
    assert (await catalog.find_collection(store.id), await catalog.load_manifest(store.id)) == before
    assert before[1].version == 0
    assert store.engine.context.backends.segments.list() == []


async def test_a_pause_between_writes_counts_though_nobody_asked_in_it(open_store: Open, clock: Clock) -> None:
    store = await open_store(settings=SMALL)
    await store.add(["a"])
    clock.now += 1.1
    await store.engine.ticker.tick()
    await store.add(["b"])
    assert (await version(store), await unindexed(store), await indexed_count(store)) == (1, 1, 1)


async def test_rows_enough_for_a_flush_count_when_they_are_flushed(open_store: Open, clock: Clock) -> None:
    store = await open_store(settings=SMALL)
    await store.add([f"r{n}" for n in range(11)])
    clock.now += 1.5
    await store.engine.ticker.tick()
    assert (await version(store), await unindexed(store), await indexed_count(store)) == (0, 11, 0)
    await store.flush()
    assert (await version(store), await unindexed(store), await indexed_count(store)) == (11, 0, 11)


async def test_a_memtable_that_waits_to_be_flushed_does_not_count(open_store: Open, clock: Clock) -> None:
    store = await open_store(settings=SMALL)
    collection = await store.collection()
    await store.add([f"r{n}" for n in range(3)])
    async with collection.live.turn:
        collection.compactor.freeze()
    clock.now += 5
    assert (await version(store), await unindexed(store)) == (0, 3)
    await store.flush()
    assert (await version(store), await unindexed(store)) == (3, 0)


async def test_read_levels_see_all_the_flushed_part_or_a_prefix(open_store: Open) -> None:
    store = await open_store(settings=replace(SMALL, memtable_rows=1000))
    await store.add([f"r{n}" for n in range(10)])
    await store.flush()
    await store.delete(["r0"])
    for number in range(300):
        await store.add([f"s{number}"])
    assert await store.count() == 309
    assert await indexed_count(store) == 10
    assert await indexed_count(store, ReadLevel.INDEX_AND_BOUNDED_WAL) == 9 + 249


async def test_indexing_status_follows_the_flush(open_store: Open) -> None:
    store = await open_store(settings=SMALL)
    await store.add([f"r{n}" for n in range(10)])
    await store.delete(["r0"])
    status = await store.api.indexing_status(SCOPE, store.id)
    assert (status.num_indexed_ops, status.num_unindexed_ops, status.total_ops) == (0, 11, 11)
    await store.flush()
    assert await unindexed(store) == 0


async def test_a_bounded_read_sees_the_first_entries_behind_what_counts(open_store: Open, clock: Clock) -> None:
    store = await open_store(settings=replace(SMALL, flush_idle_rows=1000, memtable_rows=1000))
    await store.add(["a"])
    clock.now += 1.1
    await store.engine.ticker.tick()
    for number in range(260):
        await store.add([f"r{number}"])
    assert await indexed_count(store) == 1
    assert await indexed_count(store, ReadLevel.INDEX_AND_BOUNDED_WAL) == 251
    clock.now += 1.1
    assert await indexed_count(store) == await indexed_count(store, ReadLevel.INDEX_AND_BOUNDED_WAL) == 261


async def test_a_version_survives_a_restart_before_and_after_its_collection_is_loaded(open_store: Open, clock: Clock) -> None:
    store = await open_store(settings=SMALL)
    await store.add(["a", "b"])
    await store.flush()
    await store.add(["c"])
    clock.now += 1.1
    assert await version(store) == 3
    store = await reopened(open_store, store)
    assert await version(store) == 3
    assert (await store.count(), await version(store), await unindexed(store), await indexed_count(store)) == (3, 3, 0, 3)


async def test_rows_that_an_opening_finds_and_will_flush_never_lower_the_version_and_wait_to_be_indexed(
    open_store: Open, clock: Clock
) -> None:
    store = await open_store(settings=SMALL)
    await store.add([f"a{n}" for n in range(6)])
    clock.now += 1.1
    assert await version(store) == 6
    await store.add([f"b{n}" for n in range(6)])
    store = await reopened(open_store, store)
    assert await version(store) == 12
    assert (await unindexed(store), await version(store), await indexed_count(store)) == (12, 12, 12)
    await store.flush()
    assert (await unindexed(store), await version(store)) == (0, 12)


async def test_a_version_survives_unloading(open_store: Open, clock: Clock) -> None:
    store = await open_store(settings=replace(SMALL, cache_bytes=1, collection_idle_s=1.0))
    await store.add(["a", "b"])
    clock.now += 1.1
    assert await version(store) == 2
    await store.flush()
    clock.now += 60
    loaded = await store.collection()
    clock.now += 60
    await store.engine.ticker.tick()
    assert await version(store) == 2
    assert await store.collection() is not loaded


async def test_a_fork_begins_at_the_version_of_its_source_and_goes_on_by_itself(open_store: Open, clock: Clock) -> None:
    store = await open_store(settings=SMALL)
    await store.add(["a", "b"])
    await store.flush()
    await store.add(["c"])
    info = await store.api.fork_collection(SCOPE, store.id, "fork")
    fork = Store(store.engine, store.api, info)
    assert info.version == await version(fork) == 3
    await fork.add(["d"])
    assert (await version(fork), await version(store), await indexed_count(fork)) == (3, 2, 3)
    clock.now += 1.1
    assert (await version(fork), await version(store), await unindexed(fork)) == (4, 3, 0)
    store = await reopened(open_store, store)
    assert await version(Store(store.engine, store.api, info)) == 4


async def test_what_an_idle_collection_leaves_outside_its_graph_counts_as_indexed(open_store: Open) -> None:
    store = await open_store(settings=replace(SMALL, absorb_idle_rows=5))
    rng = np.random.default_rng(3)
    await store.add([f"r{n}" for n in range(60)], rng.normal(size=(60, DIMENSION)))
    await store.flush()
    assert await unindexed(store) == 60
    await store.finish()
    assert await unindexed(store) == 0
    await store.add([f"s{n}" for n in range(5)], rng.normal(size=(5, DIMENSION)))
    await store.flush()
    assert await unindexed(store) == 0
    await store.add(["t"], rng.normal(size=(1, DIMENSION)))
    await store.flush()
    assert await unindexed(store) == 6


@pytest.mark.parametrize("seed", range(6))
async def test_a_version_never_falls_and_a_read_of_the_index_alone_sees_what_it_says(open_store: Open, clock: Clock, seed: int) -> None:
    rng = random.Random(seed)
    store = await open_store(settings=SMALL)
    #: The ids that there were at each seq that was the last.
    history: dict[int, set[str]] = {0: set()}
    present: set[str] = set()
    seq, last_version = 0, 0

    for step in range(80):
        match rng.choice(["add", "add", "delete", "wait", "wait", "tick", "flush", "finish", "reopen"]):
            case "add":
                ids = [f"r{step}-{n}" for n in range(rng.choice([1, 3, 12]))]
                await store.add(ids)
                present |= set(ids)
                seq += len(ids)
            case "delete" if present:
                ids = rng.sample(sorted(present), min(2, len(present)))
                await store.delete(ids)
                present -= set(ids)
                seq += len(ids)
            case "wait":
                clock.now += rng.choice([0.3, 0.8, 1.5])
            case "tick":
                await store.engine.ticker.tick()
            case "flush":
                await store.flush()
            case "finish":
                await store.finish()
            case "reopen":
                store = await reopened(open_store, store)
        history[seq] = set(present)
        now = await version(store)
        assert last_version <= now <= seq
        collection = await store.collection()
        indexed = await collection.version_at(ReadLevel.INDEX_ONLY)
        assert indexed.count == len(history[now])
        assert await version(store) == now
        last_version = now
    clock.now += 2
    await store.flush()
    assert (await version(store), last_version > 0) == (seq, True)
