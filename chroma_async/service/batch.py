"""What a batch of records must be before it meets its collection: the checks that need no stored data, for HTTP and embedded use alike."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from chroma_async.errors import InvalidArgumentError, InvalidDimensionException, UnprocessableError
from chroma_async.schema.record import EXPIRES_KEY, check_metadata
from chroma_async.schema.text import check_texts
from chroma_async.types import Floats, MetadataPatch, RecordBatch, WriteKind


def check_batch(kind: WriteKind, batch: RecordBatch) -> RecordBatch:
    """The batch with its metadata normalised, ready for the collection's writer. Pure; a refused batch changes nothing.

    Every list given has the length of ``ids``. Ids are not empty. Vectors have at least one number, and a norm that is finite in float32
    (so NaN and infinities are out too). An update whose vectors are all absent comes back without ``embeddings``.

    :raises InvalidArgumentError: lengths, ids, text without a UTF-8 form, values of vectors, metadata.
    :raises InvalidDimensionException: vectors of no length.
    :raises UnprocessableError: no embeddings where ``kind`` wants one for each id; metadata of the wrong shape.
    """
    if kind is not WriteKind.UPDATE and (batch.embeddings is None or batch.present is not None):
        raise UnprocessableError(f"embeddings: {kind} wants one for every id")
    _check_lengths(batch)
    if "" in batch.ids:
        raise InvalidArgumentError(f"ids[{batch.ids.index('')}] is empty; an id needs at least one character")
    for what, texts in (("id", batch.ids), ("document", batch.documents), ("uri", batch.uris)):
        check_texts(texts or (), what)
    embeddings, present = batch.embeddings, batch.present
    if present is not None and not present.any():
        embeddings, present = None, None
    if embeddings is not None and len(embeddings):
        _check_vectors(embeddings)
    metadatas = _normalised(kind, _with_expiry(kind, batch.metadatas, batch.expires_at))
    return replace(batch, embeddings=embeddings, present=present, metadatas=metadatas, expires_at=None)


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


def _check_vectors(embeddings: Floats) -> None:
    if embeddings.shape[1] == 0:
        raise InvalidDimensionException("embeddings of dimension 0; a vector needs at least one number")
    squares = np.einsum("ij,ij->i", embeddings, embeddings)
    if not np.isfinite(squares).all():
        row = int(np.flatnonzero(~np.isfinite(squares))[0])
        raise InvalidArgumentError(f"embeddings[{row}] holds NaN or infinity, or is so long that its norm overflows float32")


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


def _normalised(kind: WriteKind, metadatas: list[MetadataPatch | None] | None) -> list[MetadataPatch | None] | None:
    if metadatas is None:
        return None
    return [None if metadata is None else check_metadata(metadata, row, kind) for row, metadata in enumerate(metadatas)]
