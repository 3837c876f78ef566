"""Writing a database that becomes a stored file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from chroma_async.errors import InternalError
from chroma_async.storage.sqlite.faults import write_fault


class DatabaseWriter:
    """:class:`~chroma_async.format.database.WritableDatabase` on a connection. What SQLite refuses is said in this package's words."""

    def __init__(self, connection: sqlite3.Connection, file: str) -> None:
        """:param file: what errors call it."""
        self._connection = connection
        self._file = file
        self._writable = True
        self.execute("BEGIN")

    def _end(self) -> None:
        """Commit, and let nothing more be written. :raises sqlite3.Error: it could not be committed."""
        self._writable = False
        self._connection.commit()

    def _check_writable(self) -> None:
        if not self._writable:
            raise InternalError(f"staged file {self._file} is finished")

    def execute(self, sql: str, values: Sequence[Any] = (), /) -> sqlite3.Cursor:
        """:raises UnavailableError: the disk is full. :raises InternalError: it was committed or discarded."""
        self._check_writable()
        try:
            return self._connection.execute(sql, values)
        except sqlite3.Error as error:
            raise write_fault(error, self._file) from error

    def executemany(self, sql: str, values: Iterable[Sequence[Any]], /) -> sqlite3.Cursor:
        """:raises UnavailableError: the disk is full. :raises InternalError: it was committed or discarded."""
        self._check_writable()
        try:
            return self._connection.executemany(sql, values)
        except sqlite3.Error as error:
            raise write_fault(error, self._file) from error
