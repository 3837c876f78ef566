"""The sparse vectors of a run of rows, turned on their side: for each key and each index of its vectors (a *term*) the rows that have it.

Compressed sparse rows: the postings of term ``terms[i]`` are ``at[offsets[i]:offsets[i + 1]]``, ascending, and their ``weights``. So a
query reads the postings of its own terms and nothing else. The vectors themselves, with their tokens, are in the documents file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from chroma_async.errors import CorruptionError
from chroma_async.format.frame import Array, Frame, FrameWriter, Sink
from chroma_async.types import Floats, Ints, Json, Metadata

KIND = "postings"

Terms: TypeAlias = npt.NDArray[np.uint32]


@dataclass(frozen=True, slots=True, eq=False)
class KeyPostings:
    """The sparse vectors under one key, of a run of ``rows`` rows. Immutable.

    :ivar holders: int32, ascending: the rows that have a vector under the key, also one without any term.
    :ivar terms: uint32, ascending, distinct.
    :ivar offsets: int64, one more than terms: where the postings of each term begin; the last is their number.
    :ivar at: int32: the row of each posting; ascending within a term.
    :ivar weights: float32: the value of each posting.
    """

    key: str
    rows: int
    holders: Array
    terms: Terms
    offsets: Ints
    at: Array
    weights: Floats

    # ------------------------------------------------------------------------------------------------------------------- making

    @classmethod
    def build(
        cls, key: str, rows: int, holders: Sequence[int], indices: Sequence[Sequence[int]], values: Sequence[Sequence[float]]
    ) -> KeyPostings:
        """From the vectors of the rows ``holders``, ascending."""
        held = np.asarray(holders, np.int64)
        lengths = np.fromiter(map(len, indices), np.int64, len(indices))
        count = int(lengths.sum())
        terms = np.fromiter(chain.from_iterable(indices), np.uint32, count)
        weights = np.fromiter(chain.from_iterable(values), np.float32, count)
        return cls.packed(key, rows, held, terms, np.repeat(held, lengths), weights)

    @classmethod
    def packed(cls, key: str, rows: int, holders: Ints, terms: Terms, at: Ints, weights: Floats) -> KeyPostings:
        """From postings in any order: term, row and weight of each. No row has a term twice."""
        # One integer per posting orders them by term, then by row.
        order = np.argsort((terms.astype(np.uint64) << np.uint64(32)) | at.astype(np.uint64))
        sorted_terms = terms[order]
        first = np.flatnonzero(np.concatenate([np.ones(min(1, len(order)), np.bool_), sorted_terms[1:] != sorted_terms[:-1]]))
        return cls(
            key=key,
            rows=rows,
            holders=holders.astype(np.int32),
            terms=sorted_terms[first],
            offsets=np.append(first, len(order)).astype(np.int64),
            at=at[order].astype(np.int32),
            weights=weights[order],
        )

    @classmethod
    def concat(cls, parts: Sequence[tuple[int, KeyPostings]], rows: int) -> KeyPostings:
        """One over ``rows`` rows from parts of one key, each with its first row; ascending."""
        if len(parts) == 1 and parts[0][0] == 0 and parts[0][1].rows == rows:
            return parts[0][1]
        return cls.packed(
            parts[0][1].key,
            rows,
            np.concatenate([part.holders.astype(np.int64) + base for base, part in parts]),
            np.concatenate([part.posted_terms() for _, part in parts]),
            np.concatenate([part.at.astype(np.int64) + base for base, part in parts]),
            np.concatenate([part.weights for _, part in parts]),
        )

    def select(self, rows: Ints) -> KeyPostings:
        """Some rows, each at most once, in the order asked for; -1 is a row without a vector."""
        places = np.full(self.rows, -1, np.int64)
        held = rows >= 0
        places[rows[held]] = np.flatnonzero(held)
        holders, at = places[self.holders], places[self.at]
        kept = at >= 0
        return KeyPostings.packed(
            self.key, len(rows), np.sort(holders[holders >= 0]), self.posted_terms()[kept], at[kept], self.weights[kept]
        )

    # ------------------------------------------------------------------------------------------------------------------- reading

    def posted_terms(self) -> Terms:
        """The term of each posting."""
        return np.repeat(self.terms, np.diff(self.offsets))

    def spans(self, terms: Terms) -> tuple[Ints, Ints]:
        """Where the postings of each term begin and end; equal for a term that is not here."""
        place = np.searchsorted(self.terms, terms)
        present = np.zeros(len(terms), np.bool_)
        inside = place < len(self.terms)
        present[inside] = self.terms[place[inside]] == terms[inside]
        begin = self.offsets[np.where(present, place, 0)]
        return begin, np.where(present, self.offsets[np.where(present, place + 1, 0)], begin)

    # ------------------------------------------------------------------------------------------------------------------- storing

    def sections(self, prefix: str) -> dict[str, Array]:
        """What to store, by section name."""
        return {
            f"{prefix}holders": self.holders,
            f"{prefix}terms": self.terms,
            f"{prefix}offsets": self.offsets,
            f"{prefix}at": self.at,
            f"{prefix}weights": self.weights,
        }

    @classmethod
    def open(cls, frame: Frame, prefix: str, key: str, rows: int) -> KeyPostings:
        """Views of what :meth:`sections` named. :raises CorruptionError: they do not fit each other; names the file."""
        holders, terms, offsets, at, weights = (frame.array(f"{prefix}{name}") for name in ("holders", "terms", "offsets", "at", "weights"))
        fits = len(offsets) == len(terms) + 1 and offsets[0] == 0 and offsets[-1] == len(at) == len(weights) and len(holders) <= rows
        if not fits:
            raise CorruptionError(f"{frame.file}: the postings of key {key!r} do not fit each other", frame.file)
        return cls(key, rows, holders, terms, offsets, at, weights)

    def in_order(self) -> bool:
        """Whether terms, rows and offsets ascend as they should and name rows that exist. Reads everything."""
        per_term = np.diff(self.offsets)
        if (per_term <= 0).any() or not _ascends(self.terms) or not _ascends(self.holders):
            return False
        steps = np.diff(self.at.astype(np.int64))
        steps[self.offsets[1:-1] - 1] = 1
        return bool((steps > 0).all()) and bool(np.isin(self.at, self.holders).all()) and _within(self.holders, self.rows)


class Postings:
    """All sparse vectors of a run of rows, by key. Immutable."""

    __slots__ = ("_keys", "rows")

    def __init__(self, rows: int, keys: Mapping[str, KeyPostings]) -> None:
        self.rows = rows
        self._keys = dict(keys)

    @classmethod
    def build(cls, metadatas: Sequence[Metadata | None]) -> Postings:
        """:param metadatas: one per row, as the schema has let them pass: an object among the values is a sparse vector."""
        gathered: dict[str, tuple[list[int], list[list[int]], list[list[float]]]] = {}
        for row, metadata in enumerate(metadatas):
            if not metadata:
                continue
            for key, value in metadata.items():
                if value.__class__ is dict:
                    rows, indices, values = gathered.setdefault(key, ([], [], []))
                    rows.append(row)
                    indices.append(value["indices"])
                    values.append(value["values"])
        count = len(metadatas)
        return cls(count, {key: KeyPostings.build(key, count, *vectors) for key, vectors in gathered.items()})

    @classmethod
    def concat(cls, parts: Sequence[Postings]) -> Postings:
        """The rows of all parts, in order."""
        rows = 0
        together: dict[str, list[tuple[int, KeyPostings]]] = {}
        for part in parts:
            for key, postings in part._keys.items():
                together.setdefault(key, []).append((rows, postings))
            rows += part.rows
        return cls(rows, {key: KeyPostings.concat(postings, rows) for key, postings in together.items()})

    def select(self, rows: Ints) -> Postings:
        """Some rows, each at most once, in the order asked for; -1 is a row without vectors."""
        wanted = np.asarray(rows, np.int64)
        chosen = {key: postings.select(wanted) for key, postings in self._keys.items()}
        return Postings(len(wanted), {key: postings for key, postings in chosen.items() if len(postings.holders)})

    @property
    def keys(self) -> list[str]:
        """The keys that hold a sparse vector in any row."""
        return list(self._keys)

    def of(self, key: str) -> KeyPostings | None:
        """The postings of one key, or ``None`` where no row holds it."""
        return self._keys.get(key)

    def write(self, sink: Sink) -> None:
        """Write a frame of kind ``postings``."""
        writer = FrameWriter(sink, KIND)
        for number, postings in enumerate(self._keys.values()):
            for name, array in postings.sections(f"{number}.").items():
                writer.section(name, array)
        description: dict[str, Json] = {"rows": self.rows, "keys": self.keys}
        writer.finish(description)

    @classmethod
    def open(cls, buffer: memoryview, file: str) -> Postings:
        """Views of a written frame: reads little beside the contents. :raises CorruptionError: they are damaged; names the file."""
        frame = Frame.open(buffer, KIND, file)
        rows = frame.extra["rows"]
        return cls(rows, {key: KeyPostings.open(frame, f"{number}.", key, rows) for number, key in enumerate(frame.extra["keys"])})

    def disordered(self) -> list[str]:
        """The keys whose postings are not in the order that searches rely on. Reads everything."""
        return [key for key, postings in self._keys.items() if not postings.in_order()]


def _ascends(values: Array) -> bool:
    return bool((values[1:] > values[:-1]).all())


def _within(rows: Array, stop: int) -> bool:
    return not len(rows) or (int(rows[0]) >= 0 and int(rows[-1]) < stop)
