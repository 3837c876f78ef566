"""A list of strings as two arrays: UTF-8 bytes end to end, and where each begins. Maps from disk without being read."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from chroma_async.errors import CorruptionError
from chroma_async.format.frame import Array, Frame
from chroma_async.types import Bytes, Ints

#: Bytes that one step of :meth:`Strings.select` moves; its index takes eight times as much memory.
_BLOCK_BYTES = 1 << 21
#: Leading bytes that :meth:`Strings.ranks` compares in numpy. Longer common prefixes are rare and are left to Python.
_RANKED_BYTES = 128


def expand(starts: Ints, lengths: Ints) -> Ints:
    """The ranges ``start .. start + length`` end to end, as one index array."""
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    return np.repeat(starts - (ends - lengths), lengths) + np.arange(total, dtype=np.int64)


class Strings:
    """Immutable. ``blob`` is uint8; ``offsets`` is int64 of length ``len + 1``: string ``i`` is ``blob[offsets[i]:offsets[i + 1]]``."""

    __slots__ = ("_data", "blob", "offsets")

    def __init__(self, blob: Bytes, offsets: Ints) -> None:
        self.blob = blob
        self.offsets = offsets
        self._data: memoryview = blob.data if blob.size else memoryview(b"")

    @classmethod
    def build(cls, strings: Iterable[str]) -> Strings:
        """:raises ValueError: one has no UTF-8 form (a lone surrogate)."""
        return cls.from_encoded([string.encode() for string in strings])

    @classmethod
    def from_encoded(cls, encoded: Sequence[bytes]) -> Strings:
        """From UTF-8 bytes."""
        offsets = np.zeros(len(encoded) + 1, np.int64)
        np.cumsum(np.fromiter(map(len, encoded), np.int64, len(encoded)), out=offsets[1:])
        return cls(np.frombuffer(b"".join(encoded), np.uint8), offsets)

    @classmethod
    def concat(cls, parts: Sequence[Strings]) -> Strings:
        """The strings of all parts, in order."""
        lengths = [np.diff(part.offsets) for part in parts]
        offsets = np.zeros(sum(map(len, lengths)) + 1, np.int64)
        if parts:
            np.cumsum(np.concatenate(lengths), out=offsets[1:])
        blobs = [part.blob[part.offsets[0] : part.offsets[-1]] for part in parts]
        return cls(np.concatenate(blobs) if blobs else np.empty(0, np.uint8), offsets)

    def sections(self, prefix: str) -> dict[str, Array]:
        """What to store, by section name."""
        return {f"{prefix}blob": self.blob, f"{prefix}offsets": self.offsets}

    @classmethod
    def open(cls, frame: Frame, prefix: str) -> Strings:
        """Views of what :meth:`sections` named. :raises CorruptionError: the two do not fit each other; names the file."""
        blob, offsets = frame.array(f"{prefix}blob"), frame.array(f"{prefix}offsets")
        if not len(offsets) or int(offsets[0]) != 0 or int(offsets[-1]) != len(blob):
            raise CorruptionError(f"{frame.file}: the strings {prefix!r} do not end where their bytes end", frame.file)
        return cls(blob, offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> str:
        return self.raw(index).decode()

    def raw(self, index: int) -> bytes:
        """One string's UTF-8 bytes. ``index`` is not negative."""
        return self._data[int(self.offsets[index]) : int(self.offsets[index + 1])].tobytes()

    def encoded(self, rows: npt.ArrayLike) -> list[bytes]:
        """The UTF-8 bytes of some strings, in the order asked for."""
        wanted = np.asarray(rows, np.int64)
        bounds = zip(self.offsets[wanted].tolist(), self.offsets[wanted + 1].tolist(), strict=True)
        data = self._data
        if len(wanted) * 4 < len(self):
            return [bytes(data[start:end]) for start, end in bounds]
        # Cutting bytes is twice as fast as cutting a view; worth one copy when much of it is asked for.
        whole = bytes(data)
        return [whole[start:end] for start, end in bounds]

    def take(self, rows: npt.ArrayLike) -> list[str]:
        """Some strings, decoded, in the order asked for."""
        return [encoded.decode() for encoded in self.encoded(rows)]

    def to_list(self) -> list[str]:
        """All of them, decoded."""
        return self.take(np.arange(len(self)))

    def find_sorted(self, string: str) -> int:
        """Where ``string`` is, -1 if nowhere, by bisecting. The strings must be ascending (as bytes, which is as code points)."""
        encoded = string.encode()
        index = bisect_left(range(len(self)), encoded, key=self.raw)
        return index if index < len(self) and self.raw(index) == encoded else -1

    def select(self, rows: npt.ArrayLike) -> Strings:
        """A copy of some strings, in the order asked for."""
        wanted = np.asarray(rows, np.int64)
        starts = self.offsets[wanted]
        lengths = self.offsets[wanted + 1] - starts
        offsets = np.zeros(len(wanted) + 1, np.int64)
        np.cumsum(lengths, out=offsets[1:])
        blob = np.empty(int(offsets[-1]), np.uint8)
        first = 0
        while first < len(wanted):
            # At least one string a step, however long it is.
            last = max(first + 1, int(np.searchsorted(offsets, offsets[first] + _BLOCK_BYTES, side="right")) - 1)
            blob[offsets[first] : offsets[last]] = self.blob[expand(starts[first:last], lengths[first:last])]
            first = last
        return Strings(blob, offsets)

    def ranks(self) -> Ints:
        """For each string how many *different* strings of this list sort before it. Equal strings get equal ranks.

        A radix sort from the front, eight bytes a round, over the strings that are still tied.
        """
        # A group is known by the number of strings that sort before all of its members.
        group = np.zeros(len(self), np.int64)
        lengths = np.diff(self.offsets)
        tied = np.arange(len(self), dtype=np.int64)
        depth = 0
        while len(tied) > 1 and depth < _RANKED_BYTES:
            word = self._words(tied, depth)
            # Zero bytes stand behind a string's end, so its length decides between "a" and "a\0"; 9 is "there is more".
            rest = np.minimum(lengths[tied] - depth, 9)
            order = np.lexsort((rest, word, group[tied]))
            tied, word, rest = tied[order], word[order], rest[order]
            old = group[tied]
            opens_old = np.r_[True, old[1:] != old[:-1]]
            opens = opens_old | np.r_[True, (word[1:] != word[:-1]) | (rest[1:] != rest[:-1])]
            index = np.arange(len(tied), dtype=np.int64)
            start_old = np.maximum.accumulate(np.where(opens_old, index, 0))
            start = np.maximum.accumulate(np.where(opens, index, 0))
            group[tied] = old + (start - start_old)
            alone = opens & np.r_[opens[1:], True]
            tied = tied[~alone & (rest == 9)]
            depth += 8
        self._rank_in_python(tied, group)
        return np.unique(group, return_inverse=True)[1].reshape(-1).astype(np.int64)

    def _words(self, rows: Ints, depth: int) -> npt.NDArray[np.uint64]:
        """Bytes ``depth .. depth + 8`` of some strings as numbers that sort like them; zeros past a string's end."""
        at = self.offsets[rows][:, None] + np.arange(depth, depth + 8, dtype=np.int64)
        inside = at < self.offsets[rows + 1][:, None]
        octets = (
            np.where(inside, self.blob[np.where(inside, at, 0)], 0).astype(np.uint8) if self.blob.size else np.zeros(at.shape, np.uint8)
        )
        return octets.view(">u8").reshape(-1).astype(np.uint64)

    def _rank_in_python(self, tied: Ints, group: Ints) -> None:
        """Finish the groups of ``tied`` strings, which agree in their first ``_RANKED_BYTES`` bytes."""
        keyed = sorted(zip(group[tied].tolist(), (self.raw(row) for row in tied.tolist()), tied.tolist(), strict=True))
        before: tuple[int, bytes] | None = None
        start = place = 0
        for index, (old, raw, row) in enumerate(keyed):
            if before is None or before[0] != old:
                start = index
            if before != (old, raw):
                place = index
            before = (old, raw)
            group[row] = old + (place - start)
