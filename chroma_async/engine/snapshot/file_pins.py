"""Which stored files must stay although no manifest names them: those someone reads, and those being made."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from chroma_async.format.database import WritableDatabase
from chroma_async.format.files import FileRef
from chroma_async.format.names import Kind, StoredName
from chroma_async.storage.base.segments import Blob, SegmentStore, StagedFile


class Making:
    """The files of one job, protected until its manifest is committed or the job has failed."""

    def __init__(self, store: PinningStore) -> None:
        self._store = store
        self.names: set[str] = set()

    def write(self, kind: Kind, key: str, fill: Callable[[StagedFile], object]) -> FileRef:
        """Make a file, whole or not at all. Durable when it returns; named by nothing yet. Blocking.

        :param fill: writes what is in it.
        :raises UnavailableError: the disk is full; nothing is left behind.
        """
        staged = self._store.inner.create(self._named(kind, key))
        try:
            fill(staged)
            return staged.commit()
        finally:
            staged.discard()

    def write_database(self, kind: Kind, key: str, fill: Callable[[WritableDatabase], object]) -> FileRef:
        """As :meth:`write`, for a file that is a database."""
        staged = self._store.inner.create_database(self._named(kind, key))
        try:
            fill(staged)
            return staged.commit()
        finally:
            staged.discard()

    def discard(self, kinds: Iterable[Kind], key: str) -> None:
        """Delete files that no manifest can name: their job failed before it came to a commit. Blocking."""
        self._store.inner.delete(str(StoredName(kind, key)) for kind in kinds)

    def _named(self, kind: Kind, key: str) -> str:
        """The name of a file that is made from now on."""
        name = str(StoredName(kind, key))
        self.names.add(name)
        self._store.hold(name)
        return name


class PinningStore:
    """A SegmentStore that remembers who reads what. A pin is a reference: it ends when the last holder of the blob lets go, so a job whose
    caller was cancelled keeps its files until its thread is done. Thread-safe."""

    def __init__(self, inner: SegmentStore) -> None:
        self.inner = inner
        self._lock = threading.Lock()
        self._making: dict[str, int] = {}
        self._read: dict[str, weakref.WeakSet[Blob]] = {}
        #: Whether a job has failed and may have left files behind; whoever sweeps sets it back.
        self.litter = False

    def open(self, ref: FileRef) -> Blob:
        """As the store's, remembering the reader."""
        blob = self.inner.open(ref)
        with self._lock:
            self._read.setdefault(ref.name, weakref.WeakSet()).add(blob)
        return blob

    @contextmanager
    def making(self) -> Iterator[Making]:
        """Protects the files made inside the block until its end."""
        making = Making(self)
        try:
            yield making
        except BaseException:
            self.litter = True
            raise
        finally:
            self._release(making.names)

    def _release(self, names: Iterable[str]) -> None:
        with self._lock:
            for name in names:
                self._making[name] -= 1
                if not self._making[name]:
                    del self._making[name]

    def hold(self, name: str) -> None:
        """Protect a file that is about to be made."""
        with self._lock:
            self._making[name] = self._making.get(name, 0) + 1

    def pinned(self) -> set[str]:
        """Files that may not be deleted now."""
        with self._lock:
            return {*self._readers(), *self._making}

    def read(self) -> set[str]:
        """Those of them that someone reads."""
        with self._lock:
            return set(self._readers())

    def _readers(self) -> dict[str, weakref.WeakSet[Blob]]:
        self._read = {name: readers for name, readers in self._read.items() if len(readers)}
        return self._read

    def list(self) -> list[str]:
        """All files, abandoned ones included."""
        return self.inner.list()

    def delete(self, names: Iterable[str]) -> None:
        """Forget files."""
        self.inner.delete(names)
