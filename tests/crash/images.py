"""A data directory as a dead process leaves it: all bytes of all files at one moment.

Taken between two operations of a living store, an image is exactly what would be on the disk had the process ended there. SQLite's shared
memory (``-shm``) is left out: it is an index of the write-ahead file, made anew by the next process.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

#: https://www.sqlite.org/fileformat2.html#the_write_ahead_log
WAL_HEADER_BYTES, FRAME_HEADER_BYTES = 32, 24


@dataclass(frozen=True)
class Image:
    """Relative paths and contents; directories that hold nothing are there as names with ``None``."""

    files: Mapping[str, bytes | None]

    @classmethod
    def of(cls, directory: Path, contents: dict[bytes, bytes]) -> Image:
        """Write-ahead files are read before the files that they are moved into: a checkpoint in between loses nothing.

        :param contents: where equal contents of several images meet, so that they are held once.
        """
        if not directory.exists():
            return cls({})
        found = sorted(directory.rglob("*"), key=lambda path: (not path.name.endswith("-wal"), str(path)))
        files: dict[str, bytes | None] = {}
        for path in found:
            if path.is_dir():
                files[str(path.relative_to(directory))] = None
            elif not path.name.endswith("-shm"):
                # Another thread may have renamed it meanwhile: then nothing that was read before names it.
                with suppress(FileNotFoundError):
                    content = path.read_bytes()
                    files[str(path.relative_to(directory))] = contents.setdefault(content, content)
        return cls(files)

    def write(self, directory: Path) -> Path:
        """Make it a directory again."""
        directory.mkdir(parents=True)
        for name, content in sorted(self.files.items()):
            if content is None:
                (directory / name).mkdir(exist_ok=True)
            else:
                (directory / name).parent.mkdir(exist_ok=True)
                (directory / name).write_bytes(content)
        return directory

    def with_file(self, name: str, content: bytes | None) -> Image:
        """With one file replaced, or gone."""
        files = {other: held for other, held in self.files.items() if other != name}
        return Image(files if content is None else {**files, name: content})

    def content(self, name: str) -> bytes:
        """A file's bytes; none for a file that is not there."""
        return self.files.get(name) or b""

    @property
    def digest(self) -> int:
        """Equal for equal images (of one run, for all that a test needs)."""
        return hash(
            frozenset((name, None if content is None else (len(content), zlib.crc32(content))) for name, content in self.files.items())
        )


@dataclass(frozen=True)
class Tear:
    """A write-ahead file whose writing was cut short. ``commits``: transactions of the new part that are whole."""

    how: str
    content: bytes
    commits: int


def tears(before: bytes, after: bytes) -> Iterator[Tear]:
    """What a write-ahead file can be while it grows from ``before`` to ``after``, for each new frame: cut at its beginning, inside its
    header and inside its page, one byte short, lengthened but not written, and written wrongly. ``after`` itself is not among them.
    """
    assert after.startswith(before), "the file was written from its beginning, not at its end"
    if len(after) == len(before):
        return
    if not before:
        yield Tear("empty", b"", 0)
        yield Tear("half a header", after[: WAL_HEADER_BYTES // 2], 0)
    (page,) = struct.unpack(">I", after[8:12])
    frame = FRAME_HEADER_BYTES + page
    commits = 0
    for start in range(max(len(before), WAL_HEADER_BYTES), len(after), frame):
        stop = start + frame
        for cut in (start, start + FRAME_HEADER_BYTES // 2, start + FRAME_HEADER_BYTES + page // 2, stop - 1):
            yield Tear(f"cut at byte {cut - start} of the frame at {start}", after[:cut], commits)
        yield Tear(f"zeros from the frame at {start}", after[:start] + bytes(len(after) - start), commits)
        wrong = bytearray(after)
        wrong[start + FRAME_HEADER_BYTES + page // 3] ^= 0x10
        yield Tear(f"one bit wrong in the frame at {start}", bytes(wrong), commits)
        # The frame that ends a transaction says how large the database then is; the others say 0.
        commits += struct.unpack(">I", after[start + 4 : start + 8])[0] > 0


def half_checkpointed(before: bytes, after: bytes, page: int) -> Iterator[bytes]:
    """What a database file can be while a checkpoint writes pages into it: every other page, the other ones, all."""
    for chosen in (0, 1):
        pages = [
            (after if number % 2 == chosen else before)[start : start + page] or after[start : start + page]
            for number, start in enumerate(range(0, len(after), page))
        ]
        yield b"".join(pages)
    yield after
