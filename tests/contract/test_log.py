"""What every log promises."""

from __future__ import annotations

from uuid import UUID

import pytest

from chroma_async.errors import ClosedError, InternalError
from chroma_async.storage.base.log import Log, LogEntry

A, B, C = UUID(int=2**127), UUID(int=1), UUID(int=3)


def entry(collection: UUID, first: int, last: int | None = None, facts: bytes | None = None) -> LogEntry:
    return LogEntry(collection, first, last or first, b"%d:" % first + bytes(range(256)) * 40, facts)


async def test_an_empty_log_holds_nothing(log: Log) -> None:
    assert await log.read(A, 0) == []
    assert await log.facts() == []
    assert await log.collections() == {}
    await log.append([])
    await log.trim(A, 10)


async def test_entries_are_read_back_in_order_after_a_seq(log: Log) -> None:
    first, second, third = entry(A, 1, 10), entry(A, 11), entry(A, 12, 20, b"facts")
    await log.append([second, entry(B, 1)])
    await log.append([third, first])
    assert await log.read(A, 0) == [first, second, third]
    assert await log.read(A, 1) == [second, third]
    assert await log.read(A, 11) == [third]
    assert await log.read(A, 12) == []
    assert await log.read(B, 0) == [entry(B, 1)]


async def test_bodies_may_be_empty_or_large(log: Log) -> None:
    entries = [LogEntry(A, 1, 1, b""), LogEntry(A, 2, 2, b"\0" * 3_000_000, b"")]
    await log.append(entries)
    assert await log.read(A, 0) == entries


async def test_the_highest_seq_of_each_collection_is_known(log: Log) -> None:
    await log.append([entry(A, 1, 5), entry(B, 7, 9), entry(A, 6, 8)])
    assert await log.collections() == {A: 8, B: 9}


async def test_facts_are_read_without_their_bodies_in_order(log: Log) -> None:
    await log.append([entry(A, 4, 6, b"later"), entry(A, 1, 3, b"early"), entry(B, 1), entry(B, 2, 2, b""), entry(C, 1)])
    assert await log.facts() == [(B, 2, b""), (A, 3, b"early"), (A, 6, b"later")]
    await log.trim(A, 3)
    assert await log.facts() == [(B, 2, b""), (A, 6, b"later")]


async def test_trimming_forgets_whole_entries_of_one_collection_up_to_a_seq(log: Log) -> None:
    await log.append([entry(A, 1, 5), entry(A, 6, 10), entry(A, 11, 15), entry(B, 1, 5)])
    await log.trim(A, 9)
    assert [held.first for held in await log.read(A, 0)] == [6, 11]
    await log.trim(A, 9)
    await log.trim(A, 15)
    assert await log.collections() == {B: 5}
    await log.append([entry(A, 16)])
    assert await log.read(A, 0) == [entry(A, 16)]


async def test_a_refused_append_leaves_nothing_behind_and_the_log_usable(log: Log) -> None:
    await log.append([entry(A, 1)])
    for refused in ([entry(B, 1), entry(A, 1)], [entry(B, 1), entry(A, 2), entry(A, 2)]):
        with pytest.raises(InternalError, match="at seq"):
            await log.append(refused)
    assert await log.collections() == {A: 1}
    assert await log.read(A, 0) == [entry(A, 1)]
    await log.append([entry(A, 2)])
    assert await log.collections() == {A: 2}


async def test_a_long_life_of_appends_and_trims_keeps_what_was_not_trimmed(log: Log) -> None:
    """Enough bytes to pass the checkpoint bound many times over."""
    for seq in range(1, 101):
        await log.append([entry(A, seq), entry(B, seq)])
        if seq % 7 == 0:
            await log.trim(A, seq - 3)
    assert [held.first for held in await log.read(A, 0)] == [96, 97, 98, 99, 100]
    assert await log.read(B, 0) == [entry(B, seq) for seq in range(1, 101)]


async def test_a_closed_log_says_so_and_closes_again(log: Log) -> None:
    await log.append([entry(A, 1)])
    await log.aclose()
    await log.aclose()
    with pytest.raises(ClosedError):
        await log.append([entry(A, 2)])
    with pytest.raises(ClosedError):
        await log.read(A, 0)


async def test_its_size_grows_with_what_it_holds_and_each_sync_is_timed(log: Log) -> None:
    before = await log.size_bytes()
    await log.append([entry(A, 1)])
    after = await log.size_bytes()
    assert after >= before + 10_000
    assert 0 <= log.syncs.sum < 60
    assert log.syncs.count in (0, 1)
