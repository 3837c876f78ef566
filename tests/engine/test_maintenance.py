"""Checking and compacting a whole store beside what its users do: collections that are deleted, unloaded and compacted meanwhile."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from chroma_async.engine.admin.compact_store import compact_store
from tests.engine.store import SCOPE, TINY, Clock, Store, vectors

Open = Callable[..., Awaitable[Store]]


async def test_compacting_a_store_leaves_no_collection_out_though_they_are_unloaded_meanwhile(open_store: Open, clock: Clock) -> None:
    store = await open_store(settings=replace(TINY, cache_bytes=1, collection_idle_s=0.001))
    others = [await store.other(f"other{n}") for n in range(3)]
    for other in (store, *others):
        await other.add([f"a{n}" for n in range(40)], vectors(range(40)))
        await other.flush()
    done = []
    async for step in compact_store(store.engine):
        clock.now += 1
        await store.engine.ticker.tick()
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
            await disk.engine.ticker.sweep()
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
        await disk.engine.ticker.sweep()
    assert levels == {"ok"}
