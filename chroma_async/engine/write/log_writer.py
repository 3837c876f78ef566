"""The store's one log writer: joins the appends of all collections into transactions with one sync each (group commit).

Waiting appends are bounded by the collections' queues, each of which has at most one group under way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from time import perf_counter

from chroma_async.engine.tasks import Tasks
from chroma_async.errors import ClosedError, PoisonedError
from chroma_async.measures import Histogram
from chroma_async.storage.base.lease import WriterLease
from chroma_async.storage.base.log import Log, LogEntry
from chroma_async.storage.poison import Poison


class LogWriter:
    """Appends for all collections of a store."""

    def __init__(self, log: Log, lease: WriterLease, tasks: Tasks, poison: Poison) -> None:
        """:param poison: the store's; a failed append begins it too."""
        self._log = log
        self._lease = lease
        self._waiting: list[tuple[Sequence[LogEntry], asyncio.Future[None]]] = []
        self._tasks = tasks
        #: Whether an append is under way, and whoever waits for its end.
        self._busy = False
        self._rests = asyncio.Event()
        self._closed = False
        self._poison = poison
        #: Seconds of each append, the way to its thread included; and what was appended since the opening.
        self.appends = Histogram()
        self.rows = 0
        self.bytes = 0

    @property
    def poisoned(self) -> str | None:
        """Why every later write is refused, if it is."""
        return self._poison.reason

    def poison(self, error: PoisonedError) -> None:
        """Refuse every later write: something else of the store failed in doubt."""
        self._poison.begin(error.message())

    async def append(self, entries: Sequence[LogEntry]) -> None:
        """Durable when it returns, all or nothing. Not to be cancelled: the entries may be written all the same.

        :raises UnavailableError: nothing was written; may be retried.
        :raises PoisonedError: in doubt; the store must be reopened.
        """
        if self._closed:
            raise ClosedError("the store is closed")
        self._poison.check()
        if self._busy:
            done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((entries, done))
            await done
            return
        # Nobody else writes: without the way over a task, a single row is written in fewer steps.
        self._busy = True
        try:
            await self._write(entries)
        finally:
            self._go_on()

    async def aclose(self) -> None:
        """Finish what waits. Idempotent."""
        self._closed = True
        while self._busy:
            self._rests.clear()
            await self._rests.wait()

    def _go_on(self) -> None:
        """Write what has come meanwhile, or rest."""
        if self._waiting:
            self._tasks.start(self._append_waiting(), "log writer")
        else:
            self._busy = False
            self._rests.set()

    async def _append_waiting(self) -> None:
        group, self._waiting = self._waiting, []
        failure: Exception | None = None
        try:
            await self._write([entry for entries, _ in group for entry in entries])
        except Exception as error:
            failure = error
        finally:
            self._go_on()
        for _, done in group:
            if done.done():
                continue
            if failure is None:
                done.set_result(None)
            else:
                done.set_exception(failure)

    async def _write(self, entries: Sequence[LogEntry]) -> None:
        try:
            self._poison.check()  # what waited meanwhile comes too late
            self._lease.check()
            began_s = perf_counter()
            await self._log.append(entries)
            self.appends.observe(perf_counter() - began_s)
            for entry in entries:
                self.rows += entry.last - entry.first + 1
                self.bytes += len(entry.body)
        except PoisonedError as error:
            self.poison(error)
            raise
