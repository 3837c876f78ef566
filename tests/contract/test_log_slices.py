"""What takes long in the log does not hold appends up: a trim is made in slices, and a checkpoint beside the writer but for its end."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest

from chroma_async.storage.base.log import LogEntry
from chroma_async.storage.sqlite.log import MOST_GROWTH, SqliteLog
from chroma_async.storage.sqlite.log_file import SLICE_BYTES, SLICE_ENTRIES, connect
from chroma_async.threads import Threads

A, B = UUID(int=1), UUID(int=2)
MIB = 1 << 20


def entry(collection: UUID, seq: int, size: int) -> LogEntry:
    return LogEntry(collection, seq, seq, bytes(size))


@pytest.fixture
async def log(tmp_path: Path, threads: Threads) -> AsyncIterator[SqliteLog]:
    log = await SqliteLog.open(
        tmp_path / "log.sqlite", threads.serial("log"), threads.serial("checkpoint"), wal_bytes=4 * MIB, spare_bytes=MIB
    )
    yield log
    await log.aclose()


@pytest.mark.parametrize(("count", "size"), [(24, MIB), (3, 3 * SLICE_BYTES), (3 * SLICE_ENTRIES + 5, 100)])
async def test_an_append_does_not_wait_for_the_end_of_a_large_trim(log: SqliteLog, count: int, size: int) -> None:
    await log.append([entry(A, seq, size) for seq in range(1, count + 1)])
    await log.append([entry(B, 1, 10)])
    trimming = asyncio.ensure_future(log.trim(A, count - 1))
    await asyncio.sleep(0)
    await log.append([entry(B, 2, 10)])
    assert not trimming.done()
    await trimming
    assert [held.first for held in await log.read(A, 0)] == [count]
    assert [held.first for held in await log.read(B, 0)] == [1, 2]


async def test_an_unfinished_trim_has_removed_the_oldest_first(log: SqliteLog) -> None:
    await log.append([entry(A, seq, MIB) for seq in range(1, 25)])
    trimming = asyncio.ensure_future(log.trim(A, 20))
    await asyncio.sleep(0)
    during = [held.first for held in await log.read(A, 0)]
    await trimming
    assert during == list(range(during[0], 25))
    assert 1 < during[0] < 21
    assert [held.first for held in await log.read(A, 0)] == [21, 22, 23, 24]


async def test_space_goes_back_to_the_disk_in_slices_too(log: SqliteLog, tmp_path: Path) -> None:
    await log.append([entry(A, seq, MIB) for seq in range(1, 25)])
    await log.trim(A, 24)
    await log.append([entry(B, 1, 10)])
    await log.trim(B, 1)
    await log.aclose()
    assert (tmp_path / "log.sqlite").stat().st_size < MIB


async def test_closing_ends_a_trim_at_its_next_slice(log: SqliteLog) -> None:
    await log.append([entry(A, seq, MIB) for seq in range(1, 25)])
    trimming = asyncio.ensure_future(log.trim(A, 24))
    await asyncio.sleep(0)
    await log.aclose()
    await trimming


class Watched(sqlite3.Connection):
    """A connection whose copying waits for ``go_on``, or fails."""

    begun, go_on = threading.Event(), threading.Event()
    fails = False

    def execute(self, sql: str, *arguments: object) -> sqlite3.Cursor:  # type: ignore[override]
        if "PASSIVE" in sql:
            self.begun.set()
            assert self.go_on.wait(10)
            if self.fails:
                raise sqlite3.OperationalError("disk I/O error")
        return super().execute(sql, *arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("fails", [False, True])
async def test_appends_go_on_while_the_write_ahead_file_is_copied_and_a_failure_of_that_costs_nothing(
    tmp_path: Path, threads: Threads, fails: bool
) -> None:
    class Connection(Watched):
        begun, go_on = threading.Event(), threading.Event()

    Connection.fails = fails

    def connecting(path: Path) -> sqlite3.Connection:
        return sqlite3.connect(path, isolation_level=None, check_same_thread=False, factory=Connection)

    path, wal = tmp_path / "log.sqlite", tmp_path / "log.sqlite-wal"
    bounds = {"wal_bytes": MIB, "spare_bytes": MIB}
    log = await SqliteLog.open(path, threads.serial("log"), threads.serial("beside"), connector=connecting, **bounds)
    await log.append([entry(A, 1, 2 * MIB)])
    await asyncio.to_thread(Connection.begun.wait, 10)
    await log.append([entry(A, 2, MIB)])
    await log.append([entry(A, 3, 10)])
    assert wal.stat().st_size > 3 * MIB
    Connection.go_on.set()
    number = 0
    while wal.stat().st_size > MIB:
        number += 1
        await log.append([entry(B, number, 10)])
    await log.aclose()
    assert not wal.exists()
    again = await SqliteLog.open(path, threads.serial("log"), threads.serial("beside"), connector=connect, **bounds)
    assert [held.first for held in await again.read(A, 0)] == [1, 2, 3]
    assert len(await again.read(B, 0)) == number
    await again.aclose()


async def test_appends_that_outrun_the_copying_wait_for_it(log: SqliteLog, tmp_path: Path) -> None:
    largest = 0
    for seq in range(1, 200):
        await log.append([entry(A, seq, MIB)])
        largest = max(largest, (tmp_path / "log.sqlite-wal").stat().st_size)
    assert largest < (MOST_GROWTH + 2) * 4 * MIB
