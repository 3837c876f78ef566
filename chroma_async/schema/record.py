"""Metadata of records: scalars, lists of one scalar type, and sparse vectors.

Called once a record, so a plain map of plain scalars takes no detour.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import deepcopy
from functools import lru_cache
from typing import Any

from chroma_async.errors import InvalidArgumentError
from chroma_async.schema.json_shape import kind_of, refuse
from chroma_async.schema.metadata import check_key, check_scalar, fits_int64, is_plain_float
from chroma_async.schema.sparse import check_sparse, looks_sparse
from chroma_async.schema.text import is_storable
from chroma_async.types import Json, Metadata, MetadataPatch, MetadataValue, WriteKind

#: Old servers kept the document under this key; letting it in would overwrite the document.
DOCUMENT_ALIAS = "chroma:document"
#: Keys with this prefix are stored and not shown.
HIDDEN_PREFIX = "chroma:"
#: When the record expires, in seconds since the epoch; an ordinary number to old clients, and hidden from them.
EXPIRES_KEY = "chroma:expires_at"
#: Sets of keys whose judgement is remembered: so many, of so many keys at the most.
KEY_SETS_MOST, KEY_SET_MOST = 1024, 32


def check_metadata(metadata: Json, index: int, kind: WriteKind) -> MetadataPatch | None:
    """The metadata of one record, ready to be stored (add) or merged (update, upsert); ``None`` when it says nothing.

    The argument itself is returned when its values are stored as they are. Otherwise a new map: -0.0 becomes 0.0,
    integers beyond 64 bits become floats, a list with one float becomes a list of floats; an empty list is dropped by add and
    becomes null (remove the key) for update and upsert; a sparse vector keeps its own members only, with values as float32.

    :param index: the record's place in the batch, for messages.
    :raises UnprocessableError: not an object; a value is an object or a list that is not of one scalar type; null on add.
    :raises InvalidArgumentError: a key is empty, starts with ``#`` or ``$``, or is ``chroma:document``; a number is not finite; text
        holds a lone surrogate; a sparse vector breaks a rule (see :func:`chroma_async.schema.sparse.check_sparse`).
    """
    if metadata.__class__ is dict and _are_plain_keys(metadata) and _are_plain_values(metadata.values()):
        return metadata or None
    return _normalised(metadata, index, kind)


def copied(metadata: Metadata) -> dict[str, MetadataValue]:
    """The same values in objects of their own: whoever changes one changes nothing in the other."""
    copy = dict(metadata)
    for key, value in copy.items():
        kind = value.__class__
        if kind is list or kind is dict:
            copy[key] = deepcopy(value)
    return copy


def _are_plain_keys(metadata: dict[Any, Json]) -> bool:
    # Collections use the same few keys in record after record.
    if len(metadata) <= KEY_SET_MOST:
        return _is_plain_key_set(tuple(metadata))
    return all(map(_is_plain_key, metadata))


@lru_cache(maxsize=KEY_SETS_MOST)
def _is_plain_key_set(keys: tuple[Json, ...]) -> bool:
    return all(map(_is_plain_key, keys))


def _is_plain_key(key: Json) -> bool:
    # The two hidden keys that mean something have rules of their own.
    if key.__class__ is not str or key in (DOCUMENT_ALIAS, EXPIRES_KEY):
        return False
    try:
        check_key(key, "metadatas")
    except InvalidArgumentError:
        return False
    return True


def _are_plain_values(values: Iterable[Json]) -> bool:
    """Whether the rules leave these alone. The long way gives the same answer for them; this one is quick, and never refuses."""
    for value in values:
        kind = value.__class__
        if kind is str and value.isascii():
            continue
        leaves_alone = _LEAVES_ALONE.get(kind)
        if leaves_alone is None or not leaves_alone(value):
            return False
    return True


def _is_plain_list(values: list[Json]) -> bool:
    kinds = set(map(type, values))
    leaves_alone = _SCALARS.get(kinds.pop()) if len(kinds) == 1 else None
    return leaves_alone is not None and all(map(leaves_alone, values))


def _always(value: bool) -> bool:
    return True


_SCALARS: dict[type, Callable[[Any], bool]] = {bool: _always, str: is_storable, int: fits_int64, float: is_plain_float}
#: Class of a value -> whether such a value is stored as it is.
_LEAVES_ALONE: dict[type, Callable[[Any], bool]] = {**_SCALARS, list: _is_plain_list}


def _normalised(metadata: Json, index: int, kind: WriteKind) -> MetadataPatch | None:
    if metadata is None:
        return None
    if not isinstance(metadata, dict):
        refuse(f"metadatas[{index}]", f"expected an object or null, got {kind_of(metadata)}")
    for key, value in metadata.items():
        _check_shape(value, f"metadatas[{index}].{key}", kind)
    where = f"metadatas: invalid metadata at index {index}"
    for key in metadata:
        check_key(key, where)
        if key == DOCUMENT_ALIAS:
            raise InvalidArgumentError(f"Validation error: {where}: the key '{DOCUMENT_ALIAS}' is reserved; use documents")
    ends = metadata.get(EXPIRES_KEY)
    if ends is not None and (isinstance(ends, bool) or not isinstance(ends, int | float)):
        raise InvalidArgumentError(f"Validation error: {where}: the key '{EXPIRES_KEY}' takes seconds since the epoch, not {kind_of(ends)}")
    return {
        key: checked
        for key, value in metadata.items()
        if (checked := _check_value(key, value, where)) is not None or kind is not WriteKind.ADD
    } or None


def _check_shape(value: Json, path: str, kind: WriteKind) -> None:
    if value is None:
        if kind is WriteKind.ADD:
            refuse(path, "a new record cannot hold null")
    elif isinstance(value, list):
        if not _is_uniform(value):
            refuse(path, "a list may hold strings, numbers or booleans, and only one of them")
    elif not isinstance(value, str | int | float) and not looks_sparse(value):
        refuse(path, f"expected a scalar, a list of scalars or a sparse vector, got {kind_of(value)}")


def _is_uniform(values: list[Json]) -> bool:
    if all(isinstance(value, str) for value in values) or all(isinstance(value, bool) for value in values):
        return True
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def _check_value(key: str, value: Json, where: str) -> Json:
    what = f"value of metadata key '{key}' ({where})"
    if value is None:
        return None
    if isinstance(value, dict):
        return check_sparse(value, f"Validation error: {where}, key '{key}'")
    if not isinstance(value, list):
        return check_scalar(value, what)
    if not value:
        return None
    checked = [check_scalar(element, what) for element in value]
    return [float(element) for element in checked] if any(isinstance(element, float) for element in checked) else checked
