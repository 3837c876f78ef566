"""Turning requests into whole rows: what an add, update, upsert or delete means, given what the collection holds.

A write is resolved against one Version. The log then holds rows that need nothing else to be replayed: partial updates are merged with the
row they change, deletions by filter are named ids. Requests of one group never touch the same id (the queue cuts the group), so each can be
resolved on its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from chroma_async.engine.read.get import choose
from chroma_async.engine.snapshot.memory_estimates import deletions_bytes, rows_bytes
from chroma_async.engine.snapshot.version import Places, Version
from chroma_async.errors import InvalidDimensionException
from chroma_async.format.logbatch import Facts, LogBatch
from chroma_async.query_language.filter_ast import Filter
from chroma_async.schema.keys import KnownKeys
from chroma_async.types import Floats, Ints, Metadata, MetadataPatch, RecordBatch, Seq, WriteKind

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Write:
    """An add, update or upsert whose shape is checked."""

    kind: WriteKind
    batch: RecordBatch
    #: Rough size, for the queue's bound. Counted when this is made: of a large batch in the thread that has checked it.
    bytes: int = field(init=False)

    def __post_init__(self) -> None:
        batch = self.batch
        vectors = 0 if batch.embeddings is None else batch.embeddings.nbytes
        object.__setattr__(self, "bytes", vectors + rows_bytes(batch.ids, batch.documents, batch.uris, batch.metadatas))


@dataclass(frozen=True, slots=True)
class Delete:
    """A deletion by ids, by filter, or by both."""

    ids: Sequence[str] | None
    filter: Filter | None
    limit: int | None

    @property
    def bytes(self) -> int:
        """Rough size, for the queue's bound."""
        return deletions_bytes(self.ids or ())


#: A request that changes nothing. The queue deletes what has expired before it serves any request.
NOTHING = Delete([], None, None)


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


NOBODY = Places(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))


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
    batch = write.batch
    dimension = checked_dimension(batch, version.dimension)
    places = version.find(batch.ids)
    if write.kind is WriteKind.ADD or (write.kind is WriteKind.UPSERT and not places.present.any() and _distinct(batch.ids)):
        resolved = _inserted(batch, places)
        victims = NOBODY
    else:
        resolved, victims = _folded(write, version, places)
    facts = new_facts(version.dimension, dimension, known, resolved.metadatas if resolved is not None else None)
    if resolved is None and facts is None:
        return Resolved(None, NOBODY)
    count = 0
    if resolved is not None:
        count = len(resolved.ids) if write.kind is WriteKind.UPDATE else len(resolved.ids) - len(victims)
    return Resolved(log_batch(first, resolved, dimension, facts), victims, count)


def resolve_delete(delete: Delete, version: Version, first: Seq) -> Resolved:
    """The rows that a deletion means, now."""
    if delete.filter is not None:
        places = choose(version, delete.filter, delete.ids, delete.limit, 0)
    else:
        places = version.find(list(dict.fromkeys(delete.ids or ())))
        places = places.at(places.present)
    return resolve_places(places, version, first)


def resolve_places(places: Places, version: Version, first: Seq) -> Resolved:
    """The deletion of these rows."""
    if not len(places):
        return Resolved(None, NOBODY)
    batch = LogBatch(
        first=first,
        ids=[],
        embeddings=np.empty((0, version.dimension or 0), dtype=np.float32),
        borns=np.empty(0, dtype=np.int64),
        victims=np.empty(0, dtype=np.int64),
        documents=None,
        uris=None,
        metadatas=None,
        deleted_ids=version.ids_at(places),
        deleted=version.seqs_at(places),
        facts=None,
    )
    return Resolved(batch, places, len(places))


@dataclass(frozen=True, slots=True)
class WholeRows:
    """Rows as the log holds them, by columns of equal length."""

    ids: list[str]
    embeddings: Floats
    documents: list[str | None] | None
    uris: list[str | None] | None
    metadatas: list[Metadata | None] | None
    borns: Ints
    victims: Ints


def _distinct(ids: Sequence[str]) -> bool:
    return len(set(ids)) == len(ids)


def checked_dimension(batch: RecordBatch, known: int | None) -> int | None:
    """The dimension of the collection after the batch. :raises InvalidDimensionException: the batch's is another, or 0."""
    embeddings = batch.embeddings
    if embeddings is None or not len(embeddings):
        return known
    given = int(embeddings.shape[1])
    if given == 0:
        raise InvalidDimensionException("Collection expecting embedding with dimension of at least 1, got 0")
    if known is not None and given != known:
        raise InvalidDimensionException(f"Collection expecting embedding with dimension of {known}, got {given}")
    return given


def _inserted(batch: RecordBatch, places: Places) -> WholeRows | None:
    """New rows only: the first of equal ids, unless the id exists."""
    chosen: list[int] = []
    seen: set[str] = set()
    for row, (id, exists) in enumerate(zip(batch.ids, places.present.tolist(), strict=True)):
        if not exists and id not in seen:
            seen.add(id)
            chosen.append(row)
    if not chosen:
        return None
    assert batch.embeddings is not None, "an add carries embeddings; api.batch checks it"
    everything = len(chosen) == len(batch.ids)
    nothing = np.zeros(len(chosen), dtype=np.int64)
    uris = _picked(batch.uris, chosen, everything)
    patches = _picked(batch.metadatas, chosen, everything)
    metadatas: list[Metadata | None] | None = None
    if patches is not None or uris is not None:
        metadatas = [
            _stored(merged(None, patch), uri)
            for patch, uri in zip(patches or [None] * len(chosen), uris or [None] * len(chosen), strict=True)
        ]
    return WholeRows(
        ids=batch.ids if everything else [batch.ids[row] for row in chosen],
        embeddings=batch.embeddings if everything else batch.embeddings[chosen],
        documents=_picked(batch.documents, chosen, everything),
        uris=uris,
        metadatas=metadatas,
        borns=nothing,
        victims=nothing,
    )


def _picked(column: list[T] | None, chosen: list[int], everything: bool) -> list[T] | None:
    return column if column is None or everything else [column[row] for row in chosen]


def _folded(write: Write, version: Version, places: Places) -> tuple[WholeRows | None, Places]:
    """Updates applied one after the other, equal ids folded into one final row each."""
    batch = write.batch
    old = stored_rows(version, batch.ids, places)
    folded: dict[str, FoldedRow] = {}
    for row, id in enumerate(batch.ids):
        current = folded.get(id) or old.get(id)
        if current is None and write.kind is WriteKind.UPDATE:
            continue
        folded[id] = fold(current, batch, row)
    if not folded:
        return None, NOBODY
    replaced = [row for row, id in enumerate(batch.ids) if id in folded]
    unique = dict(zip((batch.ids[row] for row in reversed(replaced)), reversed(replaced), strict=True))
    victims = places.at(np.fromiter(unique.values(), dtype=np.int64, count=len(unique)))
    return whole_rows(folded), victims.at(victims.present)


def fold(current: FoldedRow | None, batch: RecordBatch, row: int) -> FoldedRow:
    """A record after one row of a batch: a new one, or the current one with what the row says changed."""
    embedding = embedding_at(batch, row)
    patch = batch.metadatas[row] if batch.metadatas else None
    document = batch.documents[row] if batch.documents else None
    uri = batch.uris[row] if batch.uris else None
    if current is None:
        assert embedding is not None, "an add or upsert carries embeddings; api.batch checks it"
        return FoldedRow(embedding, document, uri, merged(None, patch), 0, 0)
    return FoldedRow(
        current.embedding if embedding is None else embedding,
        current.document if document is None else document,
        current.uri if uri is None else uri,
        merged(current.metadata, patch),
        current.born,
        current.victim,
    )


def whole_rows(folded: Mapping[str, FoldedRow]) -> WholeRows:
    """The final rows by id, at least one, as columns."""
    rows = list(folded.values())
    return WholeRows(
        ids=list(folded),
        embeddings=np.stack([row.embedding for row in rows]),
        documents=[row.document for row in rows],
        uris=[row.uri for row in rows],
        metadatas=[_stored(row.metadata, row.uri) for row in rows],
        borns=np.array([row.born for row in rows], dtype=np.int64),
        victims=np.array([row.victim for row in rows], dtype=np.int64),
    )


def embedding_at(batch: RecordBatch, row: int) -> Floats | None:
    """The vector of a row; ``None`` where an update keeps what there is."""
    if batch.embeddings is None or (batch.present is not None and not batch.present[row]):
        return None
    embedding: Floats = batch.embeddings[row]
    return embedding


def stored_rows(version: Version, ids: Sequence[str], places: Places) -> dict[str, FoldedRow]:
    """The rows of those ids that exist, as they are."""
    at = np.flatnonzero(places.present)
    if not at.size:
        return {}
    here = places.at(at)
    documents, uris, metadatas = version.fetch(here, documents=True, uris=True, metadatas=True)
    assert documents is not None
    assert uris is not None
    assert metadatas is not None
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


def log_batch(first: Seq, rows: WholeRows | None, dimension: int | None, facts: Facts | None) -> LogBatch:
    """The entry of rows; without any it carries facts alone."""
    empty = np.empty(0, dtype=np.int64)
    if rows is None:
        rows = WholeRows([], np.empty((0, dimension or 0), dtype=np.float32), None, None, None, empty, empty)
    return LogBatch(
        first=first,
        ids=rows.ids,
        embeddings=np.ascontiguousarray(rows.embeddings, dtype=np.float32),
        borns=rows.borns,
        victims=rows.victims,
        documents=rows.documents,
        uris=rows.uris,
        metadatas=rows.metadatas,
        deleted_ids=[],
        deleted=empty,
        facts=facts,
    )
