"""The catalog's connection: reads and whole transactions on one SQLite file, through aiosqlite.

A transaction runs to its end even when its caller is cancelled, and nothing else of the connection is seen or written in between.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import aiosqlite

from chroma_async.errors import ChromaError, PoisonedError, StoreError
from chroma_async.storage import refusals
from chroma_async.storage.poison import Poison
from chroma_async.storage.sqlite.faults import commit_fault, read_fault, write_fault
from chroma_async.storage.sqlite.row_checksums import INTEGRITY_CHECK, check_integrity
from chroma_async.threads import as_daemon

T = TypeVar("T")
Row: TypeAlias = tuple[Any, ...]
Values: TypeAlias = Iterable[Any]

#: SQLite's integers end here, and no list is longer.
_NO_LIMIT = 2**63 - 1
#: How long an abandoned connection's thread may take for what it is doing; a commit takes milliseconds.
ABANDON_S = 1.0


class Statements:
    """Statements of one transaction."""

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection

    async def rows(self, sql: str, values: Values = ()) -> list[Row]:
        """All rows of a statement."""
        return [tuple(row) for row in await self._connection.execute_fetchall(sql, values)]

    async def row(self, sql: str, values: Values = ()) -> Row | None:
        """The first row, if there is one."""
        rows = await self.rows(sql, values)
        return rows[0] if rows else None

    async def many(self, sql: str, values: Iterable[Values]) -> None:
        """One statement for each of ``values``."""
        async with self._connection.executemany(sql, values):
            pass


class CatalogConnection:
    """One connection in autocommit mode with a lock around it. Errors come out as this package's own."""

    def __init__(self, connection: aiosqlite.Connection, underlying: sqlite3.Connection, path: Path, poison: Poison) -> None:
        """:param underlying: what ``connection`` uses in its thread."""
        self._connection = connection
        self._underlying = underlying
        self._path = path
        self._lock = asyncio.Lock()
        self._running: set[asyncio.Task[Any]] = set()
        self._poison = poison
        self._closed = False

    @classmethod
    async def open(cls, path: Path, migrations: tuple[str, ...], *, wal_bytes: int, poison: Poison | None = None) -> CatalogConnection:
        """
        :param migrations: scripts; number n brings a file from version n - 1 to version n.
        :param wal_bytes: what SQLite's write-ahead file is cut to after a checkpoint.
        :raises CorruptionError: the file is no database, or damaged; names it.
        :raises StoreError: a newer release wrote it.
        """
        made: list[sqlite3.Connection] = []

        def make(*args: Any, **kwargs: Any) -> sqlite3.Connection:
            made.append(sqlite3.Connection(*args, **kwargs))
            return made[0]

        # Any thread may close it: see abandon. A program that forgets to close must still be able to end; what was committed is durable.
        connecting = as_daemon(lambda: aiosqlite.connect(path, isolation_level=None, check_same_thread=False, factory=make))
        try:
            connection = await connecting
        except sqlite3.Error as error:
            raise read_fault(error, str(path)) from error
        try:
            for pragma in (
                "PRAGMA journal_mode = WAL",
                "PRAGMA synchronous = FULL",
                "PRAGMA foreign_keys = ON",
                f"PRAGMA journal_size_limit = {wal_bytes}",
            ):
                await connection.execute_fetchall(pragma)
            ((answer,),) = await connection.execute_fetchall(INTEGRITY_CHECK)
            check_integrity(answer, str(path))
            await _migrate(connection, path, migrations)
        except (sqlite3.Error, UnicodeDecodeError) as error:
            await connection.close()
            raise read_fault(error, str(path)) from error
        except BaseException:
            await connection.close()
            raise
        return cls(connection, made[0], path, poison or Poison())

    async def read(self, sql: str, values: Values = ()) -> list[Row]:
        """Rows of one statement, as of one moment."""
        async with self._lock:
            self._check_open()
            try:
                return await Statements(self._connection).rows(sql, values)
            except sqlite3.Error as error:
                raise read_fault(error, str(self._path)) from error
            except UnicodeEncodeError as error:
                raise write_fault(error, str(self._path)) from error

    async def write(self, work: Callable[[Statements], Awaitable[T]]) -> T:
        """Run ``work`` in one transaction, durable on return; whatever it raises undoes all of it.

        :raises UnavailableError: nothing was written and it may be retried.
        :raises PoisonedError: a commit failed in doubt, now or before.
        """
        task = asyncio.ensure_future(self._transact(work))
        self._running.add(task)
        task.add_done_callback(self._finished)
        return await asyncio.shield(task)

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # retrieved: its caller may have been cancelled

    def _check_open(self) -> None:
        if self._closed:
            raise refusals.closed("catalog")

    async def _transact(self, work: Callable[[Statements], Awaitable[T]]) -> T:
        async with self._lock:
            self._check_open()
            self._poison.check()
            try:
                await self._connection.execute_fetchall("BEGIN IMMEDIATE")
                result = await work(Statements(self._connection))
            except (sqlite3.Error, UnicodeEncodeError) as error:
                await self._roll_back()
                raise write_fault(error, str(self._path)) from error
            except BaseException:
                await self._roll_back()
                raise
            await self._commit()
            return result

    async def _commit(self) -> None:
        try:
            await self._connection.execute_fetchall("COMMIT")
        except sqlite3.Error as error:
            fault = commit_fault(error, str(self._path))
            if isinstance(fault, PoisonedError):
                self._poison.begin(fault.message())
            await self._roll_back()
            raise fault from error

    async def _roll_back(self) -> None:
        """Leave no transaction open. SQLite may have rolled back by itself; if it cannot, no later write may follow."""
        try:
            # Asked for in the connection's own thread, behind whatever a cancelled wait has left there.
            await self._connection.rollback()
        except sqlite3.Error as error:
            self._poison.begin(f"{self._path}: a rollback failed: {error}")

    async def aclose(self) -> None:
        """Finish the transactions that were begun, then close. Idempotent."""
        if self._running:
            await asyncio.wait(list(self._running))
        async with self._lock:
            self._closed = True
            await self._connection.close()

    async def abandon(self) -> None:
        """Close when the loop of all transactions was closed under them: none of them goes on, and a lock that one holds is never released.

        The thread of the connection dies when it has an answer for a closed loop. Then nobody uses the connection any more.
        """
        self._closed = True
        stopped = self._connection.stop()
        if stopped is not None:
            await asyncio.wait([stopped], timeout=ABANDON_S)
            if stopped.done():
                return
        self._underlying.close()


class CatalogPart:
    """What the parts of a catalog have in common: the connection to its file."""

    def __init__(self, connection: CatalogConnection, path: Path) -> None:
        self._connection = connection
        self._file = str(path)

    async def _one(self, sql: str, values: tuple[object, ...], missing: ChromaError) -> Row:
        """The row that there must be."""
        rows = await self._connection.read(sql, values)
        if not rows:
            raise missing
        return rows[0]


def window(limit: int | None, offset: int) -> tuple[int, int]:
    """Values for ``LIMIT ? OFFSET ?``."""
    return _NO_LIMIT if limit is None else min(limit, _NO_LIMIT), min(offset, _NO_LIMIT)


async def _migrate(connection: aiosqlite.Connection, path: Path, migrations: tuple[str, ...]) -> None:
    """Run the steps that the file lacks, each in a transaction of its own."""
    made = await connection.execute_fetchall("SELECT 1 FROM sqlite_schema WHERE name = 'schema_version'")
    version = 0
    if list(made):
        ((version,),) = await connection.execute_fetchall("SELECT version FROM schema_version")
    if version > len(migrations):
        raise StoreError(f"{path} has version {version}; this release reads up to {len(migrations)}. Install a newer release")
    for number in range(version + 1, len(migrations) + 1):
        script = f"BEGIN IMMEDIATE; {migrations[number - 1]} UPDATE schema_version SET version = {number}; COMMIT;"
        await (await connection.executescript(script)).close()
