"""Nearest neighbours: every part is searched, exactly or through its graph, and the winners are merged and fetched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from chroma_async.engine.read.get import allowed_parts, rows_at
from chroma_async.engine.read.nearest import nearest
from chroma_async.engine.read.search_plan import PlanSettings
from chroma_async.engine.read.text_candidates import confirmed, may_be_approximate, with_spare
from chroma_async.engine.snapshot.memtable import MemtableView
from chroma_async.engine.snapshot.version import Places, Version
from chroma_async.errors import InvalidArgumentError, InvalidDimensionException
from chroma_async.format.bitmap import Bitmap
from chroma_async.index.base import SegmentVectors, VectorChunk
from chroma_async.query_language.filter_ast import Filter
from chroma_async.types import Floats, IncludeField, Ints, Rows, Space


def query(
    version: Version,
    space: Space,
    queries: Floats,
    n_results: int,
    filter: Filter | None,
    ids: Sequence[str] | None,
    include: Sequence[IncludeField],
    settings: PlanSettings,
    ef_search: int = 0,
    max_distance: float | None = None,
    exact: bool = False,
) -> list[Rows]:
    """min(n_results, matching rows) rows for each query, nearest first, ties by first insertion.

    :param queries: ``(m, dimension)`` float32.
    :param ef_search: the least effort of a graph search.
    :param max_distance: rows farther than this are left out.
    :param exact: compare with every matching row, whatever graphs there are.
    :raises InvalidDimensionException: the queries' length differs from the collection's dimension.
    :raises InvalidArgumentError: ``ids`` names an absent id and there is no filter (Chroma's "Error finding id").
    """
    if version.dimension is None:
        return [_empty(include) for _ in queries]
    check_dimension(version, queries)
    if ids is not None and filter is None:
        _all_present(version, ids)
    candidates: list[tuple[Places, Floats]] | None = None
    if filter is not None and n_results and may_be_approximate(filter):
        approximate = allowed_parts(version, filter, ids, approximate=True)
        found = nearest_rows(version, space, queries, with_spare(n_results), approximate, settings, ef_search, exact)
        candidates = confirmed(version, filter, found, n_results)
    if candidates is None:
        allowed = allowed_parts(version, filter, ids) if n_results else []
        candidates = nearest_rows(version, space, queries, n_results, allowed, settings, ef_search, exact)
    if max_distance is not None:
        candidates = [(places.at(near), distances[near]) for places, distances in candidates for near in [distances <= max_distance]]
    return _fetch(version, candidates, include)


def _all_present(version: Version, ids: Sequence[str]) -> None:
    present = version.find(ids).present
    if not present.all():
        absent = ids[int(np.flatnonzero(~present)[0])]
        raise InvalidArgumentError(f"Error finding id: {absent!r} is not in the collection")


def check_dimension(version: Version, queries: Floats) -> None:
    """:raises InvalidDimensionException: the queries' length differs from the collection's dimension, which is known."""
    if len(queries) and queries.shape[1] != version.dimension:
        raise InvalidDimensionException(f"Collection expecting embedding with dimension of {version.dimension}, got {queries.shape[1]}")


def nearest_rows(
    version: Version,
    space: Space,
    queries: Floats,
    n_results: int,
    allowed: Sequence[Bitmap | None],
    settings: PlanSettings,
    ef_search: int,
    exact: bool = False,
) -> list[tuple[Places, Floats]]:
    """The best ``n_results`` rows of all parts for each query, nearest first, ties by first insertion, with their distances.

    :param allowed: what :func:`~chroma_async.engine.read.get.allowed_parts` gave.
    """
    n_results = min(n_results, version.count)
    if n_results == 0:
        return [(_no_places(), np.empty(0, dtype=np.float32)) for _ in queries]
    found: list[list[tuple[int, Ints, Floats]]] = [[] for _ in queries]
    for number, (part, chosen) in enumerate(zip(version.parts, allowed, strict=True)):
        if not part.rows:
            continue
        if isinstance(part, MemtableView):
            vectors = SegmentVectors([VectorChunk(0, part.vectors, part.norms)], part.vectors.shape[1])
            results = nearest(space, queries, n_results, vectors, None, chosen, settings, order=part.borns)
        else:
            segment = part.segment
            results = nearest(
                space,
                queries,
                n_results,
                segment.vectors,
                None if exact else segment.graph,
                chosen,
                settings,
                codes={} if exact else segment.codes,
                order=segment.tie_order,
                ef_search=ef_search,
            )
        for best, (positions, distances) in zip(found, results, strict=True):
            if len(positions):
                best.append((number, positions, distances))
    return [_merge(version, best, n_results) for best in found]


def _merge(version: Version, best: list[tuple[int, Ints, Floats]], n_results: int) -> tuple[Places, Floats]:
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


def _fetch(version: Version, candidates: list[tuple[Places, Floats]], include: Sequence[IncludeField]) -> list[Rows]:
    """One pass over the documents for the winners of all queries."""
    if not candidates:
        return []
    if len(candidates) == 1:
        ((places, distances),) = candidates
        return [replace(rows_at(version, places, include), distances=distances if "distances" in include else None)]
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
