"""Many writers and readers beside automatic compaction: each answer is one moment, whole."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace

import numpy as np
import pytest

from chroma_async.engine.engine import Engine
from tests.engine.store import TINY, Clock, Store, sound, vectors

Open = Callable[..., Awaitable[Store]]
BUSY = replace(TINY, memtable_rows=16, segment_rows=200, merge_rows=64, write_queue_requests=8)
WRITERS, BATCHES, READERS = 4, 40, 3


async def write(store: Store, writer: int) -> dict[str, int]:
    """Batches of three rows, each with the batch's number, on ids of its own; the last number of each id that is left."""
    rng = random.Random(writer)
    left: dict[str, int] = {}
    for number in range(BATCHES):
        group = rng.randrange(12)
        ids = [f"w{writer}.{group}.{row}" for row in range(3)]
        verb = rng.choice(["upsert", "upsert", "update", "delete", "filter", "cancelled"])
        mark = {"writer": writer, "group": group, "number": number}
        if verb == "delete":
            await store.delete(ids)
        elif verb == "filter":
            await store.delete(where={"$and": [{"writer": writer}, {"group": group}]})
        elif verb == "update":
            await store.update(ids, metadatas=[mark] * 3)
        else:
            task = asyncio.ensure_future(store.upsert(ids, vectors([number] * 3), documents=[f"batch {number}"] * 3, metadatas=[mark] * 3))
            if verb == "cancelled":
                for _ in range(rng.randrange(30)):
                    await asyncio.sleep(0)
                task.cancel()
                await asyncio.wait([task])
                # Done or not done, but not in part; a write that follows waits behind it.
                await store.update(["nobody"], metadatas=[None])
                if (await store.get(ids=ids[:1], where={"number": number})).ids:
                    left.update(dict.fromkeys(ids, number))
            else:
                await task
        if verb in ("delete", "filter"):
            for id in ids:
                left.pop(id, None)
        elif verb == "upsert" or (verb == "update" and ids[0] in left):
            left.update(dict.fromkeys(ids, number))
    return left


async def read(store: Store, reader: int, done: asyncio.Event) -> int:
    """Whatever is read at whatever moment, a batch is there whole or not at all, and in one state."""
    rng = random.Random(reader)
    answers = 0
    while not done.is_set():
        answers += 1
        writer = rng.randrange(WRITERS)
        rows = await store.get(where={"writer": writer}, include=("metadatas", "documents"))
        assert len(rows.ids) == len(set(rows.ids))
        states: dict[str, set[object]] = {}
        for id, metadata in zip(rows.ids, rows.metadatas or [], strict=True):
            assert metadata is not None
            states.setdefault(id.rsplit(".", 1)[0], set()).add(metadata["number"])
        assert len(rows.ids) == 3 * len(states)
        assert all(len(numbers) == 1 for numbers in states.values())
        nearest = await store.query(vectors([rng.randrange(BATCHES)])[0], 7, where={"writer": writer}, include=("distances", "metadatas"))
        assert len(nearest.ids) == len(set(nearest.ids))
        assert (np.diff(nearest.distances) >= 0).all()  # type: ignore[arg-type]
        groups = {id.rsplit(".", 1)[0] for id in nearest.ids}
        assert len(nearest.ids) == 7 or len(nearest.ids) == 3 * len(groups)
    return answers


@pytest.mark.parametrize("disk", [False, True], ids=["memory", "disk"])
async def test_readers_see_whole_batches_while_everything_runs(open_store: Open, disk: bool, clock: Clock) -> None:
    store = await open_store(disk=disk, settings=BUSY, automatic=True)
    done = asyncio.Event()
    readers = [asyncio.ensure_future(read(store, reader, done)) for reader in range(READERS)]

    async def compact() -> None:
        while not done.is_set():
            clock.now += 10
            await store.engine.ticker.tick()
            await store.finish()
            await store.engine.ticker.sweep()

    compaction = asyncio.ensure_future(compact())
    left: dict[str, int] = {}
    for part in await asyncio.gather(*(write(store, writer) for writer in range(WRITERS))):
        left |= part
    done.set()
    assert all(await asyncio.gather(*readers))
    await compaction

    async def agreed(store: Store) -> bool:
        rows = await store.get()
        return {id: (metadata or {}).get("number") for id, metadata in zip(rows.ids, rows.metadatas or [], strict=True)} == left

    assert await agreed(store)
    assert await sound(store)
    if disk:
        await store.engine.aclose(flush=False)
        store = await open_store(settings=BUSY)
        assert await agreed(store)
        assert await sound(store)


async def test_closing_beside_everything_keeps_what_was_acknowledged(open_store: Open) -> None:
    store = await open_store(settings=BUSY, automatic=True)
    acknowledged: set[str] = set()
    enough = asyncio.Event()

    async def add_on(writer: int) -> None:
        for number in range(10_000):
            ids = [f"{writer}.{number}.{row}" for row in range(3)]
            await store.add(ids, vectors([1, 2, 3]))
            acknowledged.update(ids)
            if len(acknowledged) > 300:
                enough.set()

    async def read_on() -> None:
        while True:
            await store.query([1, 1, 1, 1], 3)

    async def compact_on() -> None:
        while True:
            await store.finish()

    tasks = [asyncio.ensure_future(work) for work in (*(add_on(writer) for writer in range(4)), read_on(), compact_on())]
    await enough.wait()
    engine: Engine = store.engine
    await engine.aclose(flush=False)
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(outcome).__name__ for outcome in outcomes} <= {"ClosedError", "NoneType"}
    store = await open_store(settings=BUSY)
    found = await store.ids()
    assert acknowledged <= set(found)
    assert len(found) % 3 == 0
    assert await sound(store)
