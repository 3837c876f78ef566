"""Reading rows in order of first insertion: get, peek, and the choice of rows for a deletion by filter."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from chroma_async.engine.read.ordering import Mark, ordered, start_after
from chroma_async.engine.snapshot.version import Places, Version
from chroma_async.format.bitmap import Bitmap
from chroma_async.format.pages import page
from chroma_async.query_language.filter_ast import Filter
from chroma_async.schema.record import HIDDEN_PREFIX
from chroma_async.types import Floats, IncludeField, Ints, Metadata, OrderBy, Rows


def get(
    version: Version, filter: Filter | None, ids: Sequence[str] | None, limit: int | None, offset: int, include: Collection[IncludeField]
) -> Rows:
    """The rows that match, by age, with the asked columns."""
    return rows_at(version, choose(version, filter, ids, limit, offset), include)


def get_page(
    version: Version,
    filter: Filter | None,
    ids: Sequence[str] | None,
    limit: int | None,
    offset: int,
    include: Collection[IncludeField],
    order: Sequence[OrderBy],
    after: Mark | None,
) -> tuple[Rows, Mark | None]:
    """As :func:`get`, in the asked order, from behind ``after`` on; and the mark of the last row if more follow it."""
    places, columns = ordered(version, choose(version, filter, ids, None, 0), order)
    borns = version.borns_at(places)
    start = offset + (0 if after is None else start_after(after, columns, borns, order))
    stop = len(places) if limit is None else min(len(places), start + limit)
    chosen = np.arange(min(start, stop), stop)
    more = chosen.size and stop < len(places)
    mark = Mark(tuple(values[stop - 1] for values in columns), int(borns[stop - 1])) if more else None
    return rows_at(version, places.at(chosen), include), mark


def count_matching(version: Version, filter: Filter) -> int:
    """How many rows match."""
    return sum(part.mask(filter).count() for part in version.parts)


def choose(version: Version, filter: Filter | None, ids: Sequence[str] | None, limit: int | None, offset: int) -> Places:
    """The rows that match, by age, from ``offset`` on and at most ``limit`` of them."""
    if limit == 0:
        return Places(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))
    if ids is not None:
        return _choose_ids(version, filter, ids, limit, offset)
    allowed = [part.alive if filter is None else part.mask(filter) for part in version.parts]
    part, position = page(list(zip(version.orders, allowed, strict=True)), offset, limit)
    return Places(part, position)


def _choose_ids(version: Version, filter: Filter | None, ids: Sequence[str], limit: int | None, offset: int) -> Places:
    places = version.find(list(dict.fromkeys(ids)))
    places = places.at(places.present)
    if filter is not None:
        places = places.at(_matching(version, filter, places))
    places = places.at(np.argsort(version.borns_at(places), kind="stable"))
    return places.at(np.arange(len(places))[offset : None if limit is None else offset + limit])


def _matching(version: Version, filter: Filter, places: Places) -> Ints:
    """Indices of the places whose rows match."""
    chosen = np.zeros(len(places), dtype=np.bool_)
    for number in np.unique(places.part).tolist():
        here = places.part == number
        chosen[here] = version.parts[number].mask(filter).contains(places.position[here])
    return np.flatnonzero(chosen)


def rows_at(version: Version, places: Places, include: Collection[IncludeField], distances: Floats | None = None) -> Rows:
    """The asked columns of the rows, in their order; ``distances`` is one of them."""
    documents, uris, metadatas = version.fetch(
        places, documents="documents" in include, uris="uris" in include, metadatas="metadatas" in include
    )
    return Rows(
        ids=version.ids_at(places),
        embeddings=version.embeddings_at(places) if "embeddings" in include else None,
        documents=documents,
        uris=uris,
        metadatas=None if metadatas is None else list(map(_shown, metadatas)),
        distances=distances if "distances" in include else None,
    )


def _shown(metadata: Metadata | None) -> Metadata | None:
    """Without hidden keys; a record that has no others reads as ``{}``."""
    # One look at all keys together: nearly every record has none, and this is done for each row of each answer.
    if not metadata or HIDDEN_PREFIX not in "".join(metadata):
        return metadata
    return {key: value for key, value in metadata.items() if not key.startswith(HIDDEN_PREFIX)}


def allowed_parts(version: Version, filter: Filter | None, ids: Sequence[str] | None, *, approximate: bool = False) -> list[Bitmap | None]:
    """Per part the rows that a search may return: alive, matching, and among ``ids``. ``None`` stands for all rows of the part.

    :param approximate: there may be some that do not match, see :mod:`chroma_async.engine.read.text_candidates`.
    """
    allowed: list[Bitmap | None] = []
    places = None if ids is None else version.find(list(dict.fromkeys(ids)))
    for number, part in enumerate(version.parts):
        if filter is None and places is None:
            allowed.append(None if part.count == part.rows else part.alive)
            continue
        bitmap = part.alive if filter is None else part.mask(filter, approximate=approximate)
        if places is not None:
            bitmap = bitmap & Bitmap.from_positions(places.position[places.part == number], part.rows)
        allowed.append(bitmap)
    return allowed
