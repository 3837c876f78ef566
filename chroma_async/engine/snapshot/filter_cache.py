"""Which rows satisfy which filter, kept for the next query that asks. Chunks never change, so what was true of one stays true.

Bounded in bytes; what was not asked for longest goes first. A filter as large as its answer is not kept.
"""

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict
from dataclasses import dataclass

from chroma_async.format.bitmap import Bitmap
from chroma_async.query_language.filter_ast import (
    And,
    ArrayHas,
    DocumentContains,
    DocumentMatches,
    Equals,
    Filter,
    IdIn,
    Not,
    OneOf,
    Or,
    TextLike,
    TextMatches,
)

_owners = itertools.count()
#: Bytes of an entry besides its bitmaps and its filter.
_ENTRY_BYTES = 400
#: Bytes of a clause, and of each further value that it names.
_CLAUSE_BYTES, _VALUE_BYTES = 200, 60
#: A larger filter takes longer to look up than it is worth.
_MOST_FILTER_BYTES = 8192


def new_owner() -> int:
    """A number for a chunk or segment that no other will ever have."""
    return next(_owners)


@dataclass(frozen=True, slots=True)
class CachedFilter:
    """``whole``: the matching rows, dead or alive. ``result``: those of them in ``alive``, if somebody asked."""

    whole: Bitmap
    alive: Bitmap | None = None
    result: Bitmap | None = None


class FilterCache:
    """The cache of one store. Thread-safe."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._lock = threading.Lock()
        self._entries: OrderedDict[tuple[int, Filter, bool], tuple[int, CachedFilter]] = OrderedDict()
        self.bytes = 0
        #: How often an answer was there, and how often not.
        self.hits = 0
        self.misses = 0

    def get(self, owner: int, filter: Filter, approximate: bool) -> CachedFilter | None:
        """What was kept for that owner and filter.

        :param approximate: which of two answers is meant, see :meth:`Segment.mask <chroma_async.engine.snapshot.segment.Segment.mask>`.
        """
        if _size(filter) > _MOST_FILTER_BYTES:
            return None
        key = (owner, filter, approximate)
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                self.misses += 1
                return None
            self.hits += 1
            self._entries.move_to_end(key)
            return entry[1]

    def put(self, owner: int, filter: Filter, approximate: bool, kept: CachedFilter) -> None:
        """Keep it, in place of what was kept before."""
        bitmaps = [bitmap for bitmap in (kept.whole, kept.result) if bitmap is not None]
        # A bitmap that is used makes itself two indexes of its own size.
        size = _ENTRY_BYTES + _size(filter) + sum(3 * len(bitmap.bits) for bitmap in bitmaps)
        if _size(filter) > _MOST_FILTER_BYTES or size > self._limit:
            return
        key = (owner, filter, approximate)
        with self._lock:
            before = self._entries.pop(key, None)
            self.bytes += size - (0 if before is None else before[0])
            self._entries[key] = (size, kept)
            while self.bytes > self._limit:
                _, (gone, _) = self._entries.popitem(last=False)
                self.bytes -= gone


def _size(filter: Filter) -> int:
    """Rough bytes of a filter."""
    match filter:
        case And(clauses) | Or(clauses):
            return _CLAUSE_BYTES + sum(map(_size, clauses))
        case Not(clause):
            return _CLAUSE_BYTES + _size(clause)
        case OneOf(_, values):
            return _CLAUSE_BYTES + _VALUE_BYTES * len(values) + sum(len(value) for value in values if isinstance(value, str))
        case IdIn(ids):
            return _CLAUSE_BYTES + _VALUE_BYTES * len(ids) + sum(map(len, ids))
        case Equals(key, str(text)) | ArrayHas(key, str(text)) | TextMatches(key, text) | TextLike(key, text):
            return _CLAUSE_BYTES + len(key) + len(text)
        case DocumentContains(text) | DocumentMatches(text):
            return _CLAUSE_BYTES + len(text)
        case _:
            return _CLAUSE_BYTES
