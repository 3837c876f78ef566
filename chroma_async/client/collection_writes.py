"""The writing verbs of a collection: arguments checked, embedded where they need to be, and sent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from chroma_async.client.collection_view import CollectionView
from chroma_async.client.embedding import call, one_for_each
from chroma_async.client.record_arguments import LEFT_OUT, RecordColumns, checking_us, columns, expiry, known_rows, one_source
from chroma_async.client.validate import check_embeddings, converting_us
from chroma_async.costs import by_cost
from chroma_async.errors import ValidationError, ValidationTypeError
from chroma_async.plain import shown
from chroma_async.refusing import refusing
from chroma_async.types import Floats, RecordBatch, WriteKind


class CollectionWrites(CollectionView):
    """``add``, ``upsert`` and ``update``: three signatures, which are chromadb's, and one way."""

    async def add(
        self,
        ids: Any,
        embeddings: Any = None,
        metadatas: Any = None,
        documents: Any = None,
        images: Any = None,
        uris: Any = None,
        *,
        expires_at: Any = LEFT_OUT,
    ) -> None:
        """Insert records; ids that exist are skipped. Without embeddings, exactly one of documents, images and uris is embedded.

        :param expires_at: when the records end by themselves: one value for all, or a list of one for each; a datetime (with time zone),
            seconds since the epoch, or ``None`` for never. Beyond chromadb's parameters.
        :raises ValidationError, ValidationTypeError, DuplicateIDError: the arguments.
        :raises InvalidDimensionException: the vectors' length.
        """
        await self._write(WriteKind.ADD, ids, embeddings, metadatas, documents, images, uris, expires_at)

    async def upsert(
        self,
        ids: Any,
        embeddings: Any = None,
        metadatas: Any = None,
        documents: Any = None,
        images: Any = None,
        uris: Any = None,
        *,
        expires_at: Any = LEFT_OUT,
    ) -> None:
        """Insert records, or merge them into those that exist. Without embeddings, exactly one of documents and images is embedded.

        Of a record that exists, what is left out or ``None`` stays as it is; only ``expires_at`` tells the two apart: left out, the record
        ends when it was to end; ``None`` takes its end away.

        :raises: as :meth:`add`.
        """
        await self._write(WriteKind.UPSERT, ids, embeddings, metadatas, documents, images, uris, expires_at)

    async def update(
        self,
        ids: Any,
        embeddings: Any = None,
        metadatas: Any = None,
        documents: Any = None,
        images: Any = None,
        uris: Any = None,
        *,
        expires_at: Any = LEFT_OUT,
    ) -> None:
        """Merge into records that exist; unknown ids are ignored. Without embeddings, documents (or images) are embedded if given.

        What is left out or ``None`` stays as it is, except for ``expires_at``: see :meth:`upsert`.

        :raises: as :meth:`add`.
        """
        await self._write(WriteKind.UPDATE, ids, embeddings, metadatas, documents, images, uris, expires_at)

    async def _write(
        self, kind: WriteKind, ids: Any, embeddings: Any, metadatas: Any, documents: Any, images: Any, uris: Any, expires_at: Any
    ) -> None:
        batch = await self.batch(kind, ids, embeddings, metadatas, documents, images, uris, expires_at=expires_at)
        await self.api.write(self._scope, self.id, kind, batch)

    async def batch(
        self,
        kind: WriteKind,
        ids: Any,
        embeddings: Any = None,
        metadatas: Any = None,
        documents: Any = None,
        images: Any = None,
        uris: Any = None,
        *,
        expires_at: Any = LEFT_OUT,
    ) -> RecordBatch:
        """What the verb of that kind sends: the arguments checked, embedded where they need to be, and not sent."""
        if type(kind) is not WriteKind:
            raise ValidationTypeError(f"kind: expected a WriteKind, got {shown(kind)}")
        with refusing(kind.value):
            given = await self._columns(kind, ids, metadatas, documents, images, uris)
            ends = expiry(expires_at, len(given.ids))
            if embeddings is not None:
                batch = given.with_embeddings(await self._vectors(embeddings, "embeddings"))
            elif kind is WriteKind.UPDATE:
                source = given.documents if given.documents is not None else given.images
                batch = given.with_embeddings(None) if source is None else await self._embedded_update(given, source)
            else:
                sources = {"images": given.images, "documents": given.documents}
                name, values = one_source(**(sources | {"uris": given.uris} if kind is WriteKind.ADD else sources))
                batch = given.with_embeddings(await self._embedder.documents(await self._load(values) if name == "uris" else values))
        return replace(batch, expires_at=ends)

    async def _embedded_update(self, given: RecordColumns, source: list[Any]) -> RecordBatch:
        values, present = known_rows(source)
        if not values:
            return given.with_embeddings(None)
        vectors = await self._embedder.documents(values)
        if len(values) == len(source):
            return given.with_embeddings(vectors)
        embeddings = np.zeros((len(source), vectors.shape[1]), dtype=np.float32)
        embeddings[present] = vectors
        return given.with_embeddings(embeddings, present)

    async def _columns(self, kind: WriteKind, ids: Any, metadatas: Any, documents: Any, images: Any, uris: Any) -> RecordColumns:
        """Checked before an embedding function runs. Sparse vectors that the schema knows how to make are in the metadata."""
        arguments = (ids, metadatas, documents, images, uris)
        given = await by_cost(self._client.lane.run, checking_us(*arguments), columns, *arguments, removing=kind is not WriteKind.ADD)
        return replace(given, metadatas=await self._sparse.completed(given.metadatas, given.documents, len(given.ids)))

    async def _vectors(self, value: Any, field: str) -> Floats:
        return await by_cost(self._client.lane.run, converting_us(value), check_embeddings, value, field)

    async def _load(self, uris: list[str | None]) -> list[Any]:
        """What the data loader makes of ``uris``; records without one keep ``None``. :raises ValidationError: there is no loader."""
        if self._data_loader is None:
            raise ValidationError("uris are loaded by a data_loader, and the collection was opened without one")
        known, present = known_rows(uris)
        loaded = await call(self._data_loader, known, self._client.lane) if known else []
        following = iter(one_for_each(loaded, known, "data_loader"))
        return [next(following) if there else None for there in present]
