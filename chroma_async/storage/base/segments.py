"""Write-once files."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Protocol, TypeAlias

from chroma_async.format.database import ReadableDatabase, WritableDatabase
from chroma_async.format.files import FileRef

Buffer: TypeAlias = bytes | bytearray | memoryview


class StagedFile(Protocol):
    """A file under construction; invisible to ``open`` and ``list`` until committed. Used by one thread."""

    def write(self, data: Buffer) -> None:
        """Append bytes."""

    def tell(self) -> int:
        """Bytes written so far."""

    def commit(self) -> FileRef:
        """Durable and openable when it returns (file and directory entry synced)."""

    def discard(self) -> None:
        """Drop it. No-op after ``commit``; idempotent."""


class StagedDatabase(WritableDatabase, Protocol):
    """A database under construction; invisible to ``open`` and ``list`` until committed. Used by one thread.

    :raises UnavailableError: of any statement: the disk is full.
    """

    def commit(self) -> FileRef:
        """End the transaction; durable and openable when it returns (file and directory entry synced)."""

    def discard(self) -> None:
        """Drop it. No-op after ``commit``; idempotent."""


class Blob(Protocol):
    """An opened, immutable file. Lives as long as someone holds it, also after ``delete``."""

    ref: FileRef

    def buffer(self) -> memoryview:
        """The whole file, read only; memory-mapped where the store can."""

    def database(self) -> AbstractContextManager[ReadableDatabase]:
        """The database that this file is, the caller's alone until the end of the ``with`` block.

        :raises CorruptionError: it is none, at the beginning of the block; it is damaged, at the end; names the file.
        """

    def verify(self) -> None:
        """Read every byte. :raises CorruptionError: size or checksum differ; names the file."""


class SegmentStore(Protocol):
    """Write-once files. Blocking: worker threads only. Thread-safe."""

    def create(self, name: str) -> StagedFile:
        """Begin a file. The name must be new; names come from :mod:`chroma_async.format.names`.

        :raises InternalError: it is not new, or none of those.
        """

    def create_database(self, name: str) -> StagedDatabase:
        """Begin a file that is an SQLite database (no journal, no sync until commit). :raises InternalError: as ``create``."""

    def open(self, ref: FileRef) -> Blob:
        """
        :raises CorruptionError: it is missing or its size differs; names the file.
        :raises UnavailableError: it cannot be read now.
        """

    def is_mapped(self, ref: FileRef) -> bool:
        """Whether a file of that size is memory-mapped while it is open, and so holds a descriptor; others are read."""

    def list(self) -> list[str]:
        """Names of all committed files, and of abandoned staged ones. Whatever else lies where they are kept is not ours and not listed.

        :raises UnavailableError: the place is gone, or cannot be read.
        """

    def delete(self, names: Iterable[str]) -> None:
        """Forget them. Unknown names, and all that are no names of ours, are ignored; opened blobs stay readable."""

    def close(self) -> None:
        """Release what is held. Idempotent."""
