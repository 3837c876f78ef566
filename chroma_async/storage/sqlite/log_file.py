"""The file of the write-ahead log: an SQLite database, as one thread reads and writes it.

=========  =====================================================================================================================
table      ``entries``: one row for each entry
key        ``(collection, first)``; indexes over it and over ``(collection, last)`` serve every question
checksums  ``body_crc32`` and ``facts_crc32``: what :func:`~chroma_async.storage.sqlite.row_checksums.row_checksum` makes of
           (collection, first, last) and the column's bytes
version    ``PRAGMA user_version``
=========  =====================================================================================================================

SQLite's own write-ahead file is checkpointed apart from commits, so that no append pays for it by surprise. A torn tail of that file is
a transaction without its commit frame: SQLite drops it at opening, and nobody was told that it was durable.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any, TypeAlias
from uuid import UUID

from chroma_async.errors import CorruptionError, PoisonedError, StoreError
from chroma_async.measures import Histogram
from chroma_async.storage import refusals
from chroma_async.storage.base.log import LogEntry
from chroma_async.storage.poison import Poison
from chroma_async.storage.sqlite.faults import commit_fault, read_fault, write_fault
from chroma_async.storage.sqlite.row_checksums import INTEGRITY_CHECK, check_integrity, row_checksum
from chroma_async.types import Seq

#: Version of the tables below.
LOG_VERSION = 1
#: Measured with entries of 1.7 MB: a fifth faster than 4096 at the same latency of a single row; larger pages inflate small commits.
PAGE_BYTES = 8192
#: How long a statement waits for a lock. The lease keeps writers out; a backup tool that reads the file must not hold up appends.
BUSY_S = 0.1

_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE entries (
    id INTEGER PRIMARY KEY,
    collection BLOB NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    body_crc32 INTEGER NOT NULL,
    facts_crc32 INTEGER,
    facts BLOB,
    body BLOB NOT NULL
);
CREATE UNIQUE INDEX entries_by_first ON entries (collection, first);
CREATE INDEX entries_by_last ON entries (collection, last);
CREATE INDEX entries_with_facts ON entries (collection, first) WHERE facts IS NOT NULL;
PRAGMA user_version = {LOG_VERSION};
COMMIT;
"""
_INSERT = "INSERT INTO entries (collection, first, last, body_crc32, facts_crc32, facts, body) VALUES (?, ?, ?, ?, ?, ?, ?)"
#: What one transaction of a trim deletes, or gives back to the disk: few milliseconds, between which appends have their turn.
SLICE_BYTES, SLICE_ENTRIES = 2 << 20, 512
#: Of the oldest entries the last seq and the size; reading a size reads no body.
_OLDEST = """
SELECT last, length(body) + ifnull(length(facts), 0) FROM entries WHERE collection = ? AND last <= ? ORDER BY last LIMIT ?
"""

Connector: TypeAlias = Callable[[Path], sqlite3.Connection]


def connect(path: Path) -> sqlite3.Connection:
    """A connection in autocommit mode: transactions begin and end where this module says so."""
    return sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)


def _seal(collection: UUID, first: Seq, last: Seq, content: bytes) -> int:
    return row_checksum((collection.bytes, first, last), content)


class LogFile:
    """The blocking side; every method runs in the log's thread."""

    def __init__(self, path: Path, wal_bytes: int, spare_bytes: int, connector: Connector, poison: Poison) -> None:
        self.path = path
        self._wal_bytes = wal_bytes
        self._spare_bytes = spare_bytes
        self._poison = poison
        #: Seconds of each commit of an append: SQLite syncs there.
        self.syncs = Histogram()
        self._wal = path.with_name(path.name + "-wal")
        #: Size of SQLite's write-ahead file after the last checkpoint; above zero when a foreign reader kept it from being cut.
        self._wal_floor = 0
        try:
            self._connection = connector(path)
        except sqlite3.Error as error:
            raise read_fault(error, str(path)) from error
        try:
            self._prepare()
        except (sqlite3.Error, UnicodeDecodeError) as error:
            self._connection.close()
            raise read_fault(error, str(path)) from error
        except BaseException:
            self._connection.close()
            raise

    def _prepare(self) -> None:
        run = self._connection.execute
        # Page size and vacuum mode stick only while the file is empty.
        run(f"PRAGMA page_size = {PAGE_BYTES}")
        run("PRAGMA auto_vacuum = INCREMENTAL")
        run("PRAGMA journal_mode = WAL").fetchone()
        run("PRAGMA synchronous = FULL")
        run("PRAGMA secure_delete = FAST").fetchone()
        run("PRAGMA wal_autocheckpoint = 0").fetchone()
        (version,) = run("PRAGMA user_version").fetchone()
        if version > LOG_VERSION:
            raise StoreError(f"{self.path} has version {version}; this release reads up to {LOG_VERSION}. Install a newer release")
        (answer,) = run(INTEGRITY_CHECK).fetchone()
        check_integrity(answer, str(self.path))
        if version == 0:
            self._connection.executescript(_SCHEMA)

    def append(self, entries: Sequence[LogEntry]) -> float:
        """By how many times what makes a checkpoint due SQLite's write-ahead file has grown since the last one."""
        rows = [
            (
                entry.collection.bytes,
                entry.first,
                entry.last,
                _seal(entry.collection, entry.first, entry.last, entry.body),
                None if entry.facts is None else _seal(entry.collection, entry.first, entry.last, entry.facts),
                entry.facts,
                entry.body,
            )
            for entry in entries
        ]
        try:
            self._transact(lambda: self._connection.executemany(_INSERT, rows))
        except sqlite3.IntegrityError as error:
            raise refusals.entry_taken(*self._first_taken(entries)) from error
        return self.growth()

    def _first_taken(self, entries: Sequence[LogEntry]) -> tuple[UUID, Seq]:
        """Which key the unique index refused."""
        seen: set[tuple[UUID, Seq]] = set()
        for entry in entries:
            key = (entry.collection, entry.first)
            held = self._connection.execute("SELECT 1 FROM entries WHERE collection = ? AND first = ?", (key[0].bytes, key[1]))
            if key in seen or held.fetchone():
                return key
            seen.add(key)
        return entries[0].collection, entries[0].first

    def _transact(self, write: Callable[[], object]) -> None:
        """Run ``write`` in one transaction. :raises sqlite3.IntegrityError: rolled back."""
        self._poison.check()
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            write()
        except sqlite3.IntegrityError:
            self._roll_back()
            raise
        except sqlite3.Error as error:
            self._roll_back()
            raise write_fault(error, str(self.path)) from error
        except BaseException:
            self._roll_back()
            raise
        began_s = perf_counter()
        try:
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            fault = commit_fault(error, str(self.path))
            if isinstance(fault, PoisonedError):
                self._poison.begin(fault.message())
            self._roll_back()
            raise fault from error
        self.syncs.observe(perf_counter() - began_s)

    def _roll_back(self) -> None:
        """Leave no transaction open. SQLite may have rolled back by itself; if it cannot, no later write may follow."""
        if not self._connection.in_transaction:
            return
        try:
            self._connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            self._poison.begin(f"{self.path}: a rollback failed: {error}")

    def read(self, collection: UUID, after: Seq) -> list[LogEntry]:
        rows = self._fetch(
            "SELECT first, last, body, body_crc32, facts, facts_crc32 FROM entries WHERE collection = ? AND first > ? ORDER BY first",
            (collection.bytes, after),
        )
        entries = []
        for first, last, body, body_crc32, facts, facts_crc32 in rows:
            self._verify(collection, first, last, body, body_crc32)
            if facts is not None:
                self._verify(collection, first, last, facts, facts_crc32)
            entries.append(LogEntry(collection, first, last, body, facts))
        return entries

    def facts(self) -> list[tuple[UUID, Seq, bytes]]:
        rows = self._fetch(
            "SELECT collection, first, last, facts, facts_crc32 FROM entries WHERE facts IS NOT NULL ORDER BY collection, first"
        )
        found = []
        for key, first, last, facts, facts_crc32 in rows:
            collection = UUID(bytes=key)
            self._verify(collection, first, last, facts, facts_crc32)
            found.append((collection, last, facts))
        return found

    def _verify(self, collection: UUID, first: Seq, last: Seq, content: bytes, crc32: int | None) -> None:
        if _seal(collection, first, last, content) != crc32:
            raise CorruptionError(f"{self.path}: the entry of collection [{collection}] at seq {first} fails its checksum", str(self.path))

    def collections(self) -> dict[UUID, Seq]:
        return {UUID(bytes=key): last for key, last in self._fetch("SELECT collection, max(last) FROM entries GROUP BY collection")}

    def _fetch(self, sql: str, values: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
        try:
            return self._connection.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise read_fault(error, str(self.path)) from error

    def trim(self, collection: UUID, upto: Seq) -> bool:
        """Delete a slice of the entries, the oldest first; or else give a slice of free space back. Whether there may be more to do."""
        key = collection.bytes
        oldest = self._fetch(_OLDEST, (key, upto, SLICE_ENTRIES))
        if oldest:
            last, removed = oldest[0]
            for last_of_next, size in oldest[1:]:
                if removed + size > SLICE_BYTES:
                    break
                last, removed = last_of_next, removed + size
            self._transact(lambda: self._connection.execute("DELETE FROM entries WHERE collection = ? AND last <= ?", (key, last)))
            return True
        return self._return_space()

    def _return_space(self) -> bool:
        """Shrink the file a little when much of it is free; whether it did. Some is kept: the next appends would only ask for it again."""
        ((free,),) = self._fetch("PRAGMA freelist_count")
        ((page,),) = self._fetch("PRAGMA page_size")
        if not free or (free * page <= self._spare_bytes and self._fetch("SELECT 1 FROM entries LIMIT 1")):
            return False
        # executescript, because execute() steps this pragma once, which frees one page.
        self._transact_script(f"PRAGMA incremental_vacuum({max(1, SLICE_BYTES // page)})")
        ((left,),) = self._fetch("PRAGMA freelist_count")
        return int(left) < int(free)

    def _transact_script(self, script: str) -> None:
        """A script that is a transaction of its own, and that nobody waits for: a full disk only puts it off."""
        try:
            self._connection.executescript(script)
        except sqlite3.Error as error:
            self._roll_back()
            fault = commit_fault(error, str(self.path))
            if isinstance(fault, PoisonedError):
                self._poison.begin(fault.message())
                raise fault from error

    def _wal_size(self) -> int:
        try:
            return self._wal.stat().st_size
        except OSError:  # no error may follow a commit that succeeded; a checkpoint can wait
            return 0

    def size_bytes(self) -> int:
        """Of the file and of SQLite's write-ahead file beside it."""
        return self.path.stat().st_size + self._wal_size()

    def growth(self) -> float:
        """See :meth:`append`; from 1.0 on a checkpoint is due."""
        return (self._wal_size() - self._wal_floor) / max(1, self._wal_bytes)

    def checkpoint(self) -> None:
        """Move SQLite's write-ahead file into the main one and cut it. A full disk only puts it off; any other failure poisons."""
        self._poison.check()
        self._transact_script("PRAGMA wal_checkpoint(TRUNCATE)")
        self._wal_floor = self._wal_size()

    def close(self) -> None:
        """Closing the last connection checkpoints and removes SQLite's write-ahead file, unless the disk refuses."""
        self._connection.close()
