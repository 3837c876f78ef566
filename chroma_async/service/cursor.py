"""What a get may ask beyond Chroma's: an order, and a cursor that marks where the last page ended.

A cursor is opaque: base64 of JSON with the collection, the order, and the values and birth of the last row. It stays good while records
come and go: the next page begins with what comes after that row, whether it still exists or not.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from uuid import UUID

import orjson

from chroma_async.engine.read.ordering import Mark
from chroma_async.errors import InvalidArgumentError
from chroma_async.types import Json, OrderBy

_DIRECTIONS = {"asc": False, "desc": True}


def read_order(order_by: Json) -> tuple[OrderBy, ...]:
    """``"key"``, ``{"key": "asc" | "desc"}``, or a list of these.

    :raises InvalidArgumentError: something else; names it.
    """
    given = order_by if isinstance(order_by, list) else [order_by]
    return tuple(_read_one(item) for item in given)


def _read_one(item: Json) -> OrderBy:
    if isinstance(item, str) and item:
        return OrderBy(item)
    if isinstance(item, dict) and len(item) == 1:
        key, direction = next(iter(item.items()))
        if isinstance(key, str) and key and isinstance(direction, str) and direction in _DIRECTIONS:
            return OrderBy(key, _DIRECTIONS[direction])
    raise InvalidArgumentError(f'order_by takes keys and {{"key": "asc"}} or {{"key": "desc"}}, not {item!r:.80}')


def write_cursor(collection: UUID, order: Sequence[OrderBy], mark: Mark) -> str:
    """The cursor behind a row."""
    ordered = [[by.key, by.descending] for by in order]
    return base64.urlsafe_b64encode(orjson.dumps([str(collection), ordered, list(mark.values), mark.born])).decode()


def read_cursor(cursor: str, collection: UUID, order: Sequence[OrderBy]) -> Mark | None:
    """Where to go on; ``None`` for the empty cursor, which begins.

    :raises InvalidArgumentError: it is none of ours, or belongs to another collection or order.
    """
    if not cursor:
        return None
    try:
        of, ordered, values, born = orjson.loads(base64.urlsafe_b64decode(cursor.encode("ascii")))
        mark = Mark(tuple(values), int(born))
    except (ValueError, TypeError, binascii.Error, UnicodeEncodeError):
        raise InvalidArgumentError(f"cursor {cursor!r:.60} is not one that this store gave out") from None
    if of != str(collection):
        raise InvalidArgumentError(f"the cursor belongs to collection {of}, not to {collection}")
    if ordered != [[by.key, by.descending] for by in order] or len(mark.values) != len(order):
        raise InvalidArgumentError("the cursor belongs to another order_by; give the one of the page before, or no cursor to begin anew")
    if any(value is not None and not isinstance(value, str | int | float) for value in mark.values):
        raise InvalidArgumentError(f"cursor {cursor!r:.60} is not one that this store gave out")
    return mark
