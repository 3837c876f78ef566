"""Searches, built step by step: ``Search().where(K("year") > 1990).rank(Knn("a question")).limit(5).select(K.DOCUMENT, K.SCORE)``.

Immutable: every step makes a new one. Each part can be given as the dictionary that the request would hold.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from chroma_async.builders.conditions import Condition, K, Key, key_text
from chroma_async.builders.ranks import Knn, Rank, Rrf, Val, is_rank, whole
from chroma_async.errors import ValidationError, ValidationTypeError
from chroma_async.plain import bounded_list, said, shown
from chroma_async.refusing import guarded_class

__all__ = ["Aggregate", "GroupBy", "K", "Key", "Knn", "Limit", "MaxK", "MinK", "Rank", "Rrf", "Search", "Select", "Val"]


@guarded_class
@dataclass(frozen=True, slots=True)
class Limit:
    """Which part of the answer: ``limit`` records (``None``: all) from ``offset`` on. :raises ValidationError, ValidationTypeError:"""

    offset: int = 0
    limit: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "offset", whole(self.offset, "Limit offset", least=0))
        if self.limit is not None:
            object.__setattr__(self, "limit", whole(self.limit, "Limit limit", least=0))

    def to_dict(self) -> dict[str, Any]:
        """As a request says it."""
        return {"offset": self.offset} if self.limit is None else {"offset": self.offset, "limit": self.limit}

    @staticmethod
    def from_dict(data: Any) -> Limit:
        """:raises ValidationTypeError: no dict. :raises ValidationError: an unknown key, or a limit that is not positive."""
        fields = _fields(data, "Limit", ("offset", "limit"))
        if fields.get("limit") is not None:
            whole(fields["limit"], "Limit limit", least=1)
        return Limit(fields.get("offset", 0), fields.get("limit"))


@guarded_class
@dataclass(frozen=True, slots=True)
class Select:
    """What records come with: metadata fields, and any of ``K.DOCUMENT``, ``K.EMBEDDING``, ``K.METADATA`` and ``K.SCORE``."""

    keys: Iterable[Key | str] = frozenset()

    def __post_init__(self) -> None:
        if isinstance(self.keys, str | Mapping) or not isinstance(self.keys, Iterable):
            raise ValidationTypeError(f"Select keys must be a list/tuple/set, got {type(self.keys).__name__}")
        keys = bounded_list(self.keys, "Select keys")
        object.__setattr__(self, "keys", frozenset(key_text(key, "Select key") for key in keys))

    def to_dict(self) -> dict[str, Any]:
        """As a request says it."""
        return {"keys": sorted(key_text(key, "Select key") for key in self.keys)}

    @staticmethod
    def from_dict(data: Any) -> Select:
        """:raises ValidationTypeError: no dict, or its keys are no list. :raises ValidationError: an unknown key."""
        return Select(_fields(data, "Select", ("keys",)).get("keys", ()))


@guarded_class
@dataclass(frozen=True, slots=True)
class Aggregate(ABC):
    """Which records of a group stay: :class:`MinK` or :class:`MaxK`.

    :param keys: metadata fields or ``K.SCORE``, the most important first; one or a list.
    :param k: how many stay.
    :raises ValidationError: there is no key, or ``k`` is not positive. :raises ValidationTypeError: a key or ``k`` is of another type.
    """

    keys: Any
    k: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "keys", _key_list(self.keys, f"{type(self).__name__} keys"))
        object.__setattr__(self, "k", whole(self.k, f"{type(self).__name__} k", least=1))
        if not self.keys:
            raise ValidationError(f"{type(self).__name__} keys cannot be empty")

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """As a request says it."""

    @staticmethod
    def from_dict(data: Any) -> Aggregate:
        """:raises ValidationTypeError: a part is of the wrong type. :raises ValidationError: an unknown operator, or a part is missing."""
        if not isinstance(data, Mapping):
            raise ValidationTypeError(f"aggregate must be a MinK, a MaxK or a dict: Expected dict for Aggregate, got {type(data).__name__}")
        if len(data) != 1:
            raise ValidationError(f"Aggregate dict must have exactly one operator, got {len(data)}")
        operator, body = next(iter(data.items()))
        kind = {"$min_k": MinK, "$max_k": MaxK}.get(operator)
        if kind is None:
            raise ValidationError(f"Unknown aggregate operator {shown(operator)}; known are $min_k, $max_k")
        if not isinstance(body, Mapping):
            raise ValidationTypeError(f"Expected dict for {operator}, got {type(body).__name__}")
        for name in ("keys", "k"):
            if name not in body:
                raise ValidationError(f"{operator} requires {name!r} field")
        if not isinstance(body["keys"], list | tuple):
            raise ValidationTypeError(f"{operator} keys must be a list, got {type(body['keys']).__name__}")
        return kind(body["keys"], body["k"])


@guarded_class
@dataclass(frozen=True, slots=True)
class MinK(Aggregate):
    """The ``k`` records with the lowest values."""

    def to_dict(self) -> dict[str, Any]:
        return {"$min_k": {"keys": list(self.keys), "k": self.k}}


@guarded_class
@dataclass(frozen=True, slots=True)
class MaxK(Aggregate):
    """The ``k`` records with the highest values."""

    def to_dict(self) -> dict[str, Any]:
        return {"$max_k": {"keys": list(self.keys), "k": self.k}}


@guarded_class
@dataclass(frozen=True, slots=True)
class GroupBy:
    """Keep a few records of each group with equal values under all ``keys`` (metadata fields). Without keys or aggregate: no grouping."""

    keys: Any = ()
    aggregate: Any = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "keys", _key_list(self.keys, "GroupBy keys"))
        if isinstance(self.aggregate, Mapping):
            object.__setattr__(self, "aggregate", Aggregate.from_dict(self.aggregate))
        elif self.aggregate is not None and not callable(getattr(self.aggregate, "to_dict", None)):
            raise ValidationTypeError(f"GroupBy aggregate must be a MinK, a MaxK or a dict, got {type(self.aggregate).__name__}")

    def to_dict(self) -> dict[str, Any]:
        """As a request says it."""
        return {} if self.aggregate is None or not self.keys else {"keys": list(self.keys), "aggregate": self.aggregate.to_dict()}

    @staticmethod
    def from_dict(data: Any) -> GroupBy:
        """:raises ValidationTypeError: a part is of the wrong type. :raises ValidationError: only one of keys and aggregate is given."""
        if not isinstance(data, Mapping):
            raise ValidationTypeError(f"group_by must be a GroupBy or a dict: Expected dict for GroupBy, got {type(data).__name__}")
        if not data:
            return GroupBy()
        for name in ("keys", "aggregate"):
            if name not in data:
                raise ValidationError(f"GroupBy requires {name!r} field")
        keys, aggregate = data["keys"], data["aggregate"]
        if not isinstance(keys, list | tuple):
            raise ValidationTypeError(f"GroupBy keys must be a list, got {type(keys).__name__}")
        if not keys:
            raise ValidationError("GroupBy keys cannot be empty")
        return GroupBy(keys, Aggregate.from_dict(aggregate))


#: What a step of a search takes for each part, beside its dictionary.
_MEANT = {"Limit": "an int, a Limit or a dict", "Select": "keys, a Select or a dict"}


@guarded_class
class Search:
    """One search. Without a rank, records come in order of first insertion.

    :param where: a filter: made of keys, or a where dictionary. ``K.ID`` and ``K.DOCUMENT`` are keys too.
    :param rank: an expression, or its dictionary; lower scores come first.
    :param group_by: a :class:`GroupBy`, or its dictionary. Needs a rank.
    :param limit: a number of records, a :class:`Limit`, or its dictionary.
    :param select: a :class:`Select`, its dictionary, or keys. Nothing but ids is read without it.
    :raises ValidationTypeError: a part is of the wrong type. :raises ValidationError: a part is outside the grammar.
    """

    __slots__ = ("_parts",)

    def __init__(self, where: Any = None, rank: Any = None, group_by: Any = None, limit: Any = None, select: Any = None) -> None:
        self._parts = _Parts(_where(where), _rank(rank), _group_by(group_by), _limit(limit), _select(select))

    def where(self, where: Any) -> Search:
        """With this filter instead."""
        return self._with(where=_where(where))

    def rank(self, rank_expr: Any) -> Search:
        """With this rank instead."""
        return self._with(rank=_rank(rank_expr))

    def group_by(self, group_by: Any) -> Search:
        """With this grouping instead."""
        return self._with(group_by=_group_by(group_by))

    def limit(self, limit: Any, offset: int = 0) -> Search:
        """With at most ``limit`` records, from ``offset`` on; a :class:`Limit` or its dictionary says both."""
        return self._with(limit=Limit(offset, limit) if isinstance(limit, int) and not isinstance(limit, bool) else _limit(limit))

    def select(self, *keys: Key | str) -> Search:
        """With these columns instead."""
        return self._with(select=Select(keys))

    def select_all(self) -> Search:
        """With document, embedding, metadata and score."""
        return self._with(select=Select((Key.DOCUMENT, Key.EMBEDDING, Key.METADATA, Key.SCORE)))

    def to_dict(self) -> dict[str, Any]:
        """As a request says it."""
        parts = self._parts
        return {
            "filter": parts.where,
            "rank": None if parts.rank is None else parts.rank.to_dict(),
            "group_by": parts.group_by.to_dict(),
            "limit": parts.limit.to_dict(),
            "select": parts.select.to_dict(),
        }

    def __repr__(self) -> str:
        return f"Search({self.to_dict()})"

    def _with(self, **parts: Any) -> Search:
        search = Search.__new__(Search)
        search._parts = replace(self._parts, **parts)
        return search


@dataclass(frozen=True, slots=True)
class _Parts:
    where: Condition | None = None
    rank: Any = None
    group_by: GroupBy = field(default_factory=GroupBy)
    limit: Limit = field(default_factory=Limit)
    select: Select = field(default_factory=Select)


def _where(where: Any) -> Condition | None:
    return None if where is None else Condition.of(where)


def _rank(rank: Any) -> Any:
    if rank is None or is_rank(rank):
        return rank
    return Rank.from_dict(rank)


def _group_by(group_by: Any) -> GroupBy:
    if group_by is None or isinstance(group_by, GroupBy):
        return group_by or GroupBy()
    return GroupBy.from_dict(said(group_by, "GroupBy"))


def _limit(limit: Any) -> Limit:
    if limit is None or isinstance(limit, Limit):
        return limit or Limit()
    if isinstance(limit, int) and not isinstance(limit, bool):
        return Limit(0, whole(limit, "Limit limit", least=1))
    return Limit.from_dict(said(limit, "Limit"))


def _select(select: Any) -> Select:
    if select is None or isinstance(select, Select):
        return select or Select()
    if isinstance(select, list | tuple | set | frozenset):
        return Select(select)
    return Select.from_dict(said(select, "Select"))


def _fields(data: Any, what: str, names: tuple[str, ...]) -> Mapping[str, Any]:
    if not isinstance(data, Mapping):
        raise ValidationTypeError(f"{what.lower()} must be {_MEANT[what]}: Expected dict for {what}, got {type(data).__name__}")
    unknown = set(data) - set(names)
    if unknown:
        raise ValidationError(f"Unexpected keys in {what}: {sorted(map(str, unknown))}; known are {', '.join(names)}")
    return data


def _key_list(keys: Any, what: str) -> tuple[str, ...]:
    items = keys if isinstance(keys, list | tuple) else (keys,)
    return tuple(key_text(key, what) for key in items)
