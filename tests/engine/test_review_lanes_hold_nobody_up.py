"""A lane that is busy for one collection holds up neither the writers nor the flushes of another."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from chroma_async.engine.compaction.indexing import build_graph
from tests.engine.store import Store


@pytest.fixture
def busy() -> Iterator[threading.Event]:
    """What a job waits for that takes minutes; over when the test is."""
    event = threading.Event()
    yield event
    event.set()


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
