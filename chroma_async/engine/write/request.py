"""What a collection's writer is asked for. Rows come in as a :class:`CheckedBatch`, made by :func:`check_batch` and nowhere else: what the
types promise was looked at, for HTTP and embedded use alike, by the checks that need no stored data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from chroma_async.engine.snapshot.memory_estimates import deletions_bytes, rows_bytes
from chroma_async.engine.snapshot.version import Version
from chroma_async.errors import InvalidArgumentError, InvalidDimensionException, UnprocessableError
from chroma_async.query_language.filter_ast import Filter
from chroma_async.schema.record import EXPIRES_KEY, check_metadata
from chroma_async.schema.text import check_texts
from chroma_async.types import Bools, Floats, MetadataPatch, RecordBatch, WriteKind


@dataclass(frozen=True, slots=True)
class CheckedBatch:
    """The rows of one add, upsert or update in columns as long as ``ids``; a column is ``None`` when no row has any.

    Ids are not empty, texts have a UTF-8 form, vectors have at least one number and a norm that is finite in float32, and metadata is
    normalised.
    """

    ids: list[str]
    #: (n, d) float32, contiguous.
    embeddings: Floats | None
    documents: list[str | None] | None
    uris: list[str | None] | None
    metadatas: list[MetadataPatch | None] | None
    #: Rough size, for the queue's bound. Counted when this is made: of a large batch in the thread that has checked it.
    bytes: int = field(init=False)

    def __post_init__(self) -> None:
        vectors = 0 if self.embeddings is None else self.embeddings.nbytes
        object.__setattr__(self, "bytes", vectors + rows_bytes(self.ids, self.documents, self.uris, self.metadatas))

    @property
    def touched(self) -> Sequence[str]:
        """The ids that it names."""
        return self.ids

    @property
    def alone(self) -> bool:
        """Whether it must see all that came before it, and so is a group of its own."""
        return False


@dataclass(frozen=True, slots=True)
class Insert(CheckedBatch):
    """Rows that may be new: each brings its vector."""

    embeddings: Floats


@dataclass(frozen=True, slots=True)
class Add(Insert):
    """Leaves the records that exist as they are."""


@dataclass(frozen=True, slots=True)
class Upsert(Insert):
    """Changes the records that exist."""


@dataclass(frozen=True, slots=True)
class Update(CheckedBatch):
    """Changes the records that exist, and makes none."""

    #: (n,): where it is false a row keeps the vector that it has; ``None``: every row brings one, or none does.
    present: Bools | None


Write: TypeAlias = Add | Upsert | Update


@dataclass(frozen=True, slots=True)
class Delete:
    """A deletion by ids."""

    ids: Sequence[str]
    #: Rough size, for the queue's bound. Counted when this is made, as a batch's.
    bytes: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "bytes", deletions_bytes(self.ids))

    @property
    def touched(self) -> Sequence[str]:
        """The ids that it names."""
        return self.ids

    @property
    def alone(self) -> bool:
        """Whether it must see all that came before it, and so is a group of its own."""
        return False


@dataclass(frozen=True, slots=True)
class DeleteMatching:
    """A deletion by filter: of the first ``limit`` records that match, of those with these ids or of all."""

    filter: Filter
    ids: Sequence[str] | None
    limit: int | None
    #: Rough size, for the queue's bound.
    bytes: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "bytes", deletions_bytes(self.touched))

    @property
    def touched(self) -> Sequence[str]:
        """The ids that it names, as far as it does."""
        return self.ids or ()

    @property
    def alone(self) -> bool:
        """Whether it must see all that came before it, and so is a group of its own."""
        return True


@dataclass(frozen=True, slots=True)
class TransactionRequest:
    """Operations in order, and what they depend on: the ids that were read, as they were in ``then``."""

    then: Version
    read_ids: Sequence[str]
    operations: Sequence[Write | Delete]
    #: Rough size, for the queue's bound.
    bytes: int = field(init=False)
    #: Every id that an operation names, each once.
    touched: Sequence[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "bytes", sum(operation.bytes for operation in self.operations))
        object.__setattr__(self, "touched", list(dict.fromkeys(id for operation in self.operations for id in operation.ids)))

    @property
    def alone(self) -> bool:
        """Whether it must see all that came before it, and so is a group of its own."""
        return True


Request: TypeAlias = Write | Delete | DeleteMatching | TransactionRequest

#: A request that changes nothing. The queue deletes what has expired before it serves any request.
NOTHING = Delete(())


def check_batch(kind: WriteKind, batch: RecordBatch) -> Write:
    """The batch as what the collection's writer takes. Pure; a refused batch changes nothing.

    An update whose vectors are all absent comes back without ``embeddings``.

    :raises InvalidArgumentError: lengths, ids, text without a UTF-8 form, values of vectors, metadata.
    :raises InvalidDimensionException: vectors of no length.
    :raises UnprocessableError: no embeddings where ``kind`` wants one for each id; metadata of the wrong shape.
    """
    if kind is WriteKind.UPDATE:
        return _checked_update(batch)
    if batch.embeddings is None or batch.present is not None:
        raise UnprocessableError(f"embeddings: {kind} wants one for every id")
    _check_columns(batch)
    insert = Add if kind is WriteKind.ADD else Upsert
    return insert(batch.ids, _checked_vectors(batch.embeddings), batch.documents, batch.uris, _checked_metadatas(kind, batch))


def _checked_update(batch: RecordBatch) -> Update:
    _check_columns(batch)
    given, present = batch.embeddings, batch.present
    if given is None or (present is not None and not present.any()):
        vectors = mask = None
    else:
        vectors, mask = _checked_vectors(given), present
    return Update(batch.ids, vectors, batch.documents, batch.uris, _checked_metadatas(WriteKind.UPDATE, batch), mask)


def _check_columns(batch: RecordBatch) -> None:
    """What needs no look at vectors and metadata: lengths, ids, texts."""
    _check_lengths(batch)
    if "" in batch.ids:
        raise InvalidArgumentError(f"ids[{batch.ids.index('')}] is empty; an id needs at least one character")
    for what, texts in (("id", batch.ids), ("document", batch.documents), ("uri", batch.uris)):
        check_texts(texts or (), what)


def _check_lengths(batch: RecordBatch) -> None:
    columns = {
        "embeddings": batch.embeddings,
        "documents": batch.documents,
        "uris": batch.uris,
        "metadatas": batch.metadatas,
        "expires_at": batch.expires_at,
    }
    lengths = {"ids": len(batch.ids)} | {name: len(column) for name, column in columns.items() if column is not None}
    if len(set(lengths.values())) > 1:
        raise InvalidArgumentError("Inconsistent number of " + ", ".join(f"{name} ({length})" for name, length in lengths.items()))


def _checked_vectors(embeddings: Floats) -> Floats:
    if len(embeddings) and embeddings.shape[1] == 0:
        raise InvalidDimensionException("embeddings of dimension 0; a vector needs at least one number")
    squares = np.einsum("ij,ij->i", embeddings, embeddings)
    if not np.isfinite(squares).all():
        row = int(np.flatnonzero(~np.isfinite(squares))[0])
        raise InvalidArgumentError(f"embeddings[{row}] holds NaN or infinity, or is so long that its norm overflows float32")
    return np.ascontiguousarray(embeddings, dtype=np.float32)


def _with_expiry(
    kind: WriteKind, metadatas: list[MetadataPatch | None] | None, expires_at: list[float | None] | None
) -> list[MetadataPatch | None] | None:
    """Metadata with the hidden key that says when a record ends; null removes it, as any key. A new record has none to remove."""
    if expires_at is None:
        return metadatas
    together = zip(metadatas or [None] * len(expires_at), expires_at, strict=True)
    patches: list[MetadataPatch] = [{**(metadata or {}), EXPIRES_KEY: ends} for metadata, ends in together]
    if kind is WriteKind.ADD:
        return [{key: value for key, value in patch.items() if key != EXPIRES_KEY or value is not None} for patch in patches]
    return list(patches)


def _checked_metadatas(kind: WriteKind, batch: RecordBatch) -> list[MetadataPatch | None] | None:
    metadatas = _with_expiry(kind, batch.metadatas, batch.expires_at)
    if metadatas is None:
        return None
    return [None if metadata is None else check_metadata(metadata, row, kind) for row, metadata in enumerate(metadatas)]
