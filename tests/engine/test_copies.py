"""What a caller hands in or gets back is the caller's: changing it changes nothing in the store."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

from chroma_async.client.client import AsyncClient
from chroma_async.types import GetRequest, IncludeField, QueryRequest
from tests.engine.store import SCOPE, Store, vectors


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
