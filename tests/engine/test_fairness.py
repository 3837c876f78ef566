"""Nobody is passed over or held up: writers by readers, large writes by small ones, one collection by another's long job."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from chroma_async.engine.compaction.indexing import build_graph
from tests.engine.gate import HeldLog, held
from tests.engine.store import TINY, Store, vectors

Open = Callable[..., Awaitable[Store]]


@pytest.fixture
def busy() -> Iterator[threading.Event]:
    """What a reader or a job waits for that takes minutes; over when the test is."""
    event = threading.Event()
    yield event
    event.set()


async def test_writes_and_flushes_do_not_wait_for_slow_readers(disk: Store, busy: threading.Event) -> None:
    await disk.add([f"a{n}" for n in range(40)], vectors(range(40)))
    await disk.flush()
    collection = await disk.collection()
    readers = [asyncio.ensure_future(collection.read(lambda version: busy.wait())) for _ in range(20)]
    await asyncio.sleep(0)
    await asyncio.wait_for(disk.upsert([f"a{n}" for n in range(20)], vectors(range(20))), 10)
    await asyncio.wait_for(disk.delete(["a30"]), 10)
    await asyncio.wait_for(disk.flush(), 10)
    busy.set()
    await asyncio.gather(*readers)
    assert await disk.count() == 39


async def test_a_large_write_is_not_passed_by_small_ones_that_came_later(open_store: Open) -> None:
    store = await open_store(settings=replace(TINY, write_queue_bytes=3000), wrap=held)
    await store.add(["first"])
    log: Any = store.engine.context.backends.log
    assert isinstance(log, HeldLog)
    log.hold()
    writes = [asyncio.ensure_future(store.add(["under way"]))]
    await log.reached()
    for write in (
        store.add(["queued"]),
        store.add([f"large{n}" for n in range(13)], vectors(range(13))),
        store.add(["small"]),
    ):
        writes.append(asyncio.ensure_future(write))
        for _ in range(5):
            await asyncio.sleep(0)
    log.release()
    await asyncio.gather(*writes)
    order = await store.ids()
    assert order.index("queued") < order.index("large0") < order.index("small")


def occupy(store: Store, event: threading.Event, loop: asyncio.AbstractEventLoop) -> None:
    """Another collection's long job is next in the background lane. May be called in a thread."""
    loop.call_soon_threadsafe(lambda: loop.create_task(store.engine.context.threads.background(event.wait)))


async def test_writes_go_on_while_another_collections_build_delays_the_install_of_a_job(
    disk: Store, busy: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    await disk.add([f"a{n}" for n in range(40)])
    await disk.flush()
    catalog, committed = disk.engine.context.backends.catalog, asyncio.Event()
    loop = asyncio.get_running_loop()
    commit = catalog.commit_manifest

    async def commit_then_busy(*arguments: object) -> None:
        await commit(*arguments)  # type: ignore[arg-type]
        occupy(disk, busy, loop)
        committed.set()

    monkeypatch.setattr(catalog, "commit_manifest", commit_then_busy)
    finishing = asyncio.ensure_future(disk.finish())
    await committed.wait()
    await asyncio.wait_for(disk.add(["late"]), 10)
    assert await disk.count() == 41
    busy.set()
    await finishing


async def test_flushes_go_on_while_another_collections_build_delays_the_commit_of_a_job(
    disk: Store, busy: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    await disk.add([f"a{n}" for n in range(40)])
    await disk.flush()
    build, built = build_graph, asyncio.Event()
    loop = asyncio.get_running_loop()

    def build_then_busy(*arguments: object) -> object:
        result = build(*arguments)  # type: ignore[arg-type]
        occupy(disk, busy, loop)
        loop.call_soon_threadsafe(built.set)
        return result

    monkeypatch.setattr("chroma_async.engine.compaction.jobs.build_graph", build_then_busy)
    finishing = asyncio.ensure_future(disk.finish())
    await built.wait()
    await disk.add(["late"])
    await asyncio.wait_for(disk.flush(), 10)
    busy.set()
    await finishing
    assert await disk.count() == 41
