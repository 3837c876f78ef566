"""Sparse search over postings, exact: the distance of a row is 1 - q.d over the indices (*terms*) that query and row share.

A row that shares no term is not found, however many are asked for. Sums are float64, in the order of the query's terms; distances are
float32.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from chroma_async.format.frame import Array
from chroma_async.format.postings import KeyPostings, Terms
from chroma_async.types import Bools, Floats, Ints

Weights = npt.NDArray[np.float64]

_FLOAT32_MOST = float(np.finfo(np.float32).max)
#: With this many rows for each posting read, sorting the postings costs less than one sum per row.
_ROWS_PER_POSTING = 32


def count_alive(postings: KeyPostings, terms: Terms, alive: Bools | None) -> tuple[int, Ints]:
    """How many rows hold the key, and how many of them have each term; only those in ``alive`` where it is given."""
    begin, end = postings.spans(terms)
    if alive is None:
        return len(postings.holders), end - begin
    spans = zip(begin.tolist(), end.tolist(), strict=True)
    counts = np.array([np.count_nonzero(alive.take(postings.at[start:stop])) for start, stop in spans], np.int64)
    return int(np.count_nonzero(alive.take(postings.holders))), counts


def distances(postings: KeyPostings, terms: Terms, weights: Weights, allowed: Bools | None) -> tuple[Ints, Floats]:
    """The rows that share a term with the query, ascending, and the distance of each.

    :param weights: the query's weight of each term.
    :param allowed: one bool per row; ``None``: all rows.
    """
    begin, end = postings.spans(terms)
    # numpy indexes by 64-bit integers only: converted once here rather than at each use.
    at = _joined(postings.at, begin, end).astype(np.int64)
    shares = _joined(postings.weights, begin, end).astype(np.float64) * np.repeat(weights, end - begin)
    if len(at) * _ROWS_PER_POSTING < postings.rows:
        rows, places = np.unique(at, return_inverse=True)
        products = np.bincount(places, shares, len(rows))
        chosen = slice(None) if allowed is None else allowed[rows]
        found, products = rows[chosen], products[chosen]
    else:
        sums = np.bincount(at, shares, postings.rows)
        if shares.min(initial=1.0) > 0:
            touched = sums > 0  # as good as marking the rows, and cheaper
        else:
            touched = np.zeros(postings.rows, np.bool_)
            touched[at] = True
        if allowed is not None:
            touched &= allowed
        found = np.flatnonzero(touched)
        products = sums[found]
    # Products of float32 values cannot overflow float64, but may be beyond float32.
    return found, np.clip(1.0 - products, -_FLOAT32_MOST, _FLOAT32_MOST).astype(np.float32)


def _joined(column: Array, begin: Ints, end: Ints) -> Array:
    """The spans of a column, one after the other."""
    spans = [column[start:stop] for start, stop in zip(begin.tolist(), end.tolist(), strict=True) if start < stop]
    return np.concatenate(spans) if spans else column[:0]
