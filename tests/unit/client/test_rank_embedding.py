"""Texts in searches: who embeds them, how often, and what is refused before anything is sent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from chroma_async import K, Knn, Rrf, Search, SparseVector
from chroma_async.client.client import AsyncClient
from chroma_async.client.collection import AsyncCollection
from chroma_async.errors import ValidationError, ValidationTypeError
from chroma_async.types import ReadLevel
from tests.fakes.api import FakeAPI


@pytest.fixture
async def api() -> FakeAPI:
    return FakeAPI()


@pytest.fixture
async def client(api: FakeAPI) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(api) as opened:
        yield opened


class Words:
    """Embeds texts as (their length, 1) and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    async def __call__(self, input: list[str]) -> list[list[float]]:
        self.asked.append(input)
        return [[float(len(text)), 1.0] for text in input]


class Terms:
    """A sparse function with a name: each text is its length."""

    asked: list[list[str]] = []

    def __call__(self, input: list[str]) -> list[Any]:
        raise AssertionError("queries go to embed_query")

    def embed_query(self, input: list[str]) -> list[Any]:
        self.asked.append(input)
        return [SparseVector([len(text)], [1.0]) for text in input]

    @staticmethod
    def name() -> str:
        return "test-terms"

    @staticmethod
    def build_from_config(config: dict[str, Any]) -> Terms:
        return Terms()

    def get_config(self) -> dict[str, Any]:
        return {}


def sent(api: FakeAPI) -> list[Any]:
    assert api.verbs.count("search") == 1
    return list(api.sent("search").searches)


def with_index(collection: AsyncCollection, key: str, function: Any) -> AsyncCollection:
    """The collection, with a sparse index in its schema."""
    config = {"embedding_function": function, "source_key": "#document", "bm25": False}
    collection._info.schema.setdefault("keys", {})[key] = {"sparse_vector": {"sparse_vector_index": {"enabled": True, "config": config}}}
    return collection


async def test_each_text_is_embedded_once_and_all_of_them_in_one_call(client: AsyncClient, api: FakeAPI) -> None:
    words = Words()
    collection = await client.create_collection("docs", embedding_function=words)
    one, two = Knn("one", return_rank=True), Knn("three", return_rank=True)
    await collection.search([Search(rank=Rrf([one, two])), Search(rank=one.max(Knn([7.0, 7.0]))), Search()])
    assert words.asked == [["one", "three"]]
    first, second, third = sent(api)
    assert [knn["query"] for knn in knns(first["rank"])] == [[3.0, 1.0], [5.0, 1.0]]
    assert [knn["query"] for knn in knns(second["rank"])] == [[3.0, 1.0], [7.0, 7.0]]
    assert all(knn["return_rank"] for knn in knns(first["rank"]))
    assert third["rank"] is None


def knns(rank: Any) -> list[Any]:
    """The bodies of all ``$knn`` nodes, from left to right."""
    if isinstance(rank, list):
        return [knn for item in rank for knn in knns(item)]
    if not isinstance(rank, dict):
        return []
    return [knn for name, body in rank.items() for knn in ([body] if name == "$knn" else knns(body))]


async def test_without_texts_no_function_is_needed_and_searches_go_out_as_they_are(client: AsyncClient, api: FakeAPI) -> None:
    collection = await client.create_collection("docs", embedding_function=None)
    plain = {"rank": {"$knn": {"query": [1.0]}}, "anything": 1}
    found = await collection.search([plain, Search(where=K("a") == 1)], read_level="index_only")
    assert sent(api) == [plain, Search(where={"a": 1}).to_dict()]
    assert api.sent("search").read_level is ReadLevel.INDEX_ONLY
    assert found.rows() == [[{"id": "a", "document": "text", "score": 0.5}]] * 2


async def test_a_text_under_another_key_goes_to_the_sparse_function_of_that_key(client: AsyncClient, api: FakeAPI) -> None:
    client.functions.adopt(Terms())
    collection = with_index(
        await client.create_collection("docs", embedding_function=Words()), "sp", {"type": "known", "name": "test-terms", "config": {}}
    )
    Terms.asked.clear()
    await collection.search(Search(rank=Knn("four", key="sp") + Knn("six", key=K("sp")) + Knn("dense")))
    assert Terms.asked == [["four", "six"]]
    queries = [knn["query"] for knn in knns(sent(api)[0]["rank"])]
    assert queries == [
        {"#type": "sparse_vector", "indices": [4], "values": [1.0]},
        {"#type": "sparse_vector", "indices": [3], "values": [1.0]},
        [5.0, 1.0],
    ]


@pytest.mark.parametrize("function", [None, {"type": "unknown"}, {"type": "known", "name": "nobody-registered", "config": {}}])
async def test_a_text_that_nothing_embeds_is_refused_before_anything_is_sent(client: AsyncClient, api: FakeAPI, function: Any) -> None:
    collection = with_index(await client.create_collection("docs", embedding_function=None), "sp", function)
    for search in (Search(rank=Knn("text")), Search(rank=Knn("text", key="sp")), Search(rank=Knn("text", key="other"))):
        with pytest.raises(ValidationError):
            await collection.search(search)
    assert "search" not in api.verbs


async def test_what_is_no_search_and_no_read_level_is_refused(client: AsyncClient) -> None:
    collection = await client.create_collection("docs", embedding_function=None)
    for searches in (5, ["x"], [Search(), 5]):
        with pytest.raises(ValidationTypeError, match=r"search"):
            await collection.search(searches)
    with pytest.raises(ValidationError, match="read_level"):
        await collection.search(Search(), read_level="everything")
    deep: Any = {"$val": 1}
    for _ in range(3000):
        deep = {"$abs": deep}
    with pytest.raises(ValidationError, match="nests"):
        await collection.search({"rank": deep})
    assert (await collection.search(None))["ids"] == []
