"""The one door to threads. No other module of this package makes a thread or an executor.

Four kinds of work, so that none starves another:

===============  ======================================================  ==========================
``run``          a reader's or writer's own job; someone waits for it     ``query_threads`` workers
``flush``        memtable to chunk; writers wait for it when it lags      one worker
``background``   merge, index, vacuum; nobody waits                       low priority, few workers
``serial``       calls that must happen in order (one SQLite connection)  one worker each
===============  ======================================================  ==========================

Cancelling the waiter does not stop a thread that has begun: it runs to its end and its result is dropped. What such a job holds (files,
versions) it holds by reference, so nothing is taken away under it.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, Protocol, TypeVar

from chroma_async.errors import ClosedError

P = ParamSpec("P")
T = TypeVar("T")

#: How much nicer background work is than the rest (setpriority(2), Linux: per thread).
BACKGROUND_NICENESS = 10


def _lower_priority() -> None:
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), BACKGROUND_NICENESS)


class Run(Protocol):
    """A way to run blocking work: :meth:`Threads.run`, :meth:`Threads.flush`, :meth:`Threads.background`."""

    async def __call__(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T: ...


class Lane:
    """A bounded set of worker threads with a queue of its own."""

    def __init__(self, name: str, workers: int, initializer: Callable[[], None] | None = None) -> None:
        self._name = name
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix=f"chroma-{name}", initializer=initializer)
        self._running: set[Future[object]] = set()
        self._closed = False

    async def run(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call ``work`` in a worker; its result or its exception. :raises ClosedError: after ``aclose``."""
        if self._closed:
            raise ClosedError(f"{self._name} threads are closed")
        future = self._pool.submit(work, *args, **kwargs)
        self._running.add(future)  # type: ignore[arg-type]
        future.add_done_callback(self._running.discard)
        return await asyncio.wrap_future(future)

    async def aclose(self) -> None:
        """Wait for what has begun, then end the workers. Idempotent."""
        self._closed = True
        running = [asyncio.wrap_future(future) for future in list(self._running)]
        if running:
            await asyncio.wait(running)
            for finished in running:
                if not finished.cancelled():
                    finished.exception()  # retrieved: its waiter was cancelled and nobody else will ask
        self._pool.shutdown(wait=True)


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
        self._flush = Lane("flush", 1, foreground)
        self._background = Lane("background", background_threads, background)
        self._serial: list[SerialThread] = []

    async def run(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """A job that a caller waits for."""
        return await self._query.run(work, *args, **kwargs)

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
        for lane in (self._query, self._flush, self._background, *self._serial):
            await lane.aclose()
