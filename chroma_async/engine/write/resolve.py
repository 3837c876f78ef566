"""Turning requests into whole rows: what an add, update, upsert or delete means, given what the collection holds.

A write is resolved against one Version. The log then holds rows that need nothing else to be replayed: partial updates are merged with the
row they change, deletions by filter are named ids. Requests of one group never touch the same id (the queue cuts the group), so each can be
resolved on its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from chroma_async.engine.read.get import choose
from chroma_async.engine.snapshot.version import Places, Version
from chroma_async.engine.write.request import Add, CheckedBatch, Delete, DeleteMatching, Insert, Update, Upsert, Write
from chroma_async.errors import InvalidDimensionException
from chroma_async.format.logbatch import Facts, LogBatch
from chroma_async.schema.keys import KnownKeys
from chroma_async.types import Floats, Metadata, MetadataPatch, Seq

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Resolved:
    """A request as whole rows, ready for the log, and the rows of the Version that it ends."""

    batch: LogBatch | None
    #: Rows that it replaces or deletes.
    victims: Places
    #: Rows that were deleted, inserted by an add or upsert, or changed by an update: for the answer.
    count: int = 0


@dataclass(slots=True)
class FoldedRow:
    """A record while the changes of one request are folded into it. ``born`` and ``victim`` are 0 for one that is new."""

    embedding: Floats
    document: str | None
    uri: str | None
    metadata: Metadata | None
    born: Seq
    victim: Seq


NO_SEQS = np.empty(0, dtype=np.int64)
NOBODY = Places(NO_SEQS, NO_SEQS)

#: Types of values that set a key and that nobody can change afterwards.
_PLAIN = frozenset({str, int, float, bool})


def merged(metadata: Metadata | None, patch: MetadataPatch | None) -> Metadata | None:
    """Metadata after a patch: ``None`` and ``[]`` remove a key, other values set it; without keys it reads as null."""
    if not patch:
        return metadata
    if _PLAIN.issuperset(map(type, patch.values())):
        return {**(metadata or {}), **patch}  # type: ignore[dict-item]
    result = dict(metadata or {})
    for key, value in patch.items():
        if value is None or value == []:
            result.pop(key, None)
        else:
            # Lists are the caller's, who may go on to change them.
            result[key] = value.copy() if value.__class__ is list else value
    return result or None


def _stored(metadata: Metadata | None, uri: str | None) -> Metadata | None:
    """A record without metadata reads as null, except that one with a uri reads as an empty object (as in Chroma)."""
    return {} if metadata is None and uri is not None else metadata


def resolve_write(write: Write, version: Version, known: KnownKeys, first: Seq) -> Resolved:
    """
    :param first: the seq that its first row will have.
    :raises InvalidDimensionException: an embedding's length differs from the collection's dimension.
    """
    dimension = checked_dimension(write, version.dimension)
    places = version.find(write.ids)
    if isinstance(write, Add) or (isinstance(write, Upsert) and not places.present.any() and _distinct(write.ids)):
        rows, victims = _inserted(write, places, first, dimension), NOBODY
    else:
        rows, victims = _folded(write, version, places, first, dimension)
    facts = new_facts(version.dimension, dimension, known, rows.metadatas)
    if not rows.ids and facts is None:
        return Resolved(None, NOBODY)
    count = len(rows.ids) if isinstance(write, Update) else len(rows.ids) - len(victims)
    return Resolved(rows if facts is None else replace(rows, facts=facts), victims, count)


def resolve_delete(delete: Delete, version: Version, first: Seq) -> Resolved:
    """The rows with these ids, now."""
    places = version.find(list(dict.fromkeys(delete.ids)))
    return resolve_places(places.at(places.present), version, first)


def resolve_delete_matching(delete: DeleteMatching, version: Version, first: Seq) -> Resolved:
    """The rows that the filter means, now."""
    return resolve_places(choose(version, delete.filter, delete.ids, delete.limit, 0), version, first)


def resolve_places(places: Places, version: Version, first: Seq) -> Resolved:
    """The deletion of these rows."""
    if not len(places):
        return Resolved(None, NOBODY)
    nothing = no_rows(first, version.dimension)
    return Resolved(replace(nothing, deleted_ids=version.ids_at(places), deleted=version.seqs_at(places)), places, len(places))


def no_rows(first: Seq, dimension: int | None) -> LogBatch:
    """An entry without rows, for deletions or facts alone."""
    return LogBatch(first, [], np.empty((0, dimension or 0), dtype=np.float32), borns=NO_SEQS, victims=NO_SEQS)


def _distinct(ids: Sequence[str]) -> bool:
    return len(set(ids)) == len(ids)


def checked_dimension(batch: CheckedBatch, known: int | None) -> int | None:
    """The dimension of the collection after the batch. :raises InvalidDimensionException: the batch's is another, or 0."""
    embeddings = batch.embeddings
    if embeddings is None or not len(embeddings):
        return known
    given = int(embeddings.shape[1])
    if given == 0:
        raise InvalidDimensionException.of("at least 1", 0)
    if known is not None and given != known:
        raise InvalidDimensionException.of(known, given)
    return given


def _inserted(insert: Insert, places: Places, first: Seq, dimension: int | None) -> LogBatch:
    """New rows only: the first of equal ids, unless the id exists."""
    chosen: list[int] = []
    seen: set[str] = set()
    for row, (id, exists) in enumerate(zip(insert.ids, places.present.tolist(), strict=True)):
        if not exists and id not in seen:
            seen.add(id)
            chosen.append(row)
    if not chosen:
        return no_rows(first, dimension)
    everything = len(chosen) == len(insert.ids)
    nothing = np.zeros(len(chosen), dtype=np.int64)
    uris = _picked(insert.uris, chosen, everything)
    patches = _picked(insert.metadatas, chosen, everything)
    metadatas: list[Metadata | None] | None = None
    if patches is not None or uris is not None:
        metadatas = [
            _stored(merged(None, patch), uri)
            for patch, uri in zip(patches or [None] * len(chosen), uris or [None] * len(chosen), strict=True)
        ]
    return LogBatch(
        first=first,
        ids=insert.ids if everything else [insert.ids[row] for row in chosen],
        embeddings=insert.embeddings if everything else insert.embeddings[chosen],
        borns=nothing,
        victims=nothing,
        documents=_picked(insert.documents, chosen, everything),
        uris=uris,
        metadatas=metadatas,
    )


def _picked(column: list[T] | None, chosen: list[int], everything: bool) -> list[T] | None:
    return column if column is None or everything else [column[row] for row in chosen]


def _folded(write: Write, version: Version, places: Places, first: Seq, dimension: int | None) -> tuple[LogBatch, Places]:
    """Changes applied one after the other, equal ids folded into one final row each; and the rows that those replace."""
    before = stored_rows(version, write.ids, places)
    after: dict[str, FoldedRow] = {}
    for row, id in enumerate(write.ids):
        current = after.get(id) or before.get(id)
        if current is not None:
            after[id] = changed_row(current, write, row)
        elif isinstance(write, Insert):
            after[id] = new_row(write, row)
    if not after:
        return no_rows(first, dimension), NOBODY
    replaced = [row for row, id in enumerate(write.ids) if id in after]
    unique = dict(zip((write.ids[row] for row in reversed(replaced)), reversed(replaced), strict=True))
    victims = places.at(np.fromiter(unique.values(), dtype=np.int64, count=len(unique)))
    return whole_rows(first, after), victims.at(victims.present)


def new_row(insert: Insert, row: int) -> FoldedRow:
    """A record that a row of a batch makes."""
    document = insert.documents[row] if insert.documents else None
    uri = insert.uris[row] if insert.uris else None
    patch = insert.metadatas[row] if insert.metadatas else None
    return FoldedRow(insert.embeddings[row], document, uri, merged(None, patch), 0, 0)


def changed_row(current: FoldedRow, write: Write, row: int) -> FoldedRow:
    """The record with what a row of a batch says changed."""
    document = write.documents[row] if write.documents else None
    uri = write.uris[row] if write.uris else None
    patch = write.metadatas[row] if write.metadatas else None
    embedding = embedding_at(write, row)
    return FoldedRow(
        current.embedding if embedding is None else embedding,
        current.document if document is None else document,
        current.uri if uri is None else uri,
        merged(current.metadata, patch),
        current.born,
        current.victim,
    )


def whole_rows(first: Seq, folded: Mapping[str, FoldedRow]) -> LogBatch:
    """The entry of the final rows by id, at least one."""
    rows = list(folded.values())
    return LogBatch(
        first=first,
        ids=list(folded),
        embeddings=np.stack([row.embedding for row in rows]),
        borns=np.array([row.born for row in rows], dtype=np.int64),
        victims=np.array([row.victim for row in rows], dtype=np.int64),
        documents=[row.document for row in rows],
        uris=[row.uri for row in rows],
        metadatas=[_stored(row.metadata, row.uri) for row in rows],
    )


def embedding_at(write: Write, row: int) -> Floats | None:
    """The vector of a row; ``None`` where an update keeps what there is."""
    if write.embeddings is None or (isinstance(write, Update) and write.present is not None and not write.present[row]):
        return None
    embedding: Floats = write.embeddings[row]
    return embedding


def stored_rows(version: Version, ids: Sequence[str], places: Places) -> dict[str, FoldedRow]:
    """The rows of those ids that exist, as they are."""
    at = np.flatnonzero(places.present)
    if not at.size:
        return {}
    here = places.at(at)
    columns = version.fetch(here, documents=True, uris=True, metadatas=True)
    documents, uris, metadatas = columns[0] or [], columns[1] or [], columns[2] or []
    embeddings = version.embeddings_at(here)
    borns, seqs = version.borns_at(here).tolist(), version.seqs_at(here).tolist()
    return {
        ids[row]: FoldedRow(embeddings[place], documents[place], uris[place], metadatas[place], borns[place], seqs[place])
        for place, row in enumerate(at.tolist())
    }


def new_facts(
    known_dimension: int | None, dimension: int | None, known: KnownKeys, metadatas: Iterable[Metadata | None] | None
) -> Facts | None:
    """What a batch says of its collection for the first time; ``None`` when nothing."""
    keys: Mapping[str, list[str]] = known.new(metadatas) if metadatas is not None else {}
    new_dimension = dimension if known_dimension is None else None
    if new_dimension is None and not keys:
        return None
    return Facts(dimension=new_dimension, keys=dict(keys))
