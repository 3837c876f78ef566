"""Every operator of both filters, on every type of value, through get; and the same filters through query and delete."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import Store

RECORDS: dict[str, tuple[dict[str, Any] | None, str | None]] = {
    "a": ({"i": 1, "s": "x", "f": 1.5, "b": True, "tags": ["red", "blue"], "nums": [1, 2]}, "the quick brown fox"),
    "b": ({"i": 2, "s": "y", "f": -0.5, "b": False, "tags": ["red"], "nums": [3]}, "The lazy dog"),
    "c": ({"i": 1.0, "s": "1", "halves": [0.5, 1.0], "flags": [True]}, "line one\nline two 100%"),
    "d": (None, None),
    "e": ({"s": "x", "i": "1"}, ""),
}

WHERE: list[tuple[dict[str, Any], str]] = [
    ({"s": "x"}, "ae"),
    ({"s": {"$eq": "x"}}, "ae"),
    ({"s": "X"}, ""),
    ({"s": "1"}, "c"),
    ({"i": 1}, "ac"),
    ({"i": 1.0}, "ac"),
    ({"i": 1.5}, ""),
    ({"i": "1"}, "e"),
    ({"i": True}, ""),
    ({"b": True}, "a"),
    ({"b": 1}, ""),
    ({"f": 1.5}, "a"),
    ({"nothing": 1}, ""),
    ({"i": {"$ne": 1}}, "bde"),
    ({"s": {"$ne": "x"}}, "bcd"),
    ({"b": {"$ne": True}}, "bcde"),
    ({"nothing": {"$ne": 1}}, "abcde"),
    ({"i": {"$gt": 1}}, "b"),
    ({"i": {"$gte": 1}}, "abc"),
    ({"i": {"$lt": 2}}, "ac"),
    ({"i": {"$lt": 1.5}}, "ac"),
    ({"i": {"$lte": 1}}, "ac"),
    ({"i": {"$gte": 1.5}}, "b"),
    ({"f": {"$lt": 0}}, "b"),
    ({"s": {"$in": ["x", "y"]}}, "abe"),
    ({"i": {"$in": [1, 2]}}, "abc"),
    ({"i": {"$in": [1.5]}}, ""),
    ({"f": {"$in": [1.5, -0.5]}}, "ab"),
    ({"b": {"$in": [False]}}, "b"),
    ({"s": {"$nin": ["x"]}}, "bcd"),
    ({"i": {"$nin": [1, 2]}}, "de"),
    ({"tags": {"$contains": "red"}}, "ab"),
    ({"tags": {"$contains": "re"}}, ""),
    ({"tags": {"$not_contains": "blue"}}, "bcde"),
    ({"nums": {"$contains": 3}}, "b"),
    ({"nums": {"$contains": 3.0}}, ""),
    ({"halves": {"$contains": 0.5}}, "c"),
    ({"halves": {"$contains": 1}}, ""),
    ({"flags": {"$contains": True}}, "c"),
    ({"s": {"$contains": "x"}}, ""),
    ({"s": {"$not_contains": "x"}}, "abcde"),
    ({"tags": "red"}, ""),
    ({"$and": [{"s": "x"}, {"i": 1}]}, "a"),
    ({"$or": [{"s": "y"}, {"i": "1"}]}, "be"),
    ({"$and": [{"$or": [{"s": "x"}, {"s": "y"}]}, {"i": {"$ne": 1}}]}, "be"),
    ({"$or": [{"$and": [{"s": "x"}, {"b": True}]}, {"$and": [{"s": "y"}, {"b": True}]}]}, "a"),
    ({"#document": {"$contains": "quick"}}, "a"),
    ({"#document": {"$not_contains": "quick"}}, "bcde"),
    ({"$and": [{"#document": {"$contains": "line"}}, {"i": 1}]}, "c"),
    ({"#id": {"$in": ["a", "d", "nobody"]}}, "ad"),
    ({"#id": "b"}, "b"),
]

WHERE_DOCUMENT: list[tuple[dict[str, Any], str]] = [
    ({"$contains": "quick"}, "a"),
    ({"$contains": "the"}, "a"),
    ({"$contains": "The"}, "b"),
    ({"$contains": "e"}, "abc"),
    ({"$contains": "%"}, "c"),
    ({"$contains": "_"}, ""),
    ({"$contains": "one\nline"}, "c"),
    ({"$contains": "x"}, "a"),
    ({"$not_contains": "quick"}, "bcde"),
    ({"$not_contains": "e"}, "de"),
    ({"$regex": "^[Tt]he"}, "ab"),
    ({"$regex": "(?i)^the"}, "ab"),
    ({"$regex": "one.line"}, ""),
    ({"$regex": "(?s)one.line"}, "c"),
    ({"$regex": "^$"}, "e"),
    ({"$regex": r"\d{3}%"}, "c"),
    ({"$regex": "fox|dog"}, "ab"),
    ({"$not_regex": "o"}, "de"),
    ({"$and": [{"$contains": "o"}, {"$not_contains": "fox"}]}, "bc"),
    ({"$or": [{"$contains": "fox"}, {"$regex": "^$"}]}, "ae"),
    ({"$and": [{"$or": [{"$contains": "fox"}, {"$contains": "dog"}]}, {"$regex": "^T"}]}, "b"),
]

BAD_WHERE: list[Any] = [
    "x",
    {},
    {"a": 1, "b": 2},
    {"a": None},
    {"a": [1]},
    {"a": {"$x": 1}},
    {"a": {"$gt": "x"}},
    {"a": {"$gt": True}},
    {"a": {"$in": []}},
    {"a": {"$in": [1, "x"]}},
    {"a": {"$gt": 1, "$lt": 2}},
    {"$and": {}},
    {"$not": {"a": 1}},
    {"a": {"$regex": 5}},
]

BAD_WHERE_DOCUMENT: list[Any] = [
    "x",
    {},
    {"$contains": 1},
    {"$x": "a"},
    {"$regex": "("},
    {"$regex": "(?=x)"},
    {"$regex": r"(a)\1"},
    {"$and": "x"},
]


async def five(store: Store) -> Any:
    collection = await store.collection()
    for id, (metadata, document) in RECORDS.items():
        position = float(ord(id) - ord("a"))
        await collection.add(ids=[id], embeddings=[[position, 1.0]], metadatas=[metadata], documents=[document])
    return collection


@pytest.fixture
async def collection(store: Store) -> Any:
    return await five(store)


async def test_where_matches_what_the_contract_says(store: Store, collection: Any) -> None:
    found = {str(where): (await collection.get(where=where, include=[]))["ids"] for where, _ in WHERE}
    assert found == {str(where): list(ids) for where, ids in WHERE}


async def test_where_document_matches_what_the_contract_says(store: Store, collection: Any) -> None:
    found = {str(where): (await collection.get(where_document=where, include=[]))["ids"] for where, _ in WHERE_DOCUMENT}
    assert found == {str(where): list(ids) for where, ids in WHERE_DOCUMENT}


async def test_query_and_delete_filter_as_get_does(store: Store, collection: Any) -> None:
    for where, document in (
        ({"s": "x"}, None),
        ({"i": {"$ne": 1}}, {"$not_contains": "dog"}),
        ({"tags": {"$contains": "red"}}, {"$regex": "(?i)the"}),
        (None, {"$contains": "e"}),
    ):
        matching = (await collection.get(where=where, where_document=document, include=[]))["ids"]
        asked = await collection.query(query_embeddings=[[0.0, 1.0]], where=where, where_document=document, include=["distances"])
        assert asked["ids"] == [matching]
        count = await collection.count()
        assert await collection.delete(where=where, where_document=document) == {"deleted": len(matching)}
        assert await collection.count() == count - len(matching)
        await store.client.delete_collection("docs")
        collection = await five(store)


async def test_filters_follow_updates_and_deletions(store: Store, collection: Any) -> None:
    await collection.update(ids=["a"], metadatas=[{"s": "z", "tags": None}])
    await collection.update(ids=["b"], embeddings=[[1.0, 1.0]], documents=["a quick dog"])
    await collection.delete(ids=["e"])
    assert (await collection.get(where={"s": "x"}))["ids"] == []
    assert (await collection.get(where={"s": "z"}))["ids"] == ["a"]
    assert (await collection.get(where={"tags": {"$contains": "red"}}))["ids"] == ["b"]
    assert (await collection.get(where_document={"$contains": "quick"}))["ids"] == ["a", "b"]
    assert (await collection.get(where_document={"$contains": "lazy"}))["ids"] == []
    assert (await collection.get(where={"s": {"$ne": "z"}}))["ids"] == ["b", "c", "d"]


@pytest.mark.parametrize("where", BAD_WHERE, ids=str)
async def test_a_bad_where_is_refused_everywhere(store: Store, collection: Any, where: Any) -> None:
    for attempt in (
        collection.get(where=where),
        collection.query(query_embeddings=[[0.0, 1.0]], where=where),
        collection.delete(where=where),
    ):
        with pytest.raises((store.errors.invalid, ValueError)):
            await attempt
    assert await collection.count() == 5


@pytest.mark.parametrize("where", BAD_WHERE_DOCUMENT, ids=str)
async def test_a_bad_where_document_is_refused_everywhere(store: Store, collection: Any, where: Any) -> None:
    for attempt in (
        collection.get(where_document=where),
        collection.query(query_embeddings=[[0.0, 1.0]], where_document=where),
        collection.delete(where_document=where),
    ):
        with pytest.raises((store.errors.invalid, ValueError)):
            await attempt
    assert await collection.count() == 5
