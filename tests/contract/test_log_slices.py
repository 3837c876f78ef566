"""A trim of many bytes is made in slices, between which appends have their turn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest

from chroma_async.storage.base import LogEntry
from chroma_async.storage.sqlite.log import SLICE_BYTES, SLICE_ENTRIES, SqliteLog
from chroma_async.threads import Threads

A, B = UUID(int=1), UUID(int=2)
MIB = 1 << 20


def entry(collection: UUID, seq: int, size: int) -> LogEntry:
    return LogEntry(collection, seq, seq, bytes(size))


@pytest.fixture
async def log(tmp_path: Path, threads: Threads) -> AsyncIterator[SqliteLog]:
    log = await SqliteLog.open(tmp_path / "log.sqlite", threads.serial("log"), wal_bytes=4 * MIB, spare_bytes=MIB)
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
    assert await log.size_bytes() == size + 20


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
