"""Write-once files in a dict, for collections that never touch a disk."""

from __future__ import annotations

import sqlite3
import threading
import uuid
import weakref
import zlib
from collections.abc import Iterable

from chroma_async.errors import CorruptionError, InternalError
from chroma_async.format.files import FileRef
from chroma_async.format.names import parse
from chroma_async.storage import refusals
from chroma_async.storage.base.segments import Buffer
from chroma_async.storage.sqlite.database_writer import DatabaseWriter
from chroma_async.storage.sqlite.sqlite_pool import PooledConnection, SqlitePool


class MemoryFile:
    """``bytes`` under a name."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.size, self.crc32 = len(content), zlib.crc32(content)

    def content(self) -> bytes:
        return self._content

    def connect(self) -> sqlite3.Connection:
        """A connection to a private copy of the database that the bytes are."""
        connection = sqlite3.connect(":memory:", check_same_thread=False)
        try:
            connection.deserialize(self._content)
        except sqlite3.Error:
            connection.close()
            raise
        return connection


class MemoryDatabase:
    """An SQLite database under a name: all connections to it share its pages. It is gone when the last of them is closed; this object
    keeps one open for as long as it lives.
    """

    def __init__(self, connection: sqlite3.Connection, address: str) -> None:
        content = connection.serialize()
        self.size, self.crc32 = len(content), zlib.crc32(content)
        self._connection = connection
        self._address = address
        self._lock = threading.Lock()
        weakref.finalize(self, connection.close).atexit = False

    def content(self) -> bytes:
        with self._lock:
            return self._connection.serialize()

    def connect(self) -> sqlite3.Connection:
        return sqlite3.connect(f"{self._address}&mode=ro", uri=True, check_same_thread=False)


class MemoryBlob:
    """:class:`~chroma_async.storage.base.segments.Blob` over what is in memory."""

    def __init__(self, ref: FileRef, file: MemoryFile | MemoryDatabase, pool: SqlitePool) -> None:
        self.ref = ref
        self._file = file
        self._pool = pool
        #: Whether it was ever asked as a database, and connections to it may be idle in the pool.
        self._asked = False

    def buffer(self) -> memoryview:
        return memoryview(self._file.content())

    def database(self) -> PooledConnection:
        if not self._asked:
            self._asked = True
            weakref.finalize(self, self._pool.forget, self.ref.name).atexit = False
        return self._pool.use(self.ref.name, self._connect)

    def _connect(self) -> sqlite3.Connection:
        """:raises CorruptionError: it is no database."""
        connection: sqlite3.Connection | None = None
        try:
            connection = self._file.connect()
            connection.execute("PRAGMA query_only = ON")
            connection.execute("PRAGMA schema_version").fetchone()
        except sqlite3.Error as error:
            if connection is not None:
                connection.close()
            raise CorruptionError(f"{self.ref.name}: {error}", self.ref.name) from error
        return connection

    def verify(self) -> None:
        if zlib.crc32(self._file.content()) != self.ref.crc32:
            raise CorruptionError(f"{self.ref.name} fails its checksum", self.ref.name)


class MemoryStagedFile:
    """A growing byte string."""

    def __init__(self, store: MemorySegmentStore, name: str) -> None:
        self._store = store
        self._name = name
        self._content = bytearray()
        self._open = True

    def write(self, data: Buffer) -> None:
        if not self._open:
            raise InternalError(f"staged file {self._name} is finished")
        self._content += data

    def tell(self) -> int:
        return len(self._content)

    def commit(self) -> FileRef:
        if not self._open:
            raise InternalError(f"staged file {self._name} is finished")
        self._open = False
        return self._store.put(self._name, MemoryFile(bytes(self._content)))

    def discard(self) -> None:
        if self._open:
            self._open = False
            self._store.abandon(self._name)


class MemoryStagedDatabase(DatabaseWriter):
    """:class:`~chroma_async.storage.base.segments.StagedDatabase` in memory."""

    def __init__(self, store: MemorySegmentStore, name: str) -> None:
        self._store = store
        self._name = name
        self._open = True
        # SQLite's memdb shares what has the same name in one process, if the name begins with a slash.
        self._address = f"file:/chroma-async-{uuid.uuid4().hex}?vfs=memdb"
        connection = sqlite3.connect(self._address, uri=True, check_same_thread=False)
        # Writes the header: a database without a page cannot be serialized.
        connection.execute("PRAGMA user_version = 0")
        super().__init__(connection, name)

    def commit(self) -> FileRef:
        if not self._open:
            raise InternalError(f"staged database {self._name} is finished")
        self._open = False
        self._end()
        return self._store.put(self._name, MemoryDatabase(self._connection, self._address))

    def discard(self) -> None:
        if self._open:
            self._open = False
            self._connection.close()
            self._store.abandon(self._name)


class MemorySegmentStore:
    """:class:`~chroma_async.storage.base.segments.SegmentStore` in memory. Thread-safe."""

    def __init__(self, pool: SqlitePool) -> None:
        """:param pool: for the connections to stored databases; closed with the store."""
        self._pool = pool
        self._lock = threading.Lock()
        self._files: dict[str, MemoryFile | MemoryDatabase] = {}
        self._staged: dict[str, MemoryStagedFile | MemoryStagedDatabase] = {}
        self._closed = False

    def _begin(self, name: str) -> None:
        """Check a new name. The caller holds the lock."""
        if self._closed:
            raise refusals.closed("segment store")
        if parse(name) is None:
            raise InternalError(f"{name!r} is no name for a stored file")
        if name in self._files or name in self._staged:
            raise InternalError(f"file {name} exists already")

    def create(self, name: str) -> MemoryStagedFile:
        with self._lock:
            self._begin(name)
            staged = self._staged[name] = MemoryStagedFile(self, name)
            return staged

    def create_database(self, name: str) -> MemoryStagedDatabase:
        with self._lock:
            self._begin(name)
            staged = self._staged[name] = MemoryStagedDatabase(self, name)
            return staged

    def put(self, name: str, file: MemoryFile | MemoryDatabase) -> FileRef:
        """Make a staged file openable; called by the staged file."""
        with self._lock:
            self._staged.pop(name, None)
            self._files[name] = file
        return FileRef(name, file.size, file.crc32)

    def abandon(self, name: str) -> None:
        """Forget a staged file; called by the staged file."""
        with self._lock:
            self._staged.pop(name, None)

    def open(self, ref: FileRef) -> MemoryBlob:
        with self._lock:
            if self._closed:
                raise refusals.closed("segment store")
            file = self._files.get(ref.name)
        if file is None:
            raise CorruptionError(f"{ref.name} is missing", ref.name)
        if file.size != ref.bytes:
            raise CorruptionError(f"{ref.name} has {file.size} bytes, not {ref.bytes}", ref.name)
        return MemoryBlob(ref, file, self._pool)

    def is_mapped(self, ref: FileRef) -> bool:
        return False

    def list(self) -> list[str]:
        with self._lock:
            return sorted(self._files)

    def delete(self, names: Iterable[str]) -> None:
        with self._lock:
            for name in names:
                self._files.pop(name, None)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            staged = list(self._staged.values())
        for each in staged:
            each.discard()
        self._pool.close()
