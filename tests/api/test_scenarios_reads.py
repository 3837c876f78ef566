"""Get, peek, query and count: order, windows, what is included, distances."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chroma_async
from tests.api.conftest import Store


async def ten(store: Store) -> Any:
    """Ids r0 to r9 on a line: record n lies at (n, 0)."""
    collection = await store.collection()
    await collection.add(
        ids=[f"r{n}" for n in range(10)],
        embeddings=[[float(n), 0.0] for n in range(10)],
        documents=[f"document {n}" for n in range(10)],
        metadatas=[{"n": n, "even": n % 2 == 0} for n in range(10)],
    )
    return collection


async def test_get_answers_in_order_of_insertion_whatever_is_asked(store: Store) -> None:
    collection = await ten(store)
    assert (await collection.get())["ids"] == [f"r{n}" for n in range(10)]
    assert (await collection.get(ids=["r7", "nobody", "r2"]))["ids"] == ["r2", "r7"]
    assert (await collection.get(ids="r3"))["ids"] == ["r3"]
    await collection.upsert(ids=["r0"], embeddings=[[0.0, 1.0]])
    await collection.update(ids=["r1"], metadatas=[{"n": 11}])
    assert (await collection.get())["ids"] == [f"r{n}" for n in range(10)]


async def test_get_takes_windows_after_filtering(store: Store) -> None:
    collection = await ten(store)
    assert (await collection.get(limit=3, offset=2))["ids"] == ["r2", "r3", "r4"]
    assert (await collection.get(offset=8))["ids"] == ["r8", "r9"]
    assert (await collection.get(limit=0))["ids"] == []
    assert (await collection.get(offset=99))["ids"] == []
    assert (await collection.get(where={"even": True}, limit=2, offset=1))["ids"] == ["r2", "r4"]
    assert (await collection.get(ids=["r9", "r1", "r5"], limit=2))["ids"] == ["r1", "r5"]


async def test_get_combines_ids_where_and_where_document(store: Store) -> None:
    collection = await ten(store)
    got = await collection.get(ids=["r1", "r2", "r4", "r6"], where={"even": True}, where_document={"$not_contains": "4"})
    assert got["ids"] == ["r2", "r6"]


async def test_get_gives_what_was_included_and_none_for_the_rest(store: Store) -> None:
    collection = await ten(store)
    got = await collection.get(ids=["r3"])
    assert got == {
        "ids": ["r3"],
        "embeddings": None,
        "documents": ["document 3"],
        "uris": None,
        "data": None,
        "metadatas": [{"n": 3, "even": False}],
        "included": ["metadatas", "documents"],
    }
    got = await collection.get(ids=["r3"], include=["uris", "embeddings"])
    assert isinstance(got["embeddings"], np.ndarray)
    assert got["embeddings"].tolist() == [[3.0, 0.0]]
    assert got["uris"] == [None]
    assert got["documents"] is got["metadatas"] is None
    assert got["included"] == ["uris", "embeddings"]
    assert (await collection.get(include=[]))["included"] == []


async def test_get_of_nothing_has_empty_columns(store: Store) -> None:
    collection = await store.collection()
    for got in (
        await collection.get(include=["documents", "embeddings"]),
        await collection.get(ids=["x"], include=["documents", "embeddings"]),
    ):
        assert got["ids"] == got["documents"] == []
        assert len(got["embeddings"]) == 0


async def test_peek_gives_the_first_with_embeddings(store: Store) -> None:
    collection = await ten(store)
    got = await collection.peek(limit=2)
    assert got["ids"] == ["r0", "r1"]
    assert got["embeddings"].tolist() == [[0.0, 0.0], [1.0, 0.0]]
    assert got["documents"] == ["document 0", "document 1"]
    assert got["included"] == ["metadatas", "documents", "embeddings"]
    assert len((await collection.peek())["ids"]) == 10


async def test_count_counts(store: Store) -> None:
    collection = await ten(store)
    assert await collection.count() == 10
    await collection.delete(ids=["r1"])
    await collection.upsert(ids=["r2", "new"], embeddings=[[1.0, 1.0], [2.0, 2.0]])
    assert await collection.count() == 10


async def test_count_takes_a_read_level(store: Store) -> None:
    collection = await ten(store)
    if store.is_ours:
        level = chroma_async.ReadLevel.INDEX_AND_WAL
    else:
        from chromadb.api.types import ReadLevel

        level = ReadLevel.INDEX_AND_WAL
    assert await collection.count(read_level=level) == 10


async def test_query_gives_the_nearest_first(store: Store) -> None:
    collection = await ten(store)
    asked = await collection.query(query_embeddings=[[3.2, 0.0]], n_results=3)
    assert asked["ids"] == [["r3", "r4", "r2"]]
    assert asked["distances"][0] == pytest.approx([0.04, 0.64, 1.44], rel=1e-5)
    assert asked["documents"] == [["document 3", "document 4", "document 2"]]
    assert asked["metadatas"][0][0] == {"n": 3, "even": False}
    assert asked["embeddings"] is asked["uris"] is asked["data"] is None
    assert asked["included"] == ["metadatas", "documents", "distances"]


async def test_several_queries_get_an_answer_each(store: Store) -> None:
    collection = await ten(store)
    asked = await collection.query(query_embeddings=[[0.0, 0.0], [9.0, 0.0]], n_results=2, include=["distances", "embeddings"])
    assert asked["ids"] == [["r0", "r1"], ["r9", "r8"]]
    assert asked["distances"] == [[0.0, 1.0], [0.0, 1.0]]
    assert [np.asarray(array).tolist() for array in asked["embeddings"]] == [[[0.0, 0.0], [1.0, 0.0]], [[9.0, 0.0], [8.0, 0.0]]]
    assert asked["documents"] is asked["metadatas"] is None


async def test_a_flat_query_is_one_query(store: Store) -> None:
    collection = await ten(store)
    for query in ([5.0, 0.0], np.array([5.0, 0.0]), [np.array([5.0, 0.0])]):
        assert (await collection.query(query_embeddings=query, n_results=1))["ids"] == [["r5"]]


async def test_ties_are_answered_in_order_of_insertion(store: Store) -> None:
    collection = await store.collection()
    await collection.add(ids=["z", "y", "x"], embeddings=[[1.0, 0.0]] * 3)
    assert (await collection.query(query_embeddings=[[0.0, 0.0]]))["ids"] == [["z", "y", "x"]]


async def test_a_query_gives_every_match_when_fewer_than_asked(store: Store) -> None:
    collection = await ten(store)
    assert len((await collection.query(query_embeddings=[[0.0, 0.0]], n_results=100))["ids"][0]) == 10
    asked = await collection.query(query_embeddings=[[9.0, 0.0]], n_results=5, where={"n": {"$lt": 2}})
    assert asked["ids"] == [["r1", "r0"]]
    none = await collection.query(query_embeddings=[[9.0, 0.0]], where={"n": 99})
    assert (none["ids"], none["distances"], none["documents"]) == ([[]], [[]], [[]])


async def test_a_query_is_restricted_by_ids_and_filters(store: Store) -> None:
    collection = await ten(store)
    asked = await collection.query(
        query_embeddings=[[0.0, 0.0]], ids=["r8", "r3", "r6", "r2"], where={"even": True}, where_document={"$contains": "document"}
    )
    assert asked["ids"] == [["r2", "r6", "r8"]]
    assert (await collection.query(query_embeddings=[[0.0, 0.0]], ids=[]))["ids"] == [[]]


async def test_a_query_for_an_id_that_does_not_exist_fails_unless_a_filter_decides(store: Store) -> None:
    collection = await ten(store)
    with pytest.raises(store.errors.any, match="Error finding id"):
        await collection.query(query_embeddings=[[0.0, 0.0]], ids=["r1", "nobody"])
    asked = await collection.query(query_embeddings=[[0.0, 0.0]], ids=["r1", "nobody"], where={"n": {"$gte": 0}})
    assert asked["ids"] == [["r1"]]


async def test_a_query_of_an_empty_collection_finds_nothing(store: Store) -> None:
    collection = await store.collection()
    asked = await collection.query(query_embeddings=[[1.0, 2.0], [3.0, 4.0]])
    assert (asked["ids"], asked["distances"]) == ([[], []], [[], []])


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        ("l2", [("a", 1.0), ("b", 4.0), ("zero", 5.0), ("c", 45.0)]),
        ("cosine", [("a", 1 - 2 / 5**0.5), ("b", 1 - 1 / 5**0.5), ("zero", 1.0), ("c", 2.0)]),
        ("ip", [("a", -3.0), ("b", 0.0), ("zero", 1.0), ("c", 11.0)]),
    ],
)
async def test_distances_are_chromas(store: Store, space: str, expected: list[tuple[str, float]]) -> None:
    collection = await store.collection("docs", configuration={"hnsw": {"space": space}})
    vectors = {"a": [2.0, 0.0], "b": [0.0, 1.0], "c": [-4.0, -2.0], "zero": [0.0, 0.0]}
    await collection.add(ids=list(vectors), embeddings=list(vectors.values()))
    asked = await collection.query(query_embeddings=[[2.0, 1.0]])
    assert asked["ids"] == [[id for id, _ in expected]]
    assert asked["distances"][0] == pytest.approx([distance for _, distance in expected], abs=1e-6)


async def test_cosine_gives_embeddings_back_as_they_were_written(store: Store) -> None:
    collection = await store.collection("docs", configuration={"hnsw": {"space": "cosine"}})
    await collection.add(ids=["a"], embeddings=[[3.0, 4.0]])
    assert np.asarray((await collection.get(include=["embeddings"]))["embeddings"]).tolist() == [[3.0, 4.0]]


async def test_bad_reads_are_refused_by_the_client(store: Store) -> None:
    collection = await ten(store)
    one = [[1.0, 2.0]]
    for attempt, word in (
        (collection.get(ids=[]), "get"),
        (collection.get(where={}), "where"),
        (collection.get(where_document={}), "where document"),
        (collection.get(include="documents"), "include"),
        (collection.get(include=["nope"]), "[Ii]nclude"),
        (collection.get(include=["distances"]), "[Ii]nclude"),
        (collection.get(include=["data"]), "data"),
        (collection.query(), "query"),
        (collection.query(query_embeddings=[]), "query"),
        (collection.query(query_embeddings=one, n_results=1.5), "query"),
        (collection.query(query_embeddings=one, where={"a": 1, "b": 2}), "where"),
    ):
        with pytest.raises(ValueError, match=word):
            await attempt
    for count in (0, -1):
        with pytest.raises(TypeError, match="query"):
            await collection.query(query_embeddings=one, n_results=count)
    for arguments in ({"limit": -1}, {"limit": 1.5}, {"offset": -1}, {"limit": "x"}):
        with pytest.raises(store.errors.any):
            await collection.get(**arguments)


async def test_more_ids_than_a_database_takes_variables_are_served(store: Store) -> None:
    collection = await ten(store)
    many = [f"r{n}" for n in range(40_000)]
    assert (await collection.get(ids=many, include=[]))["ids"] == [f"r{n}" for n in range(10)]
    assert (await collection.get(where={"n": {"$in": list(range(5, 40_000))}}, include=[]))["ids"] == [f"r{n}" for n in range(5, 10)]
    assert await collection.delete(ids=many) == {"deleted": 40_000}
    assert await collection.count() == 0
