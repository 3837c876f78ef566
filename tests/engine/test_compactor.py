"""Compaction beside reads and writes: whatever arrives while a job runs is neither lost nor done twice."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from chroma_async.engine.compaction import flush_lane, indexing, jobs
from chroma_async.errors import ClosedError, PoisonedError, UnavailableError
from chroma_async.types import Rows
from tests.engine.gate import HeldCatalog, JobGate, held, lanes_end
from tests.engine.store import TINY, Clock, Store, same, sound, vectors
from tests.model.ways import EAGER

Open = Callable[..., Awaitable[Store]]

#: Job -> where its blocking part is called from.
JOBS: dict[str, tuple[ModuleType, str]] = {
    "flush": (flush_lane, "write_memtable"),
    "merge": (jobs, "write_merged"),
    "vacuum": (jobs, "write_vacuumed"),
    "index": (jobs, "build_graph"),
    "text": (jobs, "build_trigrams"),
}
NEVER = 10**6
#: Job -> settings with which compaction has nothing else to do first.
FIRST = {
    "flush": TINY,
    "merge": replace(TINY, flat_rows=NEVER, trigram_rows=NEVER),
    "vacuum": TINY,
    "index": TINY,
    "text": replace(TINY, flat_rows=NEVER, merge_fan_in=NEVER),
}
ROWS = 40


def ids(start: int, stop: int) -> list[str]:
    return [f"r{number}" for number in range(start, stop)]


async def fill(store: Store, start: int, stop: int) -> None:
    numbers = range(start, stop)
    await store.add(
        ids(start, stop),
        np.random.default_rng(start).integers(-9, 9, (stop - start, 4)),
        documents=[f"document number {number}" for number in numbers],
        metadatas=[{"n": number} for number in numbers],
    )


async def ready_for(store: Store, job: str) -> None:
    """As much data as the job needs: two chunks, or a chunk with dead rows, and something in memory."""
    await fill(store, 0, ROWS // 2)
    if job != "flush":
        await store.flush()
        await fill(store, ROWS // 2, ROWS)
        await store.flush()
    if job == "vacuum":
        await store.delete(ids(0, 5))
        await store.flush()
    await fill(store, ROWS, ROWS + 5)


async def delete(store: Store) -> None:
    await store.delete([*ids(3, 9), "r15", "r41"])
    await store.delete(where={"n": {"$gt": 35}}, limit=2)


async def update(store: Store) -> None:
    await store.update(ids(4, 12), documents=[f"changed {number}" for number in range(8)], metadatas=[{"n": -1}] * 8)
    await store.upsert(["r13", "new"], vectors([100, 200]))


async def move_to_the_end(store: Store) -> None:
    await store.delete(ids(2, 7))
    await store.add(ids(6, 8), vectors([7, 8]), documents=["again", "ignored"])


CHANGES = [delete, update, move_to_the_end]


async def expected_after(open_store: Open, job: str, change: Callable[[Store], Awaitable[None]]) -> Rows:
    """What the same requests give when nothing runs beside them."""
    calm = await open_store(disk=False)
    await ready_for(calm, job)
    await change(calm)
    return await calm.everything()


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("job", JOBS)
async def test_what_changes_while_a_job_runs_is_not_lost(
    open_store: Open, monkeypatch: pytest.MonkeyPatch, job: str, change: Callable[[Store], Awaitable[None]]
) -> None:
    expected = await expected_after(open_store, job, change)
    store = await open_store()
    await ready_for(store, job)
    gate = JobGate(monkeypatch, *JOBS[job])
    work = asyncio.ensure_future(store.flush() if job == "flush" else store.finish())
    await gate.reached()
    await change(store)
    assert same(await store.everything(), expected)
    gate.open()
    await work
    assert same(await store.everything(), expected)
    await store.engine.aclose(flush=False)
    store = await open_store()
    assert same(await store.everything(), expected)
    await store.finish()
    assert same(await store.everything(), expected)
    assert await sound(store)


@pytest.mark.parametrize("job", [job for job in JOBS if job != "flush"])
async def test_a_flush_commits_beside_a_job_that_runs(open_store: Open, monkeypatch: pytest.MonkeyPatch, job: str) -> None:
    async def change_and_flush(store: Store) -> None:
        for change in CHANGES:
            await change(store)
            await store.flush()

    expected = await expected_after(open_store, job, change_and_flush)
    store = await open_store()
    await ready_for(store, job)
    gate = JobGate(monkeypatch, *JOBS[job])
    work = asyncio.ensure_future(store.finish())
    await gate.reached()
    await change_and_flush(store)
    gate.open()
    await work
    assert same(await store.everything(), expected)
    await store.engine.aclose(flush=False)
    store = await open_store()
    assert same(await store.everything(), expected)
    assert await sound(store)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("job", JOBS)
async def test_what_changes_between_commit_and_its_installation_is_not_lost(
    open_store: Open, job: str, change: Callable[[Store], Awaitable[None]]
) -> None:
    expected = await expected_after(open_store, job, change)
    store = await open_store(wrap=held, settings=FIRST[job])
    catalog = store.engine.context.backends.catalog
    assert isinstance(catalog, HeldCatalog)
    await ready_for(store, job)
    if job != "flush":
        await store.flush()
    catalog.hold()
    work = asyncio.ensure_future(store.flush() if job == "flush" else store.finish())
    await catalog.reached()
    await change(store)
    assert same(await store.everything(), expected)
    catalog.release()
    await work
    assert same(await store.everything(), expected)
    await store.engine.aclose(flush=False)
    assert same(await (await open_store()).everything(), expected)


async def test_frozen_memtables_are_flushed_in_order(open_store: Open) -> None:
    store = await open_store(settings=replace(TINY, memtable_rows=10))
    for start in range(0, 30, 10):
        await fill(store, start, start + 10)
    await store.delete(["r5", "r15", "r25"])
    collection = await store.collection()
    assert len(collection.version.memtables) == 4
    await store.flush()
    (segment,) = collection.version.segments
    assert [chunk.rows for chunk in segment.segment.chunks] == [10, 10, 10]
    assert segment.segment.ids(np.arange(30)) == ids(0, 30)
    assert segment.count == 27
    assert (await store.everything()).ids == [id for id in ids(0, 30) if id not in ("r5", "r15", "r25")]


async def test_two_flushes_at_once_store_each_row_once(store: Store) -> None:
    await fill(store, 0, 20)
    await asyncio.gather(*(store.flush() for _ in range(5)), store.finish(), store.finish())
    collection = await store.collection()
    assert sum(view.rows for view in collection.version.segments) == 20
    assert await store.ids() == ids(0, 20)


async def test_a_caller_that_goes_away_does_not_stop_its_flush(open_store: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    store = await open_store()
    await fill(store, 0, 20)
    gate = JobGate(monkeypatch, *JOBS["flush"])
    work = asyncio.ensure_future(store.flush())
    await gate.reached()
    work.cancel()
    await asyncio.wait([work])
    gate.open()
    await store.flush()
    await fill(store, 20, 30)
    await store.flush()
    await store.engine.aclose(flush=False)
    store = await open_store()
    assert await store.ids() == ids(0, 30)
    assert await sound(store)


async def test_a_caller_that_goes_away_does_not_stop_its_compaction(open_store: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    store = await open_store()
    await ready_for(store, "vacuum")
    expected = await store.everything()
    gate = JobGate(monkeypatch, *JOBS["vacuum"])
    work = asyncio.ensure_future(store.finish())
    await gate.reached()
    work.cancel()
    await asyncio.wait([work])
    assert not (await store.collection()).idle
    gate.open()
    await store.finish()
    assert same(await store.everything(), expected)
    assert (await store.collection()).idle


async def test_closing_ends_a_build_and_loses_nothing(open_store: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    store = await open_store()
    await ready_for(store, "index")
    expected = await store.everything()
    gate = JobGate(monkeypatch, indexing, "_begun")
    work = asyncio.ensure_future(store.finish())
    await gate.reached()
    closing = asyncio.ensure_future(store.engine.aclose(flush=False))
    await asyncio.sleep(0)
    gate.open()
    await closing
    await asyncio.wait([work])
    assert work.exception() is None or isinstance(work.exception(), ClosedError)
    assert same(await (await open_store()).everything(), expected)


async def test_a_write_waits_when_too_many_memtables_wait_for_their_flush(open_store: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    store = await open_store(settings=replace(TINY, memtable_rows=5), automatic=True)
    gate = JobGate(monkeypatch, *JOBS["flush"])
    for start in range(0, 5 * TINY.frozen_memtables, 5):
        await fill(store, start, start + 5)
    waiting = asyncio.ensure_future(fill(store, 50, 55))
    await gate.reached()
    assert await store.count() == 5 * TINY.frozen_memtables
    assert not waiting.done()
    gate.open()
    await waiting
    assert await store.count() == 5 * TINY.frozen_memtables + 5


async def test_a_flush_that_fails_leaves_the_rows_where_they_are(open_store: Open) -> None:
    store = await open_store(wrap=held)
    catalog: Any = store.engine.context.backends.catalog
    await fill(store, 0, 20)
    expected = await store.everything()
    catalog.errors.append(UnavailableError("disk full"))
    with pytest.raises(UnavailableError, match="disk full"):
        await store.flush()
    assert same(await store.everything(), expected)
    await fill(store, 20, 22)
    await store.flush()
    assert await store.ids() == ids(0, 22)
    assert await sound(store)


async def test_writes_are_refused_when_flushing_fails_for_too_long(open_store: Open, clock: Clock) -> None:
    store = await open_store(wrap=held, settings=replace(TINY, memtable_rows=5))
    catalog: Any = store.engine.context.backends.catalog
    catalog.errors += [UnavailableError("disk full")] * 3
    for start in range(0, 5 * TINY.frozen_memtables, 5):
        await fill(store, start, start + 5)
    with pytest.raises(UnavailableError, match="disk full"):
        await fill(store, 50, 55)
    assert await store.count() == 5 * TINY.frozen_memtables
    catalog.errors.clear()
    await store.flush()
    await fill(store, 50, 55)
    assert await store.count() == 5 * TINY.frozen_memtables + 5


async def test_a_commit_in_doubt_ends_writing(open_store: Open) -> None:
    store = await open_store(wrap=held)
    catalog: Any = store.engine.context.backends.catalog
    await fill(store, 0, 20)
    expected = await store.everything()
    catalog.errors.append(PoisonedError("fsync failed"))
    with pytest.raises(PoisonedError):
        await store.flush()
    with pytest.raises(PoisonedError):
        await store.add(["x"])
    assert same(await store.everything(), expected)
    await store.engine.aclose(flush=False)
    assert same(await (await open_store()).everything(), expected)


async def test_a_failed_job_does_not_keep_flushes_from_beginning(open_store: Open, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise UnavailableError("no room to merge")

    store = await open_store()
    await ready_for(store, "vacuum")
    monkeypatch.setattr(jobs, "write_vacuumed", fail)
    collection = await store.collection()
    clock.now += 100
    await collection.tick()
    await lanes_end()
    assert len(collection.version.memtables) == 1
    await fill(store, 60, 70)
    await store.flush()
    clock.now += 0.1
    await fill(store, 70, 75)
    clock.now += 100
    await collection.tick()
    await lanes_end()
    assert collection.version.memtables[-1].rows == 0


async def test_a_segment_ends_when_it_is_full(store: Store) -> None:
    for start in range(0, 300, 60):
        await fill(store, start, start + 60)
        await store.flush()
    collection = await store.collection()
    assert [view.rows for view in collection.version.segments] == [120, 120, 60]
    assert await store.ids() == ids(0, 300)
    await store.delete(ids(0, 130))
    await store.finish()
    assert await store.ids() == ids(130, 300)
    assert await sound(store)


async def test_every_job_leaves_answers_as_they_were(store: Store) -> None:
    await ready_for(store, "vacuum")
    await update(store)
    await store.delete(ids(20, 26))
    expected = await store.everything()
    question = np.array([1, -2, 3, 0], dtype=np.float32)
    nearest = await store.query(question, 12)
    matches = await store.ids(where_document={"$contains": "number 1"}, where={"n": {"$lt": 19}})
    await store.finish()
    collection = await store.collection()
    (view,) = collection.version.segments
    assert view.segment.graph is not None
    assert view.segment.trigrams
    assert same(await store.everything(), expected)
    again = await store.query(question, 12)
    assert (again.ids, again.distances is not None) == (nearest.ids, True)
    assert np.array_equal(again.distances, nearest.distances)  # type: ignore[arg-type]
    assert await store.ids(where_document={"$contains": "number 1"}, where={"n": {"$lt": 19}}) == matches


async def test_every_row_is_found_through_a_graph_that_grew(store: Store) -> None:
    rows = np.random.default_rng(1).normal(size=(120, 4)).astype(np.float32)
    store.engine.registry.context = replace(store.engine.context, plan=EAGER)
    for start, stop in ((0, 40), (40, 41), (41, 90), (90, 120)):
        await store.add(ids(start, stop), rows[start:stop])
        await store.finish()
        (view,) = (await store.collection()).version.segments
        assert view.segment.graph is not None
        assert view.segment.graph.covers == view.segment.graph.rows == stop
        for number in range(stop):
            assert (await store.query(rows[number], 1)).ids == [f"r{number}"]


async def test_codes_of_the_tail_are_let_go_when_the_graph_takes_it_in(open_store: Open) -> None:
    store = await open_store(settings=replace(TINY, tail_codes_rows=1))
    await store.add([f"a{n}" for n in range(40)], vectors(range(40)))
    await store.flush()
    segment = (await store.collection()).version.segments[0].segment
    assert segment.codes
    await store.finish()
    segment = (await store.collection()).version.segments[0].segment
    assert segment.covers == 40
    assert not segment.codes
