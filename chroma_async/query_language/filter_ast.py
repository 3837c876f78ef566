"""The filter tree: frozen and hashable, so that it can key a cache.

Negations are explicit: ``$ne`` is ``Not(Equals)``, which is why it also holds for records that lack the key. Numbers compare by value
(``1`` equals ``1.0``) except as array elements; ``True`` is never ``1``. Since Python's own ``==`` says otherwise, the classes that hold
values carry the ``kind`` of the value as a compared field.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from chroma_async.types import Scalar

Comparison: TypeAlias = Literal["gt", "gte", "lt", "lte"]


@dataclass(frozen=True, slots=True)
class Everything:
    """Every record."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """No record."""


@dataclass(frozen=True, slots=True)
class And:
    """Records that satisfy all clauses; all records when there is none."""

    clauses: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Records that satisfy at least one clause; none when there is none."""

    clauses: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """Records that do not satisfy the clause, those without the key or the document included."""

    clause: Filter


@dataclass(frozen=True, slots=True)
class Equals:
    """The key holds this scalar: strings and bools of the same type, numbers by value."""

    key: str
    value: Scalar
    kind: type = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", type(self.value))


@dataclass(frozen=True, slots=True)
class Compare:
    """The key holds a number on that side of ``value``."""

    key: str
    op: Comparison
    value: int | float


@dataclass(frozen=True, slots=True)
class OneOf:
    """The key holds one of these scalars. All are of one type and there is at least one."""

    key: str
    values: tuple[Scalar, ...]
    kind: type = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", type(self.values[0]))


@dataclass(frozen=True, slots=True)
class ArrayHas:
    """The key holds an array with this element, of exactly this type; scalars never match."""

    key: str
    value: Scalar
    kind: type = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", type(self.value))


@dataclass(frozen=True, slots=True)
class HasKey:
    """The record has the key, whatever it holds."""

    key: str


@dataclass(frozen=True, slots=True)
class TextMatches:
    """The key holds a string in which ``pattern`` (see :mod:`chroma_async.rust_regex.patterns`) matches somewhere; arrays never match."""

    key: str
    pattern: str


@dataclass(frozen=True, slots=True)
class TextLike:
    """The key holds a string that is like ``pattern`` (see :mod:`chroma_async.query_language.like`); arrays never match."""

    key: str
    pattern: str


@dataclass(frozen=True, slots=True)
class IdIn:
    """The record's id is one of these (each named once)."""

    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DocumentContains:
    """The record has a document, and it contains ``needle``: case-sensitive, character by character; "" is in every document."""

    needle: str


@dataclass(frozen=True, slots=True)
class DocumentMatches:
    """The record has a document in which ``pattern`` (see :mod:`chroma_async.rust_regex.patterns`) matches somewhere."""

    pattern: str


#: What a filter says of a record by itself.
Leaf: TypeAlias = (
    Everything | Nothing | Equals | Compare | OneOf | ArrayHas | HasKey | TextMatches | TextLike | IdIn | DocumentContains | DocumentMatches
)
Filter: TypeAlias = And | Or | Not | Leaf


def leaves(filter: Filter) -> Iterator[Leaf]:
    """What And, Or and Not are made of, from left to right; for who need not know how."""
    waiting: list[Filter] = [filter]
    while waiting:
        node = waiting.pop()
        if isinstance(node, And | Or):
            waiting += reversed(node.clauses)
        elif isinstance(node, Not):
            waiting.append(node.clause)
        else:
            yield node
