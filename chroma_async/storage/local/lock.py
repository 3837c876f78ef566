"""One process owns a data directory, through flock(2) on the file ``LOCK``.

========== ==================================================================================================================
``LOCK``   locked by the owner for as long as it lives; JSON with ``pid``, ``host`` and ``started_ns``, for the others' errors
``FORMAT`` marks the directory as ours: the line ``chroma_async``, then ``format <version>``, then ``epoch <openings so far>``
========== ==================================================================================================================

``FORMAT`` is replaced by renaming, so it is whole or absent. The kernel drops the lock when its owner dies, however it dies. flock and
not POSIX locks, which vanish when any descriptor of the file is closed; and because a forked child would go on holding flock, it closes
its copy of the descriptor before anything else runs in it.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import socket
import stat
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from weakref import WeakSet

from chroma_async.errors import FencedError, ForeignDirectoryError, ForkedError, LockedError, StoreError
from chroma_async.format.names import TEMP_SUFFIX
from chroma_async.storage.filesystem import FileSystem
from chroma_async.threads import Threads

#: Version of the directory's layout.
FORMAT_VERSION = 1
LOCK, FORMAT = "LOCK", "FORMAT"
FORMAT_TEMPORARY = f"{FORMAT}{TEMP_SUFFIX}"
#: What a first opening that was cut short can leave, and how it begins; it may end anywhere.
_BEGUN = {LOCK: b'{"pid": ', FORMAT_TEMPORARY: b"chroma_async\n"}
#: What a fresh volume holds besides.
_HARMLESS = {*_BEGUN, "lost+found"}
_ELSEWHERE = "Name an empty or a new directory with --path"
_MARKER = re.compile(r"chroma_async\nformat (\d+)\nepoch (\d+)\n")

_held: WeakSet[LocalLease] = WeakSet()


def _close_in_child() -> None:
    for lease in list(_held):
        lease.close_in_child()


os.register_at_fork(after_in_child=_close_in_child)


class LocalLease:
    """:class:`~chroma_async.storage.base.lease.WriterLease` on a directory."""

    def __init__(self, directory: Path, threads: Threads, files: FileSystem, clock: Callable[[], int]) -> None:
        """:param clock: nanoseconds since the epoch; written into ``LOCK``."""
        self.epoch = 0
        self._directory = directory
        self._threads = threads
        self._files = files
        self._clock = clock
        self._guard = threading.Lock()
        self._descriptor: int | None = None
        self._owner: int | None = None
        self._begun = False
        self._released = False

    async def acquire(self) -> None:
        """Take the directory; one that is missing is made. May be called once.

        :raises LockedError: another process, or this one, holds it; names its pid.
        :raises ForeignDirectoryError: the place belongs to another program; nothing was touched.
        :raises StoreError: a newer release wrote the directory, or it cannot be written.
        """
        self._begun = True
        await self._threads.run(self._acquire)

    def _acquire(self) -> None:
        with self._guard:
            if self._released:  # its caller was cancelled and has gone on to release
                return
            check_directory(self._directory)
            try:
                self._files.make_directory(self._directory)
                # Not through a link: what that leads to is not ours to write.
                descriptor = os.open(self._directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            except OSError as error:
                raise StoreError(f"{self._directory} cannot be written: {_why(error)}") from error
            try:
                self._lock(descriptor)
                self._introduce(descriptor)
                self.epoch = self._mark()
            except BaseException as error:
                os.close(descriptor)
                if isinstance(error, OSError):
                    raise StoreError(f"{self._directory} cannot be opened: {error.strerror or error}") from error
                raise
            self._descriptor = descriptor
            self._owner = os.getpid()
            _held.add(self)

    def _lock(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise
            raise self._refusal(os.pread(descriptor, 4096, 0)) from None

    def _refusal(self, introduction: bytes) -> LockedError:
        """Who holds the lock, from what it wrote into it; it may be just about to."""
        try:
            owner = json.loads(introduction)
            pid, host = int(owner["pid"]), str(owner["host"])
        except (ValueError, KeyError, TypeError):
            pid, host = None, None
        if pid is None:
            who = "another process"
        elif pid == os.getpid() and host == socket.gethostname():
            who = f"this process (pid {pid})"
        else:
            who = f"process {pid} on host {host}"
        return LockedError(
            f"{self._directory} is in use by {who}. A data directory has one owner at a time: to share it, run the server"
            f" (chroma-async run --path {self._directory}) and connect to it with AsyncHttpClient",
            pid,
        )

    def _introduce(self, descriptor: int) -> None:
        text = json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "started_ns": self._clock()}) + "\n"
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, text.encode(), 0)

    def _mark(self) -> int:
        """Write the marker with the next epoch; that epoch."""
        epoch = _read_marker(self._directory) + 1
        temporary, final = self._directory / FORMAT_TEMPORARY, self._directory / FORMAT
        self._files.unlink(temporary)
        with self._files.create(temporary) as file:
            self._files.write(file, f"chroma_async\nformat {FORMAT_VERSION}\nepoch {epoch}\n".encode())
            self._files.sync(file)
        self._files.rename(temporary, final)
        self._files.sync_directory(self._directory)
        return epoch

    def check(self) -> None:
        """Two system calls, neither of which touches a disk."""
        descriptor = self._descriptor
        if self._owner is not None and self._owner != os.getpid():
            raise ForkedError(f"{self._directory} was opened by process {self._owner}, the parent of this one; open it after the fork")
        if descriptor is None:
            raise FencedError(f"{self._directory} is not held by this process")
        try:
            removed = os.fstat(descriptor).st_nlink == 0
        except OSError as error:
            raise FencedError(f"{self._directory / LOCK} was closed by this program, so its lock is gone: {error.strerror}") from error
        if removed:
            raise FencedError(f"{self._directory / LOCK} was removed, so another process may have taken the directory")

    async def release(self) -> None:
        # A child has nothing to give up, and an unlocking there would be the parent's.
        if self._begun and self._owner in (None, os.getpid()):
            await self._threads.run(self._release)
            self._begun = False

    def _release(self) -> None:
        with self._guard:
            self._released = True
            descriptor, self._descriptor = self._descriptor, None
            if descriptor is not None:
                _held.discard(self)
                with suppress(OSError):  # a program that closes descriptors that are not its own has let go of it already
                    # Not by closing alone: a child forked this moment may not have closed its copy yet.
                    fcntl.flock(descriptor, fcntl.LOCK_UN)
                    os.close(descriptor)

    def close_in_child(self) -> None:
        """Let go of the parent's lock; called in a forked child, where only one thread is left. The parent keeps it."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with suppress(OSError):
                os.close(descriptor)


def check_directory(directory: Path) -> None:
    """Whether the store may open, or make, this directory. Only reads.

    :raises ForeignDirectoryError: it belongs to something else.
    :raises StoreError: a newer release wrote it, or it cannot be read.
    """
    try:
        names = set(os.listdir(directory))
    except FileNotFoundError:
        return
    except NotADirectoryError:
        raise ForeignDirectoryError(f"{directory} is not a directory; name another one with --path") from None
    except OSError as error:
        raise StoreError(f"{directory} cannot be read: {_why(error)}") from error
    for name in (LOCK, FORMAT, FORMAT_TEMPORARY):
        if name in names and not _is_plain(directory / name):
            raise ForeignDirectoryError(f"{directory / name} is no file that chroma_async made; nothing was touched. {_ELSEWHERE}")
    if FORMAT in names:
        _read_marker(directory)
    elif "chroma.sqlite3" in names:
        raise ForeignDirectoryError(
            f"{directory} is a data directory of Chroma itself (it holds chroma.sqlite3); nothing in it was touched. Name another"
            " directory with --path, and copy the collections over with a client: read them from a Chroma server on this directory"
            " and add them here"
        )
    elif names - _HARMLESS:
        example = sorted(names - _HARMLESS)[0]
        raise ForeignDirectoryError(
            f"{directory} is not empty and not a data directory of chroma_async (it holds {example}); nothing in it was touched."
            f" {_ELSEWHERE}"
        )
    else:
        _check_begun(directory, names)


def _why(error: OSError) -> str:
    """The system's reason; where it is one of rights, also whose they would have to be: a container's user has no name elsewhere."""
    reason = error.strerror or str(error)
    return f"{reason} (this process runs as user {os.geteuid()})" if isinstance(error, PermissionError) else reason


def _is_plain(path: Path) -> bool:
    """Whether it is a file, and neither a link nor a directory. One that is gone by now, as another process is opening, may have been."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except FileNotFoundError:
        return True
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror or error}") from error


def _check_begun(directory: Path, names: set[str]) -> None:
    """:raises ForeignDirectoryError: a file has a name of ours and was not written by an opening that was cut short."""
    for name, beginning in _BEGUN.items():
        # What was not written before a power cut reads as zeros.
        if name in names and not beginning.startswith(_first_bytes(directory / name, len(beginning)).rstrip(b"\0")):
            raise ForeignDirectoryError(f"{directory / name} was not made by chroma_async; nothing was touched. {_ELSEWHERE}")


def _first_bytes(path: Path, count: int) -> bytes:
    """None of a file that is gone by now. :raises StoreError: it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read(count)
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror or error}") from error


def _read_marker(directory: Path) -> int:
    """The last epoch; 0 without a marker. :raises StoreError: a newer release wrote it, or it cannot be read.
    :raises ForeignDirectoryError: it is not ours.
    """
    try:
        text = (directory / FORMAT).read_text("ascii")
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise StoreError(f"{directory / FORMAT} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ForeignDirectoryError(f"{directory / FORMAT} is not a marker of chroma_async: {error}") from error
    # A later version may add lines of its own, so the version is looked at before the rest.
    version = re.match(r"chroma_async\nformat (\d+)\n", text)
    if version is not None and int(version[1]) > FORMAT_VERSION:
        raise StoreError(f"{directory} has format {version[1]}; this release reads up to {FORMAT_VERSION}. Install a newer release")
    whole = _MARKER.fullmatch(text)
    if whole is None:
        raise ForeignDirectoryError(f"{directory / FORMAT} is not a marker of chroma_async")
    return int(whole[2])
