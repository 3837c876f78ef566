"""Order of answers: first insertion, whatever happened to a row since."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from tests.engine.store import TINY, Store, vectors

Open = Callable[..., Awaitable[Store]]


async def shaken(store: Store, seed: int, steps: int = 40) -> list[str]:
    """Random writes and jobs; the order that must come out."""
    rng = random.Random(seed)
    order: list[str] = []
    for step in range(steps):
        ids = rng.sample([f"r{number}" for number in range(60)], rng.randint(1, 12))
        verb = rng.choice(["add", "upsert", "update", "delete", "move", "flush", "finish"])
        if verb in ("add", "upsert"):
            await store.write(verb, ids, vectors([step] * len(ids)), metadatas=[{"even": step % 2 == 0}] * len(ids))
            order += [id for id in ids if id not in order]
        elif verb == "update":
            await store.update(ids, documents=[f"step {step}"] * len(ids))
        elif verb in ("delete", "move"):
            await store.delete(ids)
            order = [id for id in order if id not in ids]
            if verb == "move":
                await store.add(ids[:3])
                order += ids[:3]
        elif verb == "flush":
            await store.flush()
        else:
            await store.finish()
        assert await store.ids() == order
    return order


@pytest.mark.parametrize("seed", range(6))
async def test_pages_join_to_the_whole_in_order_of_first_insertion(open_store: Open, seed: int) -> None:
    store = await open_store(disk=False, settings=replace(TINY, memtable_rows=16, segment_rows=48, merge_rows=24))
    order = await shaken(store, seed)
    for limit in (1, 3, 7, 100):
        pages = [await store.ids(offset=offset, limit=limit) for offset in range(0, len(order) + 1, limit)]
        assert [id for page in pages for id in page] == order
    assert await store.ids(offset=len(order)) == []
    assert await store.ids(offset=2**40) == []
    assert await store.ids(limit=0) == []
    assert await store.ids(offset=5) == order[5:]


@pytest.mark.parametrize("seed", range(6, 9))
async def test_filters_and_ids_page_in_the_same_order(open_store: Open, seed: int) -> None:
    store = await open_store(disk=False, settings=replace(TINY, memtable_rows=16, segment_rows=48, merge_rows=24))
    order = await shaken(store, seed)
    even = set(await store.ids(where={"even": True}))
    matching = [id for id in order if id in even]
    assert [id for offset in range(0, 60, 4) for id in await store.ids(where={"even": True}, offset=offset, limit=4)] == matching
    asked = [*reversed(order), "absent", *order]
    assert await store.ids(ids=asked) == order
    assert await store.ids(ids=asked, offset=2, limit=5) == order[2:7]
    assert await store.ids(ids=asked, where={"even": True}, offset=1) == matching[1:]


@pytest.mark.parametrize("settle", ["nothing", "flush", "finish", "reopen"])
async def test_an_update_keeps_the_place_and_a_new_life_loses_it(open_store: Open, settle: str) -> None:
    store = await open_store()

    async def settled() -> Store:
        if settle == "flush":
            await store.flush()
        elif settle == "finish":
            await store.finish()
        elif settle == "reopen":
            await store.engine.aclose(flush=False)
            return await open_store()
        return store

    await store.add([*"abcdef"])
    store = await settled()
    await store.update(["b"], documents=["x"])
    await store.upsert(["d", "g"], vectors([1, 2]))
    store = await settled()
    assert await store.ids() == [*"abcdefg"]
    await store.delete(["c"])
    store = await settled()
    await store.add(["c"])
    store = await settled()
    assert await store.ids() == [*"abdefgc"]
    await store.delete(["a"])
    await store.upsert(["a"], vectors([1]))
    await store.update(["a", "c"], documents=["y", "z"])
    store = await settled()
    assert await store.ids() == [*"bdefgca"]


async def test_equal_distances_come_in_order_of_first_insertion(store: Store) -> None:
    await store.add([*"abcdefgh"], [[1, 0, 0, 0]] * 8)
    await store.flush()
    await store.upsert(["c", "i"], [[1, 0, 0, 0]] * 2)
    await store.update(["a"], documents=["x"])
    await store.delete(["d"])
    await store.add(["d"], [[1, 0, 0, 0]])
    expected = [*"abcefghid"]
    for _ in range(2):
        assert (await store.query([1, 1, 1, 1])).ids == expected
        assert (await store.query([1, 1, 1, 1], 4)).ids == expected[:4]
        assert (await store.query([1, 1, 1, 1], 3, where={"#id": {"$nin": ["a", "c"]}})).ids == [*"bef"]
        await store.finish()


async def test_a_deletion_with_a_limit_takes_the_oldest(store: Store) -> None:
    await store.add([*"abcdef"], metadatas=[{"k": 1}] * 6)
    await store.flush()
    await store.update(["a"], metadatas=[{"n": 1}])
    await store.delete(["b"])
    await store.add(["b"], metadatas=[{"k": 1}])
    assert await store.delete(where={"k": 1}, limit=2) == 2
    assert await store.ids() == [*"defb"]
    assert await store.delete(where={"k": 1}, limit=0) == 0
    assert await store.delete(where={"k": 1}, limit=100) == 4
