"""Sparse vectors among the metadata of records: what one looks like, which are refused, and the form in which they are stored."""

from __future__ import annotations

import operator

import numpy as np
import orjson

from chroma_async.errors import InvalidArgumentError
from chroma_async.schema.json_shape import U32
from chroma_async.schema.text import check_texts
from chroma_async.types import Json, SparseValue

#: What ``#type`` says, and what schemas call the type.
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
        and set(map(type, indices)) <= {int}
        and (not indices or (min(indices) >= 0 and max(indices) < U32))
        and set(map(type, values)) <= {int, float}
        and (tokens is None or (isinstance(tokens, list) and all(isinstance(token, str) for token in tokens)))
    )


def check_sparse(value: Json, where: str) -> SparseValue:
    """What looks sparse, as it is stored: its own members only, values as float32 (in the fewest digits that say so).

    :param where: names the value in errors.
    :raises InvalidArgumentError: lengths differ, indices are not strictly ascending, a value is not finite as float32, or a token is not
        valid text.
    """
    indices, values, tokens = value["indices"], value["values"], value.get("tokens")
    if len(indices) != len(values):
        raise InvalidArgumentError(f"{where}: a sparse vector needs as many values as indices, got {len(values)} for {len(indices)}")
    if tokens is not None and len(tokens) != len(indices):
        raise InvalidArgumentError(f"{where}: a sparse vector needs as many tokens as indices, got {len(tokens)} for {len(indices)}")
    if not all(map(operator.lt, indices, indices[1:])):
        raise InvalidArgumentError(f"{where}: the indices of a sparse vector must be sorted in strictly ascending order")
    stored = {"#type": TYPE_NAME, "indices": indices, "values": _float32(values, where)}
    if tokens is not None:
        check_texts(tokens, "token of a sparse vector")
        stored["tokens"] = tokens
    return stored


def _float32(values: list[int | float], where: str) -> list[float]:
    try:
        with np.errstate(over="ignore"):
            rounded = np.array(values, np.float64).astype(np.float32)
    except OverflowError:
        rounded = np.array([np.inf], np.float32)
    if not np.isfinite(rounded).all():
        raise InvalidArgumentError(f"{where}: the values of a sparse vector must be finite as float32")
    # JSON shows a float32 in its fewest digits, so 0.1 stays 0.1. Adding zero turns -0.0 into 0.0.
    numbers: list[float] = orjson.loads(orjson.dumps(rounded + np.float32(0.0), option=orjson.OPT_SERIALIZE_NUMPY))
    return numbers
