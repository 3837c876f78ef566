"""Sparse vectors that a write leaves out, and that the schema says how to make: of documents, or of other metadata."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chroma_async.client.embedding import call
from chroma_async.client.metadata import check_metadata
from chroma_async.costs import CHECK_SPARSE_VECTOR, by_cost
from chroma_async.embedding.protocol import described_name
from chroma_async.errors import ValidationError
from chroma_async.threads import Lane
from chroma_async.types import DOCUMENT_KEY, Json, MetadataPatch, SparseValue


@dataclass(frozen=True, slots=True)
class _Index:
    """An enabled sparse index: what its function is, and what is embedded."""

    key: str
    function: dict[str, Json]
    source: str


class SparseEmbedder:
    """The sparse embedding functions of one collection, as writes use them."""

    def __init__(self, schema: Mapping[str, Json], build: Callable[[Mapping[str, Json]], Any], lane: Lane) -> None:
        """
        :param schema: the collection's, as JSON.
        :param build: makes the function that ``{"name", "config"}`` describes, or one that says why it cannot when it is called.
        """
        self._indexes = list(_indexes(schema))
        self._build = build
        self._lane = lane

    async def completed(
        self, metadatas: list[MetadataPatch | None] | None, documents: Sequence[str | None] | None, rows: int
    ) -> list[MetadataPatch | None] | None:
        """The metadata of a write with the vectors that it leaves out, in new dictionaries.

        A key is left out when the record's metadata does not name it, and made when its source is text: the document that is being
        written, or another key of the same metadata.

        :raises ValidationError: a function cannot be made here, or gave something else than a sparse vector for each text.
        """
        for index in self._indexes:
            found = list(_missing(index, metadatas, documents, rows))
            if found:
                vectors = await self._embed(index, [text for _, text in found])
                metadatas = list(metadatas or [None] * rows)
                for (row, _), vector in zip(found, vectors, strict=True):
                    metadatas[row] = {**(metadatas[row] or {}), index.key: vector}
        return metadatas

    async def _embed(self, index: _Index, texts: list[str]) -> list[SparseValue]:
        result = await call(self._build(index.function), texts, self._lane)
        return await by_cost(self._lane.run, CHECK_SPARSE_VECTOR * len(texts), _checked, result, len(texts), index.key)


def _indexes(schema: Mapping[str, Json]) -> Iterator[_Index]:
    """The enabled sparse indexes that name a function and its source."""
    for key, types in (schema.get("keys") or {}).items():
        index = ((types or {}).get("sparse_vector") or {}).get("sparse_vector_index") or {}
        config = index.get("config") or {}
        function, source = config.get("embedding_function"), config.get("source_key")
        if index.get("enabled") and source is not None and isinstance(function, dict) and described_name(function) is not None:
            yield _Index(key, function, source)


def _missing(
    index: _Index, metadatas: Sequence[MetadataPatch | None] | None, documents: Sequence[str | None] | None, rows: int
) -> Iterator[tuple[int, str]]:
    """(row, text) of the records whose metadata says nothing of the key, and that bring its source."""
    of_document = index.source == DOCUMENT_KEY
    for row in range(rows if (documents if of_document else metadatas) is not None else 0):
        metadata = (metadatas[row] if metadatas is not None else None) or {}
        text = (documents or ())[row] if of_document else metadata.get(index.source)
        if index.key not in metadata and isinstance(text, str):
            yield row, text


def _checked(result: Any, count: int, key: str) -> list[SparseValue]:
    """What a function gave, as JSON forms."""
    made = list(result) if isinstance(result, list | tuple) else []
    if len(made) != count:
        raise ValidationError(f"the sparse embedding function of {key!r}: expected {count} vectors, got {len(made)}")
    forms = [(check_metadata({key: vector}) or {})[key] for vector in made]
    if not all(isinstance(form, dict) for form in forms):
        raise ValidationError(f"the sparse embedding function of {key!r}: expected a SparseVector for each text")
    return forms
