"""The write-ahead log on a file of SQLite's: one connection in one thread, an append is one hop and one sync."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

from chroma_async.errors import UnavailableError
from chroma_async.storage import refusals
from chroma_async.storage.base.log import LogEntry
from chroma_async.storage.poison import Poison
from chroma_async.storage.sqlite.backfill import Backfill
from chroma_async.storage.sqlite.log_file import Connector, LogFile, connect
from chroma_async.threads import SerialThread
from chroma_async.types import Seq

logger = logging.getLogger(__name__)

#: Growth of SQLite's write-ahead file, in checkpoints, at which appends wait for the one under way.
MOST_GROWTH = 4.0


class SqliteLog:
    """:class:`~chroma_async.storage.base.log.Log` in an SQLite file of its own."""

    def __init__(self, file: LogFile, thread: SerialThread, backfill: Backfill, beside: SerialThread) -> None:
        self._file = file
        self.syncs = file.syncs
        self._thread = thread
        self._backfill = backfill
        self._beside = beside
        self._chore: asyncio.Task[None] | None = None
        self._closing = False
        self._closed = False

    @classmethod
    async def open(
        cls,
        path: Path,
        thread: SerialThread,
        beside: SerialThread,
        *,
        wal_bytes: int,
        spare_bytes: int,
        connector: Connector = connect,
        poison: Poison | None = None,
    ) -> SqliteLog:
        """Open or create the log. The log owns both threads from here on, also when this fails.

        :param thread: for all that reads and writes.
        :param beside: for the part of a checkpoint that need not hold writes up.
        :param wal_bytes: size of SQLite's write-ahead file at which it is checkpointed.
        :param spare_bytes: free space inside the file above which it is given back to the disk.
        :param poison: the store's.
        :raises CorruptionError: the file is no database, or damaged; names it.
        :raises StoreError: a newer release wrote it.
        """
        try:
            file = await thread.run(LogFile, path, wal_bytes, spare_bytes, connector, poison or Poison())
            try:
                backfill = await beside.run(Backfill, path, connector)
            except BaseException:
                await thread.run(file.close)
                raise
        except BaseException as error:
            await thread.aclose()
            await beside.aclose()
            if isinstance(error, sqlite3.Error | OSError):
                raise UnavailableError(f"{path}: {error}") from error
            raise
        return cls(file, thread, backfill, beside)

    def _check_open(self) -> None:
        if self._closing:
            raise refusals.closed("log")

    async def append(self, entries: Sequence[LogEntry]) -> None:
        self._check_open()
        if not entries:
            return
        growth = await self._thread.run(self._file.append, entries)
        if growth >= 1:
            self._begin_checkpoint()
        if growth >= MOST_GROWTH and self._chore is not None:
            # What has been appended is durable; whoever appends faster than the file is copied waits here.
            await asyncio.wait([self._chore])

    def _begin_checkpoint(self) -> None:
        if self._chore is None and not self._closing:
            self._chore = asyncio.create_task(self._checkpoint())

    async def _checkpoint(self) -> None:
        """Between appends: the thread takes it in turn, and the append that made it due has already answered."""
        try:
            await self._copy_beside()
            await self._thread.run(self._file.checkpoint)
        except UnavailableError:
            # The log is poisoned by it, and the next append says so to someone who can act on it.
            return
        finally:
            self._chore = None

    async def _copy_beside(self) -> None:
        """Leave little to the checkpoint that follows."""
        try:
            await self._beside.run(self._backfill.run)
        except (sqlite3.Error, OSError) as error:
            logger.warning("%s: copying the write-ahead file beside the writer failed, the checkpoint does it: %s", self._file.path, error)

    async def read(self, collection: UUID, after: Seq) -> list[LogEntry]:
        self._check_open()
        return await self._thread.run(self._file.read, collection, after)

    async def facts(self) -> list[tuple[UUID, Seq, bytes]]:
        self._check_open()
        return await self._thread.run(self._file.facts)

    async def collections(self) -> dict[UUID, Seq]:
        self._check_open()
        return await self._thread.run(self._file.collections)

    async def trim(self, collection: UUID, upto: Seq) -> None:
        self._check_open()
        while await self._thread.run(self._file.trim, collection, upto) and not self._closing:
            pass
        if not self._closing and await self._thread.run(self._file.growth) >= 1:
            self._begin_checkpoint()

    async def size_bytes(self) -> int:
        self._check_open()
        return await self._thread.run(self._file.size_bytes)

    async def aclose(self) -> None:
        self._closing = True
        if self._chore is not None:
            await asyncio.wait([self._chore])
        await self._close()

    async def abandon(self) -> None:
        self._closing = True
        await self._close()

    async def _close(self) -> None:
        if not self._closed:
            await self._beside.run(self._backfill.close)
            await self._thread.run(self._file.close)
            self._closed = True
        await self._beside.aclose()
        await self._thread.aclose()
