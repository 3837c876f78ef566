"""chromadb's clients and ours on the same collections of one server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import chromadb
import numpy as np
import pytest

import chroma_async
from chroma_async.errors import ModelMissingError
from tests.api.conftest import Store, opened


class Named(chromadb.EmbeddingFunction[Any]):
    """An embedding function of chromadb's own kind, with nothing to download."""

    def __init__(self) -> None:
        pass

    def __call__(self, input: Any) -> Any:
        return [np.array([float(len(text)), 1.0], dtype=np.float32) for text in input]

    @staticmethod
    def name() -> str:
        return "length"

    @staticmethod
    def build_from_config(config: dict[str, Any]) -> Named:
        return Named()

    def get_config(self) -> dict[str, Any]:
        return {"unit": "characters"}

    def default_space(self) -> Any:
        return "ip"


@pytest.fixture
async def official(tmp_path: Path) -> AsyncIterator[Store]:
    async with opened("official", tmp_path) as store:
        yield store


@pytest.fixture
async def ours(official: Store) -> AsyncIterator[chroma_async.AsyncClient]:
    settings = official.client.get_settings()
    host, port = settings.chroma_server_host, settings.chroma_server_http_port
    async with chroma_async.AsyncHttpClient(host, port, settings=settings) as client:
        yield client


async def test_what_one_writes_the_other_reads(official: Store, ours: chroma_async.AsyncClient) -> None:
    theirs = await official.collection("docs", metadata={"a": 1})
    mine = await ours.get_collection("docs")
    assert (mine.id, mine.metadata) == (theirs.id, {"a": 1})
    await theirs.add(ids=["a"], embeddings=[[1.0, 2.0]], documents=["x"], metadatas=[{"k": [1, 2]}])
    await mine.add(ids=["b"], embeddings=[[3.0, 4.0]], documents=["y"], metadatas=[{"k": [3]}])
    for collection in (theirs, mine):
        got = await collection.get()
        assert (got["ids"], got["documents"], got["metadatas"]) == (["a", "b"], ["x", "y"], [{"k": [1, 2]}, {"k": [3]}])
    want = await theirs.query(query_embeddings=[[3.0, 4.0]])
    have = await mine.query(query_embeddings=[[3.0, 4.0]])
    assert have == want


async def test_results_have_the_same_keys_and_shapes(official: Store, ours: chroma_async.AsyncClient) -> None:
    theirs = await official.collection("docs")
    mine = await ours.get_collection("docs")
    await mine.add(ids=["a"], embeddings=[[1.0, 2.0]], documents=["x"])
    everything = ["documents", "metadatas", "embeddings", "uris"]
    for include in (everything, ["documents"], []):
        want, have = await theirs.get(include=include), await mine.get(include=include)
        assert set(have) == set(want)
        np.testing.assert_equal(have, want)
        want = await theirs.query(query_embeddings=[[1.0, 2.0]], include=[*include, "distances"])
        have = await mine.query(query_embeddings=[[1.0, 2.0]], include=[*include, "distances"])
        assert set(have) == set(want)
        np.testing.assert_equal(have, want)


@pytest.mark.filterwarnings("ignore:Could not reconstruct embedding function:UserWarning")
async def test_an_embedding_function_of_chromadb_works_in_both(official: Store, ours: chroma_async.AsyncClient) -> None:
    mine = await ours.create_collection("docs", embedding_function=Named())
    assert mine.configuration_json["embedding_function"] == {"type": "known", "name": "length", "config": {"unit": "characters"}}
    assert mine.configuration_json["hnsw"]["space"] == "ip"
    await mine.add(ids=["a"], documents=["xyz"])
    theirs = await official.client.get_collection("docs", embedding_function=Named())
    await theirs.add(ids=["b"], documents=["x"])
    for collection in (theirs, mine):
        asked = await collection.query(query_texts=["xy"], n_results=1, include=["distances"])
        assert (asked["ids"], asked["distances"]) == ([["a"]], [[-6.0]])


async def test_a_collection_that_chromadb_made_with_its_default_function_says_how_to_get_the_model(
    official: Store, ours: chroma_async.AsyncClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    await official.client.create_collection("docs")
    mine = await ours.get_collection("docs")
    await mine.add(ids=["a"], embeddings=[[1.0, 2.0]], documents=["x"])
    with pytest.raises(ModelMissingError, match=r"default: .*`chroma-async models pull`"):
        await mine.query(query_texts=["x"])
    assert not (tmp_path / "home").exists(), "nothing was downloaded"


async def test_our_clients_are_instances_of_chromadbs_abstract_classes(ours: chroma_async.AsyncClient) -> None:
    from chromadb.api import AsyncAdminAPI, AsyncClientAPI

    assert isinstance(ours, AsyncClientAPI)
    assert isinstance(ours.admin, AsyncAdminAPI)
