"""Searches: rows that pass a filter, scored by a rank expression, grouped, cut to a window, and reduced to what was selected.

The lowest score comes first, ties by first insertion. A search without a rank lists rows by age; their scores are their places 0, 1, ...
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np

from chroma_async.engine.read.get import allowed_parts, choose, rows_at
from chroma_async.engine.read.grouping import group
from chroma_async.engine.read.nearest import NearestRequest
from chroma_async.engine.read.query import check_dimension, nearest_rows
from chroma_async.engine.read.rank import Ranked, evaluate
from chroma_async.engine.read.sparse import sparse_knn
from chroma_async.engine.snapshot.version import Places, Version
from chroma_async.errors import InvalidArgumentError
from chroma_async.format.bitmap import Bitmap
from chroma_async.query_language.search_ast import METADATA, SCORE, SPECIAL_KEYS, DenseKnn, Search, SparseKnn, knns
from chroma_async.threads import Run
from chroma_async.types import DOCUMENT_KEY, EMBEDDING_KEY, Floats, IncludeField, Ints, Metadata, Rows, SearchRows


async def search_each(
    version: Version, requests: Sequence[Search], run: Run, at_once: int, dense: NearestRequest, sparse: Mapping[str, bool]
) -> list[SearchRows]:
    """The answer to each payload, all from one Version, in threads.

    :param run: a way to a worker thread; at most ``at_once`` payloads are on it at a time.
    :raises: as :func:`search`, for the first payload that fails; those after it may not be begun.
    """
    answers: dict[int, SearchRows] = {}
    failures: dict[int, Exception] = {}
    waiting = iter(enumerate(requests))

    async def work() -> None:
        for index, request in waiting:
            try:
                answers[index] = await run(search, version, request, f"searches[{index}]", dense, sparse)
            except Exception as error:
                failures[index] = error
            if failures:
                return

    await asyncio.gather(*(work() for _ in range(min(at_once, len(requests)))))
    if failures:
        raise failures[min(failures)]
    return [answers[index] for index in range(len(requests))]


def search(version: Version, request: Search, path: str, dense: NearestRequest, sparse: Mapping[str, bool]) -> SearchRows:
    """The answer to one payload. Blocking; for a worker thread.

    :param path: where the payload stands in the request, for messages.
    :param dense: how a dense ``$knn`` is answered; its vector and limit are put in.
    :param sparse: for each key of a sparse ``$knn``, whether its terms are weighted by their rarity (BM25).
    :raises InvalidDimensionException: a dense query's length differs from the collection's dimension.
    :raises InvalidArgumentError: the score of a row of the answer is not a finite number; names the rank node.
    """
    if version.dimension is None:
        return _selected(version, request, _NOWHERE, np.empty(0, dtype=np.float32))
    if request.rank is None:
        places = choose(version, request.filter, None, request.limit, request.offset)
        return _selected(version, request, places, np.arange(request.offset, request.offset + len(places)).astype(np.float32))
    for knn in knns(request.rank):
        if isinstance(knn, DenseKnn):
            check_dimension(version, knn.query[np.newaxis])
    numbers = Numbers(version)
    ranked = evaluate(request.rank, _Searcher(version, request, dense, sparse, numbers).knn, f"{path}.rank")
    rows, scores = ranked.support.rows, ranked.support.scores
    places = numbers.places(rows)
    order = np.lexsort((version.borns_at(places), scores))
    if request.group_by.aggregate is not None:
        _, _, metadatas = version.fetch(places.at(order), documents=False, uris=False, metadatas=True)
        order = order[group(request.group_by.keys, request.group_by.aggregate, metadatas or [], scores[order])]
    order = order[request.offset : None if request.limit is None else request.offset + request.limit]
    places, scores = places.at(order), scores[order]
    _all_finite(version, ranked, places, rows[order], scores)
    return _selected(version, request, places, scores)


class Numbers:
    """One number for each row of a Version: its position after all rows of the parts before."""

    def __init__(self, version: Version) -> None:
        rows = np.array([part.rows for part in version.parts], dtype=np.int64)
        self._starts: Ints = np.cumsum(rows) - rows

    def of(self, places: Places) -> Ints:
        """The number of each row; all must be present."""
        return self._starts[places.part] + places.position if len(places) else np.empty(0, dtype=np.int64)

    def places(self, numbers: Ints) -> Places:
        """The way back."""
        if not len(numbers):
            return _NOWHERE
        part = np.searchsorted(self._starts, numbers, side="right") - 1
        return Places(part, numbers - self._starts[part])


class _Searcher:
    """Answers the nearest-neighbour searches of one payload, which share its filter. Equal ones are made once."""

    def __init__(self, version: Version, request: Search, dense: NearestRequest, sparse: Mapping[str, bool], numbers: Numbers) -> None:
        self._version = version
        self._request = request
        self._dense = dense
        self._sparse = sparse
        self._numbers = numbers
        self._made: dict[tuple[str, int, bytes, bytes], tuple[Ints, Floats]] = {}

    @cached_property
    def _allowed(self) -> Sequence[Bitmap | None]:
        return allowed_parts(self._version, self._request.filter, None)

    def knn(self, knn: DenseKnn | SparseKnn) -> tuple[Ints, Floats]:
        """The numbers of the rows found, nearest first, and their distances."""
        query = (b"", knn.query.tobytes()) if isinstance(knn, DenseKnn) else (knn.indices.tobytes(), knn.values.tobytes())
        key = (knn.key, knn.limit, *query)
        if key not in self._made:
            places, distances = self._search(knn)
            self._made[key] = self._numbers.of(places), distances
        return self._made[key]

    def _search(self, knn: DenseKnn | SparseKnn) -> tuple[Places, Floats]:
        version = self._version
        limit = min(knn.limit, version.count)
        if not limit:
            return _NOWHERE, np.empty(0, dtype=np.float32)
        if isinstance(knn, SparseKnn):
            return sparse_knn(version, knn.key, knn.indices.tolist(), knn.values.tolist(), limit, self._allowed, self._sparse[knn.key])
        return nearest_rows(version, replace(self._dense, queries=knn.query[np.newaxis], k=limit), self._allowed)[0]


def _all_finite(version: Version, ranked: Ranked, places: Places, rows: Ints, scores: Floats) -> None:
    finite = np.isfinite(scores)
    if not finite.all():
        at = int(np.argmin(finite))
        id = version.ids_at(places.at(np.array([at])))[0]
        raise InvalidArgumentError(
            f"{ranked.culprit(int(rows[at]))}: the score of record {id!r} is {scores[at]}, no finite number; "
            "a division by zero, or a value out of the range of float32 or of the logarithm"
        )


def _selected(version: Version, request: Search, places: Places, scores: Floats) -> SearchRows:
    """The rows with the selected columns."""
    select = request.select
    fields = [key for key in select if key not in SPECIAL_KEYS]
    include: list[IncludeField] = []
    if DOCUMENT_KEY in select:
        include.append("documents")
    if EMBEDDING_KEY in select:
        include.append("embeddings")
    if METADATA in select or fields:
        include.append("metadatas")
    rows = rows_at(version, places, include)
    metadatas = rows.metadatas
    if metadatas is not None:
        wanted = None if METADATA in select else fields
        metadatas = [_reduced(metadata, wanted) for metadata in metadatas]
    return SearchRows(
        Rows(ids=rows.ids, embeddings=rows.embeddings, documents=rows.documents, metadatas=metadatas),
        scores if SCORE in select else None,
        select,
    )


def _reduced(metadata: Metadata | None, fields: Sequence[str] | None) -> Metadata | None:
    """The named fields, or all; ``None`` when that is nothing."""
    if metadata and fields is not None:
        metadata = {key: metadata[key] for key in fields if key in metadata}
    return metadata or None


_NOWHERE = Places(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))
