"""Closing and deleting: what waits is finished or told why not, and whoever comes later too."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from chroma_async.engine.compaction import flush_lane
from chroma_async.engine.engine import Engine
from chroma_async.errors import ClosedError, NotFoundError, UnavailableError
from tests.engine.clients import SETTINGS
from tests.engine.gate import JobGate
from tests.engine.store import SCOPE, TINY, Store, vectors

Open = Callable[..., Awaitable[Store]]


async def test_a_write_held_back_by_flushes_is_told_that_its_collection_was_deleted(
    open_store: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await open_store(settings=replace(TINY, memtable_rows=1, frozen_memtables=1))
    await store.add(["a"])  # frozen, and no more may be
    gate = JobGate(monkeypatch, flush_lane, "write_memtable", failure=UnavailableError("the disk is full"))
    held_back = asyncio.ensure_future(store.add(["b"]))
    await gate.reached()
    queued = asyncio.ensure_future(store.add(["c"]))
    await asyncio.sleep(0)
    deleting = asyncio.ensure_future(store.api.delete_collection(SCOPE, "docs"))
    with pytest.raises(NotFoundError):
        await queued  # at once; the deletion itself waits for the write that is held back
    assert not held_back.done()
    gate.open()
    await deleting
    with pytest.raises(NotFoundError):
        await held_back


async def test_a_flush_of_a_closed_collection_says_so(disk: Store) -> None:
    collection = await disk.collection()
    await collection.aclose(flush=False)
    with pytest.raises(ClosedError):
        await collection.flush()


async def test_a_compaction_of_a_collection_that_is_deleted_meanwhile_says_so(disk: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    await disk.add([f"a{n}" for n in range(40)], vectors(range(40)))
    collection = await disk.collection()
    await disk.api.delete_collection(SCOPE, "docs")
    for job in (collection.flush, collection.finish):
        with pytest.raises(NotFoundError):
            await job()


async def test_a_second_close_waits_for_the_first(tmp_path: Path) -> None:
    engine = await Engine.open(str(tmp_path / "data"), SETTINGS)
    first = asyncio.ensure_future(engine.aclose())
    await asyncio.sleep(0)
    await engine.aclose()
    again = await Engine.open(str(tmp_path / "data"), SETTINGS)
    await asyncio.gather(first, again.aclose())


@pytest.mark.parametrize("steps", [1, 3, 9])
async def test_a_close_whose_caller_goes_away_is_finished(tmp_path: Path, steps: int) -> None:
    engine = await Engine.open(str(tmp_path / "data"), SETTINGS)
    closing = asyncio.ensure_future(engine.aclose())
    for _ in range(steps):
        await asyncio.sleep(0)
    closing.cancel()
    await asyncio.wait([closing])
    await engine.aclose()
    again = await Engine.open(str(tmp_path / "data"), SETTINGS)
    await again.aclose()
    with pytest.raises(ClosedError):
        engine.guard.check()
