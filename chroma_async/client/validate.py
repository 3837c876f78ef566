"""What a client refuses before it asks anything: arguments of the wrong type, shape or size.

Every function here takes what a caller passed and gives back what the layers below understand: plain values (see
:mod:`chroma_async.plain`) in lists and dicts that are not the caller's. Or it raises
:class:`~chroma_async.errors.ValidationError` (a ValueError), :class:`~chroma_async.errors.ValidationTypeError` (a TypeError) or
:class:`~chroma_async.errors.DuplicateIDError`. Inside ``with refusing("add"):`` (:mod:`chroma_async.refusing`) their texts end with
" in add.", and what the methods of a caller's object raise is such a refusal too.

Filters are only looked at here for the mistakes that callers make; :mod:`chroma_async.query_language.filter_parse` judges them.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from math import inf, isfinite
from types import NoneType
from typing import Any, NoReturn, cast

import numpy as np

from chroma_async.costs import CHECK_NUMBER, CONVERT_NUMBER
from chroma_async.errors import DuplicateIDError, InvalidArgumentError, ValidationError, ValidationTypeError
from chroma_async.plain import plain_scalar, shown
from chroma_async.types import Floats, IncludeField, ReadLevel

ALLOWED_INCLUDE = ("documents", "embeddings", "metadatas", "distances", "uris", "data")
#: What the wire's counts hold: limits, offsets, numbers of results.
U32_MAX = 2**32 - 1
_TEXT_OR_NONE: frozenset[type] = frozenset({str, NoneType})


def as_list(value: Any) -> list[Any] | None:
    """A single value as a list of one; a sequence other than text as a new list; ``None`` stays ``None``."""
    if value is None:
        return None
    if isinstance(value, list):
        return list.copy(value)
    if isinstance(value, tuple):
        return list(tuple.__iter__(value))
    return [value]


def check_ids(value: Any, *, unique: bool = True, empty: bool = False) -> list[str]:
    """One id or several. :raises ValidationError: none, an empty one, or one that is not text. :raises DuplicateIDError:"""
    if value is None or isinstance(value, Mapping | set | frozenset | bytes):
        raise ValidationError(f"Expected IDs to be a list, got {type(value).__name__} as ids")
    ids = cast("list[Any]", as_list(value))
    if not ids and not empty:
        raise ValidationError("Expected IDs to be a non-empty list, got 0 ids")
    if set(map(type, ids)) != {str} or not all(ids) or not all(map(str.isascii, ids)):
        ids = [_id(item) for item in ids]
    if unique and len(set(ids)) != len(ids):
        seen: set[str] = set()
        repeated = sorted({item for item in ids if item in seen or seen.add(item)})  # type: ignore[func-returns-value]
        shown = ", ".join(repeated[:10]) + (f" and {len(repeated) - 10} more" if len(repeated) > 10 else "")
        raise DuplicateIDError(f"Expected IDs to be unique, found duplicates of: {shown}")
    return ids


def _id(item: Any) -> str:
    text = plain_scalar(item)
    if type(text) is not str:
        raise ValidationError(f"Expected ID to be a str, got {shown(item)} of type {type(item).__name__} in ids")
    if not text:
        raise ValidationError("Expected ID to have at least one character, got an empty one in ids")
    check_text(text, "id")
    return text


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
    if not _TEXT_OR_NONE.issuperset(map(type, texts)):
        texts = [plain_scalar(text) for text in texts]
    for text in texts:
        if text is not None:
            if type(text) is not str:
                raise ValidationError(f"{field}: expected strings, got {shown(text)} of type {type(text).__name__}")
            check_text(text, field)
    return texts


def converting_us(value: Any) -> float:
    """What making vectors of ``value`` costs in microseconds. Never raises."""
    if isinstance(value, np.ndarray):
        return CHECK_NUMBER * value.size
    if isinstance(value, list | tuple) and value:
        first = value[0]
        number = CHECK_NUMBER if isinstance(first, np.ndarray) else CONVERT_NUMBER
        return number * len(value) * (len(first) if hasattr(first, "__len__") else 1)
    return 0.0


def check_embeddings(value: Any, field: str = "embeddings") -> Floats:
    """One vector or several as a new float32 array ``(rows, dimension)``: the caller may go on to change its own.

    :raises ValidationError: nothing, no numbers, vectors of unequal or no length, or a value that is not finite as float32.
    """
    if value is None or isinstance(value, str | bytes | Mapping):
        raise ValidationError(_not_vectors(field, value))
    if _nests_deeper_than_rows(value):
        raise ValidationError(_not_vectors(field, value))
    try:
        array = np.asarray(value)
    except Exception as error:  # a list of unequal rows, and whatever an object's own __array__ raises
        raise ValidationError(f"{_not_vectors(field, value)}; all must have one dimension") from error
    if array.dtype.kind not in "fiu":
        raise ValidationError(_not_vectors(field, value))
    if array.ndim == 1:
        array = array[np.newaxis]
    if array.ndim != 2 or array.size == 0:
        found = "a 1-dimensional numpy array with no values at pos 0" if array.ndim == 2 else f"an array of shape {array.shape}"
        raise ValidationError(
            f"Expected each embedding in the {field} to be a 1-dimensional numpy array with at least 1 int/float value. Got {found}"
        )
    with np.errstate(over="ignore"):
        floats = np.array(array, dtype=np.float32, order="C", copy=True)
    finite = np.isfinite(floats)
    if not finite.all():
        row, place = np.argwhere(~finite)[0]
        raise ValidationError(f"{field}: row {row} is not finite as float32 at index {place}: {array[row, place]}")
    return floats


def _not_vectors(field: str, value: Any) -> str:
    return f"Expected {field} to be a list of floats or ints, a list of lists, a numpy array, or a list of numpy arrays, got {shown(value)}"


def _nests_deeper_than_rows(value: Any) -> bool:
    """Whether the first row begins with another list. What NumPy would make of such nests grows with every level."""
    for _ in range(2):
        if not isinstance(value, list | tuple) or not value:
            return False
        value = value[0]
    return isinstance(value, list | tuple)


def check_name(value: Any, what: str) -> str:
    """:raises ValidationTypeError: no text. Whether it is a good name is for the store to say."""
    name = plain_scalar(value)
    if type(name) is not str:
        raise ValidationTypeError(f"{what}: expected a name, got {shown(value)} of type {type(value).__name__}")
    check_text(name, f"{what} name")
    return name


def check_equal_lengths(ids: Sequence[str], **columns: Any) -> None:
    """:raises ValidationError: a column that is present has another length than ``ids``."""
    lengths = {name: len(column) for name, column in columns.items() if column is not None}
    if any(length != len(ids) for length in lengths.values()):
        found = ", ".join(f"{name}: {length}" for name, length in {"ids": len(ids), **lengths}.items())
        raise ValidationError(f"the columns of a batch must have equal lengths, got {found}")


def check_include(value: Any, *, distances: bool, loader: bool) -> tuple[list[str], tuple[IncludeField, ...]]:
    """What a result will say it includes, and what to ask the store for: ``data`` needs uris, and is loaded here.

    :param distances: whether there are any (a query has them, a get has not). :param loader: whether the collection has a data loader.
    :raises ValidationError:
    """
    if not isinstance(value, list):
        raise ValidationError(f"Expected include to be a list, got {shown(value)}")
    names = [plain_scalar(item) for item in list.copy(value)]
    for name in names:
        if type(name) is not str:
            raise ValidationError(f"Expected include item to be a str, got {shown(name)}")
        if name not in ALLOWED_INCLUDE:
            raise ValidationError(f"Expected include item to be one of {', '.join(ALLOWED_INCLUDE)}, got {shown(name)}")
        if name == "distances" and not distances:
            raise ValidationError("include: only a query has distances")
        if name == "data" and not loader:
            raise ValidationError("include: data needs a collection that was opened with a data_loader")
    included = [*names, "uris"] if "data" in names and "uris" not in names else names
    return included, tuple(cast(IncludeField, name) for name in included if name != "data")


def check_n_results(value: Any) -> int:
    """:raises ValidationError: no whole number, or more than a request can say. :raises ValidationTypeError: below one."""
    number = _whole(value, "n_results", ValidationError, "Expected requested number of results to be a int")
    if number <= 0:
        raise ValidationTypeError(
            f"n_results: Number of requested results {shown(number)}, cannot be negative, or zero. Ask for at least 1"
        )
    return _bounded(number, "n_results")


def check_window(value: Any, field: str) -> int | None:
    """``limit`` or ``offset``.

    :raises ValidationTypeError: no whole number. :raises ValidationError: negative, or more than a request can say.
    """
    if value is None:
        return None
    number = _whole(value, field, ValidationTypeError)
    if number < 0:
        raise ValidationError(f"{field}: expected zero or more, got {shown(number)}")
    return _bounded(number, field)


def check_attempts(value: Any) -> int:
    """:raises ValidationTypeError: no whole number. :raises ValidationError: below one."""
    number = _whole(value, "attempts", ValidationTypeError)
    if number < 1:
        raise ValidationError(f"attempts: expected at least 1, got {shown(number)}")
    return number


def check_flag(value: Any, field: str) -> bool:
    """:raises ValidationTypeError: neither True nor False."""
    if not isinstance(value, bool | np.bool_):
        raise ValidationTypeError(f"{field}: expected True or False, got {shown(value)}")
    return bool(value)


def check_max_distance(value: Any) -> float | None:
    """A threshold, or ``None`` for none; infinity is none too.

    :raises ValidationTypeError: no number. :raises ValidationError: NaN, minus infinity, or beyond a 64-bit float.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise ValidationTypeError(f"max_distance: expected a number or None, got {shown(value)}")
    try:
        threshold = float(plain_scalar(value))
    except OverflowError:
        raise ValidationError(f"max_distance: {shown(value)} is beyond a 64-bit float") from None
    if threshold == inf:
        return None
    if not isfinite(threshold):
        raise ValidationError(f"max_distance: expected a finite number, got {threshold}")
    return threshold


def check_cursor(value: Any) -> str | None:
    """:raises ValidationTypeError: neither text nor ``None``. Whether it is a cursor is for the store to say."""
    if value is None:
        return None
    cursor = plain_scalar(value)
    if type(cursor) is not str:
        raise ValidationTypeError(f"cursor: expected a str or None, got {shown(value)} of type {type(value).__name__}")
    check_text(cursor, "cursor")
    return cursor


def check_read_level(value: Any) -> ReadLevel:
    """A read level by name, or chromadb's. :raises ValidationError: there is none of that name."""
    try:
        return ReadLevel(plain_scalar(getattr(value, "value", value)))
    except ValueError:
        raise ValidationError(f"read_level: expected one of {', '.join(ReadLevel)}, got {shown(value)}") from None


def _whole(value: Any, field: str, error: type[InvalidArgumentError], expected: str = "expected a whole number") -> int:
    if isinstance(value, bool):
        _refuse(value, field, error, expected)
    try:
        return int.__int__(operator.index(value))
    except TypeError:
        _refuse(value, field, error, expected)


def _bounded(number: int, field: str) -> int:
    if number > U32_MAX:
        raise ValidationError(f"{field}: expected at most {U32_MAX}, got {shown(number)}")
    return number


def _refuse(value: Any, field: str, error: type[InvalidArgumentError], expected: str) -> NoReturn:
    raise error(f"{field}: {expected}, got {shown(value)}")
