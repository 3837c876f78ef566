"""The tree of a search payload. Frozen; vectors are arrays, so rank nodes are equal only to themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from chroma_async.query_language.filter_ast import Filter
from chroma_async.types import DOCUMENT_KEY, EMBEDDING_KEY, Floats, Ints

FoldOperator: TypeAlias = Literal["sum", "mul", "max", "min"]
PairOperator: TypeAlias = Literal["sub", "div"]
MapOperator: TypeAlias = Literal["abs", "exp", "log"]

METADATA = "#metadata"
SCORE = "#score"

#: Keys that name something else than a metadata field.
SPECIAL_KEYS = frozenset({DOCUMENT_KEY, EMBEDDING_KEY, METADATA, SCORE})


@dataclass(frozen=True, slots=True)
class Val:
    """The same score for every record. It names no record by itself."""

    value: float


@dataclass(frozen=True, slots=True, eq=False)
class DenseKnn:
    """The ``limit`` records nearest to a vector: their distances, or with ``return_rank`` their places 0, 1, ...

    ``default`` is the score of all other records; ``None`` drops them out of whatever this is combined with.
    """

    query: Floats
    limit: int = 16
    default: float | None = None
    return_rank: bool = False
    key: str = EMBEDDING_KEY


@dataclass(frozen=True, slots=True, eq=False)
class SparseKnn:
    """The same by inner product with a sparse vector, over the sparse vectors under a metadata key.

    ``indices`` and ``values`` are as they came; :func:`chroma_async.query_language.search_parse.check` holds them to the rules. ``tokens``
    counts labels.
    """

    key: str
    indices: Ints
    values: Floats
    tokens: int | None = None
    limit: int = 16
    default: float | None = None
    return_rank: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """Any number of ranks, folded from the operator's neutral element."""

    operator: FoldOperator
    ranks: tuple[Rank, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """``left - right`` or ``left / right``."""

    operator: PairOperator
    left: Rank
    right: Rank


@dataclass(frozen=True, slots=True, eq=False)
class Map:
    """A function of each score; the logarithm is the natural one."""

    operator: MapOperator
    rank: Rank


Rank: TypeAlias = Val | DenseKnn | SparseKnn | Fold | Pair | Map


@dataclass(frozen=True, slots=True)
class Aggregate:
    """Which records of a group stay: the first ``k`` by ``keys`` (metadata fields or ``#score``), ascending or, ``largest``, descending."""

    keys: tuple[str, ...]
    k: int
    largest: bool = False


@dataclass(frozen=True, slots=True)
class GroupBy:
    """Records with equal values under all ``keys`` are a group. Keys and aggregate are given both or neither."""

    keys: tuple[str, ...] = ()
    aggregate: Aggregate | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Search:
    """One payload. ``select`` is sorted and names each key once."""

    filter: Filter | None = None
    rank: Rank | None = None
    group_by: GroupBy = GroupBy()
    offset: int = 0
    limit: int | None = None
    select: tuple[str, ...] = ()


def knns(rank: Rank | None) -> list[DenseKnn | SparseKnn]:
    """The nearest-neighbour searches in a rank expression, from left to right."""
    found: list[DenseKnn | SparseKnn] = []
    waiting = [] if rank is None else [rank]
    while waiting:
        match waiting.pop():
            case (DenseKnn() | SparseKnn()) as knn:
                found.append(knn)
            case Fold(_, ranks):
                waiting.extend(reversed(ranks))
            case Pair(_, left, right):
                waiting.extend((right, left))
            case Map(_, inner):
                waiting.append(inner)
            case Val():
                pass
    return found
