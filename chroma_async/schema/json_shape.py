"""Reading JSON of a known shape. Every refusal is an UnprocessableError that names the path, as ``configuration.hnsw.ef_search``.

Wrong shape (a string for a number, an unknown enum value, a missing field) is 422; a value of the right shape that may not be used
is 400 and is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NoReturn

from chroma_async.errors import UnprocessableError
from chroma_async.types import Json

#: One past the largest value of the wire's unsigned integer types.
U32 = 2**32
U64 = 2**64


def refuse(path: str, problem: str) -> NoReturn:
    """:raises UnprocessableError: always; the message is ``path: problem``."""
    raise UnprocessableError(f"{path}: {problem}")


def kind_of(value: Json) -> str:
    """What JSON calls the type of a value."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "a list"
        case _:
            return "an object"


def read_object(value: Json, path: str) -> dict[str, Json]:
    """The value itself, once it is known to be a JSON object."""
    if not isinstance(value, dict):
        refuse(path, f"expected an object, got {kind_of(value)}")
    return value


def read_fields(value: Json, path: str, known: Collection[str]) -> dict[str, Json]:
    """The fields of an object that are not null. A field outside ``known`` is refused."""
    fields = read_object(value, path)
    for name in fields:
        if name not in known:
            refuse(f"{path}.{name}", f"unknown field, expected one of {', '.join(known)}")
    return {name: field for name, field in fields.items() if field is not None}


def resolve_aliases(fields: Mapping[str, Json], path: str, aliases: Mapping[str, str]) -> dict[str, Json]:
    """The known fields under their own names; unknown fields are left out, a field given under two names is refused."""
    found: dict[str, Json] = {}
    for given, value in fields.items():
        name = aliases.get(given)
        if name is None:
            continue
        if name in found:
            refuse(path, f"duplicate field '{name}'")
        found[name] = value
    return found


def read_unsigned(value: Json, path: str, below: int = U64) -> int:
    """An integer in ``[0, below)``; a float is refused even when it is whole."""
    if isinstance(value, bool) or not isinstance(value, int):
        refuse(path, f"expected an unsigned integer, got {kind_of(value)}")
    if not 0 <= value < below:
        refuse(path, f"expected an integer from 0 to {below - 1}, got {value}")
    return value


def read_number(value: Json, path: str) -> float:
    """A finite number, as a float."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        refuse(path, f"expected a number, got {kind_of(value)}")
    try:
        number = float(value)
    except OverflowError:
        refuse(path, "the number is out of range")
    if number - number != 0.0:
        refuse(path, "expected a finite number")
    return number


def read_flag(value: Json, path: str) -> bool:
    """A boolean; 0 and 1 are not."""
    if not isinstance(value, bool):
        refuse(path, f"expected a boolean, got {kind_of(value)}")
    return value


def read_string(value: Json, path: str) -> str:
    """A string."""
    if not isinstance(value, str):
        refuse(path, f"expected a string, got {kind_of(value)}")
    return value


def read_choice(value: Json, path: str, choices: Collection[str]) -> str:
    """One of the strings in ``choices``, in exactly this spelling."""
    if not isinstance(value, str) or value not in choices:
        shown = f"'{value}'" if isinstance(value, str) else kind_of(value)
        refuse(path, f"expected one of {', '.join(choices)}, got {shown}")
    return value
