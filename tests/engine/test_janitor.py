"""The janitor deletes garbage and nothing else: not what is read, not what is being made."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from types import ModuleType

import pytest

from chroma_async.engine.compaction import flush_lane, jobs, retry
from chroma_async.engine.snapshot.file_pins import PinningStore
from chroma_async.errors import ChromaError, UnavailableError
from chroma_async.storage.memory.segments import MemorySegmentStore
from chroma_async.storage.sqlite.sqlite_pool import SqlitePool
from chroma_async.types import GetRequest
from tests.engine.gate import HeldCatalog, JobGate, held
from tests.engine.settling import settled
from tests.engine.store import SCOPE, Clock, Store, same, sound, vectors

Open = Callable[..., Awaitable[Store]]


async def fill(store: Store, start: int, stop: int) -> None:
    numbers = range(start, stop)
    await store.add([f"r{number}" for number in numbers], vectors(numbers), documents=[f"document {number}" for number in numbers])


def stored(store: Store) -> set[str]:
    return set(store.engine.context.backends.segments.list())


async def named(store: Store) -> set[str]:
    return await store.engine.context.backends.catalog.named_files()


async def test_what_manifests_have_dropped_goes(store: Store) -> None:
    await fill(store, 0, 30)
    await store.flush()
    await fill(store, 30, 60)
    await store.finish()
    await store.delete([f"r{number}" for number in range(20)])
    await store.finish()
    gc.collect()
    assert stored(store) > await named(store)
    assert await store.engine.ticker.sweep() > 0
    assert stored(store) == await named(store)
    assert await store.count() == 40
    assert await sound(store)


async def test_a_reader_keeps_its_files(store: Store, tmp_path: Path) -> None:
    await fill(store, 0, 40)
    await store.flush()
    collection = await store.collection()
    version = collection.version
    await store.delete([f"r{number}" for number in range(30)])
    await store.finish()
    await store.engine.ticker.sweep()
    places = version.find([f"r{number}" for number in range(40)])
    assert places.present.all()
    # Documents are read through a connection that is opened only now.
    assert version.fetch(places, documents=True, uris=False, metadatas=False)[0] == [f"document {number}" for number in range(40)]
    assert version.embeddings_at(places).tolist() == vectors(range(40)).tolist()
    del version, places
    gc.collect()
    await store.engine.ticker.sweep()
    assert stored(store) == await named(store)
    if store.engine.context.backends.location is not None:
        assert {path.name for path in (tmp_path / "data" / "segments").iterdir()} == await named(store)


MADE: dict[str, tuple[ModuleType, str]] = {
    "documents": (flush_lane, "write_memtable"),
    "vectors": (jobs, "write_vacuumed"),
    "graph": (jobs, "build_graph"),
    "trigrams": (jobs, "build_trigrams"),
}


@pytest.mark.parametrize("kind", MADE)
async def test_files_being_made_survive_a_sweep(store: Store, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    await fill(store, 0, 30)
    await store.flush()
    await store.delete(["r3"])
    await fill(store, 30, 40)
    expected = await store.everything()
    gate = JobGate(monkeypatch, *MADE[kind])
    work = asyncio.ensure_future(store.finish())
    await gate.reached()
    await store.engine.ticker.sweep()
    assert any(name.endswith(kind) for name in stored(store) - await named(store))
    gate.open()
    await work
    assert same(await store.everything(), expected)
    assert await sound(store)


async def test_files_of_a_commit_survive_a_sweep_before_it_is_installed(open_store: Open) -> None:
    store = await open_store(wrap=held)
    catalog = store.engine.context.backends.catalog
    assert isinstance(catalog, HeldCatalog)
    await fill(store, 0, 30)
    await store.flush()
    await store.delete([f"r{number}" for number in range(20)])
    expected = await store.everything()
    await store.flush()
    catalog.hold()
    work = asyncio.ensure_future(store.finish())
    await catalog.reached()
    await store.engine.ticker.sweep()
    # Readers still hold the old version, the catalog names the new one.
    assert same(await store.everything(), expected)
    catalog.release()
    await work
    await store.engine.ticker.sweep()
    assert same(await store.everything(), expected)
    assert await sound(store)


@pytest.mark.parametrize("failure", [ValueError, UnavailableError])
async def test_files_of_a_failed_job_go(open_store: Open, monkeypatch: pytest.MonkeyPatch, failure: type[Exception]) -> None:
    # pytest keeps what is logged, with the frames of the failure, and they hold what they had open.
    monkeypatch.setattr(retry.logger, "disabled", True)
    store = await open_store(wrap=held)
    catalog = store.engine.context.backends.catalog
    assert isinstance(catalog, HeldCatalog)
    await fill(store, 0, 30)
    catalog.errors.append(failure("the commit fails"))
    with suppress(ChromaError):
        await store.flush()
    gc.collect()
    await store.engine.ticker.sweep()
    assert stored(store) == await named(store) == set()
    await store.flush()
    assert await store.count() == 30


async def test_files_of_a_deleted_collection_go_when_its_last_reader_has(store: Store) -> None:
    await fill(store, 0, 30)
    await store.finish()
    version = (await store.collection()).version
    await store.api.delete_collection(SCOPE, "docs")
    await store.engine.ticker.sweep()
    assert version.fetch(version.find(["r7"]), documents=True, uris=False, metadatas=False)[0] == ["document 7"]
    del version
    gc.collect()
    await store.engine.ticker.sweep()
    assert stored(store) == set()


def test_a_pin_ends_with_its_last_reader() -> None:
    store = PinningStore(MemorySegmentStore(SqlitePool(2)))
    name = "0" * 32 + ".vectors"
    with store.making() as making:
        ref = making.write("vectors", "0" * 32, lambda staged: staged.write(b"x"))
        assert ref.name == name
        assert store.pinned() == {name}
    assert store.pinned() == set()
    readers = [store.open(ref), store.open(ref)]
    assert store.pinned() == {name}
    del readers[0]
    assert store.pinned() == {name}
    del readers[0]
    assert store.pinned() == set()


def test_two_jobs_may_protect_one_file() -> None:
    store = PinningStore(MemorySegmentStore(SqlitePool(2)))
    name = "0" * 32 + ".alive"
    store.hold(name)
    with store.making() as making:
        making.write("alive", "0" * 32, lambda staged: staged.write(b"x"))
    assert store.pinned() == {name}


@pytest.mark.parametrize("write", ["write", "write_database"])
def test_a_file_whose_filling_fails_is_not_made_and_not_held_after_its_job(write: str) -> None:
    store = PinningStore(MemorySegmentStore(SqlitePool(2)))

    def fill(staged: object) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), store.making() as making:
        getattr(making, write)("documents", "0" * 32, fill)
    assert store.list() == []
    assert store.pinned() == set()
    assert store.litter
    with store.making() as making:
        getattr(making, write)("documents", "0" * 32, lambda staged: None)
    assert store.list() == ["0" * 32 + ".documents"]


async def test_versions_of_conditional_reads_are_let_go_when_their_time_is_up(disk: Store, clock: Clock, tmp_path: Path) -> None:
    await disk.add(["a"])
    await disk.flush()
    await disk.api.conditional_get(SCOPE, disk.id, GetRequest())
    await disk.delete(["a"])
    await disk.finish()
    for _ in range(2):
        clock.now += 61
        await disk.engine.ticker.tick()
        await settled(disk.engine)
    assert list((tmp_path / "data" / "segments").iterdir()) == []
