"""Keys and the conditions made of them: ``(K("year") > 1990) & K("topic").is_in(["art", "law"])`` is a where dictionary.

A condition is a plain ``dict`` wherever one is expected, so it can be given to ``get``, ``query`` and ``delete`` as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from chroma_async.errors import ValidationError, ValidationTypeError
from chroma_async.plain import MAX_CONTAINERS, bounded_list, plain, plain_scalar, plain_text, said, shown
from chroma_async.refusing import guarded_class
from chroma_async.types import DOCUMENT_KEY, EMBEDDING_KEY

_COMPARISONS = frozenset({"$eq", "$ne", "$gt", "$gte", "$lt", "$lte"})
_LISTS = frozenset({"$in", "$nin"})
_ELEMENTS = frozenset({"$contains", "$not_contains"})
_PATTERNS = frozenset({"$regex", "$not_regex"})
_LOGICAL = ("$and", "$or")


@guarded_class
class Condition(dict[str, Any]):
    """A where dictionary that ``&`` and ``|`` combine with others, made with :class:`Key`. Chains become one ``$and`` or ``$or``."""

    __slots__ = ()

    @classmethod
    def of(cls, where: Any) -> Condition:
        """What a where dictionary says, in the form that keys give it: ``{"a": 1}`` becomes ``{"a": {"$eq": 1}}``, nested lists are joined.

        :raises ValidationTypeError: it is no dictionary, or a key, list or text in it is of another type.
        :raises ValidationError: it is empty, has several members, or names an unknown operator.
        """
        return cls._of(plain(where if isinstance(where, Mapping) else said(where, "where"), "where"))

    @classmethod
    def _of(cls, where: Any) -> Condition:
        """The same of plain values, which end."""
        key, value = _only_member(said(where, "where"), "where")
        if not isinstance(key, str):
            raise ValidationTypeError(f"where: expected a metadata field as str, got {shown(key)}")
        if key in _LOGICAL:
            if not isinstance(value, list):
                raise ValidationTypeError(f"where: {key} takes a list, got {type(value).__name__}")
            if not value:
                raise ValidationError(f"where: {key} requires at least one condition")
            joined = [cls._of(item) for item in value]
            return joined[0] if len(joined) == 1 else cls({key: [clause for one in joined for clause in _clauses(key, one)]})
        if not isinstance(value, Mapping):
            return cls({key: {"$eq": value}})
        operator, operand = _only_member(value, f"where: the condition on {key!r}")
        _check_operand(key, operator, operand)
        return cls({key: {operator: operand}})

    def to_dict(self) -> dict[str, Any]:
        """Itself, as chromadb's conditions say it."""
        return dict(self)

    def __and__(self, other: Any) -> Condition:
        return self._join("$and", other) if isinstance(other, Mapping) else NotImplemented

    def __or__(self, other: Any) -> Condition:  # type: ignore[override]
        return self._join("$or", other) if isinstance(other, Mapping) else NotImplemented

    def __rand__(self, other: Any) -> Condition:
        return Condition(other)._join("$and", self) if isinstance(other, Mapping) else NotImplemented

    def __ror__(self, other: Any) -> Condition:  # type: ignore[override]
        return Condition(other)._join("$or", self) if isinstance(other, Mapping) else NotImplemented

    def __ior__(self, other: Any) -> Condition:  # type: ignore[override]
        return self._join("$or", other) if isinstance(other, Mapping) else NotImplemented

    def _join(self, operator: str, other: Mapping[str, Any]) -> Condition:
        mine, others = _clauses(operator, self), _clauses(operator, other)
        if len(mine) + len(others) > MAX_CONTAINERS:
            raise ValidationError(f"where: {operator} joins {len(mine) + len(others)} conditions; {MAX_CONTAINERS} at the most")
        return Condition({operator: [*mine, *others]})


@guarded_class
class Key:
    """A metadata field, or one of the record's own: ``K.ID``, ``K.DOCUMENT``, ``K.EMBEDDING``, ``K.METADATA``, ``K.SCORE``."""

    __slots__ = ("name",)

    ID: ClassVar[Key]
    DOCUMENT: ClassVar[Key]
    EMBEDDING: ClassVar[Key]
    METADATA: ClassVar[Key]
    SCORE: ClassVar[Key]

    def __init__(self, name: str) -> None:
        """:raises ValidationTypeError: no text."""
        if not isinstance(name, str):
            raise ValidationTypeError(f"a key is named by a str, got {shown(name)} of type {type(name).__name__}")
        self.name = plain_text(name)

    def __repr__(self) -> str:
        return f"Key({self.name!r})"

    def __hash__(self) -> int:
        return hash(self.name)

    def __eq__(self, value: object) -> Condition:  # type: ignore[override]
        return self._is("$eq", value)

    def __ne__(self, value: object) -> Condition:  # type: ignore[override]
        return self._is("$ne", value)

    def __gt__(self, value: float) -> Condition:
        return self._is("$gt", value)

    def __ge__(self, value: float) -> Condition:
        return self._is("$gte", value)

    def __lt__(self, value: float) -> Condition:
        return self._is("$lt", value)

    def __le__(self, value: float) -> Condition:
        return self._is("$lte", value)

    def is_in(self, values: Any) -> Condition:
        """Any of ``values``, all of one type."""
        return self._is("$in", bounded_list(values, "$in"))

    def not_in(self, values: Any) -> Condition:
        """None of ``values``, or nothing at all."""
        return self._is("$nin", bounded_list(values, "$nin"))

    def contains(self, value: Any) -> Condition:
        """An array with this element; of the document: this text."""
        return self._is_with("$contains", value)

    def not_contains(self, value: Any) -> Condition:
        """The complement of :meth:`contains`."""
        return self._is_with("$not_contains", value)

    def regex(self, pattern: str) -> Condition:
        """Of the document: a match of the regular expression."""
        return self._is("$regex", pattern)

    def not_regex(self, pattern: str) -> Condition:
        """The complement of :meth:`regex`."""
        return self._is("$not_regex", pattern)

    def _is_with(self, operator: str, value: Any) -> Condition:
        """:raises ValidationTypeError: not text, of the document."""
        if self.name == "#document":
            _check_operand(self.name, operator, value)
        return self._is(operator, value)

    def _is(self, operator: str, value: Any) -> Condition:
        return Condition({self.name: {operator: value}})


#: Short for :class:`Key`.
K = Key

Key.ID = Key("#id")
Key.DOCUMENT = Key(DOCUMENT_KEY)
Key.EMBEDDING = Key(EMBEDDING_KEY)
Key.METADATA = Key("#metadata")
Key.SCORE = Key("#score")


def key_text(key: Any, what: str) -> str:
    """``key`` as text: a string, or the name of a :class:`Key` (chromadb's too). :raises ValidationTypeError: neither."""
    name = plain_scalar(key if isinstance(key, str) else getattr(key, "name", None))
    if type(name) is not str:
        raise ValidationTypeError(f"{what} must be a string or Key, got {shown(key)} of type {type(key).__name__}")
    return name


def _clauses(operator: str, where: Mapping[str, Any]) -> list[Any]:
    inner = where.get(operator)
    return inner if isinstance(inner, list) else [where]


def _only_member(value: Any, what: str) -> tuple[Any, Any]:
    if not isinstance(value, Mapping):
        raise ValidationTypeError(f"{what} must be a dict or made of keys, got {type(value).__name__}")
    if not value:
        raise ValidationError(f"{what} cannot be empty; pass None for no filter")
    if len(value) != 1:
        raise ValidationError(f"{what} must have exactly one member, got {len(value)}; combine several with $and or $or")
    return next(iter(value.items()))


def _check_operand(key: str, operator: Any, operand: Any) -> None:
    if operator in _LISTS:
        if not isinstance(operand, list):
            raise ValidationTypeError(f"where: {operator} requires a list on {key!r}, got {type(operand).__name__}")
    elif operator in _PATTERNS or (operator in _ELEMENTS and key == Key.DOCUMENT.name):
        if not isinstance(operand, str):
            raise ValidationTypeError(f"where: {operator} on {key} requires a string, got {type(operand).__name__}")
    elif operator in _ELEMENTS:
        if not isinstance(operand, str | int | float):
            raise ValidationTypeError(f"where: {operator} requires a str, int, float or bool on {key!r}, got {type(operand).__name__}")
    elif operator not in _COMPARISONS:
        raise ValidationError(f"where: unknown operator {shown(operator)} on {key!r}")
