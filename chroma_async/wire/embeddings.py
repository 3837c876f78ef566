"""Vectors on the wire: lists of numbers, or base64 of little-endian float32; inside, one float32 matrix.

A list of vectors keeps to one of the two encodings. Numbers that do not fit float32, NaN and infinities are refused.
"""

from __future__ import annotations

import binascii
from array import array
from collections.abc import Callable, Sequence
from math import isfinite
from typing import Any

import numpy as np

from chroma_async.errors import InvalidArgumentError, InvalidDimensionException, UnprocessableError
from chroma_async.types import Bools, Floats, Json
from chroma_async.wire.body import unexpected

_NUMBERS = frozenset({int, float})
_WIRE_TYPE = np.dtype("<f4")
#: Values below which the fixed cost of numpy's calls outweighs their work.
_SMALL = 4096


def _assume_booleans() -> bool:
    return True


def decode_vectors(value: Json, path: str, booleans: Callable[[], bool] = _assume_booleans, *, base64: bool = True) -> Floats:
    """A list of vectors as ``(rows, dimension)`` float32; ``(0, 0)`` for an empty list and ``(n, 0)`` for empty vectors.

    ``booleans`` may say that there is no ``true`` or ``false`` among the numbers, which saves looking at each.

    :raises UnprocessableError: not a list of number lists, or of strings where ``base64`` is allowed.
    :raises InvalidDimensionException: vectors of several lengths.
    :raises InvalidArgumentError: bad base64, or a value that is not finite in float32.
    """
    if type(value) is not list:
        raise unexpected(path, "a list of vectors", value)
    return _decode(value, range(len(value)), path, booleans, base64)


def decode_optional_vectors(value: Json, path: str, booleans: Callable[[], bool] = _assume_booleans) -> tuple[Floats, Bools | None]:
    """As :func:`decode_vectors`, with nulls among the vectors.

    The second part is ``None`` when every row has a vector, else true where one stands; the other rows of the matrix are zeros.
    """
    if type(value) is not list:
        raise unexpected(path, "a list of vectors and nulls", value)
    if None not in value:
        return _decode(value, range(len(value)), path, booleans, True), None
    rows = [index for index, item in enumerate(value) if item is not None]
    given = _decode([value[index] for index in rows], rows, path, booleans, True)
    vectors = np.zeros((len(value), given.shape[1]), dtype=np.float32)
    present = np.zeros(len(value), dtype=np.bool_)
    vectors[rows] = given
    present[rows] = True
    return vectors, present


def encode_base64(vectors: Floats) -> list[str]:
    """Each row as the base64 text of its little-endian float32 bytes."""
    rows = np.ascontiguousarray(vectors, dtype=_WIRE_TYPE)
    return [binascii.b2a_base64(row, newline=False).decode("ascii") for row in rows]


def _decode(rows: list[Any], labels: Sequence[int], path: str, booleans: Callable[[], bool], base64: bool) -> Floats:
    kinds = set(map(type, rows))
    if not kinds:
        return np.zeros((0, 0), dtype=np.float32)
    if kinds == {list}:
        vectors = _from_lists(rows, labels, path, booleans())
    elif kinds == {str} and base64:
        vectors = _from_base64(rows, labels, path)
    else:
        wanted = "one encoding, all number lists or all base64 strings" if base64 else "number lists"
        raise UnprocessableError(f"{path}: expected {wanted}; found {_first_odd(rows, labels, path, base64)}")
    if not _is_finite(vectors):
        row = int(np.flatnonzero(~np.isfinite(vectors).all(axis=1))[0])
        raise InvalidArgumentError(f"{path}[{labels[row]}] holds NaN or infinity, or a number beyond float32")
    return vectors


def _is_finite(vectors: Floats) -> bool:
    """Whether all values are. The squares of few values are summed first, which is several times cheaper and errs on one side only."""
    if vectors.size <= _SMALL and isfinite(np.vdot(vectors, vectors)):
        return True
    return bool(np.isfinite(vectors).all())


def _from_lists(rows: list[list[Any]], labels: Sequence[int], path: str, booleans: bool) -> Floats:
    numbers = array("f")
    for label, row in zip(labels, rows, strict=True):
        if booleans and not _NUMBERS.issuperset(map(type, row)):
            raise _no_number(row, f"{path}[{label}]")
        try:
            numbers.fromlist(row)
        except TypeError:
            raise _no_number(row, f"{path}[{label}]") from None
    width = _one_width(list(map(len, rows)), path)
    return _matrix(numbers, len(rows), width)


def _from_base64(rows: list[str], labels: Sequence[int], path: str) -> Floats:
    joined = "".join(rows)
    size = len(rows[0])
    # Vectors whose text has one length and no padding decode in one call: the common case, and several times faster.
    if size % 4 == 0 and "=" not in joined and set(map(len, rows)) == {size}:
        try:
            data = binascii.a2b_base64(joined, strict_mode=True)
        except ValueError:
            widths = [len(_row_bytes(row, label, path)) for label, row in zip(labels, rows, strict=True)]
            raise AssertionError(f"rows decode apart but not together: {widths[:3]}") from None
        if len(data) // len(rows) % 4:
            _row_bytes(rows[0], labels[0], path)
        return _matrix(data, len(rows), len(data) // len(rows) // 4)
    parts = [_row_bytes(row, label, path) for label, row in zip(labels, rows, strict=True)]
    width = _one_width([len(part) // 4 for part in parts], path)
    return _matrix(b"".join(parts), len(rows), width)


def _row_bytes(row: str, label: int, path: str) -> bytes:
    try:
        data = binascii.a2b_base64(row, strict_mode=True)
    except ValueError as error:
        raise InvalidArgumentError(f"{path}[{label}] is not base64: {error}") from None
    if len(data) % 4:
        raise InvalidArgumentError(f"{path}[{label}]: a byte length of {len(data)} is not divisible by 4")
    return data


def _matrix(data: array[float] | bytes, rows: int, width: int) -> Floats:
    if width == 0:
        return np.zeros((rows, 0), dtype=np.float32)
    vectors: Floats = np.frombuffer(data, _WIRE_TYPE).reshape(rows, width)
    return vectors if _WIRE_TYPE.isnative else vectors.astype(np.float32)


def _one_width(widths: list[int], path: str) -> int:
    if len(widths) > 1 and len(set(widths)) > 1:
        other = next(width for width in widths if width != widths[0])
        raise InvalidDimensionException(f"{path}: vectors of one request must share one dimension, got {widths[0]} and {other}")
    return widths[0]


def _no_number(row: list[Any], path: str) -> UnprocessableError:
    index, item = next((index, item) for index, item in enumerate(row) if type(item) not in _NUMBERS)
    return unexpected(f"{path}[{index}]", "a number", item)


def _first_odd(rows: list[Any], labels: Sequence[int], path: str, base64: bool) -> str:
    first = type(rows[0])
    allowed = first is list or (first is str and base64)
    row = next(index for index, item in enumerate(rows) if not allowed or type(item) is not first)
    return f"{type(rows[row]).__name__} at {path}[{labels[row]}]"
