"""The longer part of a checkpoint, made beside the writer.

A checkpoint copies SQLite's write-ahead file into the main file, syncs that, and cuts the former. Only the cut must have the writer stand
still. So copy and sync are made first, by a connection of their own while commits go on; the checkpoint proper then finds only what was
committed meanwhile. Whether any of this succeeds does not matter to what is durable: SQLite counts a frame as copied once it is, and the
checkpoint proper syncs again.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path


class Backfill:
    """Blocking; every method runs in one thread, which is not the writer's."""

    def __init__(self, path: Path, connector: Callable[[Path], sqlite3.Connection]) -> None:
        """:raises sqlite3.Error, OSError: the file cannot be opened."""
        self._connection = connector(path)
        try:
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.execute("PRAGMA wal_autocheckpoint = 0").fetchone()
            #: Open as long as the connection: closing a descriptor of a file ends the locks that SQLite has on it in this process.
            self._descriptor = os.open(path, os.O_RDWR)
        except BaseException:
            self._connection.close()
            raise

    def run(self) -> None:
        """Copy and sync what has been committed so far.

        :raises sqlite3.Error, OSError: it did not work; the checkpoint that follows has more to do, or meets the same trouble.
        """
        self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        os.fsync(self._descriptor)

    def close(self) -> None:
        """Let go of the file, before the writer's connection does. Called once."""
        self._connection.close()
        os.close(self._descriptor)
