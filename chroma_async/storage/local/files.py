"""Write-once files in one directory.

A staged file has a temporary name with the epoch in it, which tells which opening of the store left it behind
(:mod:`chroma_async.format.names`). Every file of ours that the catalog does not name is garbage, so a crash at any step costs nothing but
space until the next opening. What is not ours by its name, and what is no plain file, is neither listed nor deleted.
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from weakref import WeakValueDictionary

from chroma_async.errors import CorruptionError, InternalError, PoisonedError, UnavailableError
from chroma_async.format.files import FileRef
from chroma_async.format.names import is_ours, parse, temp_name
from chroma_async.storage import refusals
from chroma_async.storage.filesystem import FileSystem
from chroma_async.storage.local.blob import LocalBlob, is_mapped
from chroma_async.storage.local.staged import LocalStagedDatabase, LocalStagedFile, Staging
from chroma_async.storage.poison import Poison
from chroma_async.storage.sqlite.sqlite_pool import SqlitePool

#: A row by number reads one or two pages; larger ones only read more.
DATABASE_PAGE_BYTES = 4096


class LocalSegmentStore:
    """:class:`~chroma_async.storage.base.segments.SegmentStore` in a directory. Thread-safe."""

    def __init__(self, directory: Path, files: FileSystem, pool: SqlitePool, *, epoch: int, poison: Poison | None = None) -> None:
        """
        :param pool: for the connections to stored databases; closed with the store.
        :param epoch: the lease's; part of the names of staged files.
        :param poison: the store's.
        """
        self._directory = directory
        self._files = files
        self._pool = pool
        self._epoch = epoch
        self._lock = threading.RLock()
        self._staged: dict[str, LocalStagedFile | LocalStagedDatabase | None] = {}
        self._opened: WeakValueDictionary[str, LocalBlob] = WeakValueDictionary()
        #: Deleted while a blob of it was held: off the list at once, off the disk when the blob is gone.
        self._doomed: set[str] = set()
        self._poison = poison or Poison()
        self._closed = False

    # What staged files say

    def published(self, name: str) -> None:
        """A staged file can be opened now."""
        self.abandoned(name)

    def abandoned(self, name: str) -> None:
        """A staged file is gone."""
        with self._lock:
            self._staged.pop(name, None)

    def poisoned(self, error: OSError, path: Path) -> PoisonedError:
        """A sync or rename failed; from now on the store takes no files."""
        return self._poison.begin(f"{path}: a sync or rename failed, so what is durable is in doubt: {error}")

    def check_writable(self) -> None:
        """:raises PoisonedError: a sync or rename failed before."""
        self._poison.check()

    # SegmentStore

    def _begin(self, name: str) -> Staging:
        with self._lock:
            self._check_open()
            self.check_writable()
            if parse(name) is None:
                raise InternalError(f"{name!r} is no name for a stored file")
            if name in self._staged or os.path.lexists(self._directory / name):
                raise InternalError(f"file {name} exists already")
            self._staged[name] = None
        return Staging(self, self._files, name, self._directory / temp_name(name, self._epoch))

    def create(self, name: str) -> LocalStagedFile:
        """
        :raises UnavailableError: the disk is full.
        :raises PoisonedError: a sync or rename failed before.
        """
        staged = LocalStagedFile(self._begin(name))
        self._remember(name, staged)
        return staged

    def create_database(self, name: str) -> LocalStagedDatabase:
        """
        :raises UnavailableError: the disk is full.
        :raises PoisonedError: a sync or rename failed before.
        """
        staged = LocalStagedDatabase(self._begin(name), DATABASE_PAGE_BYTES)
        self._remember(name, staged)
        return staged

    def _remember(self, name: str, staged: LocalStagedFile | LocalStagedDatabase) -> None:
        with self._lock:
            self._staged[name] = staged

    def open(self, ref: FileRef) -> LocalBlob:
        with self._lock:
            self._check_open()
            blob = self._opened.get(ref.name)
            if blob is not None and blob.ref == ref and ref.name not in self._doomed:
                return blob
            path = self._directory / ref.name
            try:
                if ref.name in self._doomed:
                    raise FileNotFoundError
                size = path.stat().st_size
            except (FileNotFoundError, NotADirectoryError) as error:
                raise CorruptionError(f"{path} is missing", ref.name) from error
            except OSError as error:
                raise UnavailableError(f"{path} cannot be read: {error.strerror or error}") from error
            if size != ref.bytes:
                raise CorruptionError(f"{path} has {size} bytes, not {ref.bytes}", ref.name)
            blob = self._opened[ref.name] = LocalBlob(ref, path, self._pool)
            return blob

    def is_mapped(self, ref: FileRef) -> bool:
        return is_mapped(ref)

    def _check_open(self) -> None:
        if self._closed:
            raise refusals.closed("segment store")

    def list(self) -> list[str]:
        with self._lock:
            hidden = self._doomed | {temp_name(name, self._epoch) for name in self._staged}
            try:
                with os.scandir(self._directory) as entries:
                    ours = [entry for entry in entries if is_ours(entry.name) and entry.is_file(follow_symlinks=False)]
            except OSError as error:
                raise UnavailableError(f"{self._directory} cannot be read: {error.strerror or error}") from error
        return sorted(entry.name for entry in ours if entry.name not in hidden)

    def delete(self, names: Iterable[str]) -> None:
        """A file that is still held leaves the list now and the disk with a later call."""
        with self._lock:
            self._doomed.update(filter(is_ours, names))
            self._sweep()

    def _sweep(self) -> None:
        """Remove the doomed files that nobody holds. One that cannot be removed stays doomed; it is garbage either way."""
        for name in list(self._doomed - set(self._opened)):
            path = self._directory / name
            with suppress(OSError):
                if _is_plain(path):
                    self._files.unlink(path)
                self._doomed.discard(name)

    def close(self) -> None:
        """Staged files are discarded."""
        with self._lock:
            self._closed = True
            staged = [each for each in self._staged.values() if each is not None]
        for each in staged:
            each.discard()
        self._pool.close()
        with self._lock:
            self._sweep()


def _is_plain(path: Path) -> bool:
    """Whether it is a file, and neither a link nor a directory, which we make none of. :raises OSError: it cannot be told."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except FileNotFoundError:
        return False
