"""Metadata of records and of collections, as callers pass it: checked, and made plain.

The refusals are those of :mod:`chroma_async.client.validate`; what metadata may hold in the store is for
:mod:`chroma_async.schema.metadata` and :mod:`chroma_async.schema.record` to say.
"""

from __future__ import annotations

from math import inf, isfinite
from typing import Any, cast

from chroma_async.client.validate import as_list, check_text
from chroma_async.errors import ValidationError, ValidationTypeError
from chroma_async.plain import fields_of, plain, plain_scalar, said, shown
from chroma_async.sparse_vector import SparseVector
from chroma_async.types import MetadataPatch, Scalar, SparseValue

RESERVED_KEY = "chroma:document"
_I64_MIN, _I64_MAX = -(2**63), 2**63 - 1
_SCALARS = (str, int, float, bool)


def check_metadatas(value: Any, *, removing: bool = True) -> list[MetadataPatch | None]:
    """One metadata object or several. ``removing`` allows ``None`` as a value. :raises ValidationError, ValidationTypeError:"""
    metadatas = cast("list[Any]", as_list(value))
    if not metadatas:
        raise ValidationError("Expected metadatas to be a non-empty list")
    return [check_metadata(item, removing=removing) for item in metadatas]


def check_metadata(metadata: Any, *, removing: bool = True) -> dict[str, Any] | None:
    """A record's metadata with plain values. ``None`` as a value asks update and upsert to remove the key; add has none to remove.

    A sparse vector comes as a :class:`~chroma_async.sparse_vector.SparseVector`, as chromadb's, or in its JSON form, in which it
    leaves.

    :raises ValidationError: not a dict, an empty one, the reserved key, or a value of a type that metadata cannot hold.
    :raises ValidationTypeError: a key that is not text.
    """
    if metadata is None:
        return None
    if type(metadata) is not dict or not metadata:
        return _checked_slowly(metadata, removing)
    # Called once a record, so a plain map of plain scalars takes no detour.
    for key, value in metadata.items():
        if type(key) is not str or not key.isascii() or key == RESERVED_KEY:
            break
        kind = type(value)
        if kind is str:
            if not value.isascii():
                break
        elif kind is int:
            if not _I64_MIN <= value <= _I64_MAX:
                break
        elif kind is float:
            if not isfinite(value):
                break
        elif kind is not bool:
            break
    else:
        return metadata.copy()
    return _checked_slowly(metadata, removing)


def _checked_slowly(metadata: Any, removing: bool) -> dict[str, Any]:
    fields = fields_of(metadata, "metadata")
    if fields is None:
        raise ValidationError(f"Expected metadata to be a dict or None, got {shown(metadata)} as metadata")
    if not fields:
        raise ValidationError("Expected metadata to be a non-empty dict, got 0 metadata attributes; pass None for a record without")
    checked: dict[str, Any] = {}
    for given, value in fields.items():
        key = _key(given)
        if key == RESERVED_KEY:
            raise ValidationError(f"Expected metadata to not contain the reserved key {RESERVED_KEY}")
        if value is None and not removing:
            raise ValidationError(
                f"metadata: the value of {key!r} is None, which removes a key on update and upsert; leave the key out of a new record"
            )
        checked[key] = _value(key, value)
    return checked


def check_collection_metadata(metadata: Any, *, removing: bool = False) -> dict[str, Scalar | None] | None:
    """A collection's metadata: text keys, plain values. ``removing`` allows ``None`` as a value.

    :raises ValidationError: not a dict, an empty one, or another type of value. :raises ValidationTypeError: a key that is not text.
    """
    if metadata is None:
        return None
    fields = fields_of(metadata, "metadata")
    if fields is None:
        raise ValidationError(f"Expected metadata to be a dict or None, got {shown(metadata)} as metadata")
    if not fields:
        raise ValidationError("Expected metadata to be a non-empty dict, got 0 metadata attributes; pass None for none")
    checked: dict[str, Scalar | None] = {}
    for given, value in fields.items():
        key = _key(given)
        checked[key] = None if value is None and removing else _scalar(key, value, "bool, or None" if removing else "or bool")
    return checked


def _key(given: Any) -> str:
    key = plain_scalar(given)
    if type(key) is not str:
        raise ValidationTypeError(f"Expected metadata key to be a str, got {shown(given)} of type {type(given).__name__}")
    check_text(key, "metadata key")
    return key


def _value(key: str, value: Any) -> Any:
    if value is None:
        return None
    if isinstance(value, list):
        return _metadata_list(key, [plain_scalar(item) for item in list.copy(value)])
    if not isinstance(value, _SCALARS):
        sparse = _sparse(key, value)
        if sparse is not None:
            return sparse
    return _scalar(key, value, "bool, SparseVector, list, or None")


def _sparse(key: str, value: Any) -> SparseValue | None:
    """The JSON form of a sparse vector; ``None`` for what does not say that it is one."""
    form = fields_of(said(value, f"metadata: the value of {key!r}"), "metadata")
    if form is None or form.get("#type") != "sparse_vector":
        return None
    try:
        vector = SparseVector.from_dict(plain(form, f"metadata: the value of {key!r}"))
        # Kept as float32: what comes as a float, however large an integer it is, goes as one.
        return {**vector.to_dict(), "values": [float(number) for number in vector.values]}
    except ValueError as refusal:
        raise ValidationError(f"metadata: the value of {key!r} is no sparse vector: {refusal}") from None
    except OverflowError:
        raise ValidationError(f"metadata: the value of {key!r} is no sparse vector: a number is beyond a 64-bit float") from None


def _scalar(key: str, value: Any, also: str) -> Scalar:
    scalar = plain_scalar(value)
    kind = type(scalar)
    if kind is str:
        check_text(scalar, f"metadata value of {key!r}")
        return cast(str, scalar)
    if kind is bool:
        return cast(bool, scalar)
    if kind is int:
        # What no signed 64-bit integer holds becomes a float, as it does on the wire.
        return cast(int, scalar) if _I64_MIN <= scalar <= _I64_MAX else _finite(key, scalar)
    if kind is float:
        return _finite(key, scalar)
    raise ValidationError(
        f"Expected metadata value to be a str, int, float, {also}, got {shown(value)} of type {type(value).__name__} under the key {key!r}"
    )


def _finite(key: str, value: float) -> float:
    try:
        number = float(value)
    except OverflowError:
        number = inf
    if not isfinite(number):
        raise ValidationError(f"metadata: the value of {key!r} is not a finite number")
    return number


def _metadata_list(key: str, values: list[Any]) -> list[Scalar]:
    if not values:
        raise ValidationError(f"Expected metadata list value for key {key!r} to be non-empty")
    kinds = set(map(type, values))
    if len(kinds) != 1 or not issubclass(next(iter(kinds)), _SCALARS):
        raise ValidationError(
            f"Expected metadata list value for key {key!r} to contain only str, int, float, or bool, "
            f"all of the same type, got {shown(values)}"
        )
    return [_scalar(key, value, "or bool") for value in values]
