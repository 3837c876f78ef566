"""Metadata of a collection: a flat map of scalars. (Metadata of records is another noun, see :mod:`chroma_async.schema.record`.)"""

from __future__ import annotations

from math import copysign, isfinite

from chroma_async.errors import InvalidArgumentError
from chroma_async.schema.json_shape import kind_of, read_object, refuse
from chroma_async.schema.sparse import looks_sparse
from chroma_async.schema.text import check_text
from chroma_async.types import Json, Scalar


def check_collection_metadata(metadata: Json, field: str) -> dict[str, Scalar] | None:
    """The metadata of a create request with its numbers normalised; null stays ``None``.

    :param field: the member of the request that holds it.
    :raises UnprocessableError: not an object, or a value is null, an object, or a list of mixed types.
    :raises InvalidArgumentError: empty; a key is empty or starts with ``#`` or ``$``; a value is a list, a sparse vector, not finite,
        or not valid text.
    """
    if metadata is None:
        return None
    values = read_object(metadata, field)
    for key, value in values.items():
        if value is None:
            refuse(f"{field}.{key}", "expected a string, a number or a boolean, got null")
    return _check(values, field)


def replace_collection_metadata(current: dict[str, Scalar] | None, new_metadata: Json) -> dict[str, Scalar] | None:
    """What the ``new_metadata`` of a modify request makes of the current metadata: null leaves it, anything else replaces it whole.

    A key whose value is null is dropped; when none is left the metadata is ``None``. Legacy ``hnsw:*`` keys have no effect here.
    Errors as :func:`check_collection_metadata`, null values aside.
    """
    if new_metadata is None:
        return current
    return _check(read_object(new_metadata, "new_metadata"), "new_metadata") or None


def _check(values: dict[str, Json], field: str) -> dict[str, Scalar]:
    for key, value in values.items():
        _check_shape(value, f"{field}.{key}")
    if not values:
        raise InvalidArgumentError(f"Validation error: {field}: metadata may not be empty; leave it out instead")
    for key in values:
        check_key(key, field)
    return {key: _check_value(key, value, field) for key, value in values.items() if value is not None}


def _check_shape(value: Json, path: str) -> None:
    if isinstance(value, list):
        kinds = {kind_of(element) for element in value}
        if len(kinds) > 1 or kinds & {"null", "a list", "an object"}:
            refuse(path, "a list may hold strings, numbers or booleans, and only one of them")
    elif not (value is None or isinstance(value, str | int | float) or looks_sparse(value)):
        refuse(path, f"expected a string, a number or a boolean, got {kind_of(value)}")


def check_key(key: str, field: str) -> None:
    """:raises InvalidArgumentError: not a string, empty, begins with ``#`` or ``$``, or is not valid text."""
    if not isinstance(key, str):
        raise InvalidArgumentError(f"Validation error: {field}: a metadata key must be a string, got {key!r}")
    if not key:
        raise InvalidArgumentError(f"Validation error: {field}: a metadata key may not be empty")
    check_text(key, "metadata key")
    if key[0] in "#$":
        raise InvalidArgumentError(f"Validation error: {field}: a metadata key may not start with '#' or '$', got '{key}'")


def _check_value(key: str, value: Json, field: str) -> Scalar:
    if isinstance(value, list | dict):
        raise InvalidArgumentError(f"Validation error: {field}: a collection's metadata holds no lists and no sparse vectors, see '{key}'")
    return check_scalar(value, f"value of metadata key '{key}'")


def fits_int64(value: int) -> bool:
    """Whether an integer is stored as one."""
    return -(2**63) <= value < 2**63


def is_plain_float(value: float) -> bool:
    """Whether a float is stored as it is: finite, and not -0.0."""
    return isfinite(value) and (value != 0 or copysign(1.0, value) > 0)


def check_scalar(value: Scalar, what: str) -> Scalar:
    """A scalar as it is stored: -0.0 becomes 0.0, an integer beyond 64 bits becomes a float, subclasses become the plain type.

    :param what: names the value in errors.
    :raises InvalidArgumentError: not finite, or not valid text.
    """
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        check_text(value, what)
        return str.__str__(value)
    if isinstance(value, int) and fits_int64(value):
        return int(value)
    try:
        number = float(value)
    except OverflowError:
        raise InvalidArgumentError(f"The {what} is out of range") from None
    if not isfinite(number):
        raise InvalidArgumentError(f"The {what} is NaN or infinite")
    return number + 0.0  # adding it turns -0.0 into 0.0
