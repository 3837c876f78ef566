"""An answer read: the one place where the bytes that somebody sent back become typed data, or a refusal that says what they were.

Anything may stand at the other end of a connection: a proxy that answers in HTML, another program, a Chroma of a release to come. So what
reads an answer may fail in any way, and all of them mean the same: :class:`~chroma_async.errors.ProtocolError`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import orjson

from chroma_async.errors import ChromaError, ProtocolError
from chroma_async.types import Json
from chroma_async.wire.body import optional_object, unexpected

T = TypeVar("T")

#: How much of an answer, and of what is wrong with it, a refusal shows.
_SHOWN_BYTES, _SHOWN_CHARS = 80, 200
#: The value types of a schema whose indexes clients look into. What a later release adds beside them is let through unread.
_VALUE_TYPES = ("string", "float_list", "sparse_vector", "int", "float", "bool")


#: How the reading of rubbish fails: what a None, a list or a number has no method for, and numbers beyond every type.
_FAILURES = (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, RecursionError, ChromaError)


def read_answer(raw: bytes, what: str, build: Callable[[Json], T]) -> T:
    """What ``build`` makes of a JSON answer. ``build`` may look into it as if it were right.

    :param what: names the right answer, as "a tenant".
    :raises ProtocolError: it is another; says what is wrong, and how it begins.
    """
    try:
        return build(orjson.loads(raw))
    except _FAILURES as error:
        raise ProtocolError(f"the answer is not {what}: {_wrong(error):.{_SHOWN_CHARS}}; it begins {raw[:_SHOWN_BYTES]!r}") from error


def decode_acknowledgement(raw: bytes) -> None:
    """The answer of a verb that has nothing to tell: an object, null or no text at all. A page that says "not found" is none.

    :raises ProtocolError: it is another.
    """
    if raw:
        read_answer(raw, "an acknowledgement", lambda value: optional_object(value, ""))


def configuration(value: Json) -> dict[str, Json]:
    """A collection's configuration, as far as clients look into it."""
    return _with_objects(value, "configuration_json", ("hnsw", "spann", "embedding_function"))


def schema(value: Json) -> dict[str, Json]:
    """A collection's schema, as far as clients look into it: by key, by type of value, by index."""
    found = _with_objects(value, "schema", ("defaults", "keys"))
    by_key = {f"keys.{key}": types for key, types in (found.get("keys") or {}).items()}
    for place, types in {"defaults": found.get("defaults"), **by_key}.items():
        for kind, indexes in _with_objects(types, f"schema.{place}", _VALUE_TYPES).items():
            if kind in _VALUE_TYPES:
                _check_indexes(indexes, f"schema.{place}.{kind}")
    return found


def _check_indexes(value: Json, path: str) -> None:
    for name, index in (optional_object(value, path) or {}).items():
        config = _with_objects(index, f"{path}.{name}", ("config",)).get("config")
        _with_objects(config, f"{path}.{name}.config", ("embedding_function",))
        source = (config or {}).get("source_key")
        if source is not None and type(source) is not str:
            raise unexpected(f"{path}.{name}.config.source_key", "a string or null", source)


def _with_objects(value: Json, path: str, members: tuple[str, ...]) -> dict[str, Json]:
    """An object whose ``members`` are objects or null, if they are there; null counts as empty."""
    fields = optional_object(value, path) or {}
    for name in members:
        optional_object(fields.get(name), f"{path}.{name}")
    return fields


def _wrong(error: Exception) -> str:
    """What is wrong with an answer whose reading failed so."""
    if isinstance(error, ChromaError):
        return error.message()
    if isinstance(error, KeyError):
        return f"the field {error.args[0]!r} is missing"
    return f"{type(error).__name__}: {error}"


def whole(value: Any, path: str) -> int:
    """An integer."""
    if type(value) is not int:
        raise unexpected(path, "an integer", value)
    return value


def flag(value: Any, path: str) -> bool:
    """True or false."""
    if type(value) is not bool:
        raise unexpected(path, "a boolean", value)
    return value
