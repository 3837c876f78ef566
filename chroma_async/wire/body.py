"""A JSON body as fields: the strictness every request shares.

Two kinds of refusal. *Syntax* (:class:`InvalidArgumentError`): the bytes are not JSON as Chroma takes it: bad UTF-8, a byte order mark,
``NaN``, numbers beyond float64, lone surrogates, trailing text, or nesting of 128 levels and more. *Shape* (:class:`UnprocessableError`):
JSON that is not what the route reads, with the path to the place; a field of the route that is given twice is one of these.
"""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

import orjson

from chroma_async.errors import InvalidArgumentError, UnprocessableError
from chroma_async.types import JSON_KINDS, U32_LIMIT, Json

#: Containers inside one another at which a body is refused, as Chroma's parser does.
NESTING_LIMIT = 128


class Body:
    """A JSON object: its fields, and the text they came from."""

    __slots__ = ("_block", "_raw", "fields")

    def __init__(self, fields: dict[str, Json], raw: bytes, block: tuple[int, int]) -> None:
        self.fields = fields
        self._raw = raw
        self._block = block

    def may_hold_booleans(self) -> bool:
        """False only when no vector in the body can hold ``true`` or ``false``. Amid numbers one letter is enough."""
        raw, (start, end) = self._raw, self._block
        if raw.find(b"t", start, end) >= 0 or raw.find(b"f", start, end) >= 0:
            return True
        rest = raw[:start] + raw[end:]
        return b"true" in rest or b"false" in rest


def parse_body(raw: bytes, names: tuple[str, ...], vectors: str | None = None) -> Body:
    """Read an object whose fields ``names`` may occur once each; other fields are let through unread.

    The field ``vectors`` is not searched for depth, because reading it as vectors finds out; :func:`check_depth` makes up for it when that
    fails.

    :raises InvalidArgumentError: syntax.
    :raises UnprocessableError: no object, or a field of ``names`` given twice.
    """
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise InvalidArgumentError(f"the body is not JSON: {error}") from None
    if type(value) is not dict:
        check_depth(value)
        raise unexpected("", "an object", value)
    check_depth([inner for name, inner in value.items() if name != vectors])
    start, end = block = _number_block(raw)
    found = _quoted(names).findall(raw[:start] + raw[end:] if start < end else raw)
    if len(found) > len(set(found)):
        given = _top_level_names(raw)
        for name in names:
            if given.count(name) > 1:
                raise UnprocessableError(f"{name}: the field is given twice")
    return Body(value, raw, block)


def check_depth(value: Json) -> None:
    """:raises InvalidArgumentError: ``value`` nests ``NESTING_LIMIT`` levels or more."""
    level = [value] if type(value) in _CONTAINERS else []
    for _ in range(NESTING_LIMIT - 1):
        level = [
            inner
            for outer in level
            for items in (outer.values() if type(outer) is dict else outer,)
            if not _CONTAINERS.isdisjoint(map(type, items))
            for inner in items
            if type(inner) in _CONTAINERS
        ]
        if not level:
            return
    raise InvalidArgumentError(f"the body is not JSON: it nests {NESTING_LIMIT} levels or more")


def dump_json(value: Json) -> bytes:
    """JSON text of data that may hold numpy arrays, UUIDs and tuples; float32 as the shortest text that reads back the same.

    :raises InvalidArgumentError: something in it has no JSON form (an integer beyond 64 bits, a lone surrogate).
    """
    try:
        return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)
    except orjson.JSONEncodeError as error:
        raise InvalidArgumentError(f"cannot be written as JSON: {error}") from None


def unexpected(path: str, wanted: str, value: Any) -> UnprocessableError:
    """The shape error for ``value`` at ``path``."""
    return UnprocessableError(f"{path or 'the body'}: expected {wanted}, found {JSON_KINDS.get(type(value), type(value).__name__)}")


def required(body: Body, name: str) -> Json:
    """A field that must be there. Null passes: its reader judges it."""
    try:
        return body.fields[name]
    except KeyError:
        raise UnprocessableError(f"{name}: the field is missing") from None


def text(value: Json, path: str) -> str:
    """A string."""
    if type(value) is not str:
        raise unexpected(path, "a string", value)
    return value


def optional_text(value: Json, path: str) -> str | None:
    """A string or null."""
    return None if value is None else text(value, path)


def optional_object(value: Json, path: str) -> dict[str, Json] | None:
    """An object or null."""
    if value is not None and type(value) is not dict:
        raise unexpected(path, "an object or null", value)
    return value


def u32(value: Json, path: str) -> int | None:
    """An integer from 0 to 2**32 - 1, or null."""
    if value is not None and (type(value) is not int or not 0 <= value < U32_LIMIT):
        raise UnprocessableError(f"{path}: expected an integer from 0 to {U32_LIMIT - 1}, found {value!r:.40}")
    return value


def strings(value: Json, path: str) -> list[str]:
    """A list of strings."""
    return _list_of(value, path, _STRING, "a list of strings", "a string")


def optional_strings(value: Json, path: str) -> list[str | None] | None:
    """A list of strings and nulls, or null."""
    return None if value is None else _list_of(value, path, _STRING_OR_NULL, "a list or null", "a string or null")


def optional_objects(value: Json, path: str) -> list[dict[str, Json] | None] | None:
    """A list of objects and nulls, or null."""
    return None if value is None else _list_of(value, path, _OBJECT_OR_NULL, "a list or null", "an object or null")


_STRING: frozenset[type] = frozenset({str})
_STRING_OR_NULL: frozenset[type] = frozenset({str, type(None)})
_OBJECT_OR_NULL: frozenset[type] = frozenset({dict, type(None)})


def _list_of(value: Json, path: str, types: frozenset[type], wanted: str, wanted_item: str) -> list[Any]:
    if type(value) is not list:
        raise unexpected(path, wanted, value)
    if not types.issuperset(map(type, value)):
        index, item = next((index, item) for index, item in enumerate(value) if type(item) not in types)
        raise unexpected(f"{path}[{index}]", wanted_item, item)
    return value


def _number_block(raw: bytes) -> tuple[int, int]:
    """Where the lists of numbers stand: from the first ``[[`` to the last ``]]``, when no quote, hence no name or string, is between them.

    Vectors are nearly all of a query's bytes, so the search for names looks past them. ``(0, 0)`` when there is no such block.
    """
    start, end = raw.find(b"[["), raw.rfind(b"]]")
    return (start, end) if 0 <= start < end and raw.find(b'"', start, end) < 0 else (0, 0)


@cache
def _quoted(names: tuple[str, ...]) -> re.Pattern[bytes]:
    return re.compile(b'"(?:%b)"' % "|".join(names).encode())


_CONTAINERS: frozenset[type] = frozenset({dict, list})


def _top_level_names(raw: bytes) -> list[str]:
    """The names of the outermost object, repeats included. orjson keeps only the last of equal names, so this reads the text again."""
    names: list[str] = []

    def outermost_comes_last(pairs: list[tuple[str, Json]]) -> None:
        names[:] = [name for name, _ in pairs]

    json.loads(raw, object_pairs_hook=outermost_comes_last)
    return names
