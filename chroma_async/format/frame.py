"""The container of our own files: aligned sections, then a table of contents, then a trailer of 32 bytes.

The byte tables are in FORMAT.md. Contents and trailer stand at the end, so a file is written in one pass without seeking, a section may be
streamed before its length is known, and the section at offset 0 may be a foreign format that another library reads by path.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import orjson

from chroma_async.errors import CorruptionError
from chroma_async.types import Json

#: Sections begin at multiples of this many bytes: a cache line, and the widest vector register.
ALIGNMENT = 64
MAGIC = b"chrmasy\n"
CONTAINER_VERSION = 1

#: Where the contents begin, how many bytes they have, checksum, container version, magic.
_TRAILER = struct.Struct("<QQII8s")
#: What the checksum covers besides the contents.
_SEALED = struct.Struct("<QQI")
#: Section types: bool, signed, unsigned, float. Nothing that could hold a pointer.
_DTYPE_KINDS = frozenset("biuf")

Array = npt.NDArray[Any]


class Sink(Protocol):
    """Where a frame is written to: the part of a staged file that this module needs."""

    def write(self, data: bytes | bytearray | memoryview) -> object:
        """Append bytes."""

    def tell(self) -> int:
        """Bytes written so far."""


@dataclass(frozen=True, slots=True)
class Section:
    """One entry of the contents. ``offset`` and ``bytes`` count from the beginning of the file."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    offset: int
    bytes: int
    crc32: int


class FrameWriter:
    """Writes one frame from front to back.

    :param sink: an empty staged file; committing it is the caller's business.
    :param kind: what the file is; :meth:`Frame.open` must ask for the same.
    :param version: version of this kind's layout.
    """

    def __init__(self, sink: Sink, kind: str, version: int = 1) -> None:
        if sink.tell() != 0:
            raise ValueError("a frame begins at offset 0")
        self._sink = sink
        self._kind = kind
        self._version = version
        self._sections: list[Section] = []
        self._names: set[str] = set()
        self._finished = False
        self._open: tuple[str, np.dtype[Any], int] | None = None
        self._crc = 0

    def section(self, name: str, array: Array) -> None:
        """Write a whole array as one section."""
        self.begin(name, array.dtype)
        self.append(array)
        self.end(array.shape)

    def begin(self, name: str, dtype: npt.DTypeLike) -> None:
        """Start a section whose rows come in several :meth:`append` calls."""
        kept = np.dtype(dtype).newbyteorder("<")
        if self._finished or self._open is not None:
            raise ValueError(f"section {name!r} begins while another one is open, or after the end")
        if name in self._names:
            raise ValueError(f"section {name!r} is there already")
        if kept.kind not in _DTYPE_KINDS:
            raise ValueError(f"section {name!r} cannot hold {kept}")
        padding = -self._sink.tell() % ALIGNMENT
        if padding:
            self._sink.write(bytes(padding))
        self._names.add(name)
        self._open = (name, kept, self._sink.tell())
        self._crc = 0

    def append(self, array: Array) -> None:
        """Write elements in C order, converted to the section's type."""
        if self._open is None:
            raise ValueError("no section is open")
        data = np.ascontiguousarray(array, dtype=self._open[1])
        if data.size:
            view = data.reshape(-1).view(np.uint8).data
            self._crc = zlib.crc32(view, self._crc)
            self._sink.write(view)

    def end(self, shape: Sequence[int] | None = None) -> None:
        """Close the section. ``shape`` defaults to one dimension.

        :raises ValueError: the shape does not hold as many elements as were written.
        """
        if self._open is None:
            raise ValueError("no section is open")
        name, dtype, offset = self._open
        written = self._sink.tell() - offset
        kept = (written // dtype.itemsize,) if shape is None else tuple(int(extent) for extent in shape)
        if math.prod(kept) * dtype.itemsize != written:
            raise ValueError(f"section {name!r} of shape {kept} got {written} bytes")
        self._sections.append(Section(name, dtype.str, kept, offset, written, self._crc))
        self._open = None

    def finish(self, extra: Mapping[str, Json] | None = None) -> None:
        """Write contents and trailer. ``extra`` is the caller's own JSON object."""
        if self._finished or self._open is not None:
            raise ValueError("the frame is finished, or a section is still open")
        self._finished = True
        contents = {"kind": self._kind, "version": self._version, "extra": dict(extra or {}), "sections": self._sections}
        body = orjson.dumps(contents)
        offset = self._sink.tell()
        checksum = zlib.crc32(_SEALED.pack(offset, len(body), CONTAINER_VERSION), zlib.crc32(body))
        self._sink.write(body)
        self._sink.write(_TRAILER.pack(offset, len(body), checksum, CONTAINER_VERSION, MAGIC))


class Frame:
    """A frame opened over a buffer, usually a memory map. Sections are views of it: opening reads the contents only.

    ``kind``, ``version`` and ``extra`` are what the writer gave; ``file`` is the name that errors carry.
    """

    def __init__(self, buffer: memoryview, file: str, kind: str, version: int, extra: dict[str, Json], sections: list[Section]) -> None:
        self._buffer = buffer
        self._sections = {section.name: section for section in sections}
        self.file = file
        self.kind = kind
        self.version = version
        self.extra = extra

    @classmethod
    def open(cls, buffer: memoryview, kind: str, file: str, newest: int = 1) -> Frame:
        """Check trailer and contents and look into nothing else; :meth:`verify` reads the sections.

        :param newest: the latest layout version of this kind that the caller can read.
        :raises CorruptionError: the buffer is no frame, is cut short, is damaged, or is of another kind or a newer version; names the file.
        """
        data = buffer.cast("B") if buffer.ndim != 1 or buffer.format != "B" else buffer
        if len(data) < _TRAILER.size:
            raise CorruptionError(f"{file}: {len(data)} bytes are too few for a {kind} file", file)
        offset, length, checksum, container, magic = _TRAILER.unpack_from(data, len(data) - _TRAILER.size)
        if magic != MAGIC:
            raise CorruptionError(f"{file}: the trailer of a {kind} file is missing; the file is cut short or foreign", file)
        if container != CONTAINER_VERSION:
            raise CorruptionError(f"{file}: container version {container} is not known", file)
        if offset + length + _TRAILER.size != len(data):
            raise CorruptionError(f"{file}: the contents do not end where the trailer begins", file)
        body = data[offset : offset + length]
        if zlib.crc32(_SEALED.pack(offset, length, container), zlib.crc32(body)) != checksum:
            raise CorruptionError(f"{file}: the contents fail their checksum", file)
        contents = orjson.loads(body)
        if contents["kind"] != kind:
            raise CorruptionError(f"{file}: a {contents['kind']} file stands where a {kind} file belongs", file)
        if not 1 <= contents["version"] <= newest:
            raise CorruptionError(f"{file}: {kind} layout version {contents['version']} is not known", file)
        sections = [
            Section(entry["name"], entry["dtype"], tuple(entry["shape"]), entry["offset"], entry["bytes"], entry["crc32"])
            for entry in contents["sections"]
        ]
        for section in sections:
            _check(section, offset, file)
        return cls(data, file, kind, contents["version"], contents["extra"], sections)

    @property
    def names(self) -> list[str]:
        """The sections, in file order."""
        return list(self._sections)

    def __contains__(self, name: object) -> bool:
        return name in self._sections

    def section(self, name: str) -> Section:
        """Where a section lies. :raises CorruptionError: the file has none of that name."""
        try:
            return self._sections[name]
        except KeyError:
            raise CorruptionError(f"{self.file}: section {name!r} is missing", self.file) from None

    def array(self, name: str) -> Array:
        """A read-only view of a section, in the shape it was written.

        :raises CorruptionError: the file has none of that name.
        """
        section = self.section(name)
        dtype = np.dtype(section.dtype)
        if not section.bytes:
            array = np.empty(section.shape, dtype)
        else:
            array = np.frombuffer(self._buffer, dtype, section.bytes // dtype.itemsize, section.offset).reshape(section.shape)
        array.flags.writeable = False
        return array

    def bytes(self, name: str) -> memoryview:
        """A section's bytes. :raises CorruptionError: the file has none of that name."""
        section = self.section(name)
        return self._buffer[section.offset : section.offset + section.bytes].toreadonly()

    def verify(self) -> None:
        """Read every section, and the padding between them.

        :raises CorruptionError: a section fails its checksum or the padding is not zero; names the file.
        """
        end = 0
        for section in sorted(self._sections.values(), key=lambda section: (section.offset, section.bytes)):
            if any(self._buffer[end : section.offset]):
                raise CorruptionError(f"{self.file}: the padding before section {section.name!r} is not zero", self.file)
            end = section.offset + section.bytes
            if zlib.crc32(self._buffer[section.offset : end]) != section.crc32:
                raise CorruptionError(f"{self.file}: section {section.name!r} fails its checksum", self.file)


def _check(section: Section, limit: int, file: str) -> None:
    """A section lies, aligned and of its declared size, before the contents."""
    dtype = np.dtype(section.dtype)
    fits = 0 <= section.offset <= section.offset + section.bytes <= limit and section.offset % ALIGNMENT == 0
    if dtype.kind not in _DTYPE_KINDS or not fits or math.prod(section.shape) * dtype.itemsize != section.bytes:
        raise CorruptionError(f"{file}: the contents describe section {section.name!r} wrongly", file)
