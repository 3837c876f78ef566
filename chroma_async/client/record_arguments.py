"""From the arguments of add, update and upsert to a :class:`~chroma_async.types.RecordBatch`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Literal

import numpy as np

from chroma_async.client.metadata import check_metadatas
from chroma_async.client.validate import as_list, check_equal_lengths, check_ids, check_texts
from chroma_async.costs import CHECK_ARGUMENT, INLINE_US, by_cost
from chroma_async.errors import ValidationError
from chroma_async.plain import plain_scalar, shown
from chroma_async.threads import Lane
from chroma_async.types import Bools, Floats, MetadataPatch, RecordBatch


class Argument(Enum):
    """What an argument is that the caller did not pass, where passing ``None`` says something of its own."""

    LEFT_OUT = "left out"

    def __repr__(self) -> str:
        return f"<{self.value}>"


#: The default of such an argument.
LEFT_OUT: Literal[Argument.LEFT_OUT] = Argument.LEFT_OUT


@dataclass(frozen=True, slots=True)
class RecordColumns:
    """All of a batch but its embeddings, checked, with equal lengths."""

    ids: list[str]
    metadatas: list[MetadataPatch | None] | None
    documents: list[str | None] | None
    images: list[Any] | None
    uris: list[str | None] | None

    def with_embeddings(self, embeddings: Floats | None, present: Bools | None = None) -> RecordBatch:
        """:raises ValidationError: not one embedding for each id."""
        check_equal_lengths(self.ids, embeddings=embeddings)
        return RecordBatch(
            ids=self.ids, embeddings=embeddings, present=present, documents=self.documents, uris=self.uris, metadatas=self.metadatas
        )


def columns(ids: Any, metadatas: Any, documents: Any, images: Any, uris: Any, *, removing: bool = True) -> RecordColumns:
    """:param removing: whether ``None`` as a value of metadata is a key to remove.
    :raises ValidationError, ValidationTypeError, DuplicateIDError: see :mod:`chroma_async.client.validate`."""
    checked = RecordColumns(
        ids=check_ids(ids),
        metadatas=None if metadatas is None else check_metadatas(metadatas, removing=removing),
        documents=None if documents is None else check_texts(documents, "documents"),
        images=_images(images),
        uris=None if uris is None else check_texts(uris, "uris"),
    )
    check_equal_lengths(checked.ids, metadatas=checked.metadatas, documents=checked.documents, images=checked.images, uris=checked.uris)
    return checked


def expiry(expires_at: Any, rows: int) -> list[float | None] | None:
    """When each of ``rows`` records ends, in seconds since the epoch; ``None`` for one that shall not end. ``None`` for all of it when the
    argument was left out, which changes no record's end.

    :param expires_at: one value for all or a list of one for each: datetimes, numbers and ``None``.
    :raises ValidationError: a naive datetime, something else, or another number of them.
    """
    if expires_at is LEFT_OUT:
        return None
    given = expires_at if isinstance(expires_at, list | tuple) else [expires_at] * rows
    if len(given) != rows:
        raise ValidationError(f"expires_at: expected one value or {rows}, got {len(given)}")
    return [_seconds(value) for value in given]


def _seconds(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, datetime):
        if value.utcoffset() is None:
            raise ValidationError(f"expires_at: {value!r} has no time zone; write datetime.now(timezone.utc) + timedelta(...)")
        return value.timestamp()
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValidationError(f"expires_at: expected a datetime, seconds since the epoch or None, got {shown(value)}")
    try:
        seconds = float(plain_scalar(value))
    except OverflowError:
        seconds = math.inf
    if not math.isfinite(seconds):
        raise ValidationError(f"expires_at: expected a finite number of seconds, got {shown(value)}")
    return seconds


def row_count(ids: Any) -> int:
    """How many rows a batch will have: what the batch limit looks at. Never raises."""
    return len(ids) if isinstance(ids, list | tuple) else 1


def checking_us(ids: Any, metadatas: Any, *others: Any) -> float:
    """What :func:`columns` costs in microseconds. Looks at no more metadata than could be checked at once. Never raises."""
    cost_us = CHECK_ARGUMENT * row_count(ids) * sum(column is not None for column in (ids, metadatas, *others))
    if cost_us > INLINE_US or not isinstance(metadatas, list | tuple):
        return cost_us
    return cost_us + CHECK_ARGUMENT * sum(len(metadata) for metadata in metadatas if isinstance(metadata, dict))


async def checked_ids(ids: Any, lane: Lane, *, unique: bool = True, empty: bool = False) -> list[str] | None:
    """As :func:`~chroma_async.client.validate.check_ids`, ``None`` for ``None``; in a thread when they are many."""
    if ids is None:
        return None
    return await by_cost(lane.run, CHECK_ARGUMENT * row_count(ids), check_ids, ids, unique=unique, empty=empty)


def one_source(**sources: list[Any] | None) -> tuple[str, list[Any]]:
    """The name and values of the only source to embed. :raises ValidationError: none, several, or one with gaps."""
    given = [(name, values) for name, values in sources.items() if values is not None]
    if len(given) != 1:
        raise ValidationError(f"Without embeddings: Exactly one of {', '.join(sources)} must be provided")
    name, values = given[0]
    if any(value is None for value in values):
        raise ValidationError(f"{name}: None cannot be embedded; pass embeddings")
    return name, values


def known_rows(values: list[Any]) -> tuple[list[Any], Bools]:
    """The values that are not ``None``, and where they stand."""
    present = np.fromiter((value is not None for value in values), dtype=np.bool_, count=len(values))
    return [value for value in values if value is not None], present


def _images(value: Any) -> list[Any] | None:
    images = as_list(value)
    if images is None:
        return None
    if not images or not all(isinstance(image, np.ndarray) for image in images):
        raise ValidationError("images: expected a non-empty list of numpy arrays")
    return images
