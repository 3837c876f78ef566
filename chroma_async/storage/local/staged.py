"""Files under construction: written under a temporary name, synced, renamed, the directory synced.

A crash before the rename leaves a ``.tmp`` file, after it a whole file that no manifest names: both are garbage, and neither is ever
opened. An error before the sync loses only this file. An error of sync or rename leaves in doubt what is durable, so the store is told.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Protocol

from chroma_async.errors import InternalError, PoisonedError, UnavailableError
from chroma_async.format.files import FileRef
from chroma_async.storage.base.segments import Buffer
from chroma_async.storage.filesystem import FileSystem
from chroma_async.storage.sqlite.database_writer import DatabaseWriter
from chroma_async.storage.sqlite.faults import write_fault

#: How much of a finished database is read at once for its checksum.
READ_BYTES = 1 << 20


class Owner(Protocol):
    """What a staged file says to its store."""

    def published(self, name: str) -> None:
        """It can be opened now."""

    def abandoned(self, name: str) -> None:
        """It is gone."""

    def poisoned(self, error: OSError, path: Path) -> PoisonedError:
        """A sync or rename failed: refuse all further writes with the error returned."""

    def check_writable(self) -> None:
        """:raises PoisonedError: such an error happened before."""


class Staging:
    """The steps that files and databases share: made under the temporary name, committed or discarded."""

    def __init__(self, owner: Owner, files: FileSystem, name: str, temporary: Path) -> None:
        self.owner = owner
        self.files = files
        self.name = name
        self.temporary = temporary
        self.open = True

    def create(self) -> BinaryIO:
        """Make the temporary file. :raises InternalError: it exists. :raises UnavailableError: the disk is full."""
        try:
            return self.files.create(self.temporary)
        except FileExistsError as error:
            self.owner.abandoned(self.name)
            raise InternalError(f"file {self.temporary} exists already") from error
        except OSError as error:
            raise self.lost(error) from error

    def check_open(self) -> None:
        """:raises InternalError: it was committed or discarded."""
        if not self.open:
            raise InternalError(f"staged file {self.name} is finished")

    def lost(self, error: OSError | sqlite3.Error) -> Exception:
        """Nothing of it is durable: remove it; the error to raise."""
        self.discard()
        if isinstance(error, sqlite3.Error):
            return write_fault(error, str(self.temporary))
        return UnavailableError(f"cannot write {self.temporary}: {error.strerror or error}")

    def in_doubt(self, error: OSError) -> Exception:
        """What is durable is not known: remove what can be removed, poison the store; the error to raise."""
        self.discard()
        return self.owner.poisoned(error, self.temporary)

    def commit(self, finish: Callable[[], tuple[int, int]], sync: Callable[[], None]) -> FileRef:
        """Make the file durable under its own name.

        :param finish: writes what is left; size and CRC-32 of the whole. What it raises loses this file only.
        :param sync: makes the content durable. What it raises leaves that in doubt.
        :raises InternalError: it was committed or discarded.
        :raises UnavailableError: the disk is full; the file was discarded.
        :raises PoisonedError: sync or rename failed, now or before; the store takes no more files.
        """
        self.check_open()
        self.owner.check_writable()
        try:
            size, crc32 = finish()
        except (sqlite3.Error, OSError) as error:
            raise self.lost(error) from error
        final = self.temporary.with_name(self.name)
        try:
            sync()
            self.files.rename(self.temporary, final)
            self.files.sync_directory(final.parent)
        except OSError as error:
            raise self.in_doubt(error) from error
        self.open = False
        self.owner.published(self.name)
        return FileRef(self.name, size, crc32)

    def discard(self) -> None:
        """Remove the temporary file. Idempotent."""
        if self.open:
            self.open = False
            with suppress(OSError):  # the janitor finds it
                self.files.unlink(self.temporary)
            self.owner.abandoned(self.name)


class LocalStagedFile:
    """:class:`~chroma_async.storage.base.segments.StagedFile` on disk; its checksum grows with it."""

    def __init__(self, staging: Staging) -> None:
        self._staging = staging
        self._bytes = 0
        self._crc32 = 0
        self._file = staging.create()

    def write(self, data: Buffer) -> None:
        """:raises UnavailableError: the disk is full; the file was discarded."""
        self._staging.check_open()
        try:
            self._staging.files.write(self._file, data)
        except OSError as error:
            self._close()
            raise self._staging.lost(error) from error
        self._crc32 = zlib.crc32(data, self._crc32)
        self._bytes += memoryview(data).nbytes

    def tell(self) -> int:
        return self._bytes

    def commit(self) -> FileRef:
        """As :meth:`Staging.commit`."""
        try:
            return self._staging.commit(self._flush, self._sync)
        finally:
            self._close()

    def _flush(self) -> tuple[int, int]:
        self._file.flush()
        return self._bytes, self._crc32

    def _sync(self) -> None:
        self._staging.files.sync(self._file)
        self._file.close()

    def _close(self) -> None:
        with suppress(OSError):  # what could not be flushed is thrown away with the file
            self._file.close()

    def discard(self) -> None:
        self._close()
        self._staging.discard()


class LocalStagedDatabase(DatabaseWriter):
    """:class:`~chroma_async.storage.base.segments.StagedDatabase` on disk. Its connection belongs to the thread that commits it."""

    def __init__(self, staging: Staging, page_bytes: int) -> None:
        self._staging = staging
        # The file is made here, so that the crash tests see it made.
        staging.create().close()
        try:
            connection = sqlite3.connect(staging.temporary, check_same_thread=False)
        except sqlite3.Error as error:
            raise staging.lost(error) from error
        try:
            for pragma in (f"page_size = {page_bytes}", "journal_mode = OFF", "synchronous = OFF", "locking_mode = EXCLUSIVE"):
                connection.execute(f"PRAGMA {pragma}").close()
            super().__init__(connection, str(staging.temporary))
        except BaseException as error:
            connection.close()
            staging.discard()
            if isinstance(error, sqlite3.Error):
                raise write_fault(error, str(staging.temporary)) from error
            raise

    def commit(self) -> FileRef:
        """As :meth:`Staging.commit`."""
        try:
            return self._staging.commit(self._finish, self._sync)
        finally:
            self._connection.close()

    def _finish(self) -> tuple[int, int]:
        self._end()
        self._connection.close()
        return checksum(self._staging.temporary)

    def _sync(self) -> None:
        self._staging.files.sync_path(self._staging.temporary)

    def discard(self) -> None:
        self._connection.close()
        self._staging.discard()


def checksum(path: Path) -> tuple[int, int]:
    """Size and CRC-32 of a file, by reading all of it. :raises OSError:"""
    size = crc32 = 0
    with open(path, "rb", buffering=0) as file:
        while piece := file.read(READ_BYTES):
            size += len(piece)
            crc32 = zlib.crc32(piece, crc32)
    return size, crc32
