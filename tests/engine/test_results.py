"""What comes back: hidden keys, records with nothing but a uri, columns that were not asked for; and it is the caller's to change."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

from chroma_async.client.client import AsyncClient
from chroma_async.types import GetRequest, IncludeField, QueryRequest
from tests.engine.store import SCOPE, Store, vectors


async def test_hidden_keys_are_stored_and_filtered_by_but_not_shown(store: Store) -> None:
    await store.add(
        ["a", "b", "c", "d"],
        metadatas=[{"k": 1, "chroma:source": "x"}, {"chroma:source": "y"}, {"achroma:b": 1, "k": 2}, {"a": "chroma:", "chroma": 1}],
    )
    shown = [{"k": 1}, {}, {"achroma:b": 1, "k": 2}, {"a": "chroma:", "chroma": 1}]
    for _ in range(2):
        assert (await store.get()).metadatas == shown
        assert sorted(map(str, (await store.query([0, 0, 0, 0])).metadatas or [])) == sorted(map(str, shown))
        assert await store.ids(where={"chroma:source": "y"}) == ["b"]
        await store.finish()


async def test_hidden_keys_outlive_updates(store: Store) -> None:
    await store.add(["a"], metadatas=[{"chroma:source": "x"}])
    await store.flush()
    await store.update(["a"], metadatas=[{"k": 1}])
    assert (await store.get()).metadatas == [{"k": 1}]
    assert await store.ids(where={"chroma:source": "x"}) == ["a"]
    await store.update(["a"], metadatas=[{"k": None}])
    assert (await store.get()).metadatas == [{}]
    await store.update(["a"], metadatas=[{"chroma:source": None}])
    assert (await store.get()).metadatas == [None]


async def test_a_record_with_a_uri_alone_reads_back_an_empty_object(store: Store) -> None:
    await store.add(["a", "b"], uris=["file:///a", None])
    await store.upsert(["c", "d"], vectors([1, 2]), uris=["file:///c", None], metadatas=[None, {"k": 1}])
    await store.update(["d"], metadatas=[{"k": None}])
    await store.update(["b"], uris=["file:///b"])
    for _ in range(2):
        rows = await store.get(include=("metadatas", "uris"))
        assert rows.metadatas == [{}, {}, {}, None]
        assert rows.uris == ["file:///a", "file:///b", "file:///c", None]
        await store.finish()


async def test_embeddings_come_back_as_they_were_written(store: Store) -> None:
    rng = np.random.default_rng(3)
    written = (rng.normal(size=(30, 4)) * 10.0 ** rng.integers(-6, 6, (30, 1))).astype(np.float32)
    await store.add([str(number) for number in range(30)], written)
    for _ in range(2):
        rows = await store.get(include=("embeddings",))
        assert np.array_equal(rows.embeddings, written)  # type: ignore[arg-type]
        await store.finish()


async def test_a_column_that_was_not_asked_for_is_none(store: Store) -> None:
    await store.add(["a"], documents=["x"], metadatas=[{"k": 1}], uris=["u"])
    for _ in range(2):
        rows = await store.get(include=())
        assert (rows.documents, rows.metadatas, rows.uris, rows.embeddings, rows.distances) == (None,) * 5
        rows = await store.query([0, 0, 0, 0], include=("uris",))
        assert (rows.ids, rows.uris, rows.documents, rows.distances) == (["a"], ["u"], None, None)
        await store.finish()


async def test_a_collection_that_was_never_written_answers_without_a_dimension(store: Store) -> None:
    rows = await store.query([1, 2, 3, 4, 5, 6, 7])
    assert rows.ids == []
    assert await store.ids() == []
    assert await store.count() == 0
    assert await store.delete(["x"]) == 1
    assert await store.delete(where={"k": 1}) == 0


def spoil(value: Any) -> None:
    """Change whatever can be changed, at every depth."""
    if isinstance(value, dict):
        for inner in list(value.values()):
            spoil(inner)
        value["spoilt"] = True
    elif isinstance(value, list):
        for inner in value:
            spoil(inner)
        value.append("spoilt")
    elif isinstance(value, np.ndarray) and value.flags.writeable:
        value.fill(-1)


@pytest.mark.parametrize("flushed", [False, True])
async def test_results_may_be_changed(store: Store, flushed: bool) -> None:
    await store.add(["a", "b"], vectors([1, 2]), documents=["x", "y"], uris=["u", "v"], metadatas=[{"k": 1, "l": [1, 2]}, {"m": "n"}])
    if flushed:
        await store.flush()
    before = copy.deepcopy(await store.everything())
    include: tuple[IncludeField, ...] = ("documents", "metadatas", "embeddings", "uris")
    rows = (await store.api.get(SCOPE, store.id, GetRequest(include=include))).rows
    found = (await store.api.query(SCOPE, store.id, QueryRequest(vectors([1]), include=(*include, "distances")))).queries[0]
    for answer in (rows, found):
        for column in (answer.ids, answer.documents, answer.metadatas, answer.embeddings, answer.uris, answer.distances):
            spoil(column)
    after = await store.everything()
    assert (after.ids, after.documents, after.uris, after.metadatas) == (before.ids, before.documents, before.uris, before.metadatas)
    assert after.embeddings is not None
    assert before.embeddings is not None
    assert np.array_equal(after.embeddings, before.embeddings)


async def test_what_was_written_may_be_changed(store: Store) -> None:
    embeddings = vectors([1, 2])
    given: dict[str, Any] = {"documents": ["x", "y"], "uris": ["u", "v"], "metadatas": [{"k": 1, "l": [1, 2]}, {"m": "n"}]}
    ids = ["a", "b"]
    await store.upsert(ids, embeddings, **given)
    before = copy.deepcopy(await store.everything())
    spoil(ids)
    spoil(embeddings)
    spoil(given)
    after = await store.everything()
    assert (after.ids, after.documents, after.uris, after.metadatas) == (before.ids, before.documents, before.uris, before.metadatas)
    assert after.embeddings is not None
    assert np.array_equal(after.embeddings, vectors([1, 2]))


async def test_a_collections_description_may_be_changed(store: Store) -> None:
    await store.add(["a"], metadatas=[{"k": 1}])
    await store.api.modify_collection(SCOPE, store.id, new_metadata={"m": 1})
    before = copy.deepcopy(await store.api.get_collection(SCOPE, "docs"))
    info = await store.api.get_collection(SCOPE, "docs")
    for part in (info.metadata, info.configuration, info.schema):
        spoil(part)
    assert await store.api.get_collection(SCOPE, "docs") == before


async def test_a_clients_lists_and_arrays_are_copied_as_they_come(store: Store) -> None:
    client = AsyncClient(store.api)
    collection = await client.get_collection("docs", embedding_function=None)
    embeddings, given = vectors([1, 2]), {"documents": ["x", "y"], "metadatas": [{"k": 1, "l": [1, 2]}, {"m": "n"}]}
    await collection.add(["a", "b"], embeddings=embeddings, **given)
    spoil(embeddings)
    spoil(given)
    read = await collection.get(include=["embeddings", "documents", "metadatas"])
    assert read["documents"] == ["x", "y"]
    assert read["metadatas"] == [{"k": 1, "l": [1, 2]}, {"m": "n"}]
    assert read["embeddings"] is not None
    assert np.array_equal(read["embeddings"], vectors([1, 2]))
    client._loop_guard.closed = True  # type: ignore[union-attr]
