"""Add, upsert, update and delete: what is stored after each."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.api.conftest import Store

EVERYTHING = ["embeddings", "documents", "metadatas", "uris"]


async def rows(collection: Any) -> list[tuple[Any, ...]]:
    """(id, vector, document, metadata, uri) of every record, in order."""
    got = await collection.get(include=EVERYTHING)
    vectors = [list(map(float, vector)) for vector in got["embeddings"]]
    return list(zip(got["ids"], vectors, got["documents"], got["metadatas"], got["uris"], strict=True))


async def three(store: Store) -> Any:
    collection = await store.collection()
    await collection.add(
        ids=["a", "b", "c"],
        embeddings=[[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]],
        documents=["one", "two", "three"],
        metadatas=[{"k": 1}, {"k": 2}, {"k": 3}],
        uris=["u:a", "u:b", "u:c"],
    )
    return collection


async def test_added_records_come_back_as_they_were_given(store: Store) -> None:
    assert await rows(await three(store)) == [
        ("a", [1.0, 0.0], "one", {"k": 1}, "u:a"),
        ("b", [0.0, 1.0], "two", {"k": 2}, "u:b"),
        ("c", [1.0, 1.0], "three", {"k": 3}, "u:c"),
    ]


async def test_a_record_may_lack_all_but_id_and_embedding(store: Store) -> None:
    collection = await store.collection()
    await collection.add(ids=["a"], embeddings=[[1.0, 2.0]])
    assert await rows(collection) == [("a", [1.0, 2.0], None, None, None)]


async def test_a_record_with_a_uri_has_metadata_if_only_empty(store: Store) -> None:
    collection = await store.collection()
    await collection.add(ids=["a", "b"], embeddings=[[1.0, 2.0], [3.0, 4.0]], uris=["u", None])
    assert (await collection.get())["metadatas"] == [{}, None]


async def test_columns_may_have_gaps(store: Store) -> None:
    collection = await store.collection()
    await collection.add(
        ids=["a", "b"], embeddings=[[1.0, 2.0], [3.0, 4.0]], documents=["x", None], metadatas=[None, {"k": 1}], uris=[None, "u"]
    )
    assert await rows(collection) == [("a", [1.0, 2.0], "x", None, None), ("b", [3.0, 4.0], None, {"k": 1}, "u")]


async def test_single_values_stand_for_lists_of_one(store: Store) -> None:
    collection = await store.collection()
    await collection.add(ids="a", embeddings=[1.0, 2.0], documents="x", metadatas={"k": 1}, uris="u")
    assert await rows(collection) == [("a", [1.0, 2.0], "x", {"k": 1}, "u")]


async def test_embeddings_may_be_arrays(store: Store) -> None:
    collection = await store.collection()
    await collection.add(ids=["a", "b"], embeddings=np.array([[1, 2], [3, 4]], dtype=np.float64))
    await collection.add(ids=["c"], embeddings=[np.array([5, 6], dtype=np.float32)])
    assert [row[1] for row in await rows(collection)] == [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]


async def test_float32_values_survive_the_way_there_and_back(store: Store) -> None:
    collection = await store.collection()
    values = np.array([[1 / 3, 1e-38, 1e18, -0.1]], dtype=np.float32)
    await collection.add(ids=["a"], embeddings=values)
    got = await collection.get(include=["embeddings"])
    assert np.asarray(got["embeddings"], dtype=np.float32).tobytes() == values.tobytes()


@pytest.mark.parametrize(
    "metadata",
    [
        {"s": "", "t": "ütf-8 ✓ \U0001f600", "u": "a\x00b"},
        {"i": 2**63 - 1, "j": -(2**63), "z": 0},
        {"f": 0.1, "g": -1e300, "h": 1.0},
        {"b": True, "c": False},
        {"s": ["x", "y"], "i": [1, 2], "f": [1.5, 2.5], "b": [True, False]},
        {"a key with spaces": 1, "ключ": 2, "a.b": 3},
    ],
    ids=str,
)
async def test_metadata_keeps_values_and_types(store: Store, metadata: dict[str, Any]) -> None:
    collection = await store.collection()
    await collection.add(ids=["a"], embeddings=[[1.0, 2.0]], metadatas=[metadata])
    (found,) = (await collection.get())["metadatas"]
    assert found == metadata
    assert {key: type(value) for key, value in found.items()} == {key: type(value) for key, value in metadata.items()}


@pytest.mark.parametrize(
    "text", ["", " ", "ütf-8 ✓ \U0001f600", "line\nline\r\n\ttab", "quote \" ' \\ %_", "a\x00b", "x" * 100_000], ids=range(7)
)
async def test_documents_ids_and_uris_keep_their_text(store: Store, text: str) -> None:
    collection = await store.collection()
    await collection.add(ids=[f"id{text}"], embeddings=[[1.0, 2.0]], documents=[text], uris=[text])
    assert await rows(collection) == [(f"id{text}", [1.0, 2.0], text, {}, text)]


async def test_add_skips_what_exists_and_inserts_the_rest(store: Store) -> None:
    collection = await three(store)
    await collection.add(ids=["b", "d"], embeddings=[[9.0, 9.0], [4.0, 4.0]], documents=["new", "four"])
    assert [(row[0], row[2]) for row in await rows(collection)] == [("a", "one"), ("b", "two"), ("c", "three"), ("d", "four")]


async def test_upsert_inserts_and_merges_and_keeps_the_place(store: Store) -> None:
    collection = await three(store)
    await collection.upsert(ids=["d", "b"], embeddings=[[4.0, 4.0], [9.0, 9.0]], metadatas=[{"k": 4}, {"m": "x"}])
    assert await rows(collection) == [
        ("a", [1.0, 0.0], "one", {"k": 1}, "u:a"),
        ("b", [9.0, 9.0], "two", {"k": 2, "m": "x"}, "u:b"),
        ("c", [1.0, 1.0], "three", {"k": 3}, "u:c"),
        ("d", [4.0, 4.0], None, {"k": 4}, None),
    ]


async def test_update_changes_what_it_mentions_and_ignores_unknown_ids(store: Store) -> None:
    collection = await three(store)
    await collection.update(ids=["b", "nobody"], embeddings=[[9.0, 9.0], [8.0, 8.0]])
    await collection.update(ids=["c"], metadatas=[{"k": "text now", "m": [1, 2]}])
    await collection.update(ids=["a", "b"], uris=["v:a", None])
    await collection.update(ids=["a"], embeddings=[[1.0, 0.0]], documents=["eins"])
    assert await rows(collection) == [
        ("a", [1.0, 0.0], "eins", {"k": 1}, "v:a"),
        ("b", [9.0, 9.0], "two", {"k": 2}, "u:b"),
        ("c", [1.0, 1.0], "three", {"k": "text now", "m": [1, 2]}, "u:c"),
    ]
    assert await collection.count() == 3


async def test_a_null_removes_a_metadata_key_and_the_last_one_the_metadata(store: Store) -> None:
    collection = await store.collection()
    await collection.add(ids=["a", "b"], embeddings=[[1.0, 0.0], [0.0, 1.0]], metadatas=[{"k": 1}, {"k": 2}])
    await collection.update(ids=["a"], metadatas=[{"k": None, "m": 1}])
    await collection.upsert(ids=["b"], embeddings=[[0.0, 1.0]], metadatas=[{"k": None}])
    assert (await collection.get())["metadatas"] == [{"m": 1}, None]


async def test_an_empty_document_is_a_document(store: Store) -> None:
    collection = await three(store)
    await collection.update(ids=["a"], embeddings=[[1.0, 0.0]], documents=[""])
    assert (await collection.get())["documents"] == ["", "two", "three"]


async def test_delete_by_ids_counts_what_was_sent(store: Store) -> None:
    collection = await three(store)
    assert await collection.delete(ids=["a", "nobody"]) == {"deleted": 2}
    assert (await collection.get())["ids"] == ["b", "c"]
    assert await collection.delete(ids="b") == {"deleted": 1}
    assert await collection.count() == 1


async def test_delete_by_filter_counts_what_matched(store: Store) -> None:
    collection = await three(store)
    assert await collection.delete(where={"k": {"$gte": 9}}) == {"deleted": 0}
    assert await collection.delete(where={"k": {"$gte": 2}}, where_document={"$contains": "t"}) == {"deleted": 2}
    assert (await collection.get())["ids"] == ["a"]


async def test_delete_by_ids_and_filter_takes_what_is_in_both(store: Store) -> None:
    collection = await three(store)
    assert await collection.delete(ids=["a", "b"], where={"k": {"$gte": 2}}) == {"deleted": 1}
    assert (await collection.get())["ids"] == ["a", "c"]


async def test_delete_with_a_limit_takes_the_first(store: Store) -> None:
    collection = await three(store)
    assert await collection.delete(where={"k": {"$gte": 1}}, limit=0) == {"deleted": 0}
    assert await collection.delete(where={"k": {"$gte": 1}}, limit=2) == {"deleted": 2}
    assert (await collection.get())["ids"] == ["c"]


async def test_a_deleted_id_that_is_added_again_is_new_and_last(store: Store) -> None:
    collection = await three(store)
    await collection.delete(ids=["a"])
    await collection.add(ids=["a"], embeddings=[[7.0, 7.0]])
    assert await rows(collection) == [
        ("b", [0.0, 1.0], "two", {"k": 2}, "u:b"),
        ("c", [1.0, 1.0], "three", {"k": 3}, "u:c"),
        ("a", [7.0, 7.0], None, None, None),
    ]


async def test_the_first_write_fixes_the_dimension_for_good(store: Store) -> None:
    collection = await three(store)
    for attempt in (
        collection.add(ids=["x"], embeddings=[[1.0, 2.0, 3.0]]),
        collection.upsert(ids=["x"], embeddings=[[1.0]]),
        collection.update(ids=["a"], embeddings=[[1.0, 2.0, 3.0]]),
        collection.query(query_embeddings=[[1.0, 2.0, 3.0]]),
    ):
        with pytest.raises(store.errors.invalid, match="dimension"):
            await attempt
    await collection.delete(ids=["a", "b", "c"])
    with pytest.raises(store.errors.invalid, match="dimension"):
        await collection.add(ids=["x"], embeddings=[[1.0, 2.0, 3.0]])
    assert await collection.count() == 0


@pytest.mark.parametrize(
    "arguments",
    [
        {"ids": []},
        {"ids": [1]},
        {"ids": ["x"]},
        {"ids": ["x"], "embeddings": []},
        {"ids": ["x"], "embeddings": ["y"]},
        {"ids": ["x"], "embeddings": [[1.0, 2.0], [3.0, 4.0]]},
        {"ids": ["x"], "embeddings": [[1.0, 2.0]], "documents": []},
        {"ids": ["x"], "embeddings": [[1.0, 2.0]], "documents": ["a", "b"]},
        {"ids": ["x"], "embeddings": [[1.0, 2.0]], "documents": [1]},
        {"ids": ["x"], "embeddings": [[1.0, 2.0]], "metadatas": [{}]},
        {"ids": ["x"], "embeddings": [[1.0, 2.0]], "metadatas": [{"chroma:document": "y"}]},
        {"ids": ["x"], "embeddings": [[1.0, 2.0]], "metadatas": [{"a": object()}]},
        {"ids": ["x"], "embeddings": [[1.0, 2.0]], "metadatas": [{"a": {"b": 1}}]},
        {"ids": ["x"], "embeddings": [[1.0, 2.0]], "metadatas": [{"a": []}]},
        {"ids": ["x"], "embeddings": [[1.0, 2.0]], "metadatas": [{"a": [1, "x"]}]},
    ],
    ids=lambda arguments: str(arguments)[:60],
)
@pytest.mark.parametrize("verb", ["add", "upsert"])
async def test_arguments_of_the_wrong_shape_are_value_errors(store: Store, verb: str, arguments: dict[str, Any]) -> None:
    collection = await store.collection()
    with pytest.raises(ValueError, match=rf" in {verb}\.$"):
        await getattr(collection, verb)(**arguments)
    assert await collection.count() == 0


@pytest.mark.parametrize(
    "arguments",
    [
        {"ids": [""], "embeddings": [[1.0, 2.0]]},
        {"ids": ["x"], "embeddings": [[1.0, float("nan")]]},
        {"ids": ["x"], "embeddings": [[1.0, float("inf")]]},
        {"ids": ["x"], "embeddings": [[1.0, 2.0]], "metadatas": [{"#a": 1}]},
        {"ids": ["x"], "embeddings": [[1.0, 2.0]], "metadatas": [{"$a": 1}]},
        {"ids": ["x"], "embeddings": [[1.0, 2.0]], "metadatas": [{"": 1}]},
    ],
    ids=lambda arguments: str(arguments)[:60],
)
async def test_what_cannot_be_stored_is_an_invalid_argument(store: Store, arguments: dict[str, Any]) -> None:
    collection = await store.collection()
    for verb in (collection.add, collection.upsert):
        with pytest.raises(store.errors.invalid):
            await verb(**arguments)
    assert await collection.count() == 0


async def test_a_null_metadata_value_is_refused_by_add(store: Store) -> None:
    collection = await store.collection()
    with pytest.raises(store.errors.any):
        await collection.add(ids=["a"], embeddings=[[1.0, 2.0]], metadatas=[{"k": None}])
    assert await collection.count() == 0


async def test_a_metadata_key_that_is_no_text_is_a_type_error(store: Store) -> None:
    collection = await store.collection()
    with pytest.raises(TypeError):
        await collection.add(ids=["a"], embeddings=[[1.0, 2.0]], metadatas=[{1: "x"}])


async def test_repeated_ids_are_refused_by_the_client(store: Store) -> None:
    collection = await three(store)
    for attempt in (
        collection.add(ids=["x", "x"], embeddings=[[1.0, 2.0], [1.0, 2.0]]),
        collection.upsert(ids=["x", "x"], embeddings=[[1.0, 2.0], [1.0, 2.0]]),
        collection.update(ids=["a", "a"], metadatas=[{"k": 1}, {"k": 2}]),
        collection.delete(ids=["a", "a"]),
        collection.get(ids=["a", "a"]),
    ):
        with pytest.raises(store.errors.duplicate, match=r"\b[ax]\b"):
            await attempt
    assert await collection.count() == 3


async def test_chromadbs_clients_refuse_a_batch_over_the_limit_and_ours_take_it(store: Store) -> None:
    collection = await store.collection()
    ids = [str(n) for n in range(5462)]
    add = collection.add(ids=ids, embeddings=[[0.0, 0.0]] * 5462)
    if store.is_ours:
        await add
    else:
        with pytest.raises(ValueError, match="Batch size"):
            await add
    assert await collection.count() == (5462 if store.is_ours else 0)


async def test_one_bad_record_keeps_the_whole_batch_out(store: Store) -> None:
    collection = await three(store)
    with pytest.raises(store.errors.invalid):
        await collection.upsert(ids=["a", "d"], embeddings=[[5.0, 5.0], [6.0, 6.0]], metadatas=[{"k": 9}, {"#bad": 1}])
    assert (await rows(collection))[0] == ("a", [1.0, 0.0], "one", {"k": 1}, "u:a")
    assert await collection.count() == 3


async def test_a_deletion_must_select_something(store: Store) -> None:
    collection = await three(store)
    for arguments in ({}, {"ids": []}, {"where": {}}, {"ids": ["a"], "limit": 1}, {"where": {"k": 1}, "limit": -1}):
        with pytest.raises(ValueError, match=r" in delete\.$"):
            await collection.delete(**arguments)
    assert await collection.count() == 3
