"""What only a store on disk promises: it is there after a crash, and a failing disk is told apart from a full one."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

import pytest

from chroma_async.errors import CorruptionError, NotFoundError, PoisonedError, StoreError, UnavailableError
from chroma_async.format.manifest import Manifest, Tail
from chroma_async.storage.base.backends import Backends
from chroma_async.storage.base.segments import Buffer
from chroma_async.storage.filesystem import FileSystem
from chroma_async.storage.open import CATALOG_FILE, LOG_FILE, SEGMENTS_DIRECTORY
from chroma_async.storage.sqlite.catalog import SqliteCatalog
from chroma_async.storage.sqlite.connection import CatalogConnection, Statements
from chroma_async.storage.sqlite.log import SqliteLog
from chroma_async.storage.sqlite.log_file import connect
from chroma_async.storage.sqlite.migrations import MIGRATIONS
from chroma_async.storage.sqlite.row_checksums import row_checksum
from chroma_async.threads import Threads
from chroma_async.types import Scope
from tests.contract.conftest import CHECKPOINT_BYTES, opened
from tests.contract.test_catalog import collection, commit
from tests.contract.test_log import A, B, entry
from tests.contract.test_segments import CONTENT, NAME, OTHER, put, put_database

#: A bound that no test reaches: the write-ahead file holds everything.
NEVER = 1 << 30


@contextmanager
def file_size_limit(limit: int) -> Iterator[None]:
    """Writes past ``limit`` bytes of any file fail: to SQLite an input/output error, and no sign of a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def fill(backends: Backends) -> None:
    await backends.catalog.create_collection(collection(1))
    await backends.catalog.commit_manifest(commit(1, 0, {NAME}))
    await backends.log.append([entry(A, 1, 5, b"facts"), entry(B, 1)])
    await backends.log.append([entry(A, 6)])


async def check(backends: Backends) -> None:
    assert await backends.catalog.list_collections(Scope(), None, 0) == [collection(1, dimension=3, schema={"v": 0})]
    assert await backends.catalog.named_files() == {NAME}
    assert await backends.log.read(A, 0) == [entry(A, 1, 5, b"facts"), entry(A, 6)]
    assert await backends.log.facts() == [(A, 5, b"facts")]
    assert await backends.log.collections() == {A: 6, B: 1}


async def test_a_store_is_there_when_it_is_opened_again(tmp_path: Path, threads: Threads) -> None:
    async with opened(tmp_path, threads) as backends:
        await fill(backends)
        ref = put(backends.segments)
        assert backends.location == str(tmp_path)
    async with opened(tmp_path, threads) as backends:
        await check(backends)
        assert backends.segments.open(ref).buffer() == CONTENT


async def test_what_was_answered_survives_a_crash(tmp_path: Path, threads: Threads) -> None:
    """A copy of the directory with its live write-ahead files is what a kill would have left."""
    async with opened(tmp_path / "live", threads, checkpoint_bytes=NEVER) as backends:
        await fill(backends)
        shutil.copytree(tmp_path / "live", tmp_path / "copy")
    assert (tmp_path / "copy" / f"{LOG_FILE}-wal").stat().st_size > 0
    async with opened(tmp_path / "copy", threads) as backends:
        await check(backends)
        await backends.log.append([entry(A, 7)])


async def test_a_torn_tail_of_the_write_ahead_file_loses_only_what_was_not_answered(tmp_path: Path, threads: Threads) -> None:
    async with opened(tmp_path / "live", threads, checkpoint_bytes=NEVER) as backends:
        await backends.log.append([entry(A, 1)])
        wal = tmp_path / "live" / f"{LOG_FILE}-wal"
        answered = wal.stat().st_size
        await backends.log.append([entry(A, 2)])
        whole = wal.stat().st_size
        for cut in (answered, answered + 100, (answered + whole) // 2, whole - 1, whole):
            shutil.copytree(tmp_path / "live", tmp_path / str(cut))
            os.truncate(tmp_path / str(cut) / f"{LOG_FILE}-wal", cut)
    for cut in (answered, answered + 100, (answered + whole) // 2, whole - 1, whole):
        async with opened(tmp_path / str(cut), threads) as backends:
            expected = [entry(A, 1), entry(A, 2)] if cut == whole else [entry(A, 1)]
            assert await backends.log.read(A, 0) == expected


async def test_nothing_is_left_running_or_lying_about_after_closing(tmp_path: Path, threads: Threads) -> None:
    before = {thread.name for thread in threading.enumerate()}
    async with opened(tmp_path, threads) as backends:
        await fill(backends)
        staged = backends.segments.create(NAME)
        staged.write(b"x")
    running = {thread.name for thread in threading.enumerate()} - before
    assert not [name for name in running if not name.startswith("chroma-query")]
    assert sorted(os.listdir(tmp_path)) == ["FORMAT", "LOCK", CATALOG_FILE, LOG_FILE, SEGMENTS_DIRECTORY]
    assert os.listdir(tmp_path / SEGMENTS_DIRECTORY) == []


async def test_a_new_directory_is_open_to_its_owner_alone(tmp_path: Path, threads: Threads) -> None:
    async with opened(tmp_path / "a" / "b", threads):
        for made in (tmp_path / "a", tmp_path / "a" / "b", tmp_path / "a" / "b" / SEGMENTS_DIRECTORY):
            assert made.stat().st_mode & 0o077 == 0


async def test_a_deleted_default_database_does_not_come_back_with_the_next_opening(tmp_path: Path, threads: Threads) -> None:
    async with opened(tmp_path, threads) as backends:
        await backends.catalog.delete_database(Scope())
    async with opened(tmp_path, threads) as backends:
        with pytest.raises(NotFoundError):
            await backends.catalog.get_database(Scope())
        await backends.catalog.reset()
        await backends.catalog.get_database(Scope())


async def test_files_that_a_crash_left_behind_are_listed_and_can_be_deleted(tmp_path: Path, threads: Threads) -> None:
    async with opened(tmp_path / "live", threads) as backends:
        put(backends.segments)
        staged = backends.segments.create(OTHER)
        staged.write(CONTENT)
        shutil.copytree(tmp_path / "live", tmp_path / "copy")
        staged.discard()
    async with opened(tmp_path / "copy", threads) as backends:
        listed = backends.segments.list()
        assert listed == sorted([NAME, f"{OTHER}.1.tmp"])
        put(backends.segments, OTHER)
        backends.segments.delete([f"{OTHER}.1.tmp"])
        assert backends.segments.list() == sorted([NAME, OTHER])


async def test_a_deleted_file_leaves_the_disk_once_nobody_holds_it(tmp_path: Path, threads: Threads) -> None:
    async with opened(tmp_path, threads) as backends:
        blob = backends.segments.open(put(backends.segments))
        path = tmp_path / SEGMENTS_DIRECTORY / NAME
        view = blob.buffer()
        backends.segments.delete([NAME])
        assert path.exists()
        del blob
        backends.segments.delete([])
        assert not path.exists()
        assert view == CONTENT


async def test_the_log_gives_disk_back_when_it_is_trimmed(tmp_path: Path, threads: Threads) -> None:
    async with opened(tmp_path, threads) as backends:
        for seq in range(1, 200):
            await backends.log.append([entry(A, seq), entry(B, seq)])
        assert (tmp_path / LOG_FILE).stat().st_size + (tmp_path / f"{LOG_FILE}-wal").stat().st_size > 3_000_000
        await backends.log.trim(A, 199)
        await backends.log.trim(B, 198)
        await backends.log.append([entry(A, 200)])
        assert await backends.log.read(B, 0) == [entry(B, 199)]
        await backends.log.trim(A, 200)
        await backends.log.trim(B, 199)
    assert (tmp_path / LOG_FILE).stat().st_size < 10 * 8192


async def test_the_write_ahead_file_stays_near_its_bound(tmp_path: Path, threads: Threads) -> None:
    wal = tmp_path / f"{LOG_FILE}-wal"
    async with opened(tmp_path, threads) as backends:
        largest = 0
        for seq in range(1, 200):
            await backends.log.append([entry(A, seq)])
            largest = max(largest, wal.stat().st_size)
        # Appends go on during a checkpoint until the file is four times as large; one may be under way then.
        assert largest < 6 * CHECKPOINT_BYTES


@pytest.mark.parametrize("file", [CATALOG_FILE, LOG_FILE])
async def test_a_file_that_is_no_database_is_corruption_that_names_it_and_the_directory_is_let_go(
    tmp_path: Path, threads: Threads, file: str
) -> None:
    async with opened(tmp_path, threads) as backends:
        await fill(backends)
    whole = (tmp_path / file).read_bytes()
    (tmp_path / file).write_bytes(b"not a database at all" * 1000)
    with pytest.raises(CorruptionError) as caught:
        async with opened(tmp_path, threads):
            pass
    assert caught.value.file == str(tmp_path / file)
    (tmp_path / file).write_bytes(whole)
    async with opened(tmp_path, threads) as backends:
        await check(backends)


async def test_a_damaged_entry_is_corruption_that_names_collection_and_seq(tmp_path: Path, threads: Threads) -> None:
    async with opened(tmp_path, threads) as backends:
        await backends.log.append([entry(A, 6), entry(B, 7, facts=b"facts")])
    with sqlite3.connect(tmp_path / LOG_FILE) as connection:
        connection.execute("UPDATE entries SET body = x'00' WHERE first = 6")
        connection.execute("UPDATE entries SET facts = x'00' WHERE first = 7")
    connection.close()
    async with opened(tmp_path, threads) as backends:
        with pytest.raises(CorruptionError, match=rf"\[{A}\] at seq 6"):
            await backends.log.read(A, 0)
        with pytest.raises(CorruptionError, match=rf"\[{B}\] at seq 7"):
            await backends.log.read(B, 0)
        with pytest.raises(CorruptionError):
            await backends.log.facts()


async def test_a_newer_catalog_or_log_is_refused_with_both_versions(tmp_path: Path, threads: Threads) -> None:
    for file, change in ((CATALOG_FILE, "UPDATE schema_version SET version = 99"), (LOG_FILE, "PRAGMA user_version = 99")):
        async with opened(tmp_path / file, threads):
            pass
        with sqlite3.connect(tmp_path / file / file) as connection:
            connection.execute(change)
        connection.close()
        with pytest.raises(StoreError, match=r"version 99.*up to \d"):
            async with opened(tmp_path / file, threads):
                pass


async def test_a_migration_that_is_cut_short_leaves_the_version_before_it(tmp_path: Path) -> None:
    path = tmp_path / CATALOG_FILE
    await (await CatalogConnection.open(path, MIGRATIONS, wal_bytes=0)).aclose()
    broken = "CREATE TABLE half (a); INSERT INTO nowhere VALUES (1);"
    with pytest.raises(Exception, match="nowhere"):
        await CatalogConnection.open(path, (*MIGRATIONS, broken), wal_bytes=0)
    connection = await CatalogConnection.open(path, (*MIGRATIONS, "CREATE TABLE half (a);"), wal_bytes=0)
    assert await connection.read("SELECT version FROM schema_version") == [(len(MIGRATIONS) + 1,)]
    await connection.aclose()


async def test_a_catalog_of_version_1_learns_the_seqs_of_its_manifests(tmp_path: Path) -> None:
    path = tmp_path / CATALOG_FILE
    fork = Manifest(UUID(int=2), version=1, flushed_seq=7, tails=(Tail(UUID(int=1), 7, 9), Tail(UUID(int=3), 9, 12)))
    bodies = [Manifest(UUID(int=1), version=4, flushed_seq=8).to_bytes(), fork.to_bytes(), b"\xff damaged"]
    first = await CatalogConnection.open(path, MIGRATIONS[:1], wal_bytes=0)

    async def work(step: Statements) -> None:
        for number, body in enumerate(bodies, 1):
            row = (UUID(int=number).bytes, f"name-{number}", "default_tenant", "default_database", None, "{}", "{}", None, 17)
            columns = "id, name, tenant, database, metadata, configuration, schema, dimension, created_ns, crc32"
            await step.rows(f"INSERT INTO collections ({columns}) VALUES ({', '.join('?' * 10)})", (*row, row_checksum(row)))
            await step.rows(
                "INSERT INTO manifests (collection, version, body, crc32) VALUES (?, ?, ?, ?)",
                (row[0], 1, body, row_checksum((row[0], 1), body)),
            )

    await first.write(work)
    await first.aclose()
    catalog = await SqliteCatalog.open(path, wal_bytes=0)
    assert [row.seq for row in await catalog.list_collections(Scope(), None, 0)] == [8, 12, 0]
    assert [(await catalog.load_manifest(UUID(int=number))).body for number in (1, 2, 3)] == bodies
    await catalog.aclose()


async def test_a_full_disk_loses_nothing_and_the_append_may_be_retried(tmp_path: Path, threads: Threads) -> None:
    connections: list[sqlite3.Connection] = []

    def connecting(path: Path) -> sqlite3.Connection:
        connections.append(connect(path))
        return connections[-1]

    thread, beside = threads.serial("log"), threads.serial("checkpoint")
    log = await SqliteLog.open(tmp_path / LOG_FILE, thread, beside, wal_bytes=1 << 20, spare_bytes=1 << 20, connector=connecting)
    await log.append([entry(A, 1)])
    await thread.run(lambda: connections[0].execute("PRAGMA max_page_count = 12").fetchall())
    with pytest.raises(UnavailableError) as caught:
        await log.append([entry(A, seq) for seq in range(2, 30)])
    assert caught.value.retryable
    assert await log.read(A, 0) == [entry(A, 1)]
    await thread.run(lambda: connections[0].execute("PRAGMA max_page_count = 1000000").fetchall())
    await log.append([entry(A, 2)])
    assert await log.read(A, 1) == [entry(A, 2)]
    await log.aclose()


async def test_a_commit_that_fails_poisons_the_log_until_it_is_opened_again(tmp_path: Path, threads: Threads) -> None:
    async with opened(tmp_path, threads, checkpoint_bytes=NEVER) as backends:
        await backends.log.append([entry(A, 1)])
        with file_size_limit((tmp_path / f"{LOG_FILE}-wal").stat().st_size + 5000), pytest.raises(PoisonedError):
            await backends.log.append([entry(A, 2)])
        for _ in range(2):
            with pytest.raises(PoisonedError):
                await backends.log.append([entry(A, 3)])
        with pytest.raises(PoisonedError):
            await backends.log.trim(A, 1)
        assert await backends.log.read(A, 0) == [entry(A, 1)]
    async with opened(tmp_path, threads) as backends:
        assert await backends.log.read(A, 0) == [entry(A, 1)]
        await backends.log.append([entry(A, 2)])


async def test_a_commit_that_fails_poisons_the_catalog_until_it_is_opened_again(tmp_path: Path, threads: Threads) -> None:
    async with opened(tmp_path, threads) as backends:
        await backends.catalog.create_collection(collection(1))
        with file_size_limit((tmp_path / f"{CATALOG_FILE}-wal").stat().st_size + 100), pytest.raises(PoisonedError):
            await backends.catalog.create_collection(collection(2))
        with pytest.raises(PoisonedError):
            await backends.catalog.create_tenant("acme")
        assert await backends.catalog.collection_ids() == [UUID(int=1)]
    async with opened(tmp_path, threads) as backends:
        assert await backends.catalog.collection_ids() == [UUID(int=1)]
        await backends.catalog.create_collection(collection(2))


async def test_a_full_disk_undoes_a_catalog_write_which_may_be_retried(tmp_path: Path) -> None:
    connection = await CatalogConnection.open(tmp_path / CATALOG_FILE, MIGRATIONS, wal_bytes=0)
    ((pages,),) = await connection.read("PRAGMA page_count")
    await connection.read(f"PRAGMA max_page_count = {pages}")

    async def work(step: Statements) -> None:
        await step.rows("INSERT INTO tenants (name) VALUES (?)", ("x" * 50_000,))

    with pytest.raises(UnavailableError) as caught:
        await connection.write(work)
    assert caught.value.retryable
    await connection.read("PRAGMA max_page_count = 1000000")
    await connection.write(work)
    await connection.aclose()


async def test_appends_that_are_cancelled_are_whole_or_absent(tmp_path: Path, threads: Threads) -> None:
    async with opened(tmp_path, threads) as backends:
        for seq in range(1, 9):
            task = asyncio.ensure_future(backends.log.append([entry(A, seq), entry(B, seq)]))
            for _ in range(seq % 4):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        held = [each.first for each in await backends.log.read(A, 0)]
        assert held == [each.first for each in await backends.log.read(B, 0)]


class FailingFiles(FileSystem):
    """A file system on which one operation fails."""

    failing = ""

    def _step(self, operation: str) -> None:
        if operation == self.failing:
            raise OSError(28, "No space left on device")

    def create(self, path: Path) -> BinaryIO:
        self._step("create")
        return super().create(path)

    def write(self, file: BinaryIO, data: Buffer) -> None:
        self._step("write")
        super().write(file, data)

    def sync(self, file: BinaryIO) -> None:
        self._step("sync")
        super().sync(file)

    def sync_path(self, path: Path) -> None:
        self._step("sync")
        super().sync_path(path)

    def rename(self, source: Path, target: Path) -> None:
        self._step("rename")
        super().rename(source, target)

    def sync_directory(self, path: Path) -> None:
        self._step("sync_directory")
        super().sync_directory(path)


@pytest.mark.parametrize("operation", ["create", "write"])
async def test_a_full_disk_removes_the_staged_file_and_the_store_stays_usable(tmp_path: Path, threads: Threads, operation: str) -> None:
    files = FailingFiles()
    async with opened(tmp_path, threads, files) as backends:
        files.failing = operation
        with pytest.raises(UnavailableError) as caught:
            put(backends.segments)
        assert caught.value.retryable
        if operation == "create":
            with pytest.raises(UnavailableError):
                put_database(backends.segments)
        files.failing = ""
        assert os.listdir(tmp_path / SEGMENTS_DIRECTORY) == []
        put(backends.segments)
        put_database(backends.segments)


async def test_a_database_that_outgrows_the_disk_is_refused_and_removed(tmp_path: Path, threads: Threads) -> None:
    async with opened(tmp_path, threads) as backends:
        staged = backends.segments.create_database(OTHER)
        staged.execute("PRAGMA max_page_count = 20")
        staged.execute("CREATE TABLE rows (document TEXT)")
        with pytest.raises(UnavailableError):
            staged.executemany("INSERT INTO rows VALUES (?)", [("x" * 1000,) for _ in range(1000)])
        staged.discard()
        assert backends.segments.list() == []
        assert os.listdir(tmp_path / SEGMENTS_DIRECTORY) == []


@pytest.mark.parametrize("operation", ["sync", "rename", "sync_directory"])
@pytest.mark.parametrize("make", [put, put_database])
async def test_a_failing_sync_or_rename_poisons_the_store_while_reads_go_on(
    tmp_path: Path, threads: Threads, operation: str, make: object
) -> None:
    assert callable(make)
    files = FailingFiles()
    async with opened(tmp_path, threads, files) as backends:
        kept = put(backends.segments, "f" * 32 + ".alive")
        files.failing = operation
        with pytest.raises(PoisonedError):
            make(backends.segments)
        files.failing = ""
        for again in (put, put_database):
            with pytest.raises(PoisonedError):
                again(backends.segments)
        assert backends.segments.open(kept).buffer() == CONTENT
        assert not [name for name in backends.segments.list() if name.endswith(".tmp")]
    async with opened(tmp_path, threads) as backends:
        backends.segments.delete([NAME, OTHER])
        make(backends.segments)


async def test_a_file_cut_short_on_disk_is_corruption_however_it_is_read(tmp_path: Path, threads: Threads) -> None:
    async with opened(tmp_path, threads) as backends:
        ref = put(backends.segments)
        blob = backends.segments.open(ref)
        os.truncate(tmp_path / SEGMENTS_DIRECTORY / NAME, 1000)
        for read in (blob.buffer, blob.verify):
            with pytest.raises(CorruptionError) as caught:
                read()
            assert caught.value.file == NAME
        os.truncate(tmp_path / SEGMENTS_DIRECTORY / NAME, 0)
        with pytest.raises(CorruptionError):
            blob.buffer()
        (tmp_path / SEGMENTS_DIRECTORY / NAME).unlink()
        for read in (blob.buffer, blob.verify, blob.database().__enter__):
            with pytest.raises(CorruptionError):
                read()
        assert os.listdir(tmp_path / SEGMENTS_DIRECTORY) == []
