"""What "near" means: the three distances and the order of answers, in plain numpy.

==========  ======================  ==========================================
``l2``      ``sum((x - q)**2)``     squared, no root
``ip``      ``1 - x.q``             may be negative
``cosine``  ``1 - x.q / (|x||q|)``  exactly 1.0 when either vector is all zeros
==========  ======================  ==========================================

Values are float32 and smaller is closer. This module is the oracle that the fast kernels are tested against: it sums in float64 and rounds
once, so a kernel that sums in float32 differs from it by its own rounding only.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from chroma_async.types import Floats, Ints, Space

_Wide = npt.NDArray[np.float64]

#: Rows that are widened to float64 at a time.
_BLOCK_ROWS = 8192
#: So few values are sorted whole: choosing among them first would cost more.
_FEW = 256


def distances(space: Space, query: Floats, vectors: Floats) -> Floats:
    """The distance of every row of ``vectors`` ``(n, d)`` to ``query`` ``(d,)``, as float32 ``(n,)``.

    A value beyond the range of float32 becomes infinite.

    :raises ValueError: the shapes do not fit.
    """
    if query.ndim != 1 or vectors.ndim != 2 or vectors.shape[1] != query.shape[0]:
        raise ValueError(f"a query of shape {query.shape} cannot be compared with vectors of shape {vectors.shape}")
    found = np.empty(len(vectors), np.float32)
    wide = query.astype(np.float64)
    for start in range(0, len(vectors), _BLOCK_ROWS):
        rows = vectors[start : start + _BLOCK_ROWS].astype(np.float64)
        with np.errstate(over="ignore"):
            found[start : start + _BLOCK_ROWS] = _wide_distances(space, wide, rows)
    return found


def _wide_distances(space: Space, query: _Wide, rows: _Wide) -> _Wide:
    if space is Space.L2:
        difference = rows - query
        squares: _Wide = np.einsum("nd,nd->n", difference, difference)
        return squares
    products: _Wide = rows @ query
    if space is Space.IP:
        return 1.0 - products
    lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(query)
    cosines: _Wide = np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0)
    return 1.0 - cosines


def smallest(values: Floats, k: int, order: Ints | None = None) -> Ints:
    """Indexes of the ``min(k, n)`` smallest of ``values`` ``(n,)``, ascending; NaN counts as the largest.

    Equal values are taken and ordered by ``order`` ``(n,)``, or by index when it is ``None``, also at the cut: of 10,000 equal values the
    first ``k`` are chosen.
    """
    count = len(values)
    if k <= 0:
        return np.empty(0, np.int64)
    if count <= _FEW:
        return np.argsort(values, kind="stable")[:k] if order is None else np.lexsort((order, values))[:k]
    chosen: Ints = np.arange(count)
    if k < count:
        cut = values[np.argpartition(values, k - 1)[k - 1]]
        if np.isnan(cut):
            chosen = np.flatnonzero(~np.isnan(values))
            chosen = np.concatenate([chosen, _first(np.flatnonzero(np.isnan(values)), k - len(chosen), order)])
        else:
            below = np.flatnonzero(values < cut)
            chosen = np.concatenate([below, _first(np.flatnonzero(values == cut), k - len(below), order)])
    if order is None:
        chosen.sort()
        return chosen[np.argsort(values[chosen], kind="stable")]
    return chosen[np.lexsort((order[chosen], values[chosen]))]


def _first(tied: Ints, k: int, order: Ints | None) -> Ints:
    """``k`` of the indexes ``tied`` (ascending), the first by ``order``."""
    if order is None or k >= len(tied):
        return tied[:k]
    return tied[np.argpartition(order[tied], k)[:k]]


def exact_top_k(space: Space, queries: Floats, vectors: Floats, k: int) -> tuple[Ints, Floats]:
    """The ``min(k, n)`` nearest rows of ``vectors`` ``(n, d)`` for each of ``queries`` ``(m, d)``, nearest first, ties by row.

    Rows int64 and distances float32, each ``(m, min(k, n))``.
    """
    kept = max(0, min(k, len(vectors)))
    rows = np.empty((len(queries), kept), np.int64)
    values = np.empty((len(queries), kept), np.float32)
    for number, query in enumerate(queries):
        every = distances(space, query, vectors)
        rows[number] = smallest(every, kept)
        values[number] = every[rows[number]]
    return rows, values
