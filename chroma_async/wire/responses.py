"""Answers that carry records: the server's :func:`encode_records` and :func:`encode_neighbours`, and the client's way back.

A column that was not included is null; one that was has null where a record lacks it. float32 values are written as the shortest text
that reads back the same; a distance that is not finite is null.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from chroma_async.costs import INLINE_US, WRITE_CHARACTER, WRITE_NUMBER, WRITE_ROW, WRITE_VALUE
from chroma_async.types import Floats, IncludeField, Json, Neighbours, RecordBatch, Records, Rows, SearchRows
from chroma_async.wire.answers import read_answer
from chroma_async.wire.body import dump_json, optional_objects, optional_strings, optional_text, strings, unexpected


def encode_records(records: Records) -> bytes:
    """The answer to get."""
    rows = records.rows
    # A member that old clients never asked for, and never see.
    ours = {} if records.cursor is None else {"cursor": records.cursor}
    return dump_json(
        ours
        | {
            "ids": rows.ids,
            "embeddings": _contiguous(rows.embeddings),
            "documents": rows.documents,
            "uris": rows.uris,
            "metadatas": rows.metadatas,
            "include": records.include,
        }
    )


def encode_neighbours(neighbours: Neighbours) -> bytes:
    """The answer to query: each included column a list with one list per query."""
    queries, include = neighbours.queries, neighbours.include
    return dump_json(
        {
            "ids": [rows.ids for rows in queries],
            "embeddings": [_contiguous(rows.embeddings) for rows in queries] if "embeddings" in include else None,
            "documents": [rows.documents for rows in queries] if "documents" in include else None,
            "uris": [rows.uris for rows in queries] if "uris" in include else None,
            "metadatas": [rows.metadatas for rows in queries] if "metadatas" in include else None,
            "distances": [_contiguous(rows.distances) for rows in queries] if "distances" in include else None,
            "include": include,
        }
    )


def encode_searches(answers: Sequence[SearchRows]) -> bytes:
    """The answer to search: each column a list with one list per search, or null where the search did not select it."""
    return dump_json(
        {
            "ids": [answer.rows.ids for answer in answers],
            "documents": [answer.rows.documents for answer in answers],
            "embeddings": [_contiguous(answer.rows.embeddings) for answer in answers],
            "metadatas": [answer.rows.metadatas for answer in answers],
            "scores": [_contiguous(answer.scores) for answer in answers],
            "select": [answer.select for answer in answers],
        }
    )


def encoding_us(rows: Rows | RecordBatch) -> float:
    """What writing these records as JSON costs in microseconds. Cheap: it reads lengths, of no more than could be written at once."""
    numbers = 0 if rows.embeddings is None else rows.embeddings.size
    cost_us = WRITE_ROW * len(rows.ids) + WRITE_NUMBER * numbers
    if cost_us <= INLINE_US:
        cost_us += WRITE_CHARACTER * sum(map(len, filter(None, rows.documents or ())))
        cost_us += WRITE_VALUE * sum(map(len, filter(None, rows.metadatas or ())))
    return cost_us


def decode_records(raw: bytes) -> Records:
    """The answer to get. :raises ProtocolError: it is none."""
    return read_answer(raw, "a get result", records_of)


def decode_neighbours(raw: bytes) -> Neighbours:
    """The answer to query. :raises ProtocolError: it is none."""
    return read_answer(raw, "a query result", _neighbours)


def decode_searches(raw: bytes) -> list[SearchRows]:
    """The answer to search. :raises ProtocolError: it is none."""
    return read_answer(raw, "a search result", _searches)


def _contiguous(values: Floats | None) -> Floats | None:
    return None if values is None else np.ascontiguousarray(values)


def records_of(value: Json) -> Records:
    """The records in an answer to get, or to a conditional get."""
    ids = strings(value["ids"], "ids")
    return Records(
        Rows(
            ids=ids,
            embeddings=_matrix(value.get("embeddings"), len(ids)),
            documents=_column(optional_strings(value.get("documents"), "documents"), len(ids)),
            uris=_column(optional_strings(value.get("uris"), "uris"), len(ids)),
            metadatas=_column(optional_objects(value.get("metadatas"), "metadatas"), len(ids)),
        ),
        _include(value),
        optional_text(value.get("cursor"), "cursor"),
    )


def _neighbours(value: Json) -> Neighbours:
    columns = {name: value.get(name) for name in ("embeddings", "documents", "uris", "metadatas", "distances")}
    queries = []
    for index, found in enumerate(_lists(value["ids"], "ids")):
        ids = strings(found, f"ids[{index}]")
        part = {name: None if column is None else _lists(column, name)[index] for name, column in columns.items()}
        queries.append(
            Rows(
                ids=ids,
                embeddings=_matrix(part["embeddings"], len(ids)),
                documents=_column(optional_strings(part["documents"], "documents"), len(ids)),
                uris=_column(optional_strings(part["uris"], "uris"), len(ids)),
                metadatas=_column(optional_objects(part["metadatas"], "metadatas"), len(ids)),
                distances=_numbers(part["distances"], len(ids)),
            )
        )
    return Neighbours(queries, _include(value))


def _searches(value: Json) -> list[SearchRows]:
    answers = []
    for index, found in enumerate(_lists(value["ids"], "ids")):
        ids = strings(found, f"ids[{index}]")
        documents, embeddings, metadatas, scores = (
            _lists(value[name], name)[index] for name in ("documents", "embeddings", "metadatas", "scores")
        )
        rows = Rows(
            ids=ids,
            embeddings=_matrix(embeddings, len(ids)),
            documents=_column(optional_strings(documents, "documents"), len(ids)),
            metadatas=_column(optional_objects(metadatas, "metadatas"), len(ids)),
        )
        answers.append(SearchRows(rows, _numbers(scores, len(ids)), tuple(strings(value["select"][index], "select"))))
    return answers


def _lists(value: Json, path: str) -> list[Any]:
    if type(value) is not list:
        raise unexpected(path, "a list", value)
    return value


def _column(values: list[Any] | None, rows: int) -> list[Any] | None:
    if values is not None and len(values) != rows:
        raise ValueError(f"a column of {len(values)} values for {rows} ids")
    return values


def _numbers(values: list[Any] | None, rows: int) -> Floats | None:
    """One number for each row; null is not finite."""
    return None if values is None else _floats(_column(values, rows), 1)


def _matrix(values: list[Any] | None, rows: int) -> Floats | None:
    if values is None:
        return None
    vectors = _floats(_column(values, rows), 2 if rows else 1)
    return vectors if rows else vectors.reshape(0, 0)


def _floats(values: list[Any] | None, axes: int) -> Floats:
    floats = np.array(values, dtype=np.float32)
    if floats.ndim != axes:
        raise ValueError(f"numbers of shape {floats.shape}")
    return floats


def _include(value: Json) -> tuple[IncludeField, ...]:
    include = value.get("include")
    return cast("tuple[IncludeField, ...]", () if include is None else tuple(strings(include, "include")))
