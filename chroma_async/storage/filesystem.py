"""Every change that a store makes to a file system, one method each.

A store is given one of these, so that a test can stop it before or after any single operation.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import BinaryIO

from chroma_async.storage.base.segments import Buffer

#: Size of the pieces in which small writes reach the operating system.
WRITE_BUFFER_BYTES = 1 << 20


class FileSystem:
    """The operating system's. All methods block and raise ``OSError``."""

    def make_directory(self, path: Path) -> None:
        """Make it, and the parents it lacks, open to their owner alone. It may exist."""
        for each in reversed([path, *path.parents]):
            if not each.is_dir():
                each.mkdir(mode=0o700, exist_ok=True)
                self.sync_directory(each.parent)

    def create(self, path: Path) -> BinaryIO:
        """Open a new file for writing. :raises FileExistsError: it is not new."""
        return open(path, "xb", buffering=WRITE_BUFFER_BYTES)

    def write(self, file: BinaryIO, data: Buffer) -> None:
        """Append all of ``data``."""
        file.write(data)

    def sync(self, file: BinaryIO) -> None:
        """Make durable what was written to an open file."""
        file.flush()
        _sync(file.fileno())

    def sync_path(self, path: Path) -> None:
        """Make durable what someone else wrote and closed."""
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            _sync(descriptor)
        finally:
            os.close(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        """Rename, replacing what is there."""
        os.replace(source, target)

    def unlink(self, path: Path) -> None:
        """Remove a file; it may be gone already."""
        path.unlink(missing_ok=True)

    def sync_directory(self, path: Path) -> None:
        """Make durable which names a directory holds."""
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            _sync(descriptor)
        finally:
            os.close(descriptor)


def _sync(descriptor: int) -> None:
    # On macOS fsync stops at the drive's cache; this one does not.
    full = getattr(fcntl, "F_FULLFSYNC", None)
    if full is None:
        os.fsync(descriptor)
    else:
        fcntl.fcntl(descriptor, full)
