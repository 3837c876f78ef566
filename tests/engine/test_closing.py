"""Failures in the middle, and ends while something waits."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from chroma_async.engine.admin.compact_store import compact_store
from chroma_async.engine.snapshot.memtable import Memtable
from chroma_async.errors import ChromaError, ClosedError, NotFoundError, PoisonedError
from chroma_async.format.logbatch import LogBatch
from tests.engine.store import SCOPE, TINY, Clock, Store, vectors

Open = Callable[..., Awaitable[Store]]


async def test_a_write_that_is_half_applied_is_neither_seen_nor_flushed_and_whole_after_reopening(
    open_store: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await open_store()
    await store.add(["a"])
    seal = Memtable._seal

    def fail(self: Memtable) -> None:
        raise MemoryError

    monkeypatch.setattr(Memtable, "_seal", fail)
    with pytest.raises(ChromaError):
        await store.add(["b", "c"])
    monkeypatch.setattr(Memtable, "_seal", seal)
    assert await store.ids() == ["a"]
    with pytest.raises(PoisonedError):
        await store.add(["d"])
    with pytest.raises(ChromaError):
        await store.flush()
    assert await store.ids() == ["a"]
    await store.engine.aclose()
    again = await open_store()
    assert await again.ids() == ["a", "b", "c"]
    await again.flush()
    assert await again.ids() == ["a", "b", "c"]


async def test_a_flush_under_way_while_a_write_is_half_applied_does_not_show_it(open_store: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    store = await open_store()
    await store.add(["a"])
    collection = await store.collection()
    async with collection.turn:
        collection.compactor.freeze()
    seal = Memtable._seal
    monkeypatch.setattr(Memtable, "_seal", lambda self: (_ for _ in ()).throw(MemoryError()))
    with pytest.raises(ChromaError):
        await store.add(["b"])
    monkeypatch.setattr(Memtable, "_seal", seal)
    with pytest.raises(ChromaError):
        await store.flush()
    assert await store.ids() == ["a"]
    await store.engine.aclose()
    assert await (await open_store()).ids() == ["a", "b"]


async def test_a_write_held_back_by_flushes_is_told_that_its_collection_was_deleted(disk: Store) -> None:
    collection = await disk.collection()
    held, deleted = asyncio.Event(), asyncio.Event()

    async def admit(rows: int) -> None:
        held.set()
        await deleted.wait()
        raise ChromaError("writes wait for a flush that fails")

    collection._queue._admit = admit
    waiting = asyncio.ensure_future(disk.add(["a"]))
    await held.wait()
    deleting = asyncio.ensure_future(disk.api.delete_collection(SCOPE, "docs"))
    while collection._queue._refusal is None:  # noqa: ASYNC110 - the deletion itself waits for the write
        await asyncio.sleep(0)
    deleted.set()
    await deleting
    with pytest.raises(NotFoundError):
        await waiting


async def test_a_flush_of_a_closed_collection_says_so(disk: Store) -> None:
    collection = await disk.collection()
    await collection.aclose(flush=False)
    with pytest.raises(ClosedError):
        await collection.flush()


async def test_a_segment_whose_rows_all_died_is_vacuumed_whatever_flat_rows_says(open_store: Open) -> None:
    store = await open_store(settings=replace(TINY, flat_rows=0))
    await store.add([f"a{n}" for n in range(20)], vectors(range(20)))
    await store.finish()
    await store.delete([f"a{n}" for n in range(20)])
    await store.finish()
    assert await store.count() == 0
    assert (await store.collection()).manifest.segments == ()


async def test_codes_of_the_tail_are_let_go_when_the_graph_takes_it_in(open_store: Open) -> None:
    store = await open_store(settings=replace(TINY, tail_codes_rows=1))
    await store.add([f"a{n}" for n in range(40)], vectors(range(40)))
    await store.flush()
    segment = (await store.collection()).version.segments[0].segment
    assert segment.codes
    await store.finish()
    segment = (await store.collection()).version.segments[0].segment
    assert segment.covers == 40
    assert not segment.codes


async def test_compacting_a_store_leaves_no_collection_out_though_they_are_unloaded_meanwhile(open_store: Open, clock: Clock) -> None:
    store = await open_store(settings=replace(TINY, cache_bytes=1, collection_idle_s=0.001))
    others = [await store.other(f"other{n}") for n in range(3)]
    for other in (store, *others):
        await other.add([f"a{n}" for n in range(40)], vectors(range(40)))
        await other.flush()
    done = []
    async for step in compact_store(store.engine):
        clock.now += 1
        await store.engine.tick()
        done.append(step)
    assert {step.collection for step in done if step.phase == "done"} == {"docs", "other0", "other1", "other2"}
    for other in (store, *others):
        assert (await other.collection()).manifest.segments[0].graph is not None


async def test_compacting_a_store_passes_over_what_is_deleted_meanwhile(disk: Store) -> None:
    await disk.add(["a"])
    others = [await disk.other(f"other{n}") for n in range(3)]
    for other in others:
        await other.add(["a"])
    seen: list[Any] = []
    async for step in compact_store(disk.engine):
        if not seen:
            for other in others:
                await disk.api.delete_collection(SCOPE, other.info.name)
        seen.append(step)
    assert seen


async def test_a_check_takes_what_compaction_replaces_meanwhile_for_no_damage(
    disk: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        await disk.add([f"{number}-{n}" for n in range(20)], vectors(range(20)))
        await disk.flush()
    read = disk.engine.context.threads.run
    finished: list[bool] = []

    async def compact_first(*arguments: Any, **named: Any) -> Any:
        if not finished:
            finished.append(True)
            await disk.delete(["0-0"])
            await disk.finish()
            await disk.engine.sweep()
        return await read(*arguments, **named)

    monkeypatch.setattr(disk.engine.context.threads, "run", compact_first)
    findings = [finding async for finding in disk.api.check()]
    assert findings
    assert [finding for finding in findings if finding.level != "ok"] == []


async def test_a_check_passes_over_what_is_deleted_meanwhile(disk: Store) -> None:
    others = [await disk.other(f"other{n}") for n in range(3)]
    for other in (disk, *others):
        await other.add(["a"])
        await other.flush()
    levels = set()
    async for finding in disk.api.check():
        levels.add(finding.level)
        for other in others:
            if await disk.api.count_collections(SCOPE) > 1:
                await disk.api.delete_collection(SCOPE, other.info.name)
        await disk.engine.sweep()
    assert levels == {"ok"}


async def test_a_compaction_of_a_collection_that_is_deleted_meanwhile_says_so(disk: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    await disk.add([f"a{n}" for n in range(40)], vectors(range(40)))
    collection = await disk.collection()
    await disk.api.delete_collection(SCOPE, "docs")
    for job in (collection.flush, collection.finish):
        with pytest.raises(NotFoundError):
            await job()


async def test_a_write_that_is_being_applied_does_not_look_like_one_that_failed(disk: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    await disk.add([f"a{n}" for n in range(20)], vectors(range(20)))
    live = (await disk.collection()).live
    gate, reached = threading.Event(), threading.Event()
    append = Memtable.append

    def slow(self: Memtable, batch: LogBatch) -> None:
        reached.set()
        assert gate.wait(10)
        append(self, batch)

    monkeypatch.setattr(Memtable, "append", slow)
    writing = asyncio.ensure_future(disk.add([f"b{n}" for n in range(40)], vectors(range(40))))
    await asyncio.to_thread(reached.wait, 10)
    assert not live.broken
    gate.set()
    await writing


async def test_a_write_does_not_wait_for_a_flush_that_never_comes(open_store: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    store = await open_store(settings=replace(TINY, memtable_rows=1, frozen_memtables=2))
    await store.add(["a"])
    await store.add(["b"])
    (await store.collection()).live.broken = True
    with pytest.raises(PoisonedError):
        await asyncio.wait_for(store.add(["c"]), 10)
