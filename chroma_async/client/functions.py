"""Attached functions as callers see them: chromadb's names and attributes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from chroma_async.errors import ValidationError
from chroma_async.plain import plain_json, plain_scalar, shown
from chroma_async.types import Json


class Function(StrEnum):
    """The built-in functions."""

    #: How often each metadata value occurs.
    STATISTICS = "statistics"
    #: How many records there are.
    RECORD_COUNTER = "record_counter"


@dataclass(frozen=True)
class AttachedFunction:
    """A function that keeps what it makes of one collection in another."""

    id: UUID
    name: str
    function_name: str
    input_collection_id: UUID
    output_collection: str
    params: dict[str, Json]
    tenant: str
    database: str

    def __hash__(self) -> int:
        return hash(self.id)


def function_id(function: Any) -> str:
    """The name of a function, given by name or as a member of this package's or chromadb's enumeration.

    :raises ValidationError: it is neither.
    """
    name = plain_scalar(getattr(function, "value", function))
    if type(name) is not str or not name:
        raise ValidationError(f"function: expected one of {', '.join(Function)}, got {shown(function)}")
    return name


def check_params(params: Any) -> dict[str, Json]:
    """:raises ValidationError, ValidationTypeError: neither a dictionary that JSON can say nor ``None``."""
    if params is None:
        return {}
    given = plain_json(params, "params")
    if not isinstance(given, dict):
        raise ValidationError(f"params: expected a dictionary with string keys or None, got {shown(params)}")
    return given


def read_params(text: str | None) -> dict[str, Json]:
    """What a server says of the parameters; what is no object counts as none."""
    try:
        params = json.loads(text) if text else {}
    except ValueError:
        return {}
    return params if isinstance(params, dict) else {}
