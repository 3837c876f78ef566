"""Arguments whose own methods raise: whatever a caller can pass that is not what it seems."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from enum import Enum
from types import FunctionType
from typing import Any

import numpy as np


class Boom(Exception):
    """What a hostile method raises: no class that anybody would expect."""


def _boom(self: Any, *_: Any, **__: Any) -> Any:
    raise Boom("boom")


_METHODS = (
    *("__len__", "__iter__", "__next__", "__getitem__", "__contains__", "__reversed__", "__length_hint__"),
    *("__eq__", "__ne__", "__hash__", "__lt__", "__gt__", "__le__", "__ge__", "__bool__"),
    *("__str__", "__repr__", "__format__", "__index__", "__int__", "__float__", "__complex__", "__bytes__"),
    *("__add__", "__radd__", "__sub__", "__rsub__", "__mul__", "__rmul__", "__truediv__", "__rtruediv__", "__neg__", "__abs__"),
    *("__or__", "__ror__", "__and__", "__rand__", "__array__", "__fspath__", "__copy__", "__deepcopy__", "__reduce_ex__"),
    *("keys", "items", "values", "get", "copy", "to_dict", "serialize_to_json", "lower", "strip", "encode", "isascii", "replace"),
)


def hostile(base: type = object, *, beside: tuple[str, ...] = ()) -> type:
    """A subclass whose every method raises, but for those named."""
    kind = f"Hostile{base.__name__.capitalize()}"
    names = {name for name in _METHODS if name not in beside} | ({"__getattr__"} if base is object else set())
    return type(kind, (base,), {name: _named(f"{kind}.{name}") for name in names})


def _named(qualified: str) -> FunctionType:
    """``_boom`` as a method that a class might really have."""
    return FunctionType(_boom.__code__.replace(co_name=qualified.rpartition(".")[2], co_qualname=qualified), globals())


class NoClass:
    """An object that does not say what it is."""

    @property
    def __class__(self) -> Any:
        raise Boom("boom")


class NoAttributes:
    """An object that has nothing to give, and fails instead of saying so."""

    def __getattribute__(self, name: str) -> Any:
        raise Boom("boom")


class BrokenMapping(Mapping[str, Any]):
    """A mapping that breaks when it is read."""

    def __getitem__(self, key: str) -> Any:
        raise Boom("boom")

    def __iter__(self) -> Iterator[str]:
        yield "a"
        raise Boom("boom")

    def __len__(self) -> int:
        return 2


class BrokenSequence(Sequence[Any]):
    """A sequence that breaks when it is read."""

    def __getitem__(self, index: Any) -> Any:
        raise Boom("boom")

    def __len__(self) -> int:
        return 2


class NoZone(tzinfo):
    """A time zone that does not know where it is."""

    def utcoffset(self, _: datetime | None) -> timedelta:
        raise Boom("boom")


class NoValue(Enum):
    """An enumeration whose members have no value to give."""

    MEMBER = "m"

    @property
    def value(self) -> Any:  # type: ignore[override]
        raise Boom("boom")


class Function:
    """An embedding function that fails at everything, also at its name."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._boom

    def _boom(self, *_: Any, **__: Any) -> Any:
        raise Boom("boom")

    __call__ = _boom


class HostileArray(np.ndarray):  # type: ignore[type-arg]
    """An array that cannot be looked at."""

    def __getitem__(self, _: Any) -> Any:
        raise Boom("boom")

    def __array_ufunc__(self, *_: Any, **__: Any) -> Any:
        raise Boom("boom")

    __len__ = __iter__ = tolist = astype = _boom


def _array_of_objects() -> Any:
    array = np.empty(1, dtype=object)
    array[0] = hostile()()
    return array


def _broken_generator() -> Iterator[Any]:
    yield "a"
    raise Boom("boom")


def _nested(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


def _nested_dict(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels):
        value = {"$and": [value]}
    return value


def _endless() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


def _endless_dict() -> dict[str, Any]:
    value: dict[str, Any] = {}
    value["$and"] = [value, value]
    return value


#: Name -> makes one.
HOSTILE: dict[str, Callable[[], Any]] = {
    "object": lambda: hostile()(),
    "list": lambda: hostile(list)(["a"]),
    "tuple": lambda: hostile(tuple)(("a",)),
    "dict": lambda: hostile(dict)({"a": 1}),
    "str": lambda: hostile(str)("hello"),
    "int": lambda: hostile(int)(3),
    "float": lambda: hostile(float)(0.5),
    "set": lambda: hostile(set, beside=("__hash__",))(),
    "bytes": lambda: hostile(bytes)(b"x"),
    "no class": NoClass,
    "no attributes": NoAttributes,
    "mapping": BrokenMapping,
    "sequence": BrokenSequence,
    "datetime": lambda: datetime(2030, 1, 1, tzinfo=NoZone()),
    "enum": lambda: NoValue.MEMBER,
    "function": Function,
    "array": lambda: np.ones((1, 2)).view(HostileArray),
    "array of objects": _array_of_objects,
    "structured array": lambda: np.zeros(2, dtype=[("a", "f4")]),
    "generator": _broken_generator,
    "list of objects": lambda: [hostile()()],
    "list of lists": lambda: [hostile(list)([1.0, 2.0])],
    "list of dicts": lambda: [hostile(dict)({"a": 1})],
    "list of texts": lambda: [hostile(str)("a")],
    "list of no class": lambda: [NoClass()],
    "list of no attributes": lambda: [NoAttributes()],
    "dict of objects": lambda: {"a": hostile()()},
    "dict of no class": lambda: {"hnsw": NoClass(), "keys": NoClass(), "a": NoClass()},
    "dict of no attributes": lambda: {"a": NoAttributes()},
    "dict of hostile keys": lambda: {hostile(str, beside=("__hash__", "__eq__"))("a"): 1},
    "dict of odd keys": lambda: {5: 1, None: 2, (1,): 3},
    "dict of mappings": lambda: {"$and": [BrokenMapping(), BrokenMapping()], "hnsw": BrokenMapping(), "a": BrokenMapping()},
    "nested": lambda: _nested(3_000),
    "nested dict": lambda: _nested_dict(3_000),
    "endless": _endless,
    "endless dict": _endless_dict,
    "huge integer": lambda: 10**5000,
    "surrogate": lambda: "\ud800",
    "zero byte": lambda: "a\0b",
    "long text": lambda: "x" * 70_000,
    "nan": lambda: float("nan"),
    "none": lambda: None,
    "a class": lambda: int,
    "a module": lambda: np,
    "complex": lambda: 1j,
    "bytes alone": lambda: b"docs",
}
