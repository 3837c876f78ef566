"""The live state: tombstones that come at any moment land on the rows they mean, in memory, in manifests and after a crash."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

import numpy as np
import pytest

from chroma_async.engine.snapshot.version import SegmentView
from tests.engine.store import TINY, Store, same, sound, vectors

Open = Callable[..., Awaitable[Store]]
SETTINGS = replace(TINY, memtable_rows=8)


async def fill(store: Store, start: int, count: int = 8) -> None:
    numbers = range(start, start + count)
    await store.add([f"r{number}" for number in numbers], vectors(numbers), documents=[f"d{number}" for number in numbers])


def flushed_alive(store: Store, view: SegmentView) -> list[bool]:
    """The alive bits of the manifest, not those of now."""
    return [bool(bit) for bit in view.segment.alive.to_bools()]


async def test_a_manifest_holds_exactly_the_deletions_up_to_its_seq(open_store: Open) -> None:
    store = await open_store(settings=SETTINGS)
    await fill(store, 0)  # frozen
    await store.delete(["r1"])
    await fill(store, 8)  # frozen, with the deletion of r1
    await store.delete(["r2", "r9"])
    await fill(store, 16)  # frozen, with those of r2 and r9
    await store.delete(["r3", "r10", "r17"])
    expected = await store.everything()
    collection = await store.collection()
    dead_by_manifest = [[], ["r1"], ["r1", "r2", "r9"]]
    for dead in dead_by_manifest:
        await store.flush_oldest()
        (view,) = collection.version.segments
        ids = view.ids(np.arange(view.rows))
        assert [id for id, alive in zip(ids, flushed_alive(store, view), strict=True) if not alive] == dead
        assert same(await store.everything(), expected)
    await store.flush()
    (view,) = collection.version.segments
    assert view.alive == view.segment.alive
    assert same(await store.everything(), expected)


@pytest.mark.parametrize("flushes", range(4))
async def test_a_crash_after_any_flush_loses_no_deletion(open_store: Open, flushes: int) -> None:
    store = await open_store(settings=SETTINGS)
    for start in (0, 8, 16):
        await fill(store, start)
        await store.delete([f"r{start + 1}", f"r{max(0, start - 5)}"])
        await store.update([f"r{start + 2}"], documents=["changed"])
    expected = await store.everything()
    for _ in range(flushes):
        await store.flush_oldest()
        assert same(await store.everything(), expected)
    await store.engine.aclose(flush=False)
    store = await open_store(settings=SETTINGS)
    assert same(await store.everything(), expected)
    await store.finish()
    assert same(await store.everything(), expected)
    assert await sound(store)


async def test_rows_dead_when_frozen_are_not_written(open_store: Open) -> None:
    store = await open_store(disk=False)
    await fill(store, 0)
    await store.delete(["r0", "r4"])
    await store.update(["r5"], documents=["changed"])
    await store.flush()
    (view,) = (await store.collection()).version.segments
    assert view.ids(np.arange(view.rows)) == ["r1", "r2", "r3", "r6", "r7", "r5"]
    assert view.segment.entry.dead == 0


async def test_a_memtable_without_living_rows_leaves_no_chunk_but_its_deletions(open_store: Open) -> None:
    store = await open_store()
    await fill(store, 0)
    await store.flush()
    await store.add(["x"])
    await store.delete(["x", "r1"])
    await store.flush()
    collection = await store.collection()
    (view,) = collection.version.segments
    assert (view.rows, view.segment.entry.dead, view.count) == (8, 1, 7)
    assert collection.idle
    await store.engine.aclose(flush=False)
    assert await (await open_store()).count() == 7


async def test_a_reader_keeps_the_version_that_it_took(store: Store) -> None:
    await fill(store, 0, 30)
    await store.flush()
    await fill(store, 30, 5)
    collection = await store.collection()
    version = collection.version
    before = (version.count, version.seq, version.ids_at(version.find(["r1", "r31"])))
    await store.delete([f"r{number}" for number in range(20)])
    await store.upsert(["r31"], vectors([99]), documents=["changed"])
    await store.finish()
    assert (version.count, version.seq, version.ids_at(version.find(["r1", "r31"]))) == before
    places = version.find(["r1", "r31"])
    assert version.fetch(places, documents=True, uris=False, metadatas=False)[0] == ["d1", "d31"]
    assert version.embeddings_at(places).tolist() == vectors([1, 31]).tolist()
    assert await store.count() == 15


async def test_an_id_is_found_in_its_newest_row_only(store: Store) -> None:
    for step in range(5):
        await store.upsert(["a"], vectors([step]), documents=[str(step)])
        await store.flush()
    await store.delete(["a"])
    await store.flush()
    assert await store.ids(ids=["a"]) == []
    assert await store.ids(where={"#id": "a"}) == []
    await store.add(["a"], vectors([7]))
    for _ in range(2):
        rows = await store.get(ids=["a"], include=("embeddings",))
        assert (rows.ids, rows.embeddings is not None and rows.embeddings[0, 0]) == (["a"], 7.0)
        assert await store.ids(where={"#id": {"$in": ["a", "b"]}}) == ["a"]
        assert await store.count() == 1
        await store.finish()
