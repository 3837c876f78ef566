"""The work that nobody asked for goes on whatever goes wrong once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from chroma_async.engine.compaction import jobs
from chroma_async.errors import NotFoundError, PoisonedError, UnavailableError
from tests.engine.gate import HeldCatalog, JobGate, held
from tests.engine.settling import settled
from tests.engine.store import SCOPE, Clock, Store, vectors

Open = Callable[..., Awaitable[Store]]


def failing_once(monkeypatch: pytest.MonkeyPatch, target: Any, name: str, error: Exception) -> list[int]:
    inner, calls = getattr(target, name), [0]

    def method(*arguments: Any) -> Any:
        calls[0] += 1
        if calls[0] == 1:
            raise error
        return inner(*arguments)

    monkeypatch.setattr(target, name, method)
    return calls


async def test_the_ticker_outlives_an_error_of_the_operating_system(
    open_store: Open, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chroma_async.engine.ticker.TICK_S", 0.001)
    store = await open_store(automatic=True)
    await store.add(["a"])
    ticks, ticked = [0], asyncio.Event()

    async def tick() -> None:
        ticks[0] += 1
        if ticks[0] == 1:
            raise OSError("too many open files")
        ticked.set()

    monkeypatch.setattr(store.engine.ticker, "tick", tick)
    await asyncio.wait_for(ticked.wait(), 10)


async def test_a_collection_that_cannot_be_looked_after_does_not_keep_the_others_from_it(disk: Store, clock: Clock) -> None:
    second = await disk.other("second")
    await disk.add(["a"])
    await second.add(["b"])

    async def broken() -> None:
        raise RuntimeError("a bug")

    (await disk.collection()).tick = broken  # type: ignore[method-assign]
    clock.now += 120
    await disk.engine.ticker.tick()
    await settled(disk.engine)
    assert (await second.collection()).manifest.version == 1


def segment_files(root: Path) -> set[str]:
    return {file.name for file in (root / "data" / "segments").iterdir()}


async def test_a_flush_that_fails_leaves_no_files(open_store: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = await open_store()
    await store.add(["a"])
    full = UnavailableError("the disk is full")
    failing_once(monkeypatch, store.engine.context.backends.segments, "create_database", full)
    with pytest.raises(UnavailableError):
        await store.flush()
    assert segment_files(tmp_path) == set()
    await store.flush()
    assert len(segment_files(tmp_path)) == 3


async def test_files_of_a_commit_that_failed_are_swept(
    open_store: Open, clock: Clock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("CRITICAL", "chroma_async")  # a captured record would keep the files open
    store = await open_store(wrap=held)
    catalog = store.engine.context.backends.catalog
    assert isinstance(catalog, HeldCatalog)
    await store.add(["a"])
    catalog.errors = [UnavailableError("the disk is full")]
    with pytest.raises(UnavailableError):
        await store.flush()
    await store.flush()
    assert len(segment_files(tmp_path)) == 6
    clock.now += 10
    await store.engine.ticker.tick()
    assert len(segment_files(tmp_path)) == 3


async def test_garbage_that_is_still_read_is_deleted_once_nobody_reads_it(open_store: Open, clock: Clock, tmp_path: Path) -> None:
    store = await open_store()
    await store.add(["a"])
    await store.flush()
    reader = (await store.collection()).version
    await store.delete(["a"])
    await store.add(["b"])
    await store.finish()
    clock.now += 10
    await store.engine.ticker.tick()
    assert len(segment_files(tmp_path)) == 6
    del reader
    clock.now += 10
    await store.engine.ticker.tick()
    assert len(segment_files(tmp_path)) == 3


@pytest.mark.parametrize("how", ["sweep", "tick", "close"])
async def test_nothing_is_deleted_once_a_commit_is_in_doubt(open_store: Open, clock: Clock, tmp_path: Path, how: str) -> None:
    """The next opening may find that it was durable after all, and then it names the new files."""
    store = await open_store(wrap=held)
    catalog = store.engine.context.backends.catalog
    assert isinstance(catalog, HeldCatalog)
    await store.add(["a", "b"])
    inner = catalog._inner.commit_manifest
    named: list[frozenset[str]] = []

    async def in_doubt(commit: Any) -> None:
        # SQLite does not show the transaction to this process, and a later one may find it in the write-ahead file.
        named.append(commit.files)
        raise PoisonedError("a commit failed")

    catalog.commit_manifest = in_doubt  # type: ignore[method-assign]
    with pytest.raises(PoisonedError):
        await store.flush()
    clock.now += 60
    if how == "sweep":
        await store.engine.ticker.sweep()
    elif how == "tick":
        await store.engine.ticker.tick()
    else:
        await store.engine.aclose()
    assert inner is not None
    assert named[0] <= segment_files(tmp_path)


async def test_a_deletion_is_done_when_the_log_cannot_be_trimmed_and_the_trim_is_made_up_for(
    open_store: Open, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await open_store()
    await store.add(["a"])
    log = store.engine.context.backends.log
    trim, failures = log.trim, [UnavailableError("the disk is full")]

    async def trimmed(*arguments: Any) -> None:
        if failures:
            raise failures.pop()
        await trim(*arguments)

    monkeypatch.setattr(log, "trim", trimmed)
    await store.api.delete_collection(SCOPE, "docs")
    assert await log.collections() != {}
    await store.engine.ticker.tick()
    assert await log.collections() == {}


async def test_a_sweep_leaves_what_jobs_of_a_deleted_collection_still_need(
    disk: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "chroma_async.engine.compaction.retry")
    await disk.add([f"a{n}" for n in range(40)], vectors(range(40)))
    await disk.finish()
    await disk.add([f"b{n}" for n in range(40)], vectors(range(40)))
    await disk.delete(["a2"])
    await disk.flush()
    gate = JobGate(monkeypatch, jobs, "build_graph")
    clock.now += 3
    await disk.engine.ticker.tick()
    await gate.reached()
    catalog = disk.engine.context.backends.catalog
    delete, deleted, passage = catalog.delete_collection, asyncio.Event(), asyncio.Event()

    async def delete_slowly(*arguments: Any) -> Any:
        result = await delete(*arguments)
        deleted.set()
        await passage.wait()
        return result

    monkeypatch.setattr(catalog, "delete_collection", delete_slowly)
    deleting = asyncio.ensure_future(disk.api.delete_collection(SCOPE, "docs"))
    await deleted.wait()
    await disk.engine.ticker.sweep()
    gate.open()
    while not caplog.messages:  # noqa: ASYNC110 - how the job ended is only told to the log
        await asyncio.sleep(0)
    passage.set()
    await deleting
    assert [message for message in caplog.messages if "it was deleted" not in message] == []


async def test_a_load_whose_files_are_swept_says_that_the_collection_was_deleted(open_store: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    store = await open_store()
    await store.add(["a"])
    await store.flush()
    await store.engine.aclose()
    again = await open_store()
    catalog = again.engine.context.backends.catalog
    load = catalog.load_manifest

    async def load_late(id: Any) -> Any:
        manifest = await load(id)
        await catalog.delete_collection(SCOPE, "docs")
        await again.engine.ticker.sweep()
        return manifest

    monkeypatch.setattr(catalog, "load_manifest", load_late)
    with pytest.raises(NotFoundError):
        await Store(again.engine, again.api, store.info).ids()
