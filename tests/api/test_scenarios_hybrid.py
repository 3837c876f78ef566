"""Searches by sparse vector and by both kinds at once, through every client: from plain text to ranked records."""

from __future__ import annotations

import math
from typing import Any

import chromadb
import pytest
from chromadb.api.types import SparseVectorIndexConfig as TheirConfig
from chromadb.execution.expression import K as TheirK
from chromadb.execution.expression import Knn as TheirKnn
from chromadb.execution.expression import Rrf as TheirRrf
from chromadb.execution.expression import Search as TheirSearch
from chromadb.utils.embedding_functions import ChromaBm25EmbeddingFunction as TheirBm25

import chroma_async
from tests.api.conftest import Store

TEXTS = {
    "reset": "Reset the password of an account from its settings",
    "invoice": "Invoices are downloaded from the billing page of the account",
    "e1234": "Error E1234 means that the disk of the account is full",
    "backup": "Backups run every night and are kept for a month",
}
#: "e1234" lies far from where the tests ask, "backup" near.
VECTORS = {"reset": [0.6, 0.8], "invoice": [0.8, 0.6], "e1234": [-1.0, 0.0], "backup": [1.0, 0.0]}


def bm25_schema(store: Store) -> Any:
    if store.is_ours:
        config = chroma_async.SparseVectorIndexConfig(
            embedding_function=chroma_async.ChromaBm25EmbeddingFunction(), source_key="#document", bm25=True
        )
        return chroma_async.Schema().create_index(config, key="words")
    return chromadb.Schema().create_index(TheirConfig(embedding_function=TheirBm25(), source_key="#document", bm25=True), key="words")


async def answers(store: Store) -> Any:
    collection = await store.collection(schema=bm25_schema(store))
    await collection.add(
        ids=list(TEXTS),
        embeddings=[VECTORS[id] for id in TEXTS],
        documents=list(TEXTS.values()),
        metadatas=[{"page": number} for number in range(len(TEXTS))],
    )
    return collection


def search(store: Store) -> Any:
    return chroma_async.Search() if store.is_ours else TheirSearch()


def knn(store: Store, *arguments: Any, **options: Any) -> Any:
    return (chroma_async.Knn if store.is_ours else TheirKnn)(*arguments, **options)


async def test_a_text_is_found_by_its_rare_words_and_scored_by_bm25(store: Store) -> None:
    collection = await answers(store)
    found = await collection.search(search(store).rank(knn(store, "error e1234 in my account", key="words")).select_all())
    assert found["ids"] == [["e1234", "reset", "invoice"]]
    assert found["documents"][0][0] == TEXTS["e1234"]

    def weight(text: str, word: str) -> float:
        (vector,) = TheirBm25()([text])
        ((index,),) = ([*TheirBm25()([word])[0].indices],)
        return dict(zip(vector.indices, vector.values, strict=True)).get(index, 0.0)

    question = "error e1234 in my account"
    counts = {"error": 1, "e1234": 1, "account": 3}
    product = sum(
        weight(TEXTS["e1234"], word) * weight(question, word) * math.log((4 - count + 0.5) / (count + 0.5) + 1)
        for word, count in counts.items()
    )
    assert found["scores"][0][0] == pytest.approx(1.0 - product, rel=1e-6)
    shown = found["metadatas"][0][0]["words"]
    assert shown.to_dict() == TheirBm25()([TEXTS["e1234"]])[0].to_dict() | {"values": pytest.approx(shown.values)}


async def test_dense_and_sparse_together_find_what_either_finds(store: Store) -> None:
    collection = await answers(store)
    dense = await collection.query(query_embeddings=[[1.0, 0.0]], n_results=2)
    assert dense["ids"] == [["backup", "invoice"]]
    ranks = [
        knn(store, [1.0, 0.0], return_rank=True, limit=2, default=100),
        knn(store, "E1234", key="words", return_rank=True, default=100),
    ]
    both = (chroma_async.Rrf if store.is_ours else TheirRrf)(ranks, k=60, weights=[1.0, 1.0])
    found = await collection.search(search(store).rank(both).limit(3))
    assert set(found["ids"][0]) == {"backup", "invoice", "e1234"}
    assert found["ids"][0].index("backup") < found["ids"][0].index("invoice")


async def test_a_filter_restricts_sparse_searches_and_leaves_the_weights_alone(store: Store) -> None:
    collection = await answers(store)
    key = (chroma_async.K if store.is_ours else TheirK)("page")
    plain = search(store).rank(knn(store, "account", key="words")).select("#score")
    everywhere = await collection.search(plain)
    filtered = await collection.search(plain.where(key > 0))
    scores = dict(zip(everywhere["ids"][0], everywhere["scores"][0], strict=True))
    assert sorted(scores) == ["e1234", "invoice", "reset"]
    assert dict(zip(filtered["ids"][0], filtered["scores"][0], strict=True)) == {id: scores[id] for id in ("invoice", "e1234")}


async def test_a_key_without_a_sparse_index_is_refused(store: Store) -> None:
    collection = await answers(store)
    vector = (chroma_async.SparseVector if store.is_ours else chromadb.SparseVector)([1], [1.0])
    with pytest.raises(store.errors.any):
        await collection.search(search(store).rank(knn(store, vector, key="page")))
