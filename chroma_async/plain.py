"""Plain values of what callers pass: exactly ``str``, ``int``, ``float``, ``bool``, ``None``, ``list`` and ``dict``, in new objects.

A member of a str Enum is text, ``HTTPStatus.OK`` is a number, an ``OrderedDict`` is an object: each means what it is, whatever its own
``__str__``, ``__hash__`` or ``__iter__`` would say. A client makes them plain before anything else looks at them, so that a store in this
process and a server see the same, and nothing below has to think of subclasses. What the caller changes later changes nothing here.

The walk is bounded in depth and in size: a value that contains itself, or shares parts until it is huge, is refused in bounded time.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from enum import Enum
from itertools import islice
from types import NoneType
from typing import Any

import numpy as np

from chroma_async.costs import INLINE_US, WALK_NUMBER, WALK_VALUE
from chroma_async.errors import ChromaError, ValidationError, ValidationTypeError
from chroma_async.types import Json

#: Lists and objects inside one another. A store takes no deeper filter, and a request no deeper body.
MAX_LEVELS = 126
#: Lists and objects of one value, and values of any kind. Settings are read on the event loop, and are small.
MAX_CONTAINERS, MAX_VALUES = 1 << 20, 1 << 24
SETTINGS_CONTAINERS = 1 << 16

_SCALARS: frozenset[type] = frozenset({str, int, float, bool, NoneType})
_I64_MIN, _U64_LIMIT = -(2**63), 2**64
_SHOWN_CHARS, _SHOWN_ITEMS, _SHOWN_LEVELS = 80, 4, 2
_SHOWN_BITS = 256
_SIZED: tuple[Any, ...] = (dict, list, tuple, set, frozenset, bytes, bytearray)
_TRAIL_CHARS = 120
_QUICK_LEVELS, _QUICK_ITEMS = 6, 6
_CONTAINERS = (dict, list, tuple)
#: Items of one container that are looked at to tell what a walk costs: no more could be walked over at once.
_MOST_AT_ONCE = int(INLINE_US / WALK_NUMBER) + 1


def plain_text(text: str) -> str:
    """The text that a ``str`` is, also one of a subclass."""
    return text if type(text) is str else str.__str__(text)


def plain_scalar(value: Any) -> Any:
    """The text or number that ``value`` is, of exactly that type; anything else as it is."""
    kind = type(value)
    if kind in _SCALARS:
        return value
    if issubclass(kind, str):
        return str.__str__(value)
    if issubclass(kind, int):
        return int.__int__(value)
    return float.__float__(value) if issubclass(kind, float) else value


def plain(value: Any, what: str) -> Any:
    """A copy of ``value`` with plain texts, numbers, lists, tuples and dicts. Any other object in it stays, for a later check to judge.

    :param what: names the value in errors.
    :raises ValidationError: it nests too deep, holds too much, or text in it has no UTF-8 form.
    """
    return _Walk(what).value(value, 0)


def plain_json(value: Any, what: str, *, containers: int = SETTINGS_CONTAINERS) -> Json:
    """What JSON says of ``value``: tuples are lists, NumPy's numbers and arrays are numbers and lists of them, an Enum is its value, an
    object with ``to_dict`` is what that says, an integer beyond 64 bits is a float.

    :param what: names the value in errors. :param containers: lists and objects at the most.
    :raises ValidationError: as :func:`plain`, or a number is not finite.
    :raises ValidationTypeError: something in it has no JSON form, or a key is no text.
    """
    return _JsonWalk(what, containers).value(value, 0)


def fields_of(value: Any, what: str) -> dict[Any, Any] | None:
    """A dict of a mapping's own items; ``None`` for what is no mapping.

    :param what: names the value in errors.
    :raises ValidationTypeError: it cannot be read.
    """
    if isinstance(value, dict):
        return dict.copy(value)
    if not isinstance(value, Mapping):
        return None
    try:
        return dict(islice(value.items(), MAX_VALUES + 1))
    except Exception as error:
        raise ValidationTypeError(f"{what}: a {type(value).__name__} that cannot be read: {error}") from error


def said(value: Any, what: str) -> Any:
    """What an object with ``to_dict`` (chromadb's have one too) says of itself; anything else as it is.

    :param what: names the value in errors.
    :raises ValidationError: it fails to say it, as one that contains itself does.
    """
    to_dict = getattr(value, "to_dict", None)
    if not callable(to_dict) or isinstance(value, type):
        return value
    try:
        return to_dict()
    except ChromaError:
        raise
    except Exception as error:
        raise ValidationError(f"{what}: a {type(value).__name__} that cannot say what it is: {error}") from error


def bounded_list(values: Iterable[Any], what: str) -> list[Any]:
    """The items of an iterable. :raises ValidationError: there is no end to them."""
    items = list(islice(values, MAX_VALUES + 1))
    if len(items) > MAX_VALUES:
        raise ValidationError(f"{what}: expected at most {MAX_VALUES} values")
    return items


def is_plain(value: Any, levels: int = _QUICK_LEVELS) -> bool:
    """Whether ``value`` is plain already, when a glance can tell: it is small, shallow and ASCII, as most filters are. Never raises."""
    kind = type(value)
    if kind is not dict and kind is not list:
        return kind in _SCALARS and (kind is not str or value.isascii())
    if not levels or len(value) > _QUICK_ITEMS:
        return False
    if kind is dict:
        for key in value:
            if type(key) is not str or not key.isascii():
                return False
        value = value.values()
    for item in value:
        kind = type(item)
        if kind is str:
            if not item.isascii():
                return False
        elif kind is not int and not is_plain(item, levels - 1):
            return False
    return True


def walking_us(value: Any) -> float:
    """What a walk over ``value`` costs in microseconds. Looks at no more of it than could be walked over at once. Never raises."""
    cost_us = WALK_VALUE
    waiting = [value] if isinstance(value, _CONTAINERS) else []
    while waiting and cost_us <= INLINE_US:
        container = waiting.pop()
        inner: Iterable[Any] = dict.values(container) if isinstance(container, dict) else container
        few = list(islice(inner, _MOST_AT_ONCE))
        if few and type(few[0]) is float:
            cost_us += WALK_NUMBER * len(few)
        else:
            cost_us += WALK_VALUE * len(few)
            waiting += [item for item in few if isinstance(item, _CONTAINERS)]
    return cost_us


def shown(value: Any, levels: int = _SHOWN_LEVELS) -> str:
    """``value`` for a message: few characters after few steps, whatever it is."""
    kind = type(value)
    if issubclass(kind, str):
        text = repr(str.__str__(value)[: _SHOWN_CHARS + 1])
    elif issubclass(kind, int) and int.bit_length(value) > _SHOWN_BITS:
        return f"an integer of {int.bit_length(value)} bits"
    elif issubclass(kind, _SIZED):
        text = _shown_items(value, kind, levels)
    else:
        try:
            text = repr(plain_scalar(value))
        except Exception:
            text = f"<{kind.__name__}>"
    return text if len(text) <= _SHOWN_CHARS else text[: _SHOWN_CHARS - 3] + "..."


def _shown_items(value: Any, kind: type, levels: int) -> str:
    size = next(base for base in _SIZED if issubclass(kind, base)).__len__(value)
    if kind not in (dict, list, tuple) or size > _SHOWN_ITEMS or not levels:
        return f"a {kind.__name__} of {size}"
    if kind is dict:
        return "{" + ", ".join(f"{shown(key, levels - 1)}: {shown(item, levels - 1)}" for key, item in value.items()) + "}"
    inner = ", ".join(shown(item, levels - 1) for item in value)
    return f"[{inner}]" if kind is list else f"({inner})"


class _Walk:
    """One walk over one value. ``_trail`` are the keys and indices that lead to where it is."""

    __slots__ = ("_containers", "_containers_left", "_trail", "_values_left", "_what")

    def __init__(self, what: str, containers: int = MAX_CONTAINERS) -> None:
        self._what = what
        self._trail: list[str | int] = []
        self._containers = self._containers_left = containers
        self._values_left = MAX_VALUES

    def value(self, value: Any, level: int) -> Any:
        """The plain form of what stands ``level`` containers deep."""
        kind = type(value)
        if kind in _SCALARS:
            return self.scalar(value)
        if issubclass(kind, dict):
            return self._object(dict.copy(value), level + 1)
        if issubclass(kind, list):
            return self._list(list.copy(value), level + 1)
        if issubclass(kind, tuple):
            return self.sequence(list(tuple.__iter__(value)), level + 1)
        scalar = plain_scalar(value)
        if type(scalar) in _SCALARS:
            return self.scalar(scalar)
        fields = fields_of(value, self.place()) if isinstance(value, Mapping) else None
        return self.other(value, level) if fields is None else self._object(fields, level + 1)

    def scalar(self, value: Any) -> Any:
        """Of a type that is exactly a scalar's."""
        if type(value) is str and not value.isascii():
            self._check_text(value)
        return value

    def scalars(self, values: list[Any], kind: type) -> bool:
        """Whether ``values``, all of the type ``kind``, need no look at each one."""
        return kind is not str or all(map(str.isascii, values))

    def sequence(self, items: list[Any], level: int) -> Any:
        return tuple(self._list(items, level))

    def key(self, key: Any) -> Any:
        return plain_scalar(key)

    def other(self, value: Any, level: int) -> Any:
        """What is neither text, number, list nor object."""
        return value

    def _list(self, items: list[Any], level: int) -> list[Any]:
        self._enter(len(items), level)
        kinds = set(map(type, items))
        if len(kinds) == 1 and kinds <= _SCALARS and self.scalars(items, next(iter(kinds))):
            return items
        for index, item in enumerate(items):
            self._trail.append(index)
            items[index] = self.value(item, level)
            self._trail.pop()
        return items

    def _object(self, fields: dict[Any, Any], level: int) -> dict[Any, Any]:
        self._enter(len(fields), level)
        if any(type(key) is not str for key in fields):
            fields = {self.key(key): item for key, item in fields.items()}
        for key, item in fields.items():
            if type(item) is str and item.isascii() and type(key) is str and key.isascii():
                continue
            self._trail.append(key if type(key) is str else shown(key))
            if type(key) is str and not key.isascii():
                self._check_text(key)
            fields[key] = self.value(item, level)
            self._trail.pop()
        return fields

    def _enter(self, size: int, level: int) -> None:
        self._containers_left -= 1
        self._values_left -= size
        if level > MAX_LEVELS:
            raise ValidationError(f"{self.place()}: it nests more than {MAX_LEVELS} levels. Does it contain itself?")
        if self._containers_left < 0 or self._values_left < 0:
            raise ValidationError(
                f"{self._what}: it holds more than {self._containers} lists and objects, or {MAX_VALUES} values. Does it repeat itself?"
            )

    def _check_text(self, text: str) -> None:
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ValidationError(f"{self.place()}: {shown(text)} has no UTF-8 form (it holds a lone surrogate)") from None

    def place(self) -> str:
        """Where the walk is, as ``searches[0].rank.$val``; of a long way both ends."""
        steps = (f"[{step}]" if isinstance(step, int) else f".{step:.40}" for step in self._trail)
        trail = "".join(steps)
        if len(trail) > _TRAIL_CHARS:
            trail = f"{trail[: _TRAIL_CHARS // 2]}...{trail[-_TRAIL_CHARS // 2 :]}"
        return self._what + trail.encode("utf-8", "backslashreplace").decode()


class _JsonWalk(_Walk):
    """The same, with nothing left that JSON has no form for."""

    __slots__ = ()

    def scalar(self, value: Any) -> Any:
        kind = type(value)
        if kind is float and not math.isfinite(value):
            raise ValidationError(f"{self.place()}: {value} is not a finite number")
        if kind is int and not _I64_MIN <= value < _U64_LIMIT:
            return self._float(value)
        return super().scalar(value)

    def scalars(self, values: list[Any], kind: type) -> bool:
        if kind is float:
            return all(map(math.isfinite, values))
        return super().scalars(values, kind) and (kind is not int or (min(values) >= _I64_MIN and max(values) < _U64_LIMIT))

    def sequence(self, items: list[Any], level: int) -> Any:
        return self._list(items, level)

    def key(self, key: Any) -> str:
        text = plain_scalar(key)
        if type(text) is not str:
            raise self._wrong_type(key, "is no text, and a key is")
        return text

    def other(self, value: Any, level: int) -> Any:
        if isinstance(value, np.ndarray):
            return self._array(value, level)
        if isinstance(value, np.bool_ | np.integer):
            return self.value(value.item(), level)
        if isinstance(value, np.floating):
            return self.value(float(value), level)
        form = value.value if isinstance(value, Enum) else said(value, self.place())
        if form is value:
            raise self._wrong_type(value, "has no JSON form")
        self._enter(1, level + 1)  # the form may have one again
        return self.value(form, level + 1)

    def _array(self, array: np.ndarray[Any, Any], level: int) -> Any:
        if array.dtype.kind not in "biuf":
            raise self._wrong_type(array, "has no JSON form: it holds no numbers")
        if array.size > MAX_VALUES:
            raise ValidationError(f"{self.place()}: an array of {array.size} numbers; {MAX_VALUES} at the most")
        # A long double has no Python form of its own.
        exact = array.astype(np.float64) if array.dtype.kind == "f" and array.dtype.itemsize > 8 else array
        return self.value(exact.tolist(), level)

    def _float(self, value: int) -> float:
        try:
            return float(value)
        except OverflowError:
            raise ValidationError(f"{self.place()}: {shown(value)} is beyond a 64-bit float") from None

    def _wrong_type(self, value: Any, why: str) -> ValidationTypeError:
        return ValidationTypeError(f"{self.place()}: {shown(value)} of type {type(value).__name__} {why}")
