"""From the JSON of ``where`` and ``where_document`` to a filter tree. The only place where a store refuses one for its form.

::

    where    := {key: scalar} | {key: {op: value}} | {"$and": [where, ...]} | {"$or": [where, ...]}
    document := {"$contains" | "$not_contains" | "$regex" | "$not_regex": string} | {"$and": [...]} | {"$or": [...]}

One key per object, one operator per key. Inside ``where`` the key ``#document`` takes the document operators, and ``#id`` takes
``$eq $ne $in $nin`` with strings. Every refusal is :class:`InvalidArgumentError` and starts with "Invalid where clause" or
"Invalid where document clause"; it names key, operator and value.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NoReturn

from chroma_async.errors import InvalidArgumentError
from chroma_async.plain import MAX_LEVELS, plain_text
from chroma_async.query_language.filter_ast import (
    And,
    ArrayHas,
    Compare,
    Comparison,
    DocumentContains,
    DocumentMatches,
    Equals,
    Everything,
    Filter,
    HasKey,
    IdIn,
    Not,
    Nothing,
    OneOf,
    Or,
    TextLike,
    TextMatches,
)
from chroma_async.rust_regex.patterns import MAX_PATTERN_CHARS, compile_pattern
from chroma_async.types import DOCUMENT_KEY, Json, Scalar

ID_KEY = "#id"

_I64_MIN, _I64_MAX = -(2**63), 2**63 - 1
_COMPARISONS: dict[str, Comparison] = {"$gt": "gt", "$gte": "gte", "$lt": "lt", "$lte": "lte"}
_DOCUMENT_OPERATORS = frozenset({"$contains", "$not_contains", "$regex", "$not_regex"})
_SHOWN_CHARS = 80


def parse(where: Json, where_document: Json, *, max_pattern_chars: int = MAX_PATTERN_CHARS) -> Filter | None:
    """Both filters as one tree (they combine with AND); ``None`` when neither is given.

    Trivial parts are folded: ``{"$and": []}`` is ``Everything()``, ``{"$or": []}`` is ``Nothing()``, one clause stands for itself.

    :raises InvalidArgumentError: a filter is outside the grammar, nests too deep, or holds a regular expression with a syntax error.
    """
    clauses: list[Filter] = []
    if where is not None:
        clauses.append(_Where(max_pattern_chars).clause(where, 1))
    if where_document is not None:
        clauses.append(_WhereDocument(max_pattern_chars).clause(where_document, 1))
    return _all_of(clauses) if clauses else None


class _Clauses:
    """What both grammars share: one-key objects, ``$and`` and ``$or``, the document operators."""

    title = ""

    def __init__(self, max_pattern_chars: int) -> None:
        self.max_pattern_chars = max_pattern_chars

    def clause(self, body: Json, level: int) -> Filter:
        name, value = self.single(body, level, "a filter")
        if name not in ("$and", "$or"):
            return self.leaf(name, value, level)
        if not isinstance(value, list | tuple):
            self.refuse(f"'{name}' takes a list of clauses, not {_show(value)}")
        self.check_level(level + 1)
        clauses = [self.clause(item, level + 2) for item in value]
        return _all_of(clauses) if name == "$and" else _any_of(clauses)

    def leaf(self, name: str, value: Json, level: int) -> Filter:
        raise AssertionError("each grammar has its own leaves")

    def document(self, operator: str, value: Json) -> Filter:
        if operator not in _DOCUMENT_OPERATORS:
            self.refuse(f"the document does not take operator {_show(operator)} (value {_show(value)})")
        if not isinstance(value, str):
            self.refuse(f"'{operator}' on the document takes a string, not {_show(value)}")
        self.check_text(value)
        if operator in ("$contains", "$not_contains"):
            found: Filter = DocumentContains(value)
        else:
            self.check_pattern(operator, value)
            found = DocumentMatches(value)
        return Not(found) if operator.startswith("$not_") else found

    def single(self, body: Json, level: int, what: str) -> tuple[str, Json]:
        """The only member of an object."""
        self.check_level(level)
        if not isinstance(body, dict) or len(body) != 1:
            several = "; combine several with $and" if isinstance(body, dict) and len(body) > 1 else ""
            self.refuse(f"{what} is an object with exactly one member, not {_show(body)}{several}")
        name, value = next(iter(body.items()))
        if not isinstance(name, str):
            self.refuse(f"a key is a string, not {_show(name)}")
        self.check_text(name)
        return name, value

    def check_level(self, level: int) -> None:
        if level > MAX_LEVELS:
            self.refuse(f"it nests more than {MAX_LEVELS} levels")

    def check_text(self, text: str) -> None:
        """Lone surrogates can come from callers in this process only; nothing that is stored can equal or contain them."""
        if not text.isascii():
            try:
                text.encode()
            except UnicodeEncodeError:
                self.refuse(f"{_show(text)} is not valid Unicode")

    def check_pattern(self, operator: str, pattern: str) -> None:
        """Compiles it, so that a bad one is refused here and not while rows are read."""
        try:
            compile_pattern(pattern, max_chars=self.max_pattern_chars)
        except InvalidArgumentError as error:
            self.refuse(f"'{operator}' {_show(pattern)}: {error.message()}")

    def refuse(self, reason: str) -> NoReturn:
        raise InvalidArgumentError(f"{self.title}: {reason}")


class _WhereDocument(_Clauses):
    title = "Invalid where document clause"

    def leaf(self, name: str, value: Json, level: int) -> Filter:
        return self.document(name, value)


class _Where(_Clauses):
    title = "Invalid where clause"

    def leaf(self, name: str, value: Json, level: int) -> Filter:
        if name.startswith("$"):
            self.refuse(f"{_show(name)} is neither a key nor '$and' or '$or' (value {_show(value)})")
        operator = "$eq"
        if isinstance(value, dict):
            operator, value = self.single(value, level + 1, f"the condition on key {_show(name)}")
        if name == DOCUMENT_KEY:
            return self.document(operator, value)
        if name == ID_KEY:
            return self.id(operator, value)
        return self.condition(name, operator, value)

    def condition(self, key: str, operator: str, value: Json) -> Filter:
        if operator in _COMPARISONS:
            number = self.scalar(key, operator, value)
            if isinstance(number, str | bool):
                self.refuse(f"'{operator}' on key {_show(key)} takes a number, not {_show(value)}")
            return Compare(key, _COMPARISONS[operator], number)
        if operator == "$exists":
            if not isinstance(value, bool):
                self.refuse(f"'$exists' on key {_show(key)} takes true or false, not {_show(value)}")
            return HasKey(key) if value else Not(HasKey(key))
        if operator in _TEXT_CONDITIONS:
            return self.text_condition(key, operator, value)
        make = _CONDITIONS.get(operator)
        if make is None:
            self.refuse(f"key {_show(key)} does not take operator {_show(operator)} (value {_show(value)})")
        if operator in ("$in", "$nin"):
            return make(key, self.values(key, operator, value))
        return make(key, self.scalar(key, operator, value))

    def text_condition(self, key: str, operator: str, value: Json) -> Filter:
        if not isinstance(value, str):
            self.refuse(f"'{operator}' on key {_show(key)} takes a string, not {_show(value)}")
        self.check_text(value)
        if operator in ("$regex", "$not_regex"):
            self.check_pattern(operator, value)
        elif len(value) > self.max_pattern_chars:
            self.refuse(
                f"the pattern of '{operator}' on key {_show(key)} has {len(value)} characters; {self.max_pattern_chars} at the most"
            )
        found = _TEXT_CONDITIONS[operator](key, plain_text(value))
        return Not(found) if operator.startswith("$not_") else found

    def id(self, operator: str, value: Json) -> Filter:
        listed = operator in ("$in", "$nin")
        if not listed and operator not in ("$eq", "$ne"):
            self.refuse(f"key '{ID_KEY}' does not take operator {_show(operator)} (value {_show(value)})")
        names = self.values(ID_KEY, operator, value) if listed else (self.scalar(ID_KEY, operator, value),)
        ids = tuple(dict.fromkeys(name for name in names if isinstance(name, str)))
        if not ids:
            self.refuse(f"'{operator}' on key '{ID_KEY}' takes strings, not {_show(value)}")
        found = IdIn(ids)
        return found if operator in ("$eq", "$in") else Not(found)

    def values(self, key: str, operator: str, value: Json) -> tuple[Scalar, ...]:
        """The list of an ``$in``. Its first element decides the type; floats may be followed by ints, which become floats."""
        if not isinstance(value, list | tuple) or not value:
            self.refuse(f"'{operator}' on key {_show(key)} takes a list with at least one value, not {_show(value)}")
        kind = type(self.scalar(key, operator, value[0]))
        values: list[Scalar] = []
        for item in value:
            plain = self.real(key, operator, item) if kind is float and type(item) is int else self.scalar(key, operator, item)
            if type(plain) is not kind:
                self.refuse(f"'{operator}' on key {_show(key)} takes values of one type, not {_show(value)}")
            values.append(plain)
        return tuple(dict.fromkeys(values))

    def real(self, key: str, operator: str, value: int) -> float:
        try:
            return float(value)
        except OverflowError:
            self.refuse(f"{_show(value)} for '{operator}' on key {_show(key)} is beyond a 64-bit float")

    def scalar(self, key: str, operator: str, value: Json) -> Scalar:
        """A value as plain str, bool, int or float (callers in this process may send subclasses, such as NumPy's float64)."""
        if not isinstance(value, str | int | float):
            self.refuse(f"'{operator}' on key {_show(key)} takes a string, number or bool, not {_show(value)}")
        if isinstance(value, str):
            self.check_text(value)
            return plain_text(value)
        if isinstance(value, bool):
            return value
        if isinstance(value, float):
            if not math.isfinite(value):
                self.refuse(f"{_show(value)} for '{operator}' on key {_show(key)} is not a finite number")
            return float.__float__(value)
        number = int.__int__(value)
        if not _I64_MIN <= number <= _I64_MAX:
            self.refuse(f"{_show(number)} for '{operator}' on key {_show(key)} is beyond a signed 64-bit integer")
        return number


_CONDITIONS: dict[str, Callable[..., Filter]] = {
    "$eq": Equals,
    "$ne": lambda key, value: Not(Equals(key, value)),
    "$in": OneOf,
    "$nin": lambda key, values: Not(OneOf(key, values)),
    "$contains": ArrayHas,
    "$not_contains": lambda key, value: Not(ArrayHas(key, value)),
}


#: Beyond Chroma's grammar.
_TEXT_CONDITIONS: dict[str, Callable[[str, str], Filter]] = {
    "$regex": TextMatches,
    "$not_regex": TextMatches,
    "$like": TextLike,
    "$not_like": TextLike,
}


def _all_of(clauses: list[Filter]) -> Filter:
    """AND, flattened: nested ANDs join their parent, ``Everything`` drops out, ``Nothing`` decides."""
    flat: list[Filter] = []
    for clause in clauses:
        flat.extend(clause.clauses if isinstance(clause, And) else (clause,))
    flat = [clause for clause in dict.fromkeys(flat) if not isinstance(clause, Everything)]
    if any(isinstance(clause, Nothing) for clause in flat):
        return Nothing()
    if not flat:
        return Everything()
    return flat[0] if len(flat) == 1 else And(tuple(flat))


def _any_of(clauses: list[Filter]) -> Filter:
    """OR, flattened like :func:`_all_of`."""
    flat: list[Filter] = []
    for clause in clauses:
        flat.extend(clause.clauses if isinstance(clause, Or) else (clause,))
    flat = [clause for clause in dict.fromkeys(flat) if not isinstance(clause, Nothing)]
    if any(isinstance(clause, Everything) for clause in flat):
        return Everything()
    if not flat:
        return Nothing()
    return flat[0] if len(flat) == 1 else Or(tuple(flat))


def _show(value: Json) -> str:
    """A value for a message, cut short. Containers are named, not printed: they may be large or deep."""
    if isinstance(value, dict):
        return f"an object with {len(value)} members"
    if isinstance(value, list | tuple):
        kinds = sorted({type(item).__name__ for item in value[:1000]})
        return f"a list of {len(value)} values" + (f" ({', '.join(kinds)})" if kinds else "")
    if value is None:
        return "null"
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 256:
        return f"an integer of {value.bit_length()} bits"
    text = ascii(value)
    return text if len(text) <= _SHOWN_CHARS else text[: _SHOWN_CHARS - 3] + "..."
