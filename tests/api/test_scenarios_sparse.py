"""Sparse vectors in metadata, and sparse indexes in schemas: written, merged, read and made from texts, through every client."""

from __future__ import annotations

from typing import Any

import chromadb
import pytest
from chromadb.api.types import SparseVectorIndexConfig as TheirConfig
from chromadb.utils.embedding_functions import ChromaBm25EmbeddingFunction as TheirBm25

import chroma_async
from tests.api.conftest import Store


def vector(store: Store, *arguments: Any) -> Any:
    """A sparse vector of the class that the client knows."""
    return (chroma_async.SparseVector if store.is_ours else chromadb.SparseVector)(*arguments)


def bm25_schema(store: Store, source: str = "#document", **arguments: Any) -> Any:
    """A schema that makes sparse vectors under ``words``, of the client's own classes."""
    if store.is_ours:
        config = chroma_async.SparseVectorIndexConfig(
            embedding_function=chroma_async.ChromaBm25EmbeddingFunction(**arguments), source_key=source, bm25=True
        )
        return chroma_async.Schema().create_index(config, key="words")
    return chromadb.Schema().create_index(TheirConfig(embedding_function=TheirBm25(**arguments), source_key=source, bm25=True), key="words")


def expected(text: str, **arguments: Any) -> dict[str, Any]:
    """What chromadb's function makes of a text, as float32 in its fewest digits."""
    (made,) = TheirBm25(**arguments)([text])
    return rounded(made.to_dict())


def rounded(form: dict[str, Any]) -> dict[str, Any]:
    return {**form, "values": [pytest.approx(value, rel=1e-7) for value in form["values"]]}


async def metadatas(collection: Any, **request: Any) -> list[Any]:
    """Metadata as read, sparse vectors in their JSON form."""
    found = (await collection.get(**request))["metadatas"]
    return [
        metadata and {key: value.to_dict() if hasattr(value, "to_dict") else value for key, value in metadata.items()} for metadata in found
    ]


async def test_sparse_vectors_come_back_as_the_clients_own_class(store: Store) -> None:
    collection = await store.collection()
    given = [vector(store, [1, 2**32 - 1], [0.1, -2.0]), vector(store, [], []), vector(store, [3], [1.0], ["three"])]
    await collection.add(
        ids=["a", "b", "c", "d"], embeddings=[[1.0, 2.0]] * 4, metadatas=[*({"s": one, "n": 1} for one in given), {"n": 2}]
    )
    found = (await collection.get())["metadatas"]
    assert [metadata.get("s") for metadata in found] == [*given, None]
    assert [metadata["n"] for metadata in found] == [1, 1, 1, 2]
    answer = await collection.query(query_embeddings=[[1.0, 2.0]], n_results=1)
    assert answer["metadatas"][0][0]["s"] == given[0]


async def test_updates_replace_keep_and_remove_sparse_vectors_as_any_value(store: Store) -> None:
    collection = await store.collection()
    await collection.add(ids=["a", "b", "c"], embeddings=[[1.0]] * 3, metadatas=[{"s": vector(store, [1], [1.0]), "n": 1}] * 3)
    await collection.update(ids=["a", "b", "c"], metadatas=[{"s": vector(store, [2], [2.0])}, {"n": 5}, {"s": None}])
    await collection.upsert(ids=["d"], embeddings=[[1.0]], metadatas=[{"s": vector(store, [4], [4.0])}])
    assert await metadatas(collection) == [
        {"s": vector(store, [2], [2.0]).to_dict(), "n": 1},
        {"s": vector(store, [1], [1.0]).to_dict(), "n": 5},
        {"n": 1},
        {"s": vector(store, [4], [4.0]).to_dict()},
    ]


async def test_filters_pass_over_sparse_vectors(store: Store) -> None:
    collection = await store.collection()
    await collection.add(ids=["a", "b"], embeddings=[[1.0]] * 2, metadatas=[{"s": vector(store, [1], [1.0])}, {"s": "text"}])
    assert (await collection.get(where={"s": "text"}))["ids"] == ["b"]
    assert (await collection.get(where={"s": {"$ne": "text"}}))["ids"] == ["a"]
    assert (await collection.get(where={"s": {"$gt": 0}}))["ids"] == []


async def test_a_key_with_sparse_vectors_is_discovered_and_its_index_stays_off(store: Store) -> None:
    collection = await store.collection()
    await collection.add(ids=["a"], embeddings=[[1.0]], metadatas=[{"s": vector(store, [1], [1.0])}])
    schema = (await store.client.get_collection("docs", embedding_function=None)).schema
    index = schema.keys["s"].sparse_vector.sparse_vector_index
    assert index.enabled is False


async def test_documents_are_embedded_on_every_kind_of_write(store: Store) -> None:
    collection = await store.collection(schema=bm25_schema(store))
    one = [[1.0, 2.0]]
    await collection.add(ids=["a", "b"], embeddings=one * 2, documents=["Running foxes", "the lazy dog"], metadatas=[{"n": 1}, {"n": 2}])
    await collection.upsert(ids=["c"], embeddings=one, documents=["A fox's run"])
    await collection.update(ids=["a"], embeddings=one, documents=["quick brown foxes"])
    own = vector(store, [7], [7.0])
    await collection.upsert(ids=["d"], embeddings=one, documents=["kept as given"], metadatas=[{"words": own}])
    await collection.add(ids=["e"], embeddings=one, metadatas=[{"n": 5}])
    assert await metadatas(collection) == [
        {"n": 1, "words": expected("quick brown foxes")},
        {"n": 2, "words": expected("the lazy dog")},
        {"words": expected("A fox's run")},
        {"words": own.to_dict()},
        {"n": 5},
    ]


async def test_a_metadata_key_may_be_embedded_and_labelled_also_by_a_client_that_only_read_the_schema(store: Store) -> None:
    await store.collection(schema=bm25_schema(store, "title", include_tokens=True))
    collection = await store.client.get_collection("docs", embedding_function=None)
    await collection.add(ids=["a", "b", "c"], embeddings=[[1.0]] * 3, metadatas=[{"title": "Vector stores"}, {"title": 3}, {"n": 1}])
    assert await metadatas(collection) == [
        {"title": "Vector stores", "words": expected("Vector stores", include_tokens=True)},
        {"title": 3},
        {"n": 1},
    ]
    assert sorted((await metadatas(collection))[0]["words"]["tokens"]) == ["store", "vector"]


async def test_broken_sparse_vectors_are_refused_and_nothing_is_written(store: Store) -> None:
    collection = await store.collection()
    broken = vector(store, [1, 2], [1.0, 2.0])
    # Lists can be changed behind the back of any class.
    broken.indices.reverse()
    with pytest.raises(store.errors.any):
        await collection.add(ids=["a", "b"], embeddings=[[1.0]] * 2, metadatas=[{"n": 1}, {"s": broken}])
    assert await collection.count() == 0
    with pytest.raises(store.errors.any):
        await collection.modify(metadata={"s": vector(store, [1], [1.0])})
