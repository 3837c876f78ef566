"""A power failure: what was not synced is gone, or only partly there.

The store's own files are followed from operation to operation. What SQLite writes (``log.sqlite``, ``catalog.sqlite``) it syncs itself
before a commit returns; those files are taken as they are.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tests.crash.images import Image
from tests.crash.stops import WatchedFiles, Watcher


@dataclass
class _Content:
    """What of a file's bytes is safe; ``None``: nothing was ever synced."""

    synced: bytes | None = None


class FailingPower(WatchedFiles):
    """Knows at each moment what a power failure would leave."""

    def __init__(self, directory: Path, watcher: Watcher) -> None:
        super().__init__(watcher)
        self._root = directory
        #: Names as the system sees them now, and as they are on the disk.
        self._now: dict[Path, _Content] = {}
        self._safe: dict[Path, _Content] = {}
        self._directories: set[Path] = set()
        self._safe_directories: set[Path] = set()

    def make_directory(self, path: Path) -> None:
        missing = [each for each in (path, *path.parents) if not each.exists()]
        self._directories.update(missing)
        super().make_directory(path)

    def create(self, path: Path) -> BinaryIO:
        file = super().create(path)
        self._now[path] = _Content()
        return file

    def sync(self, file: BinaryIO) -> None:
        super().sync(file)
        self._synced(Path(file.name))

    def sync_path(self, path: Path) -> None:
        super().sync_path(path)
        self._synced(path)

    def _synced(self, path: Path) -> None:
        self._now[path].synced = path.read_bytes()

    def rename(self, source: Path, target: Path) -> None:
        super().rename(source, target)
        self._now[target] = self._now.pop(source)

    def unlink(self, path: Path) -> None:
        super().unlink(path)
        self._now.pop(path, None)

    def sync_directory(self, path: Path) -> None:
        super().sync_directory(path)
        for each in [each for each in self._safe if each.parent == path and each not in self._now]:
            del self._safe[each]
        self._safe.update((each, content) for each, content in self._now.items() if each.parent == path)
        self._safe_directories.update(each for each in self._directories if each.parent == path)

    def strict(self, image: Image) -> Image:
        """Only what was synced: names that were not are as before, and so are bytes."""
        return self._left(image, self._safe, keep=0.0)

    def lazy(self, image: Image) -> Image:
        """Names got to the disk before the directory was synced, bytes that were not synced did not, or the first half of them."""
        return self._left(image, self._now, keep=0.5)

    def _left(self, image: Image, names: dict[Path, _Content], keep: float) -> Image:
        lost = {self._relative(each) for each in self._directories - self._safe_directories} if keep == 0.0 else set()
        own = {self._relative(path) for path in {*self._now, *self._safe}}
        files: dict[str, bytes | None] = {name: content for name, content in image.files.items() if name not in own and name not in lost}
        for path, content in names.items():
            name = self._relative(path)
            if self._relative(path.parent) in lost:
                continue
            written = image.files.get(name) or b""
            files[name] = content.synced if content.synced is not None else written[: int(len(written) * keep)]
        return Image(files)

    def _relative(self, path: Path) -> str:
        return os.path.relpath(path, self._root)
