"""The documents file: texts come back exactly, and a scan finds exactly the documents that contain the needle."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain, starmap
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chroma_async.format import documents
from chroma_async.types import Metadata

Row = tuple[int, str | None, str | None, Metadata | None]

ROWS: list[Row] = [
    (0, "plain", "file:///a", {"i": 2**63 - 1, "f": 1.0, "b": True, "s": "é", "l": [1, 2]}),
    (1, None, None, None),
    (2, "", None, {}),
    (3, "nul\x00inside", None, None),
    (4, "100%_sure\\", "u", None),
    (5, "日本語 😀 e\u0301", None, {"k\x00": "v\x00"}),
    (6, None, "only uri", None),
    (7, None, None, {"only": "metadata"}),
    (8, "Plain", None, None),
]


@pytest.fixture
def filled(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """The rows above, committed, and opened again immutable."""
    path = tmp_path / "documents"
    writer = sqlite3.connect(path)
    documents.fill(writer, iter(ROWS))
    writer.commit()
    writer.close()
    reader = sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)
    yield reader
    reader.close()


def memory(rows: list[Row]) -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    documents.fill(connection, rows)
    return connection


def test_rows_come_back_in_the_order_asked_for(filled: sqlite3.Connection) -> None:
    order = [8, 0, 1, 5, 5, 2, 3, 4, 6, 7]
    texts, uris, metadatas = documents.fetch(filled, order, documents=True, uris=True, metadatas=True)
    assert texts == [ROWS[row][1] for row in order]
    assert uris == [ROWS[row][2] for row in order]
    assert repr(metadatas) == repr([ROWS[row][3] for row in order])


def test_many_rows_come_back_in_the_order_asked_for(filled: sqlite3.Connection) -> None:
    order = [8, 0, 1, 5] * 50
    texts, _, metadatas = documents.fetch(filled, np.array(order), documents=True, uris=False, metadatas=True)  # type: ignore[arg-type]
    assert texts == [ROWS[row][1] for row in order]
    assert metadatas == [ROWS[row][3] for row in order]


def test_columns_not_asked_for_are_none(filled: sqlite3.Connection) -> None:
    assert documents.fetch(filled, [0], documents=False, uris=False, metadatas=False) == (None, None, None)
    assert documents.fetch(filled, [0], documents=False, uris=True, metadatas=False) == (None, ["file:///a"], None)
    assert documents.fetch(filled, [], documents=True, uris=False, metadatas=True) == ([], None, [])


@pytest.mark.parametrize("needle", ["", "plain", "Plain", "PLAIN", "\x00", "l\x00i", "%", "_", "0%_", "\\", "😀", "e\u0301", "é", "本語 "])
def test_a_scan_finds_exactly_the_documents_that_contain_the_needle(filled: sqlite3.Connection, needle: str) -> None:
    expected = [row for row, document, _, _ in ROWS if document is not None and needle in document]
    assert documents.scan_contains(filled, needle, None).tolist() == expected
    chosen = np.array([0, 2, 3, 5], dtype=np.int64)
    assert documents.scan_contains(filled, needle, chosen).tolist() == [row for row in expected if row in chosen]
    assert documents.scan_contains(filled, needle, np.zeros(0, dtype=np.int64)).tolist() == []


def test_a_scan_of_few_rows_and_of_many_agree() -> None:
    connection = memory([(row, f"document {row % 7}", None, None) for row in range(2000)])
    for count in (1, 30, 249, 250, 1500, 2000):
        rows = np.arange(0, 2000, 2000 // count, dtype=np.int64)[:count]
        expected = [row for row in rows.tolist() if row % 7 == 3]
        assert documents.scan_contains(connection, "ent 3", rows).tolist() == expected
        assert [row for row, text in documents.iter_documents(connection, rows) if text.endswith("3")] == expected
        assert sum(1 for _ in documents.iter_documents(connection, rows)) == len(rows)


def test_iterating_gives_the_rows_that_have_a_document(filled: sqlite3.Connection) -> None:
    expected = [(row, document) for row, document, _, _ in ROWS if document is not None]
    assert list(documents.iter_documents(filled, None)) == expected
    assert list(documents.iter_documents(filled, np.array([0, 1, 2]))) == [(0, "plain"), (2, "")]
    assert list(documents.iter_documents(filled, np.zeros(0, dtype=np.int64))) == []


def test_a_copy_moves_rows_to_their_targets_and_drops_the_rest() -> None:
    left, right = memory(ROWS[:4]), memory([(row - 4, *rest) for row, *rest in ROWS[4:]])  # type: ignore[misc]
    merged = sqlite3.connect(":memory:", isolation_level=None)
    sources = [(left, np.array([2, -1, 0, 1])), (right, np.array([-1, 5, 4, 6, 3]))]
    documents.copy(merged, chain.from_iterable(starmap(documents.renumbered, sources)))
    texts, uris, metadatas = documents.fetch(merged, range(7), documents=True, uris=True, metadatas=True)
    order = [2, 3, 0, 8, 6, 5, 7]
    assert texts == [ROWS[row][1] for row in order]
    assert uris == [ROWS[row][2] for row in order]
    assert repr(metadatas) == repr([ROWS[row][3] for row in order])


def test_a_transaction_is_left_to_the_caller_whether_the_fill_ends_or_fails() -> None:
    def failing() -> Iterator[Row]:
        yield 0, "x", None, None
        raise OSError("the source failed")

    connection = sqlite3.connect(":memory:", isolation_level=None)
    for rows in (iter(ROWS), failing()):
        connection.execute("BEGIN")
        with suppress(OSError):
            documents.fill(connection, rows)
        assert connection.in_transaction
        connection.rollback()
        assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)


@settings(deadline=None, derandomize=True, max_examples=200)
@given(st.lists(st.one_of(st.none(), st.text(alphabet="ab%_\x00é😀", max_size=6)), max_size=8), st.text(alphabet="ab%_\x00é😀", max_size=3))
def test_scanning_is_the_in_operator(stored: list[str | None], needle: str) -> None:
    connection = memory([(row, document, None, None) for row, document in enumerate(stored)])
    expected = [row for row, document in enumerate(stored) if document is not None and needle in document]
    assert documents.scan_contains(connection, needle, None).tolist() == expected
    connection.close()
