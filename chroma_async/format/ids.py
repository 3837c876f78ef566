"""The record ids of a run of rows, in row order, and the way from an id to its row."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from chroma_async.errors import CorruptionError
from chroma_async.format.frame import Array, Frame
from chroma_async.format.strings import Strings, expand
from chroma_async.types import Bools, Ints

Hashes = npt.NDArray[np.uint64]


def hash_ids(ids: Sequence[str]) -> Hashes:
    """64 bits for each id: BLAKE2b of 8 bytes over its UTF-8 form, read little-endian. Stable for ever: it is stored."""
    return np.frombuffer(b"".join([blake2b(id.encode(), digest_size=8).digest() for id in ids]), "<u8")


#: Lookups of this many ids are worth remembering from one part of a collection to the next.
_REMEMBERED_IDS = 1024


class Ids:
    """Immutable. An id may stand at several rows, of which a reader sees at most one alive.

    ``hashes`` is uint64 ascending; ``rows`` is int32, the row of each hash. Equal hashes stand in row order.
    """

    __slots__ = ("hashes", "rows", "strings")

    def __init__(self, strings: Strings, hashes: Hashes, rows: npt.NDArray[np.int32]) -> None:
        self.strings = strings
        self.hashes = hashes
        self.rows = rows

    @classmethod
    def build(cls, ids: Sequence[str]) -> Ids:
        """:raises ValueError: an id has no UTF-8 form (a lone surrogate)."""
        return cls._sorted(Strings.build(ids), hash_ids(ids))

    @classmethod
    def concat(cls, parts: Sequence[Ids]) -> Ids:
        """The rows of all parts, in order."""
        hashes = [part._by_row() for part in parts]
        return cls._sorted(Strings.concat([part.strings for part in parts]), np.concatenate(hashes) if hashes else hash_ids([]))

    def select(self, rows: npt.ArrayLike) -> Ids:
        """Some rows, in the order asked for."""
        wanted = np.asarray(rows, np.int64)
        return Ids._sorted(self.strings.select(wanted), self._by_row()[wanted])

    def sections(self, prefix: str) -> dict[str, Array]:
        """What to store, by section name."""
        return {**self.strings.sections(prefix), f"{prefix}hashes": self.hashes, f"{prefix}rows": self.rows}

    @classmethod
    def open(cls, frame: Frame, prefix: str) -> Ids:
        """Views of what :meth:`sections` named. :raises CorruptionError: they do not fit each other; names the file."""
        ids = cls(Strings.open(frame, prefix), frame.array(f"{prefix}hashes"), frame.array(f"{prefix}rows"))
        if not len(ids.strings) == len(ids.hashes) == len(ids.rows):
            raise CorruptionError(f"{frame.file}: {len(ids.strings)} ids have {len(ids.hashes)} hashes of {len(ids.rows)} rows", frame.file)
        return ids

    def __len__(self) -> int:
        return len(self.strings)

    def __getitem__(self, row: int) -> str:
        return self.strings[row]

    def take(self, rows: npt.ArrayLike) -> list[str]:
        """The ids of some rows."""
        return self.strings.take(rows)

    def find(self, ids: Sequence[str], alive: Bools | None = None, hashes: Hashes | None = None) -> Ints:
        """For each id its row, or -1.

        :param alive: a bool per row; rows where it is false are not found. None: all are.
        :param hashes: ``hash_ids(ids)``, for a caller who asks several parts.

        Where several rows qualify, the last one is it. A hash only proposes; the string decides.
        """
        asked = hash_asked(ids) if hashes is None else hashes
        found = np.full(len(ids), -1, np.int64)
        if not len(self.hashes):
            return found
        first = self.hashes.searchsorted(asked)
        # The next hash tells whether there is a match at all, which is cheaper than a second search for most ids of most parts.
        equal = self.hashes.take(first, mode="clip") == asked
        if not equal.any():
            return found
        proposed = np.flatnonzero(equal)
        count = self.hashes.searchsorted(asked[proposed], side="right") - first[proposed]
        which = np.repeat(proposed, count)
        rows = self.rows[expand(first[proposed], count)].astype(np.int64)
        if alive is not None:
            seen = alive[rows]
            which, rows = which[seen], rows[seen]
        for index, row, encoded in zip(which.tolist(), rows.tolist(), self.strings.encoded(rows), strict=True):
            if encoded == ids[index].encode():
                found[index] = row
        return found

    @classmethod
    def _sorted(cls, strings: Strings, hashes: Hashes) -> Ids:
        order = np.argsort(hashes, kind="stable")
        return cls(strings, hashes[order], order.astype(np.int32))

    def _by_row(self) -> Hashes:
        hashes = np.empty(len(self.hashes), np.uint64)
        hashes[self.rows] = self.hashes
        return hashes


def hash_asked(ids: Sequence[str]) -> Hashes:
    """``hash_ids(ids)``; of many ids in a tuple the last answers are remembered."""
    return _remembered(ids) if isinstance(ids, tuple) and len(ids) >= _REMEMBERED_IDS else hash_ids(ids)


@lru_cache(maxsize=4)
def _remembered(ids: tuple[str, ...]) -> Hashes:
    return hash_ids(ids)
