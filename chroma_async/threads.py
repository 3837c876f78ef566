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
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, ParamSpec, Protocol, TypeVar

from chroma_async.errors import ClosedError, InternalError, UnavailableError

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

#: How much nicer background work is than the rest (setpriority(2), Linux: per thread).
BACKGROUND_NICENESS = 10

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
    """A way to run blocking work: :meth:`Threads.run`, :meth:`Threads.flush`, :meth:`Threads.background`."""

    async def __call__(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T: ...


@dataclass(slots=True)
class _Job:
    """A call, who waits for it, and what came of it.

    Call and outcome are let go as soon as they are used: a worker that has not come to its next step must not hold files or versions.
    """

    work: Callable[[], object] | None
    loop: asyncio.AbstractEventLoop
    waiter: asyncio.Future[Any] | None
    begun: bool = False
    result: object = None
    error: BaseException | None = None


class Lane:
    """A bounded set of worker threads with a queue of its own, both an executor's, which ends its threads when the interpreter exits.

    What is added: whatever a job raises is an answer, its call and its outcome are let go at once, and closing has patience. A hand-over of
    our own, past the executor's queue and futures, saved 4 % of a query's CPU with one caller and 2 % with sixteen (at best; medians on a
    busy machine: lost 7 %, saved 6 %), and answered one caller half as fast there. docs/decisions/0016-threads.md has how it was measured.
    """

    def __init__(self, name: str, workers: int, initializer: Callable[[], None] | None = None) -> None:
        self._name = name
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix=f"chroma-{name}", initializer=_prepare, initargs=(name, initializer))
        self._lock = threading.Lock()
        #: Jobs that are not done.
        self._left = 0
        self._closed = False
        self._drained: Future[None] = Future()

    async def run(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call ``work`` in a worker; its result or its exception.

        :raises ClosedError: after ``aclose``. :raises UnavailableError: no thread can be started.
        :raises InternalError: it raised what :func:`is_signal` describes.
        """
        if self._closed:
            raise ClosedError(f"{self._name} threads are closed")
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[T] = loop.create_future()
        self._hand_over(_Job(partial(work, *args, **kwargs), loop, waiter))
        return await waiter

    async def aclose(self, patience_s: float | None = None) -> bool:
        """Wait for what has begun, then end the workers. Idempotent.

        :param patience_s: how long to wait at the most; a job that takes longer runs on, and its thread ends with it.
        :returns: whether everything that had begun is done.
        """
        with self._lock:
            self._closed = True
            if not self._left and not self._drained.done():
                self._drained.set_result(None)
        loop = asyncio.get_running_loop()
        drained: asyncio.Future[None] = loop.create_future()

        def tell(_: Future[None]) -> None:
            with suppress(RuntimeError):  # the loop was closed: nobody waits any longer
                loop.call_soon_threadsafe(_wake, drained)

        self._drained.add_done_callback(tell)
        await asyncio.wait([drained], timeout=patience_s)
        # They have nothing left to do; joining them would hold up the loop.
        self._pool.shutdown(wait=False)
        return self._drained.done()

    def _hand_over(self, job: _Job) -> None:
        """Have a worker do the job, when one comes to it."""
        with self._lock:
            self._left += 1
        try:
            self._pool.submit(self._work, job)
        except RuntimeError as error:
            # The system has no thread to give, or the interpreter is exiting and starts no more. The job may be in the queue all the same.
            if self._begins(job):
                job.work = None
                self._done_with_one()
                raise UnavailableError(f"no thread can be started for {self._name} work: {error}") from error

    def _work(self, job: _Job) -> None:
        if self._begins(job):
            _do(job)
            self._done_with_one()

    def _begins(self, job: _Job) -> bool:
        """Whether nobody has begun or refused the job before."""
        with self._lock:
            first, job.begun = not job.begun, True
        return first

    def _done_with_one(self) -> None:
        with self._lock:
            self._left -= 1
            if self._closed and not self._left and not self._drained.done():
                self._drained.set_result(None)


def _prepare(name: str, initializer: Callable[[], None] | None) -> None:
    """What a worker does first. An executor whose initializer fails starts no job and answers nobody."""
    if initializer is None:
        return
    try:
        initializer()
    except Exception:
        logger.exception("a %s thread works unprepared", name)


def _do(job: _Job) -> None:
    """Do a job and tell its waiter. One whose waiter has left by now is not begun."""
    assert job.work is not None
    try:
        if job.waiter is not None and not job.waiter.cancelled():
            job.result = job.work()
    except BaseException as error:
        job.error = error
    job.work = None
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

        def background() -> None:
            _lower_priority()
            if prepare is not None:
                prepare(native_threads)

        self._query = Lane("query", query_threads, foreground)
        self._write = Lane("write", query_threads, foreground)
        self._flush = Lane("flush", 1, foreground)
        self._background = Lane("background", background_threads, background)
        self._serial: list[SerialThread] = []

    async def run(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """A job that a caller waits for."""
        return await self._query.run(work, *args, **kwargs)

    async def write(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """A job that a writer waits for, and must not wait for slow readers."""
        return await self._write.run(work, *args, **kwargs)

    async def flush(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """A job that writers may come to wait for."""
        return await self._flush.run(work, *args, **kwargs)

    async def background(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """A job that nobody waits for, at low priority."""
        return await self._background.run(work, *args, **kwargs)

    def serial(self, name: str) -> SerialThread:
        """A new thread for calls that must keep their order; whoever asks for it closes it."""
        thread = SerialThread(name)
        self._serial.append(thread)
        return thread

    async def aclose(self) -> None:
        """End all threads once they are done. Idempotent."""
        for lane in (self._query, self._write, self._flush, self._background, *self._serial):
            await lane.aclose()
