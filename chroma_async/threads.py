"""The one door to threads. No other module of this package makes a thread or an executor.

Kinds of work, so that none starves another:

===============  ======================================================  ==========================
``run``          a reader's own job; someone waits for it                 ``query_threads`` workers
``write``        a writer's own job, and what holds writers up            ``query_threads`` workers
``flush``        memtable to chunk; writers wait for it when it lags      one worker
``background``   merge, index, vacuum; nobody waits                       low priority, few workers
``serial``       calls that must happen in order (one SQLite connection)  one worker each
``as_daemon``    the catalog's connection, whose thread is aiosqlite's    one for each store
===============  ======================================================  ==========================

Cancelling the waiter takes a job out of the queue, and does not stop a thread that has begun: that runs to its end and its result is
dropped. What such a job holds (files, versions) it holds by reference, so nothing is taken away under it.

Whatever a job raises, its caller gets an answer and the thread goes on. What Python takes for the end of an iteration, a task or the
program (:func:`is_signal`) would be misread on its way through the caller's coroutines, so it arrives as an InternalError that names it.

Whether work goes to a thread at all is decided in :mod:`chroma_async.costs`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from time import perf_counter
from typing import Any, ParamSpec, Protocol, TypeVar

from chroma_async.errors import ClosedError, InternalError, UnavailableError
from chroma_async.measures import Histogram
from chroma_async.statistics import LaneStatistics

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

#: How much nicer background work is than the rest (setpriority(2), Linux: per thread).
BACKGROUND_NICENESS = 10
#: How long a thread waits for a job before it ends.
LINGER_S = 0.1

#: What ends an iteration, a generator, a task or the program.
_SIGNALS = (StopIteration, StopAsyncIteration, GeneratorExit, asyncio.CancelledError, KeyboardInterrupt, SystemExit)


def is_signal(error: BaseException) -> bool:
    """Whether Python itself takes the error for something else than a failure.

    A future refuses StopIteration, whoever awaits a CancelledError looks cancelled, and SystemExit in a task stops the loop of all others.
    A job in a worker thread can end none of these.
    """
    return isinstance(error, _SIGNALS)


def _lower_priority() -> None:
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), BACKGROUND_NICENESS)


def as_daemon(make: Callable[[], T]) -> T:
    """What ``make`` returns. A thread that a library constructs meanwhile is a daemon: a program that forgets to close it can still end.

    Threads inherit that from the one in which they are constructed, so ``make`` is called in a daemon of its own, which takes some 0.1 ms.

    :raises UnavailableError: no thread can be started.
    """
    made: Future[T] = Future()

    def call() -> None:
        try:
            made.set_result(make())
        except BaseException as error:
            made.set_exception(error)

    maker = threading.Thread(target=call, name="chroma-as-daemon", daemon=True)
    try:
        maker.start()
    except RuntimeError as error:
        raise UnavailableError(f"no thread can be started: {error}") from error
    return made.result()


class Run(Protocol):
    """A way to run blocking work: that of :class:`Threads` for readers, for writers, for flushing, for the background."""

    async def __call__(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T: ...


@dataclass(slots=True)
class _Job:
    """A call, who waits for it, and what came of it.

    Call and outcome are let go as soon as they are used: a worker that has not come to its next step must not hold files or versions.
    """

    work: Callable[[], object] | None
    loop: asyncio.AbstractEventLoop
    waiter: asyncio.Future[Any] | None
    asked_s: float
    result: object = None
    error: BaseException | None = None


class Lane:
    """A bounded set of worker threads with a queue of its own.

    Whatever a job raises is an answer, its call and its outcome are let go at once, and closing has patience. The threads are plain ones,
    which the interpreter waits for when it exits: one that has had nothing to do for a while ends. A ThreadPoolExecutor in its place makes
    a future, a condition and three more locks for each job, in as many lines: gets by id take 13 % more CPU, upserts of one row 9 %.
    docs/decisions/0016-threads.md has how that was measured.
    """

    def __init__(self, name: str, workers: int, initializer: Callable[[], None] | None = None) -> None:
        self._name = name
        self._workers = workers
        self._initializer = initializer
        #: ``None`` ends the worker that gets it.
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._lock = threading.Lock()
        #: Workers that are there, and all that ever were.
        self._present = 0
        self._started = 0
        #: Jobs that are not done.
        self._left = 0
        #: Seconds until jobs began.
        self._waits = Histogram()
        self._closed = False
        #: Done when the last worker of the closed lane has ended.
        self._drained: Future[None] = Future()

    async def run(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call ``work`` in a worker; its result or its exception.

        :raises ClosedError: after ``aclose``. :raises UnavailableError: no thread can be started.
        :raises InternalError: it raised what :func:`is_signal` describes.
        """
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[T] = loop.create_future()
        self._hand_over(_Job(partial(work, *args, **kwargs), loop, waiter, perf_counter()))
        return await waiter

    def statistics(self) -> LaneStatistics:
        """How many jobs there are, and how long jobs have waited for a worker."""
        with self._lock:
            return LaneStatistics(self._name, self._workers, self._left, self._waits.copy())

    async def aclose(self, patience_s: float | None = None) -> bool:
        """Wait for what has begun, then end the workers. Idempotent.

        :param patience_s: how long to wait at the most; a job that takes longer runs on, and its thread ends with it.
        :returns: whether everything that had begun is done.
        """
        with self._lock:
            if not self._closed:
                self._closed = True
                for _ in range(self._present):
                    self._jobs.put(None)
                if not self._present:
                    self._drained.set_result(None)
        loop = asyncio.get_running_loop()
        drained: asyncio.Future[None] = loop.create_future()

        def tell(_: Future[None]) -> None:
            with suppress(RuntimeError):  # the loop was closed: nobody waits any longer
                loop.call_soon_threadsafe(_wake, drained)

        self._drained.add_done_callback(tell)
        # The threads have nothing left to do then; joining them would hold up the loop.
        await asyncio.wait([drained], timeout=patience_s)
        return self._drained.done()

    def _hand_over(self, job: _Job) -> None:
        """Have a worker do the job: one that waits, a new one, or whoever is the first to be done with another."""
        with self._lock:
            if self._closed:
                raise ClosedError(f"{self._name} threads are closed")
            if self._left >= self._present and self._present < self._workers:
                self._start_worker()
            self._left += 1
            self._jobs.put(job)

    def _start_worker(self) -> None:
        """Called with the lock. :raises UnavailableError: the system has no thread to give, or the interpreter is exiting."""
        worker = threading.Thread(target=self._work, name=f"chroma-{self._name}_{self._started}")
        try:
            worker.start()
        except RuntimeError as error:
            raise UnavailableError(f"no thread can be started for {self._name} work: {error}") from error
        self._present += 1
        self._started += 1

    def _work(self) -> None:
        """What a worker does until no job has come for a while."""
        _prepare(self._name, self._initializer)
        while (job := self._next()) is not None:
            waited_s = perf_counter() - job.asked_s
            _do(job)
            # It counts as done before its waiter knows: what that asks for next finds a worker that is as good as free.
            with self._lock:
                self._left -= 1
                self._waits.observe(waited_s)
            _tell(job)
            job = None

    def _next(self) -> _Job | None:
        """The next job; ``None``: the worker ends, as the lane is closed or has fewer jobs than workers."""
        while True:
            try:
                job = self._jobs.get(timeout=LINGER_S)
            except Empty:
                if self._leave_if_idle():
                    return None
                continue
            if job is None:
                with self._lock:
                    self._leave()
            return job

    def _leave_if_idle(self) -> bool:
        """Not if a job has come just now."""
        with self._lock:
            idle = self._left < self._present
            if idle:
                self._leave()
            return idle

    def _leave(self) -> None:
        """Called with the lock."""
        self._present -= 1
        if self._closed and not self._present:
            self._drained.set_result(None)


def _prepare(name: str, initializer: Callable[[], None] | None) -> None:
    """What a worker does first. One that fails in it works all the same: jobs wait."""
    if initializer is None:
        return
    try:
        initializer()
    except Exception:
        logger.exception("a %s thread works unprepared", name)


def _do(job: _Job) -> None:
    """Do a job. One whose waiter has left by now is not begun."""
    assert job.work is not None
    try:
        if job.waiter is not None and not job.waiter.cancelled():
            job.result = job.work()
    except BaseException as error:
        job.error = error
    job.work = None


def _tell(job: _Job) -> None:
    """Tell the waiter what came of it."""
    try:
        job.loop.call_soon_threadsafe(_settle, job)
    except RuntimeError:
        # The loop was closed: nobody waits any longer.
        job.result = job.error = None


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


def _settle(job: _Job) -> None:
    waiter, result, error = job.waiter, job.result, job.error
    job.waiter = job.result = job.error = None
    if waiter is None or waiter.done():
        return
    if error is None:
        waiter.set_result(result)
    elif is_signal(error):
        failure = InternalError(f"a job in a thread ended with {type(error).__name__}")
        failure.__cause__ = error
        waiter.set_exception(failure)
    else:
        waiter.set_exception(error)


class SerialThread(Lane):
    """One thread that makes calls strictly in the order in which they were asked for."""

    def __init__(self, name: str) -> None:
        super().__init__(name, 1)


class Threads:
    """All threads of one engine. ``prepare(n)`` is called once in each worker with the number of cores that a native call may use there."""

    def __init__(
        self,
        query_threads: int,
        background_threads: int = 1,
        native_threads: int = 1,
        prepare: Callable[[int], None] | None = None,
    ) -> None:
        def foreground() -> None:
            if prepare is not None:
                prepare(1)

        def slow() -> None:
            _lower_priority()
            if prepare is not None:
                prepare(native_threads)

        query, write = Lane("query", query_threads, foreground), Lane("write", query_threads, foreground)
        flush, background = Lane("flush", 1, foreground), Lane("background", background_threads, slow)
        #: A job that a caller waits for.
        self.run: Run = query.run
        #: A job that a writer waits for, and must not wait for slow readers.
        self.write: Run = write.run
        #: A job that writers may come to wait for.
        self.flush: Run = flush.run
        #: A job that nobody waits for, at low priority.
        self.background: Run = background.run
        self._lanes = [query, write, flush, background]

    def serial(self, name: str) -> SerialThread:
        """A new thread for calls that must keep their order; whoever asks for it closes it."""
        thread = SerialThread(name)
        self._lanes.append(thread)
        return thread

    def statistics(self) -> Iterator[LaneStatistics]:
        """Of each lane."""
        return (lane.statistics() for lane in self._lanes)

    async def aclose(self) -> None:
        """End all threads once they are done. Idempotent."""
        for lane in self._lanes:
            await lane.aclose()
