"""Which backends a location means; the one place that puts them together."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

from chroma_async.errors import CorruptionError, StoreError, UnavailableError
from chroma_async.storage.base.backends import Backends
from chroma_async.storage.filesystem import FileSystem
from chroma_async.storage.local.descriptors import raise_limit
from chroma_async.storage.local.files import LocalSegmentStore
from chroma_async.storage.local.lock import LocalLease
from chroma_async.storage.memory.catalog import MemoryCatalog
from chroma_async.storage.memory.lease import MemoryLease
from chroma_async.storage.memory.log import MemoryLog
from chroma_async.storage.memory.segments import MemorySegmentStore
from chroma_async.storage.poison import Poison
from chroma_async.storage.sqlite.catalog import SqliteCatalog
from chroma_async.storage.sqlite.log import SqliteLog
from chroma_async.storage.sqlite.sqlite_pool import SqlitePool
from chroma_async.threads import Threads

#: The parts of a data directory, beside ``LOCK`` and ``FORMAT``.
CATALOG_FILE, LOG_FILE, SEGMENTS_DIRECTORY = "catalog.sqlite", "log.sqlite", "segments"
#: Free space that the log keeps, in checkpoints: what memtables that wait to be flushed will ask for again.
SPARE_CHECKPOINTS = 4


async def open_backends(
    location: str | os.PathLike[str] | None,
    threads: Threads,
    *,
    log_checkpoint_bytes: int,
    sqlite_connections: int,
    open_files: int,
    clock: Callable[[], int],
    files: FileSystem | None = None,
) -> Backends:
    """Open a store, making it if it is not there. Whoever opens it closes it with :func:`close_backends`.

    :param location: a directory, or ``None`` for a store in memory that lives as long as the result.
    :param log_checkpoint_bytes: size of SQLite's write-ahead file at which the log is checkpointed; some times that much free space is left
        in the log.
    :param sqlite_connections: idle connections to stored databases that are kept.
    :param open_files: files that this process may hold open, if the system lets it.
    :param clock: nanoseconds since the epoch.
    :param files: the file system; for tests that stop it.
    :raises LockedError: the directory is in use; names the process.
    :raises ForeignDirectoryError: the directory holds another program's files; nothing was touched.
    :raises CorruptionError: catalog or log are damaged; names the file.
    :raises StoreError: a newer release wrote it, or it cannot be written.
    """
    if location is None:
        lease = MemoryLease()
        await lease.acquire()
        return Backends(MemoryCatalog(), MemoryLog(), MemorySegmentStore(SqlitePool(sqlite_connections)), lease, None)
    directory = Path(await threads.run(os.path.realpath, location))
    pool = SqlitePool(sqlite_connections)
    backends = await _open_directory(directory, threads, log_checkpoint_bytes, pool, clock, files or FileSystem())
    return replace(backends, descriptors=raise_limit(open_files))


async def _open_directory(
    directory: Path, threads: Threads, log_checkpoint_bytes: int, pool: SqlitePool, clock: Callable[[], int], files: FileSystem
) -> Backends:
    lease = LocalLease(directory, threads, files, clock)
    poison = Poison()
    async with AsyncExitStack() as opened:
        opened.push_async_callback(lease.release)
        await lease.acquire()
        await _make_segments(directory / SEGMENTS_DIRECTORY, threads, files)
        segments = LocalSegmentStore(directory / SEGMENTS_DIRECTORY, files, pool, epoch=lease.epoch, poison=poison)
        catalog_file, log_file = directory / CATALOG_FILE, directory / LOG_FILE

        async def open_catalog() -> SqliteCatalog:
            catalog = await SqliteCatalog.open(catalog_file, wal_bytes=log_checkpoint_bytes, poison=poison)
            opened.push_async_callback(catalog.aclose)
            return catalog

        async def open_log() -> SqliteLog:
            serial, spare_bytes = threads.serial, SPARE_CHECKPOINTS * log_checkpoint_bytes
            log = await SqliteLog.open(
                log_file, serial("log"), serial("checkpoint"), wal_bytes=log_checkpoint_bytes, spare_bytes=spare_bytes, poison=poison
            )
            opened.push_async_callback(log.aclose)
            return log

        has_log = await threads.run(_has_content, log_file)
        if await threads.run(_has_content, catalog_file):
            catalog = await open_catalog()
            if not has_log and await catalog.collection_ids():
                raise _lost(log_file, "what was written last is in it alone")
            log = await open_log()
        else:
            # A new catalog names nothing, and what is not named would be deleted.
            kept = bool(await threads.run(segments.list))
            if not kept:
                log = await open_log()
                kept = has_log and bool(await log.collections())
            if kept:
                raise _lost(catalog_file, "what is in segments and in the log belongs to its collections")
            catalog = await open_catalog()
        opened.pop_all()
    return Backends(catalog, log, segments, lease, str(directory), poison)


def _has_content(file: Path) -> bool:
    """Whether it is there, and not empty: SQLite takes an empty file for a new database. :raises UnavailableError: it cannot be told."""
    try:
        return file.stat().st_size > 0
    except FileNotFoundError:
        return False
    except OSError as error:
        raise UnavailableError(f"{file} cannot be read: {error.strerror or error}") from error


def _lost(file: Path, why: str) -> CorruptionError:
    return CorruptionError(f"{file} is missing or empty, and {why}; nothing was deleted. Put it back, or name another directory", str(file))


async def _make_segments(directory: Path, threads: Threads, files: FileSystem) -> None:
    try:
        await threads.run(files.make_directory, directory)
    except OSError as error:
        raise StoreError(f"{directory} cannot be made: {error.strerror or error}") from error


async def close_backends(backends: Backends, threads: Threads) -> None:
    """Close everything, the lease last; each part is closed whatever happens to the others. Idempotent, as long as ``threads`` runs."""
    await _release((backends.log.aclose, backends.catalog.aclose), backends, threads)


async def abandon_backends(backends: Backends, threads: Threads) -> None:
    """As :func:`close_backends`, when the event loop that they were used in was closed."""
    await _release((backends.log.abandon, backends.catalog.abandon), backends, threads)


async def _release(ends: Sequence[Callable[[], Awaitable[None]]], backends: Backends, threads: Threads) -> None:
    end_log, end_catalog = ends
    try:
        await end_log()
    finally:
        try:
            await end_catalog()
        finally:
            try:
                await threads.run(backends.segments.close)
            finally:
                await backends.lease.release()
