"""The store's one log writer: joins the appends of all collections into transactions with one sync each (group commit).

Waiting appends are bounded by the collections' queues, each of which has at most one group under way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from chroma_async.engine.tasks import Tasks
from chroma_async.errors import ClosedError, PoisonedError
from chroma_async.storage.base import Log, LogEntry, WriterLease


class LogWriter:
    """Appends for all collections of a store."""

    def __init__(self, log: Log, lease: WriterLease, tasks: Tasks) -> None:
        self._log = log
        self._lease = lease
        self._waiting: list[tuple[Sequence[LogEntry], asyncio.Future[None]]] = []
        self._wake = asyncio.Event()
        self._closed = False
        self._poison: PoisonedError | None = None
        self._task = tasks.start(self._drain(), "log writer")

    @property
    def poisoned(self) -> PoisonedError | None:
        """Why every later write is refused, if it is."""
        return self._poison

    def poison(self, error: PoisonedError) -> None:
        """Refuse every later write: something else of the store failed in doubt."""
        self._poison = self._poison or error

    async def append(self, entries: Sequence[LogEntry]) -> None:
        """Durable when it returns, all or nothing. Not to be cancelled: the entries may be written all the same.

        :raises UnavailableError: nothing was written; may be retried.
        :raises PoisonedError: in doubt; the store must be reopened.
        """
        if self._closed:
            raise ClosedError("the store is closed")
        if self._poison is not None:
            raise PoisonedError(f"writes are refused until the store is reopened: {self._poison}")
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((entries, done))
        self._wake.set()
        await done

    async def aclose(self) -> None:
        """Finish what waits. Idempotent."""
        self._closed = True
        self._wake.set()
        await self._task

    async def _drain(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            group, self._waiting = self._waiting, []
            if group:
                await self._append_group(group)
            elif self._closed:
                return
            if self._waiting or self._closed:
                self._wake.set()

    async def _append_group(self, group: list[tuple[Sequence[LogEntry], asyncio.Future[None]]]) -> None:
        try:
            self._lease.check()
            await self._log.append([entry for entries, _ in group for entry in entries])
        except Exception as error:
            if isinstance(error, PoisonedError):
                self.poison(PoisonedError(error.message()))
            for _, done in group:
                if not done.done():
                    done.set_exception(error)
            return
        for _, done in group:
            if not done.done():
                done.set_result(None)
