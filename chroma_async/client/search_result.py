"""What a search hands back, as chromadb's does: columns with one entry per search, or rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chroma_async.client.results import with_sparse_vectors
from chroma_async.costs import CONVERT_NUMBER, RESULT_ROW
from chroma_async.types import SearchRows


class SearchResult(dict[str, Any]):
    """One entry per search under each of ``ids``, ``documents``, ``embeddings``, ``metadatas``, ``scores`` and ``select``.

    An entry is a list with one item per record, the lowest score first; ``None`` for a column that the search did not select. ``select``
    has the sorted keys that it did.
    """

    def rows(self) -> list[list[dict[str, Any]]]:
        """Per search its records, each a dict of ``id`` and, of document, embedding, metadata and score, what it has."""
        columns = [self[name] for name, _ in _ROW_FIELDS]
        return [_search_rows(*entries) for entries in zip(*columns, strict=True)]


#: Column of a search result -> what a row calls it.
_ROW_FIELDS = (("ids", "id"), ("documents", "document"), ("embeddings", "embedding"), ("metadatas", "metadata"), ("scores", "score"))


def search_result(answers: Sequence[SearchRows]) -> SearchResult:
    """The dict for the answers to some searches. Vectors and scores are lists of Python floats."""
    return SearchResult(
        ids=[answer.rows.ids for answer in answers],
        documents=[answer.rows.documents for answer in answers],
        embeddings=[None if answer.rows.embeddings is None else answer.rows.embeddings.tolist() for answer in answers],
        metadatas=[None if answer.rows.metadatas is None else with_sparse_vectors(answer.rows.metadatas) for answer in answers],
        scores=[None if answer.scores is None else answer.scores.tolist() for answer in answers],
        select=[list(answer.select) for answer in answers],
    )


def search_result_us(answers: Sequence[SearchRows]) -> float:
    """What :func:`search_result` costs in microseconds."""
    numbers = sum(answer.rows.embeddings.size for answer in answers if answer.rows.embeddings is not None)
    return CONVERT_NUMBER * numbers + RESULT_ROW * sum(len(answer.rows.ids) for answer in answers)


def _search_rows(ids: list[str], *columns: list[Any] | None) -> list[dict[str, Any]]:
    names = [name for _, name in _ROW_FIELDS]
    filled = [ids, *([None] * len(ids) if column is None else column for column in columns)]
    return [{name: value for name, value in zip(names, values, strict=True) if value is not None} for values in zip(*filled, strict=True)]
