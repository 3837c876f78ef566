"""Nearest neighbours: every part is searched, exactly or through its graph, and the winners are merged and fetched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from chroma_async.engine.read.get import allowed_parts, rows_at
from chroma_async.engine.read.nearest import NearestRequest, Searchable, nearest
from chroma_async.engine.read.text_candidates import confirmed, may_be_approximate, with_spare
from chroma_async.engine.snapshot.memtable import MemtableView
from chroma_async.engine.snapshot.version import Part, Places, Version
from chroma_async.errors import InvalidArgumentError, InvalidDimensionException
from chroma_async.format.bitmap import Bitmap
from chroma_async.index.base import SegmentVectors, VectorChunk
from chroma_async.query_language.filter_ast import Filter
from chroma_async.types import Floats, IncludeField, Ints, Rows

#: Rows found for one query, nearest first, and their distances ``(n,)`` float32.
FoundRows: TypeAlias = tuple[Places, Floats]


def query(version: Version, request: NearestRequest, filter: Filter | None, ids: Sequence[str] | None) -> list[Rows]:
    """min(k, matching rows) rows for each query, nearest first, ties by first insertion.

    :raises InvalidDimensionException: the queries' length differs from the collection's dimension.
    :raises InvalidArgumentError: ``ids`` names an absent id and there is no filter (Chroma's "Error finding id"),
        or a query holds a number that is not finite.
    """
    finite = np.isfinite(request.queries)
    if not finite.all():
        row, place = np.argwhere(~finite)[0]
        raise InvalidArgumentError(f"query_embeddings: row {row} is not finite at index {place}: {request.queries[row, place]}")
    if version.dimension is None:
        return [_empty(request.include) for _ in request.queries]
    check_dimension(version, request.queries)
    if ids is not None and filter is None:
        _all_present(version, ids)
    found: list[FoundRows] | None = None
    if filter is not None and request.k and may_be_approximate(filter):
        with_others = replace(request, k=with_spare(request.k))
        approximate = allowed_parts(version, filter, ids, approximate=True)
        found = confirmed(version, filter, nearest_rows(version, with_others, approximate), request.k)
    if found is None:
        found = nearest_rows(version, request, allowed_parts(version, filter, ids) if request.k else [])
    near_enough = found if request.max_distance is None else [_within(rows, request.max_distance) for rows in found]
    return _fetch(version, near_enough, request.include)


def _within(found: FoundRows, max_distance: float) -> FoundRows:
    places, distances = found
    near = distances <= max_distance
    return places.at(near), distances[near]


def _all_present(version: Version, ids: Sequence[str]) -> None:
    present = version.find(ids).present
    if not present.all():
        absent = ids[int(np.flatnonzero(~present)[0])]
        raise InvalidArgumentError(f"Error finding id: {absent!r} is not in the collection")


def check_dimension(version: Version, queries: Floats) -> None:
    """:raises InvalidDimensionException: the queries' length differs from the collection's dimension, which is known."""
    if len(queries) and queries.shape[1] != version.dimension:
        raise InvalidDimensionException.of(version.dimension, queries.shape[1])


def nearest_rows(version: Version, request: NearestRequest, allowed: Sequence[Bitmap | None]) -> list[FoundRows]:
    """The best ``k`` rows of all parts for each query, nearest first, ties by first insertion, with their distances.

    :param allowed: what :func:`~chroma_async.engine.read.get.allowed_parts` gave.
    """
    n_results = min(request.k, version.count)
    if n_results == 0:
        return [(_no_places(), np.empty(0, dtype=np.float32)) for _ in request.queries]
    possible = request if n_results == request.k else replace(request, k=n_results)
    found: list[list[tuple[int, Ints, Floats]]] = [[] for _ in request.queries]
    for number, (part, chosen) in enumerate(zip(version.parts, allowed, strict=True)):
        if not part.rows:
            continue
        for best, (positions, distances) in zip(found, nearest(possible, _searchable(part), chosen), strict=True):
            if len(positions):
                best.append((number, positions, distances))
    return [_merge(version, best, n_results) for best in found]


def _searchable(part: Part) -> Searchable:
    if isinstance(part, MemtableView):
        return Searchable(SegmentVectors([VectorChunk(0, part.vectors, part.norms)], part.vectors.shape[1]), order=part.borns)
    return Searchable(part.segment.vectors, part.segment.graph, part.segment.codes, part.segment.tie_order)


def _merge(version: Version, best: list[tuple[int, Ints, Floats]], n_results: int) -> FoundRows:
    if not best:
        return _no_places(), np.empty(0, dtype=np.float32)
    if len(best) == 1:
        ((number, positions, distances),) = best
        return Places(np.full(len(positions), number, dtype=np.int64), positions), distances
    places = Places(
        np.concatenate([np.full(len(positions), number, dtype=np.int64) for number, positions, _ in best]),
        np.concatenate([positions for _, positions, _ in best]),
    )
    distances = np.concatenate([distances for _, _, distances in best])
    order = np.argsort(distances, kind="stable")
    ascending = distances[order]
    if (ascending[1:] == ascending[:-1]).any():
        order = np.lexsort((version.borns_at(places), distances))
    order = order[:n_results]
    return places.at(order), distances[order]


def _fetch(version: Version, candidates: list[FoundRows], include: Sequence[IncludeField]) -> list[Rows]:
    """One pass over the documents for the winners of all queries."""
    if not candidates:
        return []
    if len(candidates) == 1:
        ((places, distances),) = candidates
        return [rows_at(version, places, include, distances)]
    together = Places(
        np.concatenate([places.part for places, _ in candidates]), np.concatenate([places.position for places, _ in candidates])
    )
    rows = rows_at(version, together, include)
    answers: list[Rows] = []
    start = 0
    for places, distances in candidates:
        stop = start + len(places)
        answers.append(
            Rows(
                ids=rows.ids[start:stop],
                embeddings=None if rows.embeddings is None else rows.embeddings[start:stop],
                documents=None if rows.documents is None else rows.documents[start:stop],
                uris=None if rows.uris is None else rows.uris[start:stop],
                metadatas=None if rows.metadatas is None else rows.metadatas[start:stop],
                distances=distances if "distances" in include else None,
            )
        )
        start = stop
    return answers


def _no_places() -> Places:
    return Places(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))


def _empty(include: Sequence[IncludeField]) -> Rows:
    return Rows(
        ids=[],
        embeddings=np.empty((0, 0), dtype=np.float32) if "embeddings" in include else None,
        documents=[] if "documents" in include else None,
        uris=[] if "uris" in include else None,
        metadatas=[] if "metadatas" in include else None,
        distances=np.empty(0, dtype=np.float32) if "distances" in include else None,
    )
