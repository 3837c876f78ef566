"""The trigram index: which documents may contain a text. It proposes; the documents decide.

A derived file: one contentless FTS5 table whose rowid is the position of the document. ``detail=none`` and ``columnsize=0`` keep only
which trigram occurs in which document, so the positions proposed hold all trigrams of the needle, not necessarily side by side.
SQLite's tokenizer stops at a NUL character; index and needle have U+FFFD in its place.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from chroma_async.format.database import ReadableDatabase, WritableDatabase
from chroma_async.types import Ints, Position

_SCHEMA = """
CREATE VIRTUAL TABLE trigrams USING
fts5(document, content='', columnsize=0, detail=none, tokenize='trigram case_sensitive 1')
"""
#: Trigrams of a needle that are looked up. Each costs time; of 20,000 texts, those of 30 characters have 2.5 proposals by 8 and 1.6 by 32.
MAX_TRIGRAMS = 8


def build(database: WritableDatabase, documents: Iterable[tuple[Position, str]]) -> None:
    """Make the index of (position, document), each position once, ascending for speed."""

    def entries() -> Iterator[tuple[int, str]]:
        for position, document in documents:
            yield position, _indexable(document)

    database.execute(_SCHEMA)
    database.executemany("INSERT INTO trigrams(rowid, document) VALUES (?, ?)", entries())
    # One sorted run is the fastest to read, and nothing is ever added.
    database.execute("INSERT INTO trigrams(trigrams) VALUES ('optimize')")


def propose(database: ReadableDatabase, needle: str) -> Ints | None:
    """Positions, ascending, among which are all indexed documents that contain the needle. ``None`` when the index cannot tell: the needle
    has under three characters, and the documents must be scanned.
    """
    query = _query(needle)
    if query is None:
        return None
    # One text of numbers is quicker than row by row, and the interpreter is free meanwhile.
    statement = "SELECT group_concat(rowid) FROM (SELECT rowid FROM trigrams WHERE trigrams MATCH ? ORDER BY rowid)"
    (positions,) = database.execute(statement, (query,)).fetchone()
    return np.fromstring(positions or "", dtype=np.int64, sep=",")


def _query(needle: str) -> str | None:
    """The trigrams of a needle, ANDed; spread over it when there are too many."""
    text = _indexable(needle)
    trigrams = list(dict.fromkeys(text[start : start + 3] for start in range(len(text) - 2)))
    if not trigrams:
        return None
    if len(trigrams) > MAX_TRIGRAMS:
        step = (len(trigrams) - 1) / (MAX_TRIGRAMS - 1)
        trigrams = [trigrams[round(place * step)] for place in range(MAX_TRIGRAMS)]
    return " AND ".join('"' + trigram.replace('"', '""') + '"' for trigram in trigrams)


def _indexable(text: str) -> str:
    return text.replace("\x00", "\ufffd")
