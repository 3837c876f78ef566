"""A bounded pool of read-only SQLite connections, shared by all stored files of a store.

An open connection costs about 110 KB and a descriptor, opening one 0.12 ms; so they are kept, the least recently used go first.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from types import TracebackType

from chroma_async.storage.sqlite.faults import read_fault


class PooledConnection:
    """One use of a connection. One that was in use when something went wrong is closed, not given back."""

    __slots__ = ("_connect", "_connection", "_file", "_pool")

    def __init__(self, pool: SqlitePool, file: str, connect: Callable[[], sqlite3.Connection]) -> None:
        self._pool = pool
        self._file = file
        self._connect = connect

    def __enter__(self) -> sqlite3.Connection:
        self._connection = self._pool.take(self._file) or self._connect()
        return self._connection

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self._pool.give(self._file, self._connection)
            return
        self._connection.close()
        if isinstance(error, sqlite3.Error | UnicodeDecodeError):
            raise read_fault(error, self._file) from error


class SqlitePool:
    """Idle connections by file; a connection is used by one thread at a time. Thread-safe."""

    def __init__(self, limit: int) -> None:
        """:param limit: idle connections at the most."""
        self._limit = limit
        self._idle: OrderedDict[int, tuple[str, sqlite3.Connection]] = OrderedDict()
        self._by_file: dict[str, list[int]] = {}
        self._next = 0
        self._lock = threading.Lock()
        #: Files that were forgotten while the lock was taken, perhaps by this very thread: see :meth:`forget`.
        self._forgotten: deque[str] = deque()
        self._closed = False

    def use(self, file: str, connect: Callable[[], sqlite3.Connection]) -> PooledConnection:
        """A connection to a file, the caller's alone until the end of the ``with`` block.

        :param connect: opens one, where none is idle.
        :raises CorruptionError: at the end of the block: what was read of the file is damaged; names it.
        """
        return PooledConnection(self, file, connect)

    def forget(self, file: str) -> None:
        """Close the idle connections to a file that nobody will read again; at the next use when that cannot be now.

        Never waits: a finalizer calls it, which the garbage collector may start anywhere, also while this object holds its lock.
        """
        self._forgotten.append(file)
        if not self._lock.acquire(blocking=False):
            return
        try:
            gone = self._unwanted()
        finally:
            self._lock.release()
        for connection in gone:
            connection.close()

    def _unwanted(self) -> list[sqlite3.Connection]:
        """Take out the idle connections to forgotten files. The caller holds the lock, and closes them when it has let it go."""
        gone: list[sqlite3.Connection] = []
        while self._forgotten:
            gone += [self._idle.pop(key)[1] for key in self._by_file.pop(self._forgotten.popleft(), [])]
        return gone

    def close(self) -> None:
        """Close all idle connections; those in use close when they are given back. Idempotent."""
        with self._lock:
            self._closed = True
            gone = [connection for _, connection in self._idle.values()]
            self._idle.clear()
            self._by_file.clear()
        for connection in gone:
            connection.close()

    def take(self, file: str) -> sqlite3.Connection | None:
        """An idle connection, which is no longer idle; ``None`` if there is none."""
        with self._lock:
            keys = self._by_file.get(file)
            if not keys:
                return None
            key = keys.pop()
            if not keys:
                del self._by_file[file]
            return self._idle.pop(key)[1]

    def give(self, file: str, connection: sqlite3.Connection) -> None:
        """Keep a connection for the next user, or close it."""
        with self._lock:
            gone = self._unwanted()
            if self._closed:
                gone.append(connection)
            else:
                key = self._next
                self._next += 1
                self._idle[key] = (file, connection)
                self._by_file.setdefault(file, []).append(key)
                if len(self._idle) > self._limit:
                    gone.append(self._oldest())
        for each in gone:
            each.close()

    def _oldest(self) -> sqlite3.Connection:
        """Take out the connection that was idle longest. The caller holds the lock."""
        oldest, (file, connection) = self._idle.popitem(last=False)
        keys = self._by_file[file]
        keys.remove(oldest)
        if not keys:
            del self._by_file[file]
        return connection
