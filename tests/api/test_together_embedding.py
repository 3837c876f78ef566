"""Embedding functions and schemas that one client stores and the other finds: chromadb's clients and ours on the same collections."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import chromadb
import httpx
import numpy as np
import pytest
from chromadb.utils.embedding_functions import HuggingFaceEmbeddingServer as TheirServer

import chroma_async
from chroma_async import HnswIndexConfig, IntInvertedIndexConfig, Schema, StringInvertedIndexConfig, VectorIndexConfig
from chroma_async.embedding import HuggingFaceEmbeddingServer, OpenAIEmbeddingFunction, secrets, trust_embedding_origins
from chroma_async.embedding.missing_function import MissingFunction
from chroma_async.errors import InvalidArgumentError, ModelMissingError, ValidationError
from tests.api.conftest import Store, opened
from tests.fakes.embedding_service import Service, serving_elsewhere, vector

DISTANCES = {"include": ["distances"], "n_results": 2}


@pytest.fixture
async def official(tmp_path: Path) -> AsyncIterator[Store]:
    async with opened("official", tmp_path) as store:
        yield store


@pytest.fixture
async def ours(official: Store) -> AsyncIterator[chroma_async.AsyncClient]:
    settings = official.client.get_settings()
    async with chroma_async.AsyncHttpClient(settings.chroma_server_host, settings.chroma_server_http_port, settings=settings) as client:
        yield client


@pytest.fixture(autouse=True)
def their_connections(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """chromadb's functions never close what they open."""
    made: list[httpx.Client] = []
    begin = httpx.Client.__init__

    def remembered(self: httpx.Client, *args: Any, **kwargs: Any) -> None:
        begin(self, *args, **kwargs)
        made.append(self)

    monkeypatch.setattr(httpx.Client, "__init__", remembered)
    yield
    for client in made:
        client.close()


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """A text-embeddings-inference server. chromadb's functions block the loop they are called in, so it has one of its own."""
    monkeypatch.delenv("HUGGINGFACE_API_KEY", raising=False)
    monkeypatch.setattr(secrets, "_trusted", set())
    with serving_elsewhere(Service("inputs")) as opened_service:
        yield opened_service


def described(url: str) -> dict[str, Any]:
    return {"type": "known", "name": "huggingface_server", "config": {"url": url, "api_key_env_var": None}}


async def same_answers(*collections: Any) -> list[float]:
    answers = [await collection.query(query_texts=["four"], **DISTANCES) for collection in collections]
    assert answers[0]["ids"] == answers[1]["ids"]
    # The same float32 numbers: one client reads their shortest decimal form, the other widens them.
    assert np.float32(answers[0]["distances"]).tolist() == np.float32(answers[1]["distances"]).tolist()
    return list(answers[0]["distances"][0])


async def test_what_chromadb_embeds_with_is_found_by_name_and_used_by_ours(
    official: Store, ours: chroma_async.AsyncClient, service: Service
) -> None:
    theirs = await official.client.create_collection("docs", embedding_function=TheirServer(service.url))
    mine = await ours.get_collection("docs")
    assert mine.configuration_json["embedding_function"] == described(service.url)
    assert mine.configuration["embedding_function"] == HuggingFaceEmbeddingServer(service.url)
    with pytest.raises(ValidationError, match="trust_embedding_origins"):
        await mine.add(ids=["a"], documents=["four"])
    trust_embedding_origins(service.url)
    await mine.add(ids=["a", "b"], documents=["four", "thirteen long"])
    assert (await mine.get(include=["embeddings"]))["embeddings"].tolist() == [vector("four"), vector("thirteen long")]
    assert (await same_answers(mine, theirs))[0] == pytest.approx(0.0, abs=1e-6)


async def test_what_ours_embeds_with_is_found_by_name_and_used_by_chromadb(
    official: Store, ours: chroma_async.AsyncClient, service: Service
) -> None:
    mine = await ours.create_collection("docs", embedding_function=HuggingFaceEmbeddingServer(service.url))
    assert mine.configuration_json["embedding_function"] == described(service.url)
    assert mine.configuration_json["hnsw"]["space"] == "cosine"
    theirs = await official.client.get_collection("docs")
    await theirs.add(ids=["a", "b"], documents=["four", "seventeen letters"])
    assert (await same_answers(theirs, mine))[0] == pytest.approx(0.0, abs=1e-6)
    again = await ours.get_collection("docs")
    assert (await same_answers(again, theirs))[0] == pytest.approx(0.0, abs=1e-6)
    with pytest.raises(ValueError, match="already exists"):
        await ours.get_collection("docs", embedding_function=OpenAIEmbeddingFunction())


@pytest.mark.parametrize("side", ["ours", "theirs"])
async def test_a_function_inside_a_schema_is_found_by_both(
    official: Store, ours: chroma_async.AsyncClient, service: Service, side: str
) -> None:
    if side == "ours":
        made: Any = Schema().create_index(VectorIndexConfig(space="l2", embedding_function=HuggingFaceEmbeddingServer(service.url)))
        await ours.create_collection("docs", schema=made.delete_index(StringInvertedIndexConfig(), key="note"))
    else:
        config = chromadb.VectorIndexConfig(space="l2", embedding_function=TheirServer(service.url))
        made = chromadb.Schema().create_index(config).delete_index(chromadb.StringInvertedIndexConfig(), key="note")
        await official.client.create_collection("docs", schema=made)
    trust_embedding_origins(service.url)
    mine, theirs = await ours.get_collection("docs"), await official.client.get_collection("docs", embedding_function=None)
    await mine.add(ids=["a"], documents=["four"], metadatas=[{"note": "x"}])
    await theirs.add(ids=["b"], documents=["seven.."], metadatas=[{"note": "y"}])
    assert await same_answers(mine, theirs) == [0.0, 9.0]
    for collection in (mine, theirs):
        types = collection.schema.keys["note"].string
        assert types.string_inverted_index.enabled is False
        config = collection.schema.keys["#embedding"].float_list.vector_index.config
        assert (config.space, config.embedding_function.url) == ("l2", service.url)
    assert mine.schema == (await ours.get_collection("docs")).schema
    assert mine.schema.serialize_to_json() == chromadb.Schema.deserialize_from_json(mine.get_model().schema).serialize_to_json()


async def test_schemas_of_either_make_and_dicts_make_the_same_collection(ours: chroma_async.AsyncClient) -> None:
    def steps(classes: Any) -> Any:
        vectors = classes.VectorIndexConfig(space="ip", hnsw=classes.HnswIndexConfig(ef_search=77), embedding_function=None)
        return classes.Schema().create_index(vectors).delete_index(classes.IntInvertedIndexConfig())

    made = [steps(chroma_async), steps(chromadb), steps(chroma_async).serialize_to_json()]
    collections = [await ours.create_collection(f"docs-{n}", schema=schema) for n, schema in enumerate(made)]
    first = collections[0].get_model()
    assert first.configuration["hnsw"] | {"space": "ip", "ef_search": 77} == first.configuration["hnsw"]
    for collection in collections[1:]:
        assert (collection.get_model().schema, collection.get_model().configuration) == (first.schema, first.configuration)


async def test_a_function_beside_a_schema_is_described_in_it(ours: chroma_async.AsyncClient, service: Service) -> None:
    function = HuggingFaceEmbeddingServer(service.url)
    given: list[Any] = [
        Schema().delete_index(IntInvertedIndexConfig(), key="n"),
        chromadb.Schema().delete_index(chromadb.IntInvertedIndexConfig(), key="n"),
        {"defaults": {}, "keys": {"n": {"int": {"int_inverted_index": {"enabled": False, "config": {}}}}}},
    ]
    for n, schema in enumerate(given):
        collection = await ours.create_collection(f"docs-{n}", schema=schema, embedding_function=function)
        assert collection.configuration_json["embedding_function"] == described(service.url)
        assert collection.configuration_json["hnsw"]["space"] == "cosine"
        await collection.add(ids=["a"], documents=["four"], metadatas=[{"n": 1}])
        with pytest.raises(InvalidArgumentError, match="disabled"):
            await collection.get(where={"n": 1})
        assert (await collection.query(query_texts=["four"]))["ids"] == [["a"]]
        reopened = await ours.get_collection(f"docs-{n}")
        assert reopened.configuration["embedding_function"] is function
    inside = Schema().create_index(VectorIndexConfig(embedding_function=OpenAIEmbeddingFunction()))
    with pytest.raises(ValueError, match="Multiple embedding functions provided"):
        await ours.create_collection("docs", schema=inside, embedding_function=function)


async def test_the_schema_of_one_collection_makes_another_and_its_function_is_not_forced_on_one_that_exists(
    ours: chroma_async.AsyncClient, service: Service
) -> None:
    schema = Schema().create_index(VectorIndexConfig(embedding_function=HuggingFaceEmbeddingServer(service.url)))
    first = await ours.create_collection("first", schema=schema)
    second = await ours.create_collection("second", schema=first.schema)
    assert second.get_model().schema == first.get_model().schema
    other = Schema().create_index(VectorIndexConfig(embedding_function=OpenAIEmbeddingFunction()))
    again = await ours.get_or_create_collection("first", schema=other)
    await again.add(ids=["a"], documents=["four"])
    assert (await again.query(query_texts=["four"]))["ids"] == [["a"]]


async def test_a_callable_inside_a_schema_embeds(ours: chroma_async.AsyncClient) -> None:
    schema = Schema().create_index(VectorIndexConfig(embedding_function=lambda input: [vector(text) for text in input]))
    collection = await ours.create_collection("docs", schema=schema)
    await collection.add(ids=["a"], documents=["four"])
    assert (await collection.get(include=["embeddings"]))["embeddings"].tolist() == [vector("four")]


async def test_a_plain_callable_beside_a_schema_embeds(ours: chroma_async.AsyncClient) -> None:
    schema = Schema().create_index(VectorIndexConfig(hnsw=HnswIndexConfig(ef_search=50)))
    collection = await ours.create_collection("docs", schema=schema, embedding_function=lambda texts: [vector(text) for text in texts])
    assert collection.configuration_json["embedding_function"] == {"type": "legacy"}
    await collection.add(ids=["a"], documents=["four"])
    assert (await collection.query(query_texts=["four"], **DISTANCES))["distances"] == [[0.0]]


async def test_an_untouched_schema_with_chromadbs_default_function_downloads_nothing(
    ours: chroma_async.AsyncClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for n, schema in enumerate((Schema(), chromadb.Schema())):
        collection = await ours.create_collection(f"docs-{n}", schema=schema.create_index(schema_config(schema)))
        with pytest.raises(ModelMissingError, match="`chroma-async models pull`"):
            await collection.add(ids=["a"], documents=["four"])
    assert not (tmp_path / "home").exists()


def schema_config(schema: Any) -> Any:
    return VectorIndexConfig(space="cosine") if isinstance(schema, Schema) else chromadb.VectorIndexConfig(space="cosine")


async def test_names_that_nobody_registered_keep_their_place_until_somebody_does(ours: chroma_async.AsyncClient) -> None:
    description = {"type": "known", "name": "of-another-team", "config": {"size": 2}}
    await ours.create_collection("docs", configuration={"embedding_function": description})
    collection = await ours.get_collection("docs")
    assert collection.configuration["embedding_function"] is None
    config: Any = collection.schema.keys["#embedding"].float_list.vector_index.config  # type: ignore[union-attr]
    assert isinstance(config.embedding_function, MissingFunction)
    with pytest.raises(ValueError, match="'of-another-team', which cannot be made here"):
        await collection.add(ids=["a"], documents=["four"])

    class OfAnotherTeam(chroma_async.EmbeddingFunction[list[str]]):
        def __init__(self, size: int) -> None:
            self.size = size

        async def __call__(self, input: list[str]) -> list[list[float]]:
            return [[float(len(text))] * self.size for text in input]

        @staticmethod
        def name() -> str:
            return "of-another-team"

        @staticmethod
        def build_from_config(config: dict[str, Any]) -> OfAnotherTeam:
            return OfAnotherTeam(config["size"])

        def get_config(self) -> dict[str, Any]:
            return {"size": self.size}

    registry = chroma_async.embedding.registry.known_embedding_functions
    chroma_async.register_embedding_function(OfAnotherTeam)
    try:
        await collection.add(ids=["a"], documents=["four"])
        assert (await collection.get(include=["embeddings"]))["embeddings"].tolist() == [[4.0, 4.0]]
    finally:
        del registry["of-another-team"]


async def test_another_model_is_refused_for_a_collection_and_another_key_is_not(
    ours: chroma_async.AsyncClient,
) -> None:
    collection = await ours.create_collection("docs", embedding_function=OpenAIEmbeddingFunction(model_name="a"))
    with pytest.raises(ValueError, match="model_name cannot change"):
        await collection.modify(configuration={"embedding_function": OpenAIEmbeddingFunction(model_name="b")})
    await collection.modify(configuration={"embedding_function": OpenAIEmbeddingFunction(model_name="a", api_key_env_var="OTHER_KEY")})
    assert collection.configuration_json["embedding_function"]["config"]["api_key_env_var"] == "OTHER_KEY"


async def test_the_client_ends_the_connections_of_its_functions(official: Store, service: Service) -> None:
    settings = official.client.get_settings()
    function = HuggingFaceEmbeddingServer(service.url)
    host, port = settings.chroma_server_host, settings.chroma_server_http_port
    async with chroma_async.AsyncHttpClient(host, port, settings=settings) as client:
        collection = await client.create_collection("docs", embedding_function=function)
        await collection.add(ids=["a"], documents=["four"])
        assert len(function._connections) == 1
    assert len(function._connections) == 0
    assert (await function(["four"])).tolist() == [vector("four")]
    await function.aclose()
