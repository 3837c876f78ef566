"""Nearest rows by sparse vector: every part's postings are searched, exactly, and the winners merged. Ties go by first insertion."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from chroma_async.engine.snapshot.version import Part, Places, Version
from chroma_async.format.bitmap import Bitmap
from chroma_async.format.postings import KeyPostings, Terms
from chroma_async.index.sparse import Weights, count_alive, distances
from chroma_async.types import Bools, Floats, Ints


def sparse_knn(
    version: Version,
    key: str,
    indices: Sequence[int],
    values: Sequence[float],
    limit: int,
    allowed: Sequence[Bitmap | None],
    bm25: bool,
) -> tuple[Places, Floats]:
    """The ``limit`` rows nearest to a sparse query, nearest first, and the distance of each (float32): 1 - q.d over shared indices.

    Rows that share no index with the query are not found, so there may be fewer. Blocking; for a worker thread.

    :param key: the metadata key that holds the rows' vectors.
    :param indices: below 2**32, strictly ascending. :param values: as many; finite in float32.
    :param allowed: per part of the version the rows that may be found, as :func:`chroma_async.engine.read.get.allowed_parts` gives them.
    :param bm25: multiply each query value by its term's inverse document frequency, ln((n - n_t + 0.5) / (n_t + 0.5) + 1), where n is
        the number of alive rows that hold the key and n_t of those that have the term, whatever ``allowed`` says.
    """
    terms = np.asarray(indices, np.uint32)
    weights = np.asarray(values, np.float32).astype(np.float64)
    if limit <= 0 or not len(terms):
        return _places([]), np.empty(0, np.float32)
    if bm25:
        weights = weights * _inverse_frequencies(version, key, terms)
    found: list[tuple[int, Ints]] = []
    scores: list[Floats] = []
    for number, (part, chosen) in enumerate(zip(version.parts, allowed, strict=True)):
        rows, distance = _search(part, key, terms, weights, chosen)
        best = _best(part, rows, distance, limit)
        found.append((number, rows[best]))
        scores.append(distance[best])
    places, together = _places(found), np.concatenate([np.empty(0, np.float32), *scores])
    order = np.lexsort((version.borns_at(places), together))[:limit]
    return places.at(order), together[order]


def _inverse_frequencies(version: Version, key: str, terms: Terms) -> Weights:
    """One factor per term, over all alive rows of the version."""
    holders, with_term = 0, np.zeros(len(terms), np.int64)
    for part in version.parts:
        alive = None if part.count == part.rows else part.alive.to_bools()
        for base, postings in _postings(part, key):
            counted = count_alive(postings, terms, _slice(alive, base, postings.rows))
            holders += counted[0]
            with_term += counted[1]
    return np.array([math.log((holders - count + 0.5) / (count + 0.5) + 1) for count in with_term.tolist()])


def _search(part: Part, key: str, terms: Terms, weights: Weights, allowed: Bitmap | None) -> tuple[Ints, Floats]:
    """All allowed rows of the part that share a term, with their distances."""
    mask = None if allowed is None else allowed.to_bools()
    rows: list[Ints] = [np.empty(0, np.int64)]
    scores: list[Floats] = [np.empty(0, np.float32)]
    for base, postings in _postings(part, key):
        found, distance = distances(postings, terms, weights, _slice(mask, base, postings.rows))
        rows.append(found + base)
        scores.append(distance)
    return np.concatenate(rows), np.concatenate(scores)


def _best(part: Part, rows: Ints, scores: Floats, limit: int) -> Ints:
    """Indices of the ``limit`` lowest scores, in any order; among equal ones those born first."""
    if len(rows) <= limit:
        return np.arange(len(rows))
    near = _near(scores, limit)
    bound = np.partition(scores[near], limit - 1)[limit - 1]
    below, level = near[scores[near] < bound], near[scores[near] == bound]
    room = limit - len(below)
    if room < len(level):
        level = level[np.argpartition(part.borns_at(rows[level]), room - 1)[:room]]
    return np.concatenate([below, level])


def _near(scores: Floats, limit: int) -> Ints:
    """Indices of at least the ``limit`` lowest scores with all that are equal to them; of few others when there are many scores."""
    width = len(scores) // (8 * limit)
    if width < 2:
        return np.arange(len(scores))
    # As many blocks of scores as the limit reach down to this, so at least that many scores are no higher.
    lows = scores[: len(scores) // width * width].reshape(-1, width).min(axis=1)
    return np.flatnonzero(scores <= np.partition(lows, limit - 1)[limit - 1])


def _postings(part: Part, key: str) -> Iterator[tuple[int, KeyPostings]]:
    """The postings of a key in a part, each with its first row."""
    for base, run in part.runs:
        postings = run.postings.of(key)
        if postings is not None:
            yield base, postings


def _slice(mask: Bools | None, start: int, rows: int) -> Bools | None:
    return None if mask is None else mask[start : start + rows]


def _places(found: Sequence[tuple[int, Ints]]) -> Places:
    nothing = np.empty(0, np.int64)
    return Places(
        np.concatenate([nothing, *(np.full(len(rows), number, np.int64) for number, rows in found)]),
        np.concatenate([nothing, *(rows for _, rows in found)]),
    )
