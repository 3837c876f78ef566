"""Lanes: every job is done once, in order where one thread does them, and nothing is held or lost on the way."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import AsyncIterator

import pytest

from chroma_async.errors import ClosedError, InternalError, UnavailableError
from chroma_async.threads import Lane, SerialThread, Threads, as_daemon

PATIENCE_S = 10.0


@pytest.fixture
async def lane() -> AsyncIterator[Lane]:
    lane = Lane("test", 2)
    yield lane
    await lane.aclose()


async def test_every_job_answers_its_own_caller(lane: Lane) -> None:
    async def caller(number: int) -> list[int]:
        return [await lane.run(divmod, number * 10 + step, 10) == (number, step) for step in range(10)].count(True) * [number]

    answers = await asyncio.gather(*map(caller, range(100)))
    assert answers == [[number] * 10 for number in range(100)]


async def test_one_thread_keeps_the_order_in_which_it_was_asked() -> None:
    serial = SerialThread("test")
    done: list[int] = []
    for _ in range(20):
        await asyncio.gather(*(serial.run(done.append, number) for number in range(len(done), len(done) + 50)))
    await serial.aclose()
    assert done == list(range(1000))


async def test_two_workers_work_at_once_and_no_more(lane: Lane) -> None:
    both = threading.Barrier(2, timeout=PATIENCE_S)
    at_work, most = 0, 0
    lock = threading.Lock()

    def job() -> None:
        nonlocal at_work, most
        with lock:
            at_work += 1
            most = max(most, at_work)
        both.wait()
        with lock:
            at_work -= 1

    for _ in range(20):
        await asyncio.gather(*(lane.run(job) for _ in range(6)))
    assert most == 2


async def test_a_job_that_raises_raises_at_its_caller_and_harms_no_other(lane: Lane) -> None:
    answers = await asyncio.gather(lane.run(int, "x"), lane.run(int, "1"), return_exceptions=True)
    assert isinstance(answers[0], ValueError)
    assert answers[1] == 1


@pytest.mark.parametrize(
    "error",
    [StopIteration(), StopAsyncIteration(), GeneratorExit(), asyncio.CancelledError(), KeyboardInterrupt(), SystemExit(1)],
    ids=repr,
)
async def test_a_job_that_raises_what_its_caller_would_misread_is_a_failure_that_names_it(lane: Lane, error: BaseException) -> None:
    def job() -> None:
        raise error

    for _ in range(4):
        async with asyncio.timeout(PATIENCE_S):
            with pytest.raises(InternalError, match=type(error).__name__) as failure:
                await lane.run(job)
        assert failure.value.__cause__ is error
    both = threading.Barrier(2, timeout=PATIENCE_S)
    await asyncio.gather(lane.run(both.wait), lane.run(both.wait))


async def test_a_thread_whose_preparation_fails_works_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise PermissionError("no priorities here")

    lane = Lane("test", 2, fail)
    async with asyncio.timeout(PATIENCE_S):
        assert await asyncio.gather(*(lane.run(abs, -number) for number in range(8))) == list(range(8))
    await lane.aclose()
    assert "no priorities here" in caplog.text


async def test_a_thread_that_cannot_be_started_is_said_to_the_caller_and_asked_for_again(
    lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", none_left)
        with pytest.raises(UnavailableError, match="no thread can be started for test work"):
            await lane.run(abs, -1)
    async with asyncio.timeout(PATIENCE_S):
        assert await asyncio.gather(*(lane.run(abs, -number) for number in range(8))) == list(range(8))


async def test_a_job_that_was_refused_for_want_of_a_thread_is_never_done(lane: Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on, done = threading.Event(), list[int]()
    first = asyncio.ensure_future(lane.run(go_on.wait, PATIENCE_S))
    await asyncio.sleep(0)

    def none_left(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as starving:
        starving.setattr(threading.Thread, "start", none_left)
        with pytest.raises(UnavailableError):
            await lane.run(done.append, 1)
    go_on.set()
    async with asyncio.timeout(PATIENCE_S):
        assert await first
        await asyncio.gather(*(lane.run(done.append, number) for number in range(2, 6)))
        assert await lane.aclose()
    assert sorted(done) == [2, 3, 4, 5]


async def test_a_lane_closes_in_the_time_it_is_given_and_its_last_job_ends_later() -> None:
    lane, go_on, done = Lane("test", 1), threading.Event(), threading.Event()
    begun = asyncio.ensure_future(lane.run(lambda: (go_on.wait(PATIENCE_S), done.set())))
    await asyncio.sleep(0)
    assert not await lane.aclose(0.01)
    with pytest.raises(ClosedError):
        await lane.run(abs, -1)
    assert not done.is_set()
    go_on.set()
    await begun
    assert await lane.aclose()
    assert done.is_set()


def test_a_job_that_outlives_a_closed_lane_and_its_loop_disturbs_nobody(caplog: pytest.LogCaptureFixture) -> None:
    lane, go_on, done = Lane("test", 1), threading.Event(), threading.Event()

    async def leave() -> None:
        running = asyncio.ensure_future(lane.run(lambda: (go_on.wait(PATIENCE_S), done.set())))
        await asyncio.sleep(0)
        assert not await lane.aclose(0.01)
        running.cancel()

    asyncio.run(leave())
    go_on.set()
    assert done.wait(PATIENCE_S)
    assert asyncio.run(lane.aclose(PATIENCE_S))
    assert caplog.text == ""


async def test_a_cancelled_caller_does_not_stop_its_job_and_closing_waits_for_it(lane: Lane) -> None:
    begun, go_on, done = threading.Event(), threading.Event(), threading.Event()

    def job() -> None:
        begun.set()
        assert go_on.wait(PATIENCE_S)
        done.set()

    caller = asyncio.ensure_future(lane.run(job))
    await lane.run(begun.wait, PATIENCE_S)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    closing = asyncio.ensure_future(lane.aclose())
    await asyncio.sleep(0)
    assert not closing.done()
    go_on.set()
    await closing
    assert done.is_set()


async def test_a_closed_lane_refuses_and_closes_again(lane: Lane) -> None:
    assert await lane.run(abs, -1) == 1
    await lane.aclose()
    await lane.aclose()
    with pytest.raises(ClosedError):
        await lane.run(abs, -1)


async def test_what_a_job_was_given_and_gave_is_let_go_when_its_caller_has_it(lane: Lane) -> None:
    class Thing:
        pass

    for _ in range(50):
        given = Thing()
        made = await lane.run(lambda thing: [thing, Thing()], given)
        kept = [weakref.ref(thing) for thing in made]
        del given, made
        await asyncio.sleep(0)  # the loop itself holds the outcome until this step of its ends
        gc.collect()
        assert [reference() for reference in kept] == [None, None]


def test_a_job_whose_loop_was_closed_is_nobodys_loss() -> None:
    begun, go_on = threading.Event(), threading.Event()
    lane = Lane("test", 1)

    def job() -> None:
        begun.set()
        assert go_on.wait(PATIENCE_S)

    async def abandon() -> None:
        caller = asyncio.ensure_future(lane.run(job))
        await asyncio.sleep(0)
        assert begun.wait(PATIENCE_S)
        caller.cancel()

    async def close() -> None:
        go_on.set()
        await asyncio.wait_for(lane.aclose(), PATIENCE_S)

    asyncio.run(abandon())
    asyncio.run(close())


async def test_each_worker_is_prepared_for_the_cores_it_may_use() -> None:
    prepared: list[tuple[str, int]] = []
    kinds = Threads(2, 1, 7, lambda cores: prepared.append((threading.current_thread().name.split("_")[0], cores)))
    await kinds.run(int)
    await kinds.flush(int)
    await kinds.background(int)
    await kinds.aclose()
    assert prepared == [("chroma-query", 1), ("chroma-flush", 1), ("chroma-background", 7)]


async def test_a_job_whose_waiter_left_before_it_began_is_not_done() -> None:
    lane, gate = Lane("test", 1), threading.Event()
    done: list[int] = []
    first = asyncio.ensure_future(lane.run(gate.wait))
    await asyncio.sleep(0)
    waiting = [asyncio.ensure_future(lane.run(done.append, number)) for number in range(10)]
    await asyncio.sleep(0)
    for task in waiting[:9]:
        task.cancel()
    await asyncio.sleep(0)
    gate.set()
    await first
    await waiting[9]
    assert done == [9]
    await lane.aclose()


async def test_a_close_whose_caller_leaves_may_be_asked_for_again() -> None:
    lane, gate = Lane("test", 1), threading.Event()
    job = asyncio.ensure_future(lane.run(gate.wait))
    await asyncio.sleep(0)
    closing = asyncio.ensure_future(lane.aclose())
    await asyncio.sleep(0)
    closing.cancel()
    await asyncio.wait([closing])
    with pytest.raises(ClosedError):
        await lane.run(print)
    gate.set()
    await lane.aclose()
    assert job.done()
    assert await job is True


def test_a_thread_that_is_constructed_for_a_library_is_a_daemon() -> None:
    assert not threading.current_thread().daemon
    assert as_daemon(threading.Thread).daemon
    with pytest.raises(ZeroDivisionError):
        as_daemon(lambda: 1 // 0)
