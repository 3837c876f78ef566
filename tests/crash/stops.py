"""Where a store can stop: before and after every call of a seam, and every operation on the file system."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from io import FileIO
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

from chroma_async.storage.base.backends import Backends
from chroma_async.storage.base.segments import Buffer
from chroma_async.storage.filesystem import FileSystem

#: Told of each point: where it is ("log.append"), and whether the call is about to be made ("before"), half made ("within"), or made
#: ("after"). It may raise: then the call is not made, or its caller does not learn that it was.
Watcher: TypeAlias = Callable[[str, str], None]

CATALOG_WRITES = {
    "create_tenant",
    "set_resource_name",
    "create_database",
    "delete_database",
    "create_collection",
    "update_collection",
    "delete_collection",
    "commit_manifest",
    "fork_collection",
    "reset",
}
LOG_CALLS = {"append", "read", "facts", "collections", "trim"}
SEGMENT_CALLS = {"create", "create_database", "open", "list", "delete"}
STAGED_CALLS = {"write", "commit", "discard"}


class Watched:
    """A seam with a watcher around the calls named; everything else goes straight through."""

    def __init__(self, inner: Any, name: str, calls: set[str], watcher: Watcher) -> None:
        self._inner = inner
        self._name = name
        self._calls = calls
        self._watcher = watcher

    def __getattr__(self, attribute: str) -> Any:
        member = getattr(self._inner, attribute)
        if attribute not in self._calls:
            return member
        where, watcher = f"{self._name}.{attribute}", self._watcher

        def call(*arguments: Any, **named: Any) -> Any:
            watcher(where, "before")
            result = member(*arguments, **named)
            if attribute in ("create", "create_database"):
                result = Watched(result, "staged", STAGED_CALLS, watcher)
            watcher(where, "after")
            return result

        async def call_async(*arguments: Any, **named: Any) -> Any:
            watcher(where, "before")
            result = await member(*arguments, **named)
            watcher(where, "after")
            return result

        return call_async if inspect.iscoroutinefunction(member) else call


def watched(watcher: Watcher) -> Callable[[Backends], Backends]:
    """What ``Engine.open`` takes as ``wrap``."""

    def wrap(backends: Backends) -> Backends:
        reads = {"load_manifest", "named_files", "get_collection_by_id", "collection_ids", "tails", "fork_count"}
        return replace(
            backends,
            catalog=Watched(backends.catalog, "catalog", CATALOG_WRITES | reads, watcher),
            log=Watched(backends.log, "log", LOG_CALLS, watcher),
            segments=Watched(backends.segments, "segments", SEGMENT_CALLS, watcher),
        )

    return wrap


class WatchedFiles(FileSystem):
    """A file system with a watcher around every operation. Nothing is buffered, so a write is on the disk when it returns."""

    def __init__(self, watcher: Watcher) -> None:
        self.watcher = watcher

    def make_directory(self, path: Path) -> None:
        self.watcher("make_directory", "before")
        super().make_directory(path)
        self.watcher("make_directory", "after")

    def create(self, path: Path) -> BinaryIO:
        self.watcher("create", "before")
        file: Any = FileIO(path, "x")
        try:
            self.watcher("create", "after")
        except BaseException:
            file.close()
            raise
        return file  # type: ignore[no-any-return]

    def write(self, file: BinaryIO, data: Buffer) -> None:
        content = memoryview(data).cast("B")
        self.watcher("write", "before")
        file.write(content[: len(content) // 2])
        self.watcher("write", "within")
        file.write(content[len(content) // 2 :])
        self.watcher("write", "after")

    def sync(self, file: BinaryIO) -> None:
        self.watcher("sync", "before")
        super().sync(file)
        self.watcher("sync", "after")

    def sync_path(self, path: Path) -> None:
        self.watcher("sync", "before")
        super().sync_path(path)
        self.watcher("sync", "after")

    def rename(self, source: Path, target: Path) -> None:
        self.watcher("rename", "before")
        super().rename(source, target)
        self.watcher("rename", "after")

    def unlink(self, path: Path) -> None:
        self.watcher("unlink", "before")
        super().unlink(path)
        self.watcher("unlink", "after")

    def sync_directory(self, path: Path) -> None:
        self.watcher("sync_directory", "before")
        super().sync_directory(path)
        self.watcher("sync_directory", "after")
