"""Vacuuming: dead rows go, and everything that speaks of the others' positions goes with them to the new ones."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

import numpy as np

from chroma_async.engine.compaction.compaction_policy import Vacuum
from tests.engine.store import SCOPE, TINY, Store, same, vectors

Open = Callable[..., Awaitable[Store]]


def ids(start: int, stop: int) -> list[str]:
    return [f"r{number}" for number in range(start, stop)]


async def fill(store: Store, start: int, stop: int) -> None:
    rows = np.random.default_rng(start).integers(-9, 9, (stop - start, 4))
    await store.add(ids(start, stop), rows, documents=[f"document number {number}" for number in range(start, stop)])


async def test_a_segment_whose_rows_are_all_dead_goes(store: Store) -> None:
    await fill(store, 0, 30)
    await store.finish()
    await store.delete(ids(0, 30))
    await store.finish()
    collection = await store.collection()
    assert collection.version.segments == ()
    assert await store.count() == 0
    await fill(store, 0, 30)
    await store.finish()
    assert await store.ids() == ids(0, 30)
    assert (await store.api.get_collection_by_id(SCOPE, store.id)).dimension == 4


async def test_a_vacuum_moves_the_deletions_of_memtables_that_wait_to_be_flushed(open_store: Open) -> None:
    store = await open_store(settings=replace(TINY, memtable_rows=10))
    await fill(store, 0, 30)
    await store.flush()
    await store.delete(ids(0, 10))
    await store.flush()
    await store.delete(["r12"])
    await fill(store, 30, 40)  # frozen, with the deletion of r12
    await store.delete(["r20", "r31"])
    await fill(store, 40, 50)  # frozen, with those of r20 and r31
    await store.delete(["r25", "r41"])
    expected = await store.everything()
    collection = await store.collection()
    key = collection.version.segments[0].segment.key
    assert await store.do(Vacuum(key))
    assert collection.version.segments[0].rows == 20
    dead_by_manifest = [["r12"], ["r12", "r20", "r31"]]
    for dead in dead_by_manifest:
        await store.flush_oldest()
        (view,) = collection.version.segments
        gone = np.flatnonzero(~view.segment.alive.to_bools())
        assert view.ids(gone) == dead
        assert same(await store.everything(), expected)
    await store.engine.aclose(flush=False)
    assert same(await (await open_store()).everything(), expected)


async def test_a_vacuum_puts_rows_back_in_order_of_birth(store: Store) -> None:
    await fill(store, 0, 40)
    await store.flush()
    await store.update(ids(3, 20), documents=["changed"] * 17)
    await store.flush()
    assert (await store.collection()).version.segments[0].segment.tie_order is not None
    await store.finish()
    (view,) = (await store.collection()).version.segments
    assert view.segment.tie_order is None
    assert view.ids(np.arange(40)) == ids(0, 40)


async def test_a_segment_whose_rows_all_died_is_vacuumed_whatever_flat_rows_says(open_store: Open) -> None:
    store = await open_store(settings=replace(TINY, flat_rows=0))
    await store.add([f"a{n}" for n in range(20)], vectors(range(20)))
    await store.finish()
    await store.delete([f"a{n}" for n in range(20)])
    await store.finish()
    assert await store.count() == 0
    assert (await store.collection()).manifest.segments == ()
