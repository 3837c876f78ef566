"""Sparse vectors: what one looks like, and the single place that says this store does not index them yet."""

from __future__ import annotations

from itertools import pairwise
from typing import NoReturn

from chroma_async.errors import InvalidArgumentError, UnimplementedError
from chroma_async.schema.shape import U32
from chroma_async.types import Json

TYPE_NAME = "sparse_vector"


def looks_sparse(value: Json) -> bool:
    """Whether a JSON value has the shape of a sparse vector.

    ``{"#type": "sparse_vector", "indices": [u32], "values": [number], "tokens": [str] or null}``; ``#type`` and ``tokens`` may be
    absent and other members are ignored.
    """
    if not isinstance(value, dict) or value.get("#type", TYPE_NAME) != TYPE_NAME:
        return False
    indices, values, tokens = value.get("indices"), value.get("values"), value.get("tokens")
    return (
        isinstance(indices, list)
        and isinstance(values, list)
        and all(type(index) is int and 0 <= index < U32 for index in indices)
        and all(type(weight) in (int, float) for weight in values)
        and (tokens is None or (isinstance(tokens, list) and all(isinstance(token, str) for token in tokens)))
    )


def check_sparse(value: Json, where: str) -> None:
    """Check what the shape cannot say. :raises InvalidArgumentError: lengths differ, or indices are not strictly ascending."""
    indices, values, tokens = value["indices"], value["values"], value.get("tokens")
    if len(indices) != len(values):
        raise InvalidArgumentError(f"{where}: a sparse vector needs as many values as indices, got {len(values)} for {len(indices)}")
    if tokens is not None and len(tokens) != len(indices):
        raise InvalidArgumentError(f"{where}: a sparse vector needs as many tokens as indices, got {len(tokens)} for {len(indices)}")
    if any(left >= right for left, right in pairwise(indices)):
        raise InvalidArgumentError(f"{where}: the indices of a sparse vector must be sorted in strictly ascending order")


def refuse_sparse_value(key: str) -> NoReturn:
    """A record carries a well-formed sparse vector. :raises UnimplementedError: always."""
    raise UnimplementedError(f"Sparse vector is not supported for local chroma: {key}")


def refuse_sparse_index() -> NoReturn:
    """A schema enables a sparse index. :raises InvalidArgumentError: always."""
    raise InvalidArgumentError("Failed to reconcile schema: Invalid schema input: Sparse vector indexing is not enabled in local")
