"""Arithmetic on scores: a rank expression over the records that its nearest-neighbour searches found.

A rank is a *support* (some records and their scores) and a default, the score of every other record; without a default there are no other
records. Combining two ranks takes, for a record that only one of them names, the default of the other, and drops the record where there is
none. All numbers are float32, as in Chroma. What cannot be computed (a division by zero, a number out of range) is infinite or NaN here and
becomes an error only when a record with such a score would be returned: :meth:`Ranked.culprit` says which node began it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from chroma_async.query_language.search_ast import DenseKnn, Fold, FoldOperator, Map, Pair, Rank, SparseKnn, Val
from chroma_async.types import Floats, Ints

#: Answers a nearest-neighbour search: the rows it found, nearest first, each once, and their distances.
Knn: TypeAlias = Callable[[DenseKnn | SparseKnn], tuple[Ints, Floats]]

_LARGEST = np.finfo(np.float32).max

#: Operator -> ufunc and the score that folding begins with.
_FOLDS: dict[FoldOperator, tuple[np.ufunc, Any]] = {
    "sum": (np.add, np.float32(0)),
    "mul": (np.multiply, np.float32(1)),
    # A NaN loses against any number.
    "max": (np.fmax, -_LARGEST),
    "min": (np.fmin, _LARGEST),
}
_PAIRS: dict[str, np.ufunc] = {"sub": np.subtract, "div": np.divide}
_MAPS: dict[str, np.ufunc] = {"abs": np.absolute, "exp": np.exp, "log": np.log}

_NO_ROWS: Ints = np.empty(0, dtype=np.int64)
_NO_SCORES: Floats = np.empty(0, dtype=np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Support:
    """``rows`` ascending, each once; ``scores`` ``(len(rows),)`` float32; ``default`` a float32 or ``None``."""

    rows: Ints
    scores: Floats
    default: Any = None

    @classmethod
    def everywhere(cls, score: Any) -> Support:
        """The same score for every record; names none."""
        return cls(_NO_ROWS, _NO_SCORES, np.float32(score))

    def map(self, function: np.ufunc) -> Support:
        """``function`` of each score."""
        return Support(self.rows, function(self.scores), None if self.default is None else function(self.default))

    def at(self, rows: Ints) -> Floats:
        """The score of each of ``rows``; every one is named here or there is a default."""
        if rows is self.rows:
            return self.scores
        scores = np.full(len(rows), 0 if self.default is None else self.default, dtype=np.float32)
        if len(self.rows):
            places = np.minimum(np.searchsorted(self.rows, rows), len(self.rows) - 1)
            named = self.rows[places] == rows
            scores[named] = self.scores[places[named]]
        return scores


@dataclass(frozen=True, slots=True, eq=False)
class Ranked:
    """A rank expression evaluated, with the parts it was made from. ``path`` is where it stands in the request."""

    path: str
    support: Support
    parts: tuple[Ranked, ...] = ()

    def culprit(self, row: int) -> str:
        """The innermost node at which the score of ``row``, which is not finite here, stopped being finite."""
        for part in self.parts:
            if not np.isfinite(part.support.at(np.array([row]))).all():
                return part.culprit(row)
        return self.path


def evaluate(rank: Rank, knn: Knn, path: str) -> Ranked:
    """
    :param knn: asked once for each ``$knn`` node, from left to right.
    :param path: where ``rank`` stands in the request, for :meth:`Ranked.culprit`.
    """
    with np.errstate(all="ignore"):
        return _evaluate(rank, knn, path)


def _evaluate(rank: Rank, knn: Knn, path: str) -> Ranked:
    match rank:
        case Val(value):
            return Ranked(f"{path}.$val", Support.everywhere(value))
        case DenseKnn() | SparseKnn():
            return Ranked(f"{path}.$knn", _found(rank, *knn(rank)))
        case Fold(operator, ranks):
            path = f"{path}.${operator}"
            parts = tuple(_evaluate(inner, knn, f"{path}[{index}]") for index, inner in enumerate(ranks))
            return Ranked(path, _folded([part.support for part in parts], *_FOLDS[operator]), parts)
        case Pair(operator, left, right):
            path = f"{path}.${operator}"
            parts = _evaluate(left, knn, f"{path}.left"), _evaluate(right, knn, f"{path}.right")
            return Ranked(path, _paired(parts[0].support, parts[1].support, _PAIRS[operator]), parts)
        case Map(operator, inner):
            path = f"{path}.${operator}"
            part = _evaluate(inner, knn, path)
            return Ranked(path, part.support.map(_MAPS[operator]), (part,))


def _found(knn: DenseKnn | SparseKnn, rows: Ints, distances: Floats) -> Support:
    scores = np.arange(len(rows), dtype=np.float32) if knn.return_rank else distances
    order = np.argsort(rows)
    return Support(rows[order], scores[order], None if knn.default is None else np.float32(knn.default))


def _folded(parts: list[Support], function: np.ufunc, start: Any) -> Support:
    rows, default = _known_to_all(parts), start
    scores: Floats = np.full(len(rows), start, dtype=np.float32)
    for part in parts:
        scores = function(scores, part.at(rows))
        default = None if default is None or part.default is None else function(default, part.default)
    return Support(rows, scores, default)


def _paired(left: Support, right: Support, function: np.ufunc) -> Support:
    rows = _known_to_all([left, right])
    default = None if left.default is None or right.default is None else function(left.default, right.default)
    return Support(rows, function(left.at(rows), right.at(rows)), default)


def _known_to_all(parts: list[Support]) -> Ints:
    """The rows that some part names and every part has a score for, ascending."""
    limiting = [part.rows for part in parts if part.default is None]
    if not limiting:
        return np.unique(np.concatenate([_NO_ROWS, *(part.rows for part in parts)]))
    rows = limiting[0]
    for other in limiting[1:]:
        rows = np.intersect1d(rows, other, assume_unique=True)
    return rows
