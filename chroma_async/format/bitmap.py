"""An immutable set of positions below a size, one bit each: which rows are alive, allowed, or in order.

Bits are packed least significant first, the order in which FAISS reads a selector bitmap. Every operation is whole-array numpy.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from chroma_async.errors import CorruptionError
from chroma_async.format.frame import Frame, FrameWriter, Sink
from chroma_async.types import Bools, Bytes, Ints, Json

_Words = npt.NDArray[np.uint64]

KIND = "alive"


class Bitmap:
    """Positions in ``range(size)``. ``bits`` is read-only uint8 of length ``ceil(size / 8)``; bits past ``size`` are zero."""

    __slots__ = ("_below", "_count", "_words", "bits", "size")

    def __init__(self, bits: Bytes, size: int) -> None:
        """Take over ``bits`` without a copy. The caller promises length and zero tail; the class methods below check or make them."""
        bits.flags.writeable = False
        self.bits = bits
        self.size = size
        self._words: _Words | None = None
        self._below: Ints | None = None
        self._count = -1

    # ------------------------------------------------------------------------------------------------------------------- making

    @classmethod
    def zeros(cls, size: int) -> Bitmap:
        """No position."""
        return cls(np.zeros(_bytes(size), np.uint8), size)

    @classmethod
    def ones(cls, size: int) -> Bitmap:
        """Every position below ``size``."""
        return cls(_clear_tail(np.full(_bytes(size), 0xFF, np.uint8), size), size)

    @classmethod
    def from_bools(cls, bools: Bools) -> Bitmap:
        """The positions where ``bools`` is true; its length is the size."""
        return cls(np.packbits(bools, bitorder="little"), len(bools))

    @classmethod
    def from_positions(cls, positions: npt.ArrayLike, size: int) -> Bitmap:
        """The given positions, in any order, repeats allowed. :raises IndexError: one is outside ``range(size)``."""
        return cls.zeros(size).with_(positions)

    @classmethod
    def from_bytes(cls, buffer: bytes | bytearray | memoryview, size: int) -> Bitmap:
        """A view of stored ``bits``. :raises ValueError: wrong length, or a bit past ``size`` is set."""
        bits = np.frombuffer(buffer, np.uint8) if len(buffer) else np.zeros(0, np.uint8)
        if len(bits) != _bytes(size):
            raise ValueError(f"a bitmap of {size} positions has {_bytes(size)} bytes, not {len(bits)}")
        if size % 8 and bits[-1] >> (size % 8):
            raise ValueError(f"a bitmap of {size} positions has bits past its end")
        return cls(bits, size)

    # ------------------------------------------------------------------------------------------------------------------- storing

    def write(self, sink: Sink, extra: Mapping[str, Json] | None = None) -> None:
        """Write a frame of kind ``alive``."""
        writer = FrameWriter(sink, KIND)
        writer.section("bits", self.bits)
        writer.finish({**(extra or {}), "size": self.size})

    @classmethod
    def open(cls, buffer: memoryview, file: str) -> Bitmap:
        """A view of a written frame. The bits are few and are checked. :raises CorruptionError: it is damaged; names the file."""
        frame = Frame.open(buffer, KIND, file)
        frame.verify()
        try:
            return cls.from_bytes(frame.bytes("bits"), frame.extra["size"])
        except ValueError as error:
            raise CorruptionError(f"{file}: {error}", file) from error

    # ------------------------------------------------------------------------------------------------------------------- reading

    def to_bools(self) -> Bools:
        """One bool per position."""
        return np.unpackbits(self.bits, count=self.size, bitorder="little").view(np.bool_)

    def slice_bools(self, start: int, stop: int) -> Bools:
        """One bool per position of ``range(start, stop)``; only that part is unpacked."""
        first = start // 8
        return np.unpackbits(self.bits[first : _bytes(stop)], bitorder="little")[start - first * 8 : stop - first * 8].view(np.bool_)

    def positions(self) -> Ints:
        """The positions, ascending."""
        return np.flatnonzero(self.to_bools())

    def count(self) -> int:
        """How many positions."""
        if self._count < 0:
            self._count = int(np.bitwise_count(self._padded()).sum(dtype=np.int64))
        return self._count

    def contains(self, positions: npt.ArrayLike) -> Bools:
        """For each given position whether it is in the set. :raises IndexError: one is outside ``range(size)``."""
        wanted = self._checked(positions)
        found: Bools = ((self.bits[wanted >> 3] >> (wanted & 7).astype(np.uint8)) & 1).view(np.bool_)
        return found

    def rank(self, positions: npt.ArrayLike) -> Ints:
        """For each given position (which may equal ``size``) how many members are strictly below it."""
        wanted = np.asarray(positions, np.int64)
        words, below = self._padded(), self._counts()
        word = wanted >> 6
        lower = (np.uint64(1) << (wanted & 63).astype(np.uint64)) - np.uint64(1)
        ranks: Ints = below[word] + np.bitwise_count(words[word] & lower).astype(np.int64)
        return ranks

    def select(self, ranks: npt.ArrayLike) -> Ints:
        """For each ``k`` the ``k``-th member, counted from 0. :raises IndexError: there are not that many."""
        wanted = np.asarray(ranks, np.int64)
        if wanted.size and (int(wanted.min()) < 0 or int(wanted.max()) >= self.count()):
            raise IndexError(f"a bitmap with {self.count()} members has no such member")
        below = self._counts()
        word = np.searchsorted(below, wanted, side="right") - 1
        rest = wanted - below[word]
        value = self._padded()[word]
        position = word << 6
        # Halve the word six times: step into the upper half when the lower one has too few members.
        for half in (32, 16, 8, 4, 2, 1):
            low = value & np.uint64((1 << half) - 1)
            inside = np.bitwise_count(low).astype(np.int64)
            upper = rest >= inside
            rest = np.where(upper, rest - inside, rest)
            value = np.where(upper, value >> np.uint64(half), low)
            position = np.where(upper, position + half, position)
        return position

    def members(self, start: int, stop: int) -> Ints:
        """The ``start``-th to ``stop``-th member, counted from 0, the last excluded. :raises IndexError: there are not that many."""
        if (stop - start) * 16 < self.size:
            return self.select(np.arange(start, stop))
        if start < 0 or stop > self.count():
            raise IndexError(f"a bitmap with {self.count()} members has no such member")
        return self.positions()[start:stop]

    # ----------------------------------------------------------------------------------------------------------------- combining

    def __and__(self, other: Bitmap) -> Bitmap:
        self._same_size(other)
        return Bitmap(self.bits & other.bits, self.size)

    def __or__(self, other: Bitmap) -> Bitmap:
        self._same_size(other)
        return Bitmap(self.bits | other.bits, self.size)

    def with_(self, positions: npt.ArrayLike) -> Bitmap:
        """A copy with these positions added. :raises IndexError: one is outside ``range(size)``."""
        wanted = self._checked(positions)
        bits = self.bits.copy()
        np.bitwise_or.at(bits, wanted >> 3, _single(wanted))
        return Bitmap(bits, self.size)

    def without(self, positions: npt.ArrayLike) -> Bitmap:
        """A copy with these positions removed. :raises IndexError: one is outside ``range(size)``."""
        wanted = self._checked(positions)
        bits = self.bits.copy()
        np.bitwise_and.at(bits, wanted >> 3, ~_single(wanted))
        return Bitmap(bits, self.size)

    def resized(self, size: int, fill: bool) -> Bitmap:
        """A copy cut to, or lengthened to, ``size``; new positions are members when ``fill``."""
        if size <= self.size:
            return Bitmap(_clear_tail(self.bits[: _bytes(size)].copy(), size), size)
        bits = np.full(_bytes(size), 0xFF if fill else 0, np.uint8)
        bits[: len(self.bits)] = self.bits
        if fill:
            if self.size % 8:
                bits[len(self.bits) - 1] |= np.uint8(0xFF << self.size % 8 & 0xFF)
            _clear_tail(bits, size)
        return Bitmap(bits, size)

    # ------------------------------------------------------------------------------------------------------------------ ordinary

    def __len__(self) -> int:
        return self.size

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Bitmap) and self.size == other.size and bool(np.array_equal(self.bits, other.bits))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Bitmap {self.count()} of {self.size}>"

    # -------------------------------------------------------------------------------------------------------------------- inside

    def _padded(self) -> _Words:
        """The bits as little-endian 64-bit words, with at least one zero bit behind the last position."""
        words = self._words
        if words is None:
            room = np.zeros((self.size // 64 + 1) * 8, np.uint8)
            room[: len(self.bits)] = self.bits
            self._words = words = room.view("<u8")
        return words

    def _counts(self) -> Ints:
        """Members below the beginning of each word."""
        below = self._below
        if below is None:
            words = self._padded()
            below = np.zeros(len(words), np.int64)
            np.cumsum(np.bitwise_count(words[:-1]), dtype=np.int64, out=below[1:])
            self._below = below
        return below

    def _checked(self, positions: npt.ArrayLike) -> Ints:
        wanted = np.asarray(positions, np.int64).reshape(-1)
        if wanted.size and (int(wanted.min()) < 0 or int(wanted.max()) >= self.size):
            raise IndexError(f"a position lies outside a bitmap of {self.size}")
        return wanted

    def _same_size(self, other: Bitmap) -> None:
        if self.size != other.size:
            raise ValueError(f"bitmaps of {self.size} and {other.size} positions cannot be combined")


def _bytes(size: int) -> int:
    return (size + 7) // 8


def _single(positions: Ints) -> npt.NDArray[Any]:
    """The byte that holds each position's bit alone."""
    return np.left_shift(np.uint8(1), (positions & 7).astype(np.uint8))


def _clear_tail(bits: Bytes, size: int) -> Bytes:
    if size % 8:
        bits[-1] &= np.uint8((1 << size % 8) - 1)
    return bits
