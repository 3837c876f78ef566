"""The documents file of a chunk: one SQLite table with the texts of its rows.

::

    rows(row INTEGER PRIMARY KEY, document TEXT, uri TEXT, metadata TEXT)

``row`` counts from 0 inside of the chunk. ``metadata`` is JSON (ints stay ints and floats floats; an empty object is not null). A row
with none of the three has no entry. Documents may hold NUL characters. The file is written once, in one transaction, and then opened
immutable; all functions here block and take a database that no other thread uses meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import compress, product, repeat
from typing import Any, TypeAlias

import numpy as np
import orjson

from chroma_async.format.database import ReadableDatabase, WritableDatabase
from chroma_async.types import Ints, Metadata

#: A row of the table: row, document, uri, metadata as text.
Entry: TypeAlias = tuple[int, str | None, str | None, str | None]

_SCHEMA = "CREATE TABLE rows(row INTEGER PRIMARY KEY, document TEXT, uri TEXT, metadata TEXT)"
_INSERT = "INSERT INTO rows VALUES (?, ?, ?, ?)"

#: The columns to select by which of document, uri and metadata are asked.
_COLUMNS = {asked: ", ".join(compress(("document", "uri", "metadata"), asked)) for asked in product((False, True), repeat=3)}
#: Up to this many rows are fetched one statement each, which costs 3 microseconds a row; more go in as one JSON array.
_MAX_SINGLE = 32
#: A scan of fewer rows than 1 in this many looks them up one by one; otherwise it runs over the table.
_LOOKUP_SHARE = 8


def fill(database: WritableDatabase, rows: Iterable[tuple[int, str | None, str | None, Metadata | None]]) -> None:
    """Make the table and write (row, document, uri, metadata) for each row, ascending for speed. More than 150,000 rows a second."""

    def entries() -> Iterator[Entry]:
        for row, document, uri, metadata in rows:
            if document is not None or uri is not None or metadata is not None:
                yield row, document, uri, None if metadata is None else _dump(metadata)

    copy(database, entries())


def copy(database: WritableDatabase, entries: Iterable[Entry]) -> None:
    """Make the table of entries that :func:`renumbered` takes from other chunks."""
    database.execute(_SCHEMA)
    database.executemany(_INSERT, entries)


def renumbered(database: ReadableDatabase, targets: Ints) -> Iterator[Entry]:
    """The entries of a chunk under new numbers, texts as they are, one record at a time.

    :param targets: for each row which row it becomes, or -1 to leave it out.
    """
    kept = np.flatnonzero(targets >= 0)
    if not kept.size:
        return
    new_rows = targets.tolist()
    statement = "SELECT row, document, uri, metadata FROM rows WHERE row BETWEEN ? AND ? ORDER BY row"
    for row, document, uri, metadata in database.execute(statement, (int(kept[0]), int(kept[-1]))):
        target = new_rows[row]
        if target >= 0:
            yield target, document, uri, metadata


def fetch(
    database: ReadableDatabase, rows: Sequence[int], *, documents: bool, uris: bool, metadatas: bool
) -> tuple[list[str | None] | None, list[str | None] | None, list[Metadata | None] | None]:
    """Texts of the named rows in the order of ``rows`` (which may repeat). A column that is not asked for is ``None``. Ten rows take about
    30 microseconds.
    """
    wanted = _COLUMNS[documents, uris, metadatas]
    if not wanted:
        return None, None, None
    columns: Iterator[Sequence[Any]] = zip(*_lookup(database, wanted, rows), strict=True) if len(rows) else repeat((), 3)
    return (
        list(next(columns)) if documents else None,
        list(next(columns)) if uris else None,
        [None if text is None else orjson.loads(text) for text in next(columns)] if metadatas else None,
    )


def scan_contains(database: ReadableDatabase, needle: str, rows: Ints | None) -> Ints:
    """Rows (of ``rows``, or of all) whose document contains the needle exactly; ascending. "" is in every document."""
    statement = "SELECT row FROM rows WHERE instr(document, ?)"
    if rows is not None and _few(database, rows):
        statement += " AND row IN (SELECT value FROM json_each(?))"
        return _numbers(database, statement, needle, _dump(rows.tolist()))
    found = _numbers(database, statement, needle)
    return found if rows is None else found[np.isin(found, rows, kind="table")]


def iter_documents(database: ReadableDatabase, rows: Ints | None) -> Iterator[tuple[int, str]]:
    """(row, document) of the rows (of ``rows``, or all) that have a document; ascending. Finish or close the iterator before the
    database is used by another thread.
    """
    statement = "SELECT row, document FROM rows WHERE document IS NOT NULL"
    if rows is None:
        yield from database.execute(statement + " ORDER BY row")
    elif _few(database, rows):
        statement += " AND row IN (SELECT value FROM json_each(?)) ORDER BY row"
        yield from database.execute(statement, (_dump(rows.tolist()),))
    else:
        wanted = np.zeros(int(rows.max(initial=-1)) + 1, dtype=np.bool_)
        wanted[rows] = True
        flags = wanted.tolist()
        statement += " AND row < ? ORDER BY row"
        for row, document in database.execute(statement, (len(flags),)):
            if flags[row]:
                yield row, document


def _lookup(database: ReadableDatabase, columns: str, rows: Sequence[int]) -> list[tuple[Any, ...]]:
    """The asked columns of each row, with ``None`` in each for a row without an entry."""
    rows = [int(row) for row in rows]
    nothing = (None,) * (columns.count(",") + 1)
    if len(rows) <= _MAX_SINGLE:
        statement = f"SELECT {columns} FROM rows WHERE row = ?"
        execute = database.execute
        return [execute(statement, (row,)).fetchone() or nothing for row in rows]
    statement = f"SELECT {columns}, row FROM rows WHERE row IN (SELECT value FROM json_each(?))"
    found = {entry[-1]: entry[:-1] for entry in database.execute(statement, (_dump(rows),))}
    return [found.get(row, nothing) for row in rows]


def _few(database: ReadableDatabase, rows: Ints) -> bool:
    """Whether so few rows are named that looking each up is cheaper than a pass over the table."""
    (last,) = database.execute("SELECT max(row) FROM rows").fetchone()
    return last is not None and len(rows) * _LOOKUP_SHARE < last


def _dump(value: Any) -> str:
    # Metadata may be any mapping; orjson itself knows only dict.
    return orjson.dumps(value, default=dict).decode()


def _numbers(database: ReadableDatabase, statement: str, *values: object) -> Ints:
    """The column ``row`` of a statement, ascending. As one text: quicker than row by row, and the interpreter is free meanwhile."""
    (text,) = database.execute(f"SELECT group_concat(row) FROM ({statement} ORDER BY row)", values).fetchone()
    return np.fromstring(text or "", dtype=np.int64, sep=",")
