"""One committed file on disk, opened for reading."""

from __future__ import annotations

import mmap
import sqlite3
import threading
import weakref
from pathlib import Path
from urllib.parse import quote

from chroma_async.errors import ChromaError, CorruptionError, UnavailableError
from chroma_async.format.files import FileRef
from chroma_async.storage.local.staged import checksum
from chroma_async.storage.sqlite.faults import read_fault
from chroma_async.storage.sqlite.sqlite_pool import PooledConnection, SqlitePool

#: Pages that a connection keeps; the system keeps all that are read often. SQLite's own choice is 2 MB, of each of hundreds of connections.
CACHE_KIB = 512
#: A smaller file is read: a map would hold a descriptor and whole pages, and small collections are many.
MAPPED_FROM_BYTES = 128 * 1024


def is_mapped(ref: FileRef) -> bool:
    """Whether the file is mapped rather than read."""
    return ref.bytes >= MAPPED_FROM_BYTES


class LocalBlob:
    """:class:`~chroma_async.storage.base.segments.Blob` over a file that nobody changes. Mapped, or read when it is small, at first use;
    one buffer for all who ask.
    """

    __slots__ = ("__weakref__", "_asked", "_lock", "_path", "_pool", "_view", "ref")

    def __init__(self, ref: FileRef, path: Path, pool: SqlitePool) -> None:
        self.ref = ref
        self._path = path
        self._pool = pool
        #: Whether it was ever asked as a database, and connections to it may be idle in the pool.
        self._asked = False
        self._lock = threading.Lock()
        self._view: memoryview | None = None

    def buffer(self) -> memoryview:
        """
        :raises CorruptionError: the file is gone or has another size.
        :raises UnavailableError: no descriptor or address space is left.
        """
        with self._lock:
            if self._view is None:
                self._view = self._map()
            return self._view

    def _map(self) -> memoryview:
        try:
            with open(self._path, "rb", buffering=0) as file:
                if is_mapped(self.ref):
                    view = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
                else:
                    view = memoryview(file.read(self.ref.bytes + 1))
        except (FileNotFoundError, NotADirectoryError, ValueError) as error:
            raise CorruptionError(f"{self._path} is missing or empty", self.ref.name) from error
        except OSError as error:
            raise UnavailableError(f"cannot map {self._path}: {error.strerror or error}") from error
        if view.nbytes != self.ref.bytes:
            raise CorruptionError(f"{self._path} has {view.nbytes} bytes, not {self.ref.bytes}", self.ref.name)
        return view

    def database(self) -> PooledConnection:
        if not self._asked:
            self._asked = True
            weakref.finalize(self, self._pool.forget, self.ref.name).atexit = False
        return self._pool.use(self.ref.name, self._connect)

    def _connect(self) -> sqlite3.Connection:
        """A connection that neither locks nor looks for a journal: the file is what it is.

        :raises CorruptionError: the file is gone, or no database. :raises UnavailableError: no descriptor or memory is left.
        """
        try:
            connection = sqlite3.connect(f"file:{quote(str(self._path))}?mode=ro&immutable=1", uri=True, check_same_thread=False)
        except sqlite3.Error as error:
            raise self._fault(error) from error
        try:
            # SQLite opens lazily; this reads the header.
            connection.execute("PRAGMA schema_version").fetchone()
            connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        except sqlite3.Error as error:
            connection.close()
            raise self._fault(error) from error
        return connection

    def _fault(self, error: sqlite3.Error) -> ChromaError:
        """SQLite does not tell a file that is gone from one that cannot be opened now."""
        if not self._path.exists():
            return CorruptionError(f"{self._path} is missing", self.ref.name)
        fault = read_fault(error, str(self._path))
        if isinstance(fault, CorruptionError):
            fault.file = self.ref.name
        return fault

    def verify(self) -> None:
        try:
            found = checksum(self._path)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise CorruptionError(f"{self._path} is missing", self.ref.name) from error
        except OSError as error:
            raise UnavailableError(f"{self._path} cannot be read: {error.strerror or error}") from error
        if found != (self.ref.bytes, self.ref.crc32):
            raise CorruptionError(f"{self._path} fails its checksum", self.ref.name)
