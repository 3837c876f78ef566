"""Rank expressions: ``Knn("a question") * 0.8 + Val(0.2)``. Lower scores are better; see :class:`~chroma_async.builders.search.Search`.

Immutable; the operators make new ones. Chains of ``+``, ``*``, ``max`` and ``min`` become one node.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, ClassVar, NamedTuple

import numpy as np

from chroma_async.builders.conditions import Key, key_text
from chroma_async.errors import ValidationError, ValidationTypeError
from chroma_async.plain import MAX_CONTAINERS, MAX_LEVELS, plain, plain_scalar, plain_text, said, shown
from chroma_async.refusing import guarded_class

DEFAULT_LIMIT = 16
RRF_K = 60
#: Lists and objects that an expression may nest. It stands in a search, and that in a list.
RANK_LEVELS = MAX_LEVELS - 2


class Size(NamedTuple):
    """What an expression will be as a request says it: how many lists and objects, and how many of them inside one another."""

    containers: int
    levels: int


@guarded_class
class Rank(ABC):
    """A score for some records. Made by :class:`Knn`, :class:`Val` and :class:`Rrf`, and combined by operators, also with numbers."""

    #: NumPy's numbers leave the operators to this class.
    __array_ufunc__: ClassVar[None] = None
    __slots__ = ()

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """The expression as a request says it."""

    @property
    def size(self) -> Size:
        """What it comes to. An expression that is used many times in another counts as often."""
        return Size(3, 3)

    @staticmethod
    def from_dict(data: Any) -> Rank:
        """The way back from :meth:`to_dict`; of ``$knn``, text is a query too.

        :raises ValidationTypeError: a part is of the wrong type.
        :raises ValidationError: an operator is unknown or not alone, a part is missing, a limit is not positive, or it nests too deep.
        """
        return _read(plain(data, "rank"))

    def __add__(self, other: Any) -> Rank:
        return _folded("$sum", self, other)

    def __radd__(self, other: Any) -> Rank:
        return _folded("$sum", other, self)

    def __mul__(self, other: Any) -> Rank:
        return _folded("$mul", self, other)

    def __rmul__(self, other: Any) -> Rank:
        return _folded("$mul", other, self)

    def __sub__(self, other: Any) -> Rank:
        return _paired("$sub", self, other)

    def __rsub__(self, other: Any) -> Rank:
        return _paired("$sub", other, self)

    def __truediv__(self, other: Any) -> Rank:
        return _paired("$div", self, other)

    def __rtruediv__(self, other: Any) -> Rank:
        return _paired("$div", other, self)

    def __neg__(self) -> Rank:
        return _Fold("$mul", (Val(-1), self))

    def __abs__(self) -> Rank:
        return self.abs()

    def abs(self) -> Rank:
        """Without sign."""
        return _Map("$abs", self)

    def exp(self) -> Rank:
        """e to this power."""
        return _Map("$exp", self)

    def log(self) -> Rank:
        """The natural logarithm."""
        return _Map("$log", self)

    def max(self, other: Any) -> Rank:
        """The higher of both. :raises ValidationTypeError: neither rank nor number."""
        return _Fold("$max", (*_chain("$max", self), *_chain("$max", _operand(other))))

    def min(self, other: Any) -> Rank:
        """The lower of both. :raises ValidationTypeError: neither rank nor number."""
        return _Fold("$min", (*_chain("$min", self), *_chain("$min", _operand(other))))


@guarded_class
@dataclass(frozen=True, slots=True)
class Val(Rank):
    """The same score for every record."""

    value: float

    def __post_init__(self) -> None:
        """:raises ValidationTypeError: no number."""
        object.__setattr__(self, "value", _number(self.value, "$val"))

    def to_dict(self) -> dict[str, Any]:
        return {"$val": self.value}


@guarded_class
@dataclass(frozen=True, slots=True)
class Knn(Rank):
    """The ``limit`` records nearest to a vector, scored by their distances.

    :param query: numbers, a sparse vector (an object or its dictionary), or text that the collection embeds.
    :param key: ``#embedding``, or for a sparse query a metadata key with a sparse index.
    :param default: the score of records beyond ``limit``; without one they drop out of the expression.
    :param return_rank: score by place (0, 1, ...) instead of distance.
    :raises ValidationError, ValidationTypeError: the arguments.
    """

    query: Any
    key: Any = Key.EMBEDDING.name
    limit: int = DEFAULT_LIMIT
    default: float | None = None
    return_rank: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "query", _query(self.query))
        object.__setattr__(self, "key", key_text(self.key, "$knn key"))
        object.__setattr__(self, "limit", whole(self.limit, "$knn limit", least=0))
        if self.default is not None:
            object.__setattr__(self, "default", _number(self.default, "$knn default"))
        if not isinstance(self.return_rank, bool):
            raise ValidationTypeError(f"$knn return_rank must be a bool, got {type(self.return_rank).__name__}")

    def to_dict(self) -> dict[str, Any]:
        body = {"query": self.query, "key": self.key, "limit": self.limit}
        if self.default is not None:
            body["default"] = self.default
        if self.return_rank:
            body["return_rank"] = True
        return {"$knn": body}


@guarded_class
@dataclass(frozen=True, slots=True)
class Rrf(Rank):
    """Reciprocal rank fusion: minus the sum of ``weight / (k + rank)``, best when the ranks are ``Knn(..., return_rank=True)``.

    :param k: how little the first places count more than the next.
    :param weights: one per rank; all 1 when absent.
    :param normalize: divide the weights by their sum.
    :raises ValidationError: there is no rank, ``k`` is not positive, or the weights do not fit.
    """

    ranks: Sequence[Rank]
    k: int = RRF_K
    weights: Sequence[float] | None = None
    normalize: bool = False

    @property
    def size(self) -> Size:
        return _around(self.ranks, containers=8 * len(self.ranks), levels=8)

    def __post_init__(self) -> None:
        ranks, weights = self.ranks, self.weights
        if isinstance(ranks, str | Mapping) or not isinstance(ranks, Sequence):
            raise ValidationTypeError(f"Rrf ranks must be a list, got {type(ranks).__name__}")
        if not ranks:
            raise ValidationError("RRF requires at least one rank")
        object.__setattr__(self, "ranks", tuple(_operand(rank) for rank in ranks))
        _check_size(self.size)
        object.__setattr__(self, "k", _number(self.k, "Rrf k"))
        if self.k <= 0:
            raise ValidationError(f"Rrf k: k must be positive, got {self.k}")
        if weights is None:
            return
        weights = tuple(_number(weight, "Rrf weight") for weight in weights)
        object.__setattr__(self, "weights", weights)
        if len(weights) != len(ranks):
            raise ValidationError(f"Rrf weights: Number of weights ({len(weights)}) must match number of ranks ({len(ranks)})")
        if any(weight < 0 for weight in weights):
            raise ValidationError(f"Rrf weights: All weights must be non-negative, got {list(weights)}")
        if self.normalize and not sum(weights) > 0:
            raise ValidationError("Rrf weights: Sum of weights must be positive when normalize=True, got 0")

    def to_dict(self) -> dict[str, Any]:
        weights = [1.0] * len(self.ranks) if self.weights is None else list(self.weights)
        if self.normalize:
            total = sum(weights)
            weights = [weight / total for weight in weights]
        terms = [weight / (self.k + rank) for weight, rank in zip(weights, self.ranks, strict=True)]
        return (-(terms[0] if len(terms) == 1 else _Fold("$sum", tuple(terms)))).to_dict()


@guarded_class
@dataclass(frozen=True, slots=True)
class _Fold(Rank):
    operator: str
    ranks: tuple[Rank, ...]
    size: Size = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", _check_size(_around(self.ranks, containers=2, levels=2)))

    def to_dict(self) -> dict[str, Any]:
        return {self.operator: [rank.to_dict() for rank in self.ranks]}


@guarded_class
@dataclass(frozen=True, slots=True)
class _Pair(Rank):
    operator: str
    left: Rank
    right: Rank
    size: Size = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", _check_size(_around((self.left, self.right), containers=2, levels=2)))

    def to_dict(self) -> dict[str, Any]:
        return {self.operator: {"left": self.left.to_dict(), "right": self.right.to_dict()}}


@guarded_class
@dataclass(frozen=True, slots=True)
class _Map(Rank):
    operator: str
    rank: Rank
    size: Size = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", _check_size(_around((self.rank,), containers=1, levels=1)))

    def to_dict(self) -> dict[str, Any]:
        return {self.operator: self.rank.to_dict()}


def _around(ranks: Sequence[Rank], containers: int, levels: int) -> Size:
    """The size of an expression that adds ``containers`` and ``levels`` around ``ranks``."""
    return Size(containers + sum(rank.size.containers for rank in ranks), levels + max(rank.size.levels for rank in ranks))


def _check_size(size: Size) -> Size:
    """:raises ValidationError: no store takes an expression of that size."""
    if size.levels > RANK_LEVELS:
        raise ValidationError(f"a rank expression nests at most {RANK_LEVELS} lists and objects, this one {size.levels}")
    if size.containers > MAX_CONTAINERS:
        raise ValidationError(f"a rank expression holds at most {MAX_CONTAINERS} lists and objects, this one {size.containers}")
    return size


def is_rank(value: Any) -> bool:
    """Whether it is one of these, or one of chromadb's."""
    return isinstance(value, Rank) or (callable(getattr(value, "to_dict", None)) and hasattr(value, "exp"))


def whole(value: Any, what: str, *, least: int) -> int:
    """``value`` as an int. :raises ValidationTypeError: it is none. :raises ValidationError: below ``least`` (0 or 1)."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer):
        raise ValidationTypeError(f"{what} must be an integer, got {type(value).__name__}")
    number = int(plain_scalar(value))
    if number < least:
        raise ValidationError(f"{what} must be {'positive' if least else 'non-negative'}, got {shown(number)}")
    return number


def _operand(value: Any) -> Rank:
    """A rank, or a number as one. :raises ValidationTypeError: neither."""
    if isinstance(value, Rank):
        return value
    if is_rank(value):
        return Rank.from_dict(said(value, "rank"))
    return Val(value)


def _chain(operator: str, rank: Rank) -> tuple[Rank, ...]:
    return rank.ranks if isinstance(rank, _Fold) and rank.operator == operator else (rank,)


def _folded(operator: str, left: Any, right: Any) -> Rank:
    return _Fold(operator, (*_chain(operator, _operand(left)), *_chain(operator, _operand(right))))


def _paired(operator: str, left: Any, right: Any) -> Rank:
    return _Pair(operator, _operand(left), _operand(right))


def _number(value: Any, what: str) -> float:
    """A plain int or float; an int that 64 bits do not hold is a float."""
    number = plain_scalar(value.item() if isinstance(value, np.generic) else value)
    if type(number) is not int and type(number) is not float:
        raise ValidationTypeError(f"{what} requires a number, got {type(value).__name__}")
    try:
        real = float(number)
    except OverflowError:
        raise ValidationError(f"{what}: {shown(number)} is beyond a 64-bit float") from None
    if not isfinite(real):
        raise ValidationError(f"{what} must be finite, got {real}")
    return number if -(2**63) <= number < 2**63 else real


def _query(value: Any) -> Any:
    """A query as a request says it: a list of numbers, a sparse vector's dictionary; text stays text."""
    if isinstance(value, str):
        return plain_text(value)
    if isinstance(value, Mapping):
        return dict(value)
    if callable(getattr(value, "to_dict", None)):
        return said(value, "$knn query")
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if not isinstance(value, list | tuple):
        raise ValidationTypeError(f"$knn query must be a list of numbers, an array, a sparse vector or text, got {type(value).__name__}")
    if not value:
        raise ValidationError("$knn query must have at least one number")
    return [_number(number, "$knn query: an element") for number in value]


def _read(data: Any) -> Rank:
    """The expression that plain values say."""
    if not isinstance(data, Mapping):
        raise ValidationTypeError(f"rank must be an expression or a dict: Expected dict for Rank, got {type(data).__name__}")
    if not data:
        raise ValidationError("Rank dict cannot be empty")
    if len(data) != 1:
        raise ValidationError(f"Rank dict must contain exactly one operator, got {len(data)}")
    operator, body = next(iter(data.items()))
    if operator not in _READERS:
        raise ValidationError(f"Unknown rank operator {shown(operator)}; known are {', '.join(_READERS)}")
    return _READERS[operator](operator, body)


def _read_fold(operator: str, body: Any) -> Rank:
    if not isinstance(body, list | tuple):
        raise ValidationTypeError(f"{operator} takes a list, got {type(body).__name__}")
    if len(body) < 2:
        raise ValidationError(f"{operator} requires at least 2 ranks, got {len(body)}")
    return _Fold(operator, tuple(inner for item in body for inner in _chain(operator, _read(item))))


def _read_pair(operator: str, body: Any) -> Rank:
    if not isinstance(body, Mapping):
        raise ValidationTypeError(f"{operator} takes a dict with 'left' and 'right', got {type(body).__name__}")
    if "left" not in body or "right" not in body:
        raise ValidationError(f"{operator} requires 'left' and 'right'")
    return _Pair(operator, _read(body["left"]), _read(body["right"]))


def _read_map(operator: str, body: Any) -> Rank:
    return _Map(operator, _read(body))


def _read_val(operator: str, body: Any) -> Rank:
    return Val(body)


def _read_knn(operator: str, body: Any) -> Rank:
    if not isinstance(body, Mapping):
        raise ValidationTypeError(f"$knn takes a dict, got {type(body).__name__}")
    if "query" not in body:
        raise ValidationError("$knn requires a 'query'")
    limit = whole(body.get("limit", DEFAULT_LIMIT), "$knn limit", least=1)
    return Knn(body["query"], body.get("key", Key.EMBEDDING.name), limit, body.get("default"), body.get("return_rank", False))


_READERS: dict[str, Callable[[str, Any], Rank]] = {
    "$knn": _read_knn,
    "$val": _read_val,
    **dict.fromkeys(("$sum", "$mul", "$max", "$min"), _read_fold),
    **dict.fromkeys(("$sub", "$div"), _read_pair),
    **dict.fromkeys(("$abs", "$exp", "$log"), _read_map),
}
