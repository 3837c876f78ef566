"""Whatever becomes of a data directory under an open store, every verb and the end of the client let out only errors of this package."""

from __future__ import annotations

import asyncio
import os
import random
import resource
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chroma_async
from chroma_async import AsyncPersistentClient
from chroma_async.client.transaction import Transaction
from chroma_async.config.settings import Settings
from chroma_async.errors import ChromaError, CorruptionError, FencedError, ForeignDirectoryError, UnavailableError
from chroma_async.types import Floats

SETTINGS = Settings(allow_reset=True)
ROWS = 300
VECTOR: Floats = np.ones((1, 8), dtype=np.float32)


async def _transacted(transaction: Transaction) -> None:
    await transaction.get(ids=["r1"])
    await transaction.upsert(ids=["t"], embeddings=VECTOR)


SEARCH = chroma_async.Search().rank(chroma_async.Knn(query=[1.0] * 8)).select_all()
COLUMNS = ["documents", "embeddings", "metadatas", "uris"]
#: Every verb that asks the store; what changes it last, for a fault shows in what was not read before.
VERBS: dict[str, Callable[[Any, Any], Awaitable[Any]]] = {
    "count": lambda _, collection: collection.count(),
    "count with a filter": lambda _, collection: collection.count(where={"m": 5}),
    "get by id": lambda _, collection: collection.get(ids=["r1"]),
    "get all": lambda _, collection: collection.get(include=COLUMNS),
    "get by document": lambda _, collection: collection.get(where_document={"$contains": "text 5"}),
    "peek": lambda _, collection: collection.peek(),
    "query": lambda _, collection: collection.query(VECTOR, include=COLUMNS),
    "query with a filter": lambda _, collection: collection.query(VECTOR, where={"m": {"$gt": 3}}),
    "search": lambda _, collection: collection.search(SEARCH),
    "add": lambda _, collection: collection.add(["n"], VECTOR, documents=["x"]),
    "upsert": lambda _, collection: collection.upsert(["n"], VECTOR, documents=["x"]),
    "update": lambda _, collection: collection.update(["r1"], VECTOR, documents=["x"]),
    "delete": lambda _, collection: collection.delete(ids=["r2"]),
    "delete by filter": lambda _, collection: collection.delete(where={"m": 7}),
    "run": lambda _, collection: collection.run(_transacted),
    "fork": lambda _, collection: collection.fork("copy"),
    "fork_count": lambda _, collection: collection.fork_count(),
    "get_indexing_status": lambda _, collection: collection.get_indexing_status(),
    "attach_function": lambda _, collection: collection.attach_function("record_counter", "counter", "counted"),
    "get_attached_function": lambda _, collection: collection.get_attached_function("counter"),
    "detach_function": lambda _, collection: collection.detach_function("counter"),
    "modify": lambda _, collection: collection.modify(metadata={"b": 1}),
    "list_collections": lambda client, _: client.list_collections(),
    "count_collections": lambda client, _: client.count_collections(),
    "get_collection": lambda client, _: client.get_collection("docs"),
    "create_collection": lambda client, _: client.create_collection("other"),
    "set_alias": lambda client, collection: client.set_alias("live", collection),
    "list_aliases": lambda client, _: client.list_aliases(),
    "delete_alias": lambda client, _: client.delete_alias("live"),
    "create_tenant": lambda client, _: client.admin.create_tenant("acme"),
    "get_tenant": lambda client, _: client.admin.get_tenant("default_tenant"),
    "create_database": lambda client, _: client.admin.create_database("more"),
    "list_databases": lambda client, _: client.admin.list_databases(),
    "delete_database": lambda client, _: client.admin.delete_database("more"),
    "delete_collection": lambda client, _: client.delete_collection("other"),
    "reset": lambda client, _: client.reset(),
}


async def filled(directory: Path) -> None:
    rng = np.random.default_rng(0)
    async with AsyncPersistentClient(directory, SETTINGS) as client:
        collection = await client.create_collection("docs")
        vectors = rng.random((ROWS, 8), dtype=np.float32)
        ids, texts = [f"r{row}" for row in range(ROWS)], [f"text {row} " + "word " * 20 for row in range(ROWS)]
        await collection.add(ids, vectors, [{"m": row} for row in range(ROWS)], texts)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("stored") / "store"
    asyncio.run(filled(directory))
    subprocess.run([sys.executable, "-m", "chroma_async", "compact", "--path", directory], check=True, capture_output=True)
    assert any((directory / "segments").iterdir())
    return directory


@pytest.fixture
def directory(stored: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(stored, tmp_path / "store"))


def contents(directory: Path) -> list[Path]:
    """The files of a store that SQLite has not mapped: a mapped file that is cut short kills the process, whoever cut it."""
    return [file for file in directory.rglob("*") if file.is_file() and not file.name.endswith(("LOCK", "FORMAT", "-shm"))]


def _replaced_by_a_file(directory: Path) -> None:
    shutil.rmtree(directory)
    directory.write_text("not a directory")


def _cut(files: list[Path], share: int) -> None:
    for file in files:
        os.truncate(file, file.stat().st_size // share if share else 0)


def _garbled(files: list[Path]) -> None:
    for file in files:
        with open(file, "r+b") as opened:
            opened.write(random.Random(1).randbytes(file.stat().st_size))


def _replaced_by_directories(directory: Path) -> None:
    for file in contents(directory):
        file.unlink()
        file.mkdir()


FAULTS: dict[str, Callable[[Path], Any]] = {
    "the directory is removed": shutil.rmtree,
    "the directory is replaced by a file": _replaced_by_a_file,
    "the directory is moved": lambda directory: directory.rename(directory.with_name("elsewhere")),
    "the segments are removed": lambda directory: shutil.rmtree(directory / "segments"),
    "the segments are replaced by a file": lambda directory: _replaced_by_a_file(directory / "segments"),
    "all files are cut in half": lambda directory: _cut(contents(directory), 2),
    "all files are emptied": lambda directory: _cut(contents(directory), 0),
    "all files are garbage": lambda directory: _garbled(contents(directory)),
    "the segments are garbage": lambda directory: _garbled(contents(directory / "segments")),
    "the segments are cut in half": lambda directory: _cut(contents(directory / "segments"), 2),
    "all files are directories": _replaced_by_directories,
}


async def leaks(client: Any, collection: Any) -> list[str]:
    """What every verb lets out that is no error of the package."""
    found = []
    for name, ask in VERBS.items():
        try:
            await ask(client, collection)
        except ChromaError:
            continue
        except Exception as error:
            found.append(f"{name}: {error!r}")
    return found


@pytest.mark.parametrize("read_before", [True, False], ids=["read before", "not read before"])
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_store_that_loses_its_files_answers_with_errors_of_the_package(directory: Path, fault: str, read_before: bool) -> None:
    client = await AsyncPersistentClient(directory, SETTINGS)
    collection = await client.get_collection("docs")
    if read_before:
        await collection.get(limit=5)
        await collection.query(VECTOR)
    FAULTS[fault](directory)
    assert await leaks(client, collection) == []
    await client.aclose()
    await client.aclose()


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_damaged_store_is_opened_or_refused_with_errors_of_the_package(directory: Path, fault: str) -> None:
    FAULTS[fault](directory)
    try:
        client = await AsyncPersistentClient(directory, SETTINGS)
    except ChromaError:
        return
    try:
        assert await leaks(client, await client.get_collection("docs")) == []
    except ChromaError:
        pass
    finally:
        await client.aclose()


async def test_a_removed_directory_and_one_that_is_a_file_are_told_apart(directory: Path) -> None:
    async with AsyncPersistentClient(directory, SETTINGS) as client:
        collection = await client.get_collection("docs")
        _replaced_by_a_file(directory)
        with pytest.raises(FencedError, match="was removed, so another process may have taken the directory"):
            await collection.count()
    with pytest.raises(ForeignDirectoryError, match="is not a directory"):
        await AsyncPersistentClient(directory, SETTINGS)


@contextmanager
def no_descriptors() -> Iterator[None]:
    """This process can open no file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = [os.open("/dev/null", os.O_RDONLY)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (taken[0] + 30, hard))
    try:
        with suppress(OSError):
            while True:
                taken.append(os.open("/dev/null", os.O_RDONLY))
        yield
    finally:
        for descriptor in taken:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextmanager
def full_disk(bytes: int) -> Iterator[None]:
    """No file of this process can grow beyond so many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("read_before", [True, False], ids=["read before", "not read before"])
async def test_without_descriptors_nothing_is_called_damaged_and_later_all_is_as_before(directory: Path, read_before: bool) -> None:
    async with AsyncPersistentClient(directory, SETTINGS) as client:
        collection = await client.get_collection("docs")
        if read_before:
            await collection.query(VECTOR)
        asked = [VERBS[name] for name in ("query", "get all", "get by document", "add", "search", "get by id")]
        with no_descriptors():
            for ask in asked:
                with suppress(UnavailableError):
                    await ask(client, collection)
        for ask in asked:
            await ask(client, collection)
        assert await collection.count() == ROWS + 1


async def test_an_opening_without_descriptors_is_refused_as_such_and_the_next_one_works(directory: Path) -> None:
    with no_descriptors(), pytest.raises(ChromaError, match=r"Too many open files|unable to open") as refusal:
        await AsyncPersistentClient(directory, SETTINGS)
    assert not isinstance(refusal.value, CorruptionError)
    async with AsyncPersistentClient(directory, SETTINGS) as client:
        assert await (await client.get_collection("docs")).count() == ROWS


async def test_an_opening_on_a_full_disk_may_be_tried_again(directory: Path) -> None:
    with full_disk(4096), pytest.raises(UnavailableError, match="cannot be read or opened now"):
        await AsyncPersistentClient(directory, SETTINGS)
    async with AsyncPersistentClient(directory, SETTINGS) as client:
        assert await (await client.get_collection("docs")).count() == ROWS


async def test_writes_that_another_program_keeps_out_may_be_tried_again(directory: Path) -> None:
    async with AsyncPersistentClient(directory, SETTINGS) as client:
        collection = await client.get_collection("docs")
        other = sqlite3.connect(directory / "log.sqlite")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(UnavailableError, match="database is locked"):
            await collection.add(["n"], VECTOR)
        other.rollback()
        other.close()
        await collection.add(["n"], VECTOR)
        assert await collection.count() == ROWS + 1


def test_after_its_first_collection_an_open_store_loads_no_more_of_python() -> None:
    """A module that is loaded late fails to load where no descriptor is left, in the midst of whatever needs it."""
    program = """
import asyncio, sys, chroma_async
async def main():
    async with chroma_async.AsyncEphemeralClient() as client:
        collection = await client.create_collection("docs")
        before = set(sys.modules)
        ids = [f"r{row}" for row in range(200)]
        await collection.add(ids, [[float(row), 1.0] for row in range(200)], [{"m": row} for row in range(200)], ["x"] * 200)
        await collection.update(ids[:5], metadatas=[{"n": 1}] * 5)
        await collection.query([[1.0, 2.0]], where={"m": {"$gt": 5}}, where_document={"$contains": "x"})
        await collection.get(include=["documents", "embeddings", "metadatas", "uris"], order_by="m")
        await collection.delete(where={"m": 7})
        await collection.fork("copy")
        print(sorted(set(sys.modules) - before))
asyncio.run(main())
"""
    said = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    assert said.strip() == "[]"
