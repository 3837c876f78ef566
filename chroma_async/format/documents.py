"""The documents file of a chunk: one SQLite table with the texts of its rows.

::

    rows(row INTEGER PRIMARY KEY, document TEXT, uri TEXT, metadata TEXT)

``row`` counts from 0 inside of the chunk. ``metadata`` is JSON (ints stay ints and floats floats; an empty object is not null). A row
with none of the three has no entry. Documents may hold NUL characters. The file is written once, in one transaction, and then opened
immutable; all functions here block and take a connection that no other thread uses meanwhile.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import compress, product, repeat
from typing import Any

import numpy as np
import orjson

from chroma_async.types import Ints, Metadata

_SCHEMA = "CREATE TABLE rows(row INTEGER PRIMARY KEY, document TEXT, uri TEXT, metadata TEXT)"
_INSERT = "INSERT INTO rows VALUES (?, ?, ?, ?)"

#: The columns to select by which of document, uri and metadata are asked.
_COLUMNS = {asked: ", ".join(compress(("document", "uri", "metadata"), asked)) for asked in product((False, True), repeat=3)}
#: Up to this many rows are fetched one statement each, which costs 3 microseconds a row; more go in as one JSON array.
_MAX_SINGLE = 32
#: A scan of fewer rows than 1 in this many looks them up one by one; otherwise it runs over the table.
_LOOKUP_SHARE = 8


def fill(connection: sqlite3.Connection, rows: Iterable[tuple[int, str | None, str | None, Metadata | None]]) -> None:
    """Make the table and write (row, document, uri, metadata) for each row, ascending for speed. Committed when it returns, unless the
    caller has a transaction open. More than 150,000 rows a second.
    """

    def entries() -> Iterator[tuple[int, str | None, str | None, str | None]]:
        for row, document, uri, metadata in rows:
            if document is not None or uri is not None or metadata is not None:
                yield row, document, uri, None if metadata is None else _dump(metadata)

    _in_transaction(connection, lambda: _write(connection, entries()))


def copy(connection: sqlite3.Connection, sources: Iterable[tuple[sqlite3.Connection, Ints]]) -> None:
    """Make the table from those of other chunks. With each source comes an array that says for each of its rows which row it becomes, or
    -1 to leave it out. Texts are copied as they are, one record at a time. Committed like :func:`fill`.
    """

    def entries() -> Iterator[tuple[int, str | None, str | None, str | None]]:
        for source, targets in sources:
            kept = np.flatnonzero(targets >= 0)
            if not kept.size:
                continue
            new_rows = targets.tolist()
            statement = "SELECT row, document, uri, metadata FROM rows WHERE row BETWEEN ? AND ? ORDER BY row"
            for row, document, uri, metadata in source.execute(statement, (int(kept[0]), int(kept[-1]))):
                target = new_rows[row]
                if target >= 0:
                    yield target, document, uri, metadata

    _in_transaction(connection, lambda: _write(connection, entries()))


def fetch(
    connection: sqlite3.Connection, rows: Sequence[int], *, documents: bool, uris: bool, metadatas: bool
) -> tuple[list[str | None] | None, list[str | None] | None, list[Metadata | None] | None]:
    """Texts of the named rows in the order of ``rows`` (which may repeat). A column that is not asked for is ``None``. Ten rows take about
    30 microseconds.
    """
    wanted = _COLUMNS[documents, uris, metadatas]
    if not wanted:
        return None, None, None
    columns: Iterator[Sequence[Any]] = zip(*_lookup(connection, wanted, rows), strict=True) if len(rows) else repeat((), 3)
    return (
        list(next(columns)) if documents else None,
        list(next(columns)) if uris else None,
        [None if text is None else orjson.loads(text) for text in next(columns)] if metadatas else None,
    )


def scan_contains(connection: sqlite3.Connection, needle: str, rows: Ints | None) -> Ints:
    """Rows (of ``rows``, or of all) whose document contains the needle exactly; ascending. "" is in every document."""
    statement = "SELECT row FROM rows WHERE instr(document, ?)"
    if rows is not None and _few(connection, rows):
        statement += " AND row IN (SELECT value FROM json_each(?))"
        return _numbers(connection, statement, needle, _dump(rows.tolist()))
    found = _numbers(connection, statement, needle)
    return found if rows is None else found[np.isin(found, rows, kind="table")]


def iter_documents(connection: sqlite3.Connection, rows: Ints | None) -> Iterator[tuple[int, str]]:
    """(row, document) of the rows (of ``rows``, or all) that have a document; ascending. Finish or close the iterator before the
    connection is used by another thread.
    """
    statement = "SELECT row, document FROM rows WHERE document IS NOT NULL"
    if rows is None:
        yield from connection.execute(statement + " ORDER BY row")
    elif _few(connection, rows):
        statement += " AND row IN (SELECT value FROM json_each(?)) ORDER BY row"
        yield from connection.execute(statement, (_dump(rows.tolist()),))
    else:
        wanted = np.zeros(int(rows.max(initial=-1)) + 1, dtype=np.bool_)
        wanted[rows] = True
        flags = wanted.tolist()
        statement += " AND row < ? ORDER BY row"
        for row, document in connection.execute(statement, (len(flags),)):
            if flags[row]:
                yield row, document


def _write(connection: sqlite3.Connection, entries: Iterator[tuple[int, str | None, str | None, str | None]]) -> None:
    connection.execute(_SCHEMA)
    connection.executemany(_INSERT, entries)


def _in_transaction(connection: sqlite3.Connection, work: Callable[[], None]) -> None:
    if connection.in_transaction:
        work()
        return
    connection.execute("BEGIN")
    try:
        work()
    except BaseException:
        connection.rollback()
        raise
    connection.commit()


def _lookup(connection: sqlite3.Connection, columns: str, rows: Sequence[int]) -> list[tuple[Any, ...]]:
    """The asked columns of each row, with ``None`` in each for a row without an entry."""
    rows = [int(row) for row in rows]
    nothing = (None,) * (columns.count(",") + 1)
    if len(rows) <= _MAX_SINGLE:
        statement = f"SELECT {columns} FROM rows WHERE row = ?"
        execute = connection.execute
        return [execute(statement, (row,)).fetchone() or nothing for row in rows]
    statement = f"SELECT {columns}, row FROM rows WHERE row IN (SELECT value FROM json_each(?))"
    found = {entry[-1]: entry[:-1] for entry in connection.execute(statement, (_dump(rows),))}
    return [found.get(row, nothing) for row in rows]


def _few(connection: sqlite3.Connection, rows: Ints) -> bool:
    """Whether so few rows are named that looking each up is cheaper than a pass over the table."""
    (last,) = connection.execute("SELECT max(row) FROM rows").fetchone()
    return last is not None and len(rows) * _LOOKUP_SHARE < last


def _dump(value: Any) -> str:
    # Metadata may be any mapping; orjson itself knows only dict.
    return orjson.dumps(value, default=dict).decode()


def _numbers(connection: sqlite3.Connection, statement: str, *values: object) -> Ints:
    """The column ``row`` of a statement, ascending. As one text: quicker than row by row, and the interpreter is free meanwhile."""
    (text,) = connection.execute(f"SELECT group_concat(row) FROM ({statement} ORDER BY row)", values).fetchone()
    return np.fromstring(text or "", dtype=np.int64, sep=",")
