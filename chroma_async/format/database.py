"""Stored files that are SQLite databases, as code sees them that fills or asks them in SQL.

Opening, sharing, committing and closing them is the segment store's, and so is what an error of SQLite means.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol


class Answer(Protocol):
    """What a statement gives, row by row."""

    def fetchone(self) -> Any:
        """The next row, a tuple; ``None`` after the last."""

    def __iter__(self) -> Iterator[Any]:
        """The rows that are left."""


class ReadableDatabase(Protocol):
    """A database that nobody changes; one thread at a time."""

    def execute(self, sql: str, values: Sequence[Any] = (), /) -> Answer:
        """One statement with its values. Finish or drop the answer before another thread has the database."""


class WritableDatabase(ReadableDatabase, Protocol):
    """A database under construction. All that is written to it is one transaction, which whoever made it commits."""

    def executemany(self, sql: str, values: Iterable[Sequence[Any]], /) -> object:
        """One statement for each of ``values``, which may be made one by one."""
