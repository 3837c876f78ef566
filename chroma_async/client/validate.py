"""What a client refuses before it asks anything: arguments of the wrong type, shape or size.

Every function here takes what a caller passed and gives back what the layers below understand, or raises
:class:`~chroma_async.errors.ValidationError` (a ValueError), :class:`~chroma_async.errors.ValidationTypeError` (a TypeError) or
:class:`~chroma_async.errors.DuplicateIDError`. Inside ``with refusing("add"):`` their texts end with " in add.".

Filters are only looked at here for the mistakes that callers make; :mod:`chroma_async.query_language.filter_parse` judges them.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn, cast

import numpy as np

from chroma_async.errors import DuplicateIDError, InvalidArgumentError, ValidationError, ValidationTypeError
from chroma_async.types import Floats, IncludeField, MetadataPatch, Scalar, SparseValue, SparseVector

ALLOWED_INCLUDE = ("documents", "embeddings", "metadatas", "distances", "uris", "data")
RESERVED_KEY = "chroma:document"
_INT64 = range(-(2**63), 2**63)
_SCALARS = (str, int, float, bool)


@contextmanager
def refusing(method: str) -> Iterator[None]:
    """Name ``method`` at the end of whatever a check inside the block refuses."""
    try:
        yield
    except (ValidationError, ValidationTypeError, DuplicateIDError) as refusal:
        raise type(refusal)(f"{refusal.message().rstrip('.')} in {method}.") from None


def as_list(value: Any) -> list[Any] | None:
    """A single value as a list of one; a sequence other than text as a list; ``None`` stays ``None``."""
    if value is None:
        return None
    if isinstance(value, list):
        return value
    if isinstance(value, tuple):
        return list(value)
    return [value]


def check_ids(value: Any, *, unique: bool = True, empty: bool = False) -> list[str]:
    """One id or several. :raises ValidationError: none, an empty one, or one that is not text. :raises DuplicateIDError:"""
    if value is None or isinstance(value, Mapping | set | frozenset | bytes):
        raise ValidationError(f"ids: expected a list of strings, got {type(value).__name__}")
    ids = cast("list[Any]", as_list(value))
    if not ids and not empty:
        raise ValidationError("ids: expected a non-empty list, got none")
    for item in ids:
        if type(item) is not str and not isinstance(item, str):
            raise ValidationError(f"ids: expected strings, got {item!r} of type {type(item).__name__}")
        if not item:
            raise ValidationError("ids: an id must have at least one character")
        check_text(item, "id")
    if unique and len(set(ids)) != len(ids):
        seen: set[str] = set()
        repeated = sorted({item for item in ids if item in seen or seen.add(item)})  # type: ignore[func-returns-value]
        shown = ", ".join(repeated[:10]) + (f" and {len(repeated) - 10} more" if len(repeated) > 10 else "")
        raise DuplicateIDError(f"ids: expected unique ids, found these more than once: {shown}")
    return ids


def check_text(text: str, what: str) -> None:
    """:raises ValidationError: text that has no UTF-8 form (a lone surrogate)."""
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ValidationError(f"{what}: {text[:40]!r} has no UTF-8 form (it holds a lone surrogate)") from None


def check_texts(value: Any, field: str) -> list[str | None]:
    """One document or uri, or several; ``None`` for a record without. :raises ValidationError:"""
    texts = cast("list[Any]", as_list(value))
    if not texts:
        raise ValidationError(f"{field}: expected a non-empty list")
    for text in texts:
        if isinstance(text, str):
            check_text(text, field)
        elif text is not None:
            raise ValidationError(f"{field}: expected strings, got {text!r} of type {type(text).__name__}")
    return texts


def embedding_values(value: Any) -> int:
    """About how many numbers ``value`` holds: what converting it will cost. Never raises."""
    if isinstance(value, np.ndarray):
        return int(value.size)
    if isinstance(value, list | tuple) and value:
        first = value[0]
        return len(value) * (len(first) if hasattr(first, "__len__") else 1)
    return 0


def check_embeddings(value: Any, field: str = "embeddings") -> Floats:
    """One vector or several as a new float32 array ``(rows, dimension)``: the caller may go on to change its own.

    :raises ValidationError: nothing, no numbers, vectors of unequal or no length, or a value that is not finite as float32.
    """
    if value is None or isinstance(value, str | bytes | Mapping):
        raise ValidationError(f"{field}: expected a non-empty list of vectors or an array, got {_short(value)}")
    try:
        array = np.asarray(value)
    except (ValueError, TypeError):
        raise ValidationError(f"{field}: expected vectors of numbers, all of one dimension, got {_short(value)}") from None
    if array.dtype.kind not in "fiu":
        raise ValidationError(f"{field}: expected vectors of ints or floats, got {_short(value)}")
    if array.ndim == 1:
        array = array[np.newaxis]
    if array.ndim != 2 or array.size == 0:
        raise ValidationError(f"{field}: expected rows of at least one number, got an array of shape {array.shape}")
    with np.errstate(over="ignore"):
        floats = np.array(array, dtype=np.float32, order="C", copy=True)
    finite = np.isfinite(floats)
    if not finite.all():
        row, place = np.argwhere(~finite)[0]
        raise ValidationError(f"{field}: row {row} is not finite as float32 at index {place}: {array[row, place]}")
    return floats


def check_metadatas(value: Any) -> list[MetadataPatch | None]:
    """One metadata object or several. :raises ValidationError, ValidationTypeError:"""
    metadatas = cast("list[Any]", as_list(value))
    if not metadatas:
        raise ValidationError("metadatas: expected a non-empty list")
    return [check_metadata(item) for item in metadatas]


def check_metadata(metadata: Any) -> dict[str, Any] | None:
    """A record's metadata with plain values. ``None`` as a value asks update and upsert to remove the key.

    A sparse vector comes as a :class:`~chroma_async.types.SparseVector`, as chromadb's, or in its JSON form; it leaves in its JSON form.

    :raises ValidationError: not a dict, an empty one, the reserved key, or a value of a type that metadata cannot hold.
    :raises ValidationTypeError: a key that is not text.
    """
    if metadata is None:
        return None
    if not isinstance(metadata, Mapping):
        raise ValidationError(f"metadata: expected a dict or None, got {_short(metadata)}")
    if not metadata:
        raise ValidationError("metadata: expected a non-empty dict (pass None for a record without metadata)")
    plain: dict[str, Any] = {}
    for key, value in metadata.items():
        _check_key(key)
        if key == RESERVED_KEY:
            raise ValidationError(f"metadata: the key {RESERVED_KEY} is reserved")
        plain[key] = _value(key, value)
    return plain


def check_collection_metadata(metadata: Any, *, removing: bool = False) -> dict[str, Scalar | None] | None:
    """A collection's metadata: text keys, plain values. ``removing`` allows ``None`` as a value.

    :raises ValidationError: not a dict, an empty one, or another type of value. :raises ValidationTypeError: a key that is not text.
    """
    if metadata is None:
        return None
    if not isinstance(metadata, Mapping):
        raise ValidationError(f"metadata: expected a dict or None, got {_short(metadata)}")
    if not metadata:
        raise ValidationError("metadata: expected a non-empty dict (pass None for none)")
    plain: dict[str, Scalar | None] = {}
    for key, value in metadata.items():
        _check_key(key)
        plain[key] = None if value is None and removing else _scalar(key, value, "or None" if removing else "")
    return plain


def _check_key(key: Any) -> None:
    if not isinstance(key, str):
        raise ValidationTypeError(f"metadata: expected text as key, got {key!r} of type {type(key).__name__}")
    check_text(key, "metadata key")


def _value(key: str, value: Any) -> Any:
    if value is None:
        return None
    if isinstance(value, list):
        return _metadata_list(key, value)
    if not isinstance(value, _SCALARS):
        sparse = _sparse(key, value)
        if sparse is not None:
            return sparse
    return _scalar(key, value, "SparseVector, list, or None")


def _sparse(key: str, value: Any) -> SparseValue | None:
    """The JSON form of a sparse vector; ``None`` for what does not say that it is one."""
    to_dict = getattr(value, "to_dict", None)
    form = to_dict() if callable(to_dict) else value
    if not isinstance(form, Mapping) or form.get("#type") != "sparse_vector":
        return None
    try:
        vector = SparseVector.from_dict(form)
    except ValueError as refusal:
        raise ValidationError(f"metadata: the value of {key!r} is no sparse vector: {refusal}") from None
    for label in vector.labels or ():
        check_text(label, f"metadata: label of {key!r}")
    return vector.to_dict()


def _scalar(key: str, value: Any, also: str) -> Scalar:
    kind = type(value)
    if kind is str:
        check_text(value, f"metadata value of {key!r}")
        return cast(str, value)
    if kind is bool:
        return cast(bool, value)
    if isinstance(value, str):
        return _scalar(key, str.__str__(value), also)
    if isinstance(value, int):
        # What no signed 64-bit integer holds becomes a float, as it does on the wire.
        return int(value) if value in _INT64 else _finite(key, value)
    if isinstance(value, float):
        return _finite(key, value)
    expected = ", ".join(part for part in ("str, int, float, bool", also) if part)
    raise ValidationError(f"metadata: the value of {key!r} must be {expected}; got {_short(value)} of type {kind.__name__}")


def _finite(key: str, value: float) -> float:
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValidationError(f"metadata: the value of {key!r} is not a finite number")
    return number


def _metadata_list(key: str, values: list[Any]) -> list[Scalar]:
    if not values:
        raise ValidationError(f"metadata: the list under {key!r} must not be empty")
    kinds = {type(value) for value in values}
    if len(kinds) != 1 or not issubclass(next(iter(kinds)), _SCALARS):
        raise ValidationError(f"metadata: the list under {key!r} must hold str, int, float or bool, all of one type; got {_short(values)}")
    return [_scalar(key, value, "") for value in values]


def check_name(value: Any, what: str) -> str:
    """:raises ValidationTypeError: no text. Whether it is a good name is for the store to say."""
    if not isinstance(value, str):
        raise ValidationTypeError(f"{what}: expected a name, got {_short(value)} of type {type(value).__name__}")
    check_text(value, f"{what} name")
    return value


def check_equal_lengths(ids: Sequence[str], **columns: Any) -> None:
    """:raises ValidationError: a column that is present has another length than ``ids``."""
    lengths = {name: len(column) for name, column in columns.items() if column is not None}
    if any(length != len(ids) for length in lengths.values()):
        found = ", ".join(f"{name}: {length}" for name, length in {"ids": len(ids), **lengths}.items())
        raise ValidationError(f"the columns of a batch must have equal lengths, got {found}")


def check_batch_size(rows: int, limit: int) -> None:
    """:raises ValidationError: more rows than the store takes at once."""
    if rows > limit:
        raise ValidationError(f"Batch size {rows} exceeds maximum batch size {limit}")


def check_include(value: Any, *, distances: bool, loader: bool) -> tuple[list[str], tuple[IncludeField, ...]]:
    """What a result will say it includes, and what to ask the store for: ``data`` needs uris, and is loaded here.

    :param distances: whether there are any (a query has them, a get has not). :param loader: whether the collection has a data loader.
    :raises ValidationError:
    """
    if not isinstance(value, list):
        raise ValidationError(f"include: expected a list, got {_short(value)}")
    for item in value:
        if not isinstance(item, str):
            raise ValidationError(f"include: expected strings, got {_short(item)}")
        if item not in ALLOWED_INCLUDE:
            raise ValidationError(f"include: expected one of {', '.join(ALLOWED_INCLUDE)}, got {item}")
        if item == "distances" and not distances:
            raise ValidationError("include: only a query has distances")
        if item == "data" and not loader:
            raise ValidationError("include: data needs a collection that was opened with a data_loader")
    included = [*value, "uris"] if "data" in value and "uris" not in value else list(value)
    return included, tuple(cast(IncludeField, item) for item in included if item != "data")


def check_n_results(value: Any) -> int:
    """:raises ValidationError: no whole number. :raises ValidationTypeError: below one."""
    number = _whole(value, "n_results", ValidationError)
    if number <= 0:
        raise ValidationTypeError(f"n_results: expected at least 1, got {number}")
    return number


def check_window(value: Any, field: str) -> int | None:
    """``limit`` or ``offset``. :raises ValidationTypeError: no whole number. :raises ValidationError: negative."""
    if value is None:
        return None
    number = _whole(value, field, ValidationTypeError)
    if number < 0:
        raise ValidationError(f"{field}: expected zero or more, got {number}")
    return number


def _whole(value: Any, field: str, error: type[InvalidArgumentError]) -> int:
    if isinstance(value, bool):
        _refuse(value, field, error)
    try:
        return operator.index(value)
    except TypeError:
        _refuse(value, field, error)


def _refuse(value: Any, field: str, error: type[InvalidArgumentError]) -> NoReturn:
    raise error(f"{field}: expected a whole number, got {_short(value)}")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
