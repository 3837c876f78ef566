"""Each service's own words: what is sent to it, what comes back, and what its configuration holds."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from chromadb.utils.embedding_functions import known_embedding_functions as theirs
from chromadb.utils.embedding_functions.schemas import validate_config_schema

from chroma_async.embedding import (
    CohereEmbeddingFunction,
    HuggingFaceEmbeddingFunction,
    HuggingFaceEmbeddingServer,
    JinaEmbeddingFunction,
    OllamaEmbeddingFunction,
    OpenAIEmbeddingFunction,
    VoyageAIEmbeddingFunction,
    config_to_embedding_function,
    known_embedding_functions,
)
from chroma_async.embedding.services.remote import RemoteFunction
from chroma_async.errors import EmbeddingAnswerError, ValidationError
from tests.fakes.embedding_service import Refusal, Service, serving, vector

KEY = "sk-secret-0123456789"


def listed(texts: list[str]) -> Any:
    """OpenAI's shape, in another order than was asked."""
    items = [{"object": "embedding", "index": n, "embedding": vector(text)} for n, text in enumerate(texts)]
    return {"object": "list", "data": items[::-1], "model": "m", "usage": {"prompt_tokens": 8, "total_tokens": 8}}


def in_base64(text: str) -> str:
    return base64.b64encode(np.array(vector(text), "<f4").tobytes()).decode()


OTHER_SHAPES = [b"<html>", b"{}", b"[]", b"null", b'{"data": [{"index": 0}], "embeddings": [["a"]]}', b'{"data": 3}', b"[[]]"]


@dataclass(frozen=True)
class Provider:
    """How to make a function that asks a service at a URL, and what should reach it."""

    make: Callable[[str], RemoteFunction]
    path: str
    document: dict[str, Any]
    query: dict[str, Any]
    shape: Callable[[list[str]], Any] | None = None
    texts_under: str = "input"
    headers: dict[str, str] = field(default_factory=lambda: {"Authorization": f"Bearer {KEY}"})


PROVIDERS = {
    "openai": Provider(
        lambda url: OpenAIEmbeddingFunction(
            model_name="text-embedding-3-small",
            api_base=f"{url}/v1/",
            organization_id="org-1",
            dimensions=3,
            default_headers={"X-Team": "a"},
        ),
        "/v1/embeddings",
        {"model": "text-embedding-3-small", "dimensions": 3},
        {"model": "text-embedding-3-small", "dimensions": 3},
        listed,
        headers={"Authorization": f"Bearer {KEY}", "OpenAI-Organization": "org-1", "X-Team": "a"},
    ),
    "openai, a model without dimensions": Provider(
        lambda url: OpenAIEmbeddingFunction(model_name="bge-m3", api_base=url, dimensions=3),
        "/embeddings",
        {"model": "bge-m3"},
        {"model": "bge-m3"},
        listed,
    ),
    "openai at azure": Provider(
        lambda url: OpenAIEmbeddingFunction(api_base=url, api_type="azure", api_version="2024-02-01", deployment_id="mine"),
        "/openai/deployments/mine/embeddings?api-version=2024-02-01",
        {"model": "text-embedding-ada-002"},
        {"model": "text-embedding-ada-002"},
        listed,
        headers={"api-key": KEY},
    ),
    "ollama": Provider(
        lambda url: OllamaEmbeddingFunction(url=f"{url}/api/embeddings", model_name="nomic-embed-text"),
        "/api/embed",
        {"model": "nomic-embed-text"},
        {"model": "nomic-embed-text"},
        lambda texts: {"model": "nomic-embed-text", "embeddings": [vector(text) for text in texts], "total_duration": 1},
        headers={},
    ),
    "cohere": Provider(
        lambda url: CohereEmbeddingFunction(model_name="embed-v3", base_url=url),
        "/v1/embed",
        {"model": "embed-v3", "input_type": "search_document"},
        {"model": "embed-v3", "input_type": "search_query"},
        lambda texts: {"id": "x", "embeddings": [vector(text) for text in texts], "response_type": "embeddings_floats"},
        texts_under="texts",
    ),
    "cohere by type": Provider(
        lambda url: CohereEmbeddingFunction(base_url=url),
        "/v1/embed",
        {"model": "large", "input_type": "search_document"},
        {"model": "large", "input_type": "search_query"},
        lambda texts: {"embeddings": {"float": [vector(text) for text in texts]}, "response_type": "embeddings_by_type"},
        texts_under="texts",
    ),
    "jina": Provider(
        lambda url: JinaEmbeddingFunction(
            model_name="jina-embeddings-v3",
            task="retrieval.passage",
            normalized=True,
            query_config={"task": "retrieval.query"},
            base_url=url,
        ),
        "/v1/embeddings",
        {"model": "jina-embeddings-v3", "task": "retrieval.passage", "normalized": True},
        {"model": "jina-embeddings-v3", "task": "retrieval.query", "normalized": True},
        listed,
    ),
    "jina in base64": Provider(
        lambda url: JinaEmbeddingFunction(embedding_type="base64", base_url=url),
        "/v1/embeddings",
        {"model": "jina-embeddings-v2-base-en", "embedding_type": "base64"},
        {"model": "jina-embeddings-v2-base-en", "embedding_type": "base64"},
        lambda texts: {"data": [{"index": n, "embedding": in_base64(text)} for n, text in enumerate(texts)]},
    ),
    "voyageai": Provider(
        lambda url: VoyageAIEmbeddingFunction(input_type="document", truncation=False, base_url=url),
        "/v1/embeddings",
        {"model": "voyage-large-2", "input_type": "document", "truncation": False},
        {"model": "voyage-large-2", "input_type": "query", "truncation": False},
        listed,
    ),
    "huggingface": Provider(
        lambda url: HuggingFaceEmbeddingFunction(base_url=url),
        "/hf-inference/models/sentence-transformers/all-MiniLM-L6-v2/pipeline/feature-extraction",
        {},
        {},
        texts_under="inputs",
    ),
    "huggingface_server": Provider(
        lambda url: HuggingFaceEmbeddingServer(f"{url}/embed", api_key_env_var="CHROMA_HUGGINGFACE_API_KEY"),
        "/embed",
        {},
        {},
        texts_under="inputs",
    ),
    "huggingface_server without a key": Provider(
        lambda url: HuggingFaceEmbeddingServer(f"{url}/embed"), "/embed", {}, {}, texts_under="inputs", headers={}
    ),
}


@pytest.fixture(params=PROVIDERS)
def provider(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Provider:
    for name in ("OPENAI", "COHERE", "JINA", "VOYAGE", "HUGGINGFACE"):
        monkeypatch.setenv(f"CHROMA_{name}_API_KEY", KEY)
        monkeypatch.delenv(f"{name}_API_KEY", raising=False)
    return PROVIDERS[request.param]


@pytest.fixture
async def service(provider: Provider) -> AsyncIterator[Service]:
    async with serving(Service(provider.texts_under, provider.shape)) as opened:
        yield opened


async def test_the_service_is_asked_in_its_own_words_and_its_vectors_come_back_in_order(provider: Provider, service: Service) -> None:
    async with provider.make(service.url) as function:
        documents = await function(["one", "three", "twentytwo"])
        queries = await function.embed_query(["why"])
    assert (documents.dtype, documents.tolist()) == (np.float32, [vector("one"), vector("three"), vector("twentytwo")])
    assert queries.tolist() == [vector("why")]
    first, second = service.asked
    assert (first.path, second.path) == (provider.path, provider.path)
    assert first.body == {provider.texts_under: ["one", "three", "twentytwo"], **provider.document}
    assert second.body == {provider.texts_under: ["why"], **provider.query}
    for said in service.asked:
        shown = {name: said.headers[name] for name in said.headers if name in {"Authorization", "api-key", "OpenAI-Organization", "X-Team"}}
        assert shown == provider.headers
        assert said.headers["Content-Type"] == "application/json"


async def test_more_texts_than_a_request_takes_go_in_several_and_stay_in_order(provider: Provider, service: Service) -> None:
    async with provider.make(service.url) as function:
        texts = ["x" * (n % 50 + 1) for n in range(function.batch_size + 5)]
        result = await function(texts)
    assert result[:, 0].tolist() == [len(text) for text in texts]
    assert sorted(len(said.body[provider.texts_under]) for said in service.asked) == [5, function.batch_size]


@pytest.mark.parametrize("body", OTHER_SHAPES)
async def test_an_answer_of_another_shape_is_named(provider: Provider, service: Service, body: bytes) -> None:
    service.refusals = [Refusal(200, body)]
    async with provider.make(service.url) as function:
        with pytest.raises(EmbeddingAnswerError, match=f"^{function.name()}: ") as caught:
            await function(["one"])
    assert caught.value.function == function.name()
    assert KEY not in str(caught.value)


async def test_the_configuration_is_chromadbs_and_makes_an_equal_function(provider: Provider, service: Service) -> None:
    function = provider.make(service.url)
    config = function.get_config()
    validate_config_schema(config, function.name())
    assert KEY not in str(config) + repr(function)
    again = config_to_embedding_function({"name": function.name(), "config": config})
    assert again == function
    assert again.get_config() == config
    assert hash(again) == hash(function)
    function.validate_config_update(config, dict(config))


async def test_a_key_given_directly_is_used_and_never_stored(provider: Provider, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    function = provider.make(service.url)
    if isinstance(function, OllamaEmbeddingFunction):
        return
    given = {name: getattr(function, name) for name in function.fields if name != "dimensions"}
    address = {} if "api_base" in given or "url" in given else {"base_url": service.url}
    direct: Any = type(function)(**given, **address, api_key="given-directly")
    with pytest.warns(UserWarning, match="is not stored"):
        config = direct.get_config()
    assert "given-directly" not in f"{config}{direct!r}{vars(direct)!r}"
    async with direct:
        await direct(["one"])
    assert "given-directly" in (service.asked[0].headers.get("Authorization") or service.asked[0].headers["api-key"])


@pytest.mark.parametrize("model", ["any", "embed-english-v2.0", "embed-english-light-v2.0", "embed-multilingual-v2.0"])
@pytest.mark.parametrize("name", sorted({key.split()[0].rstrip(",") for key in PROVIDERS}))
def test_spaces_are_chromadbs(name: str, model: str) -> None:
    config = {"model_name": model, "api_key_env_var": "KEY", "url": "http://localhost:11434", "timeout": 60}
    ours = known_embedding_functions[name]
    function = ours.build_from_config({field: value for field, value in config.items() if field in ours.fields})
    reference: Any = theirs[name].__new__(theirs[name])
    reference.model_name = model
    assert (function.default_space(), function.supported_spaces()) == (reference.default_space(), reference.supported_spaces())


def test_what_the_service_needs_is_asked_for_when_the_function_is_made() -> None:
    with pytest.raises(ValueError, match="api_base, api_version"):
        OpenAIEmbeddingFunction(api_type="azure", deployment_id="d")
    with pytest.raises(ValueError, match="expected an http or https address"):
        OllamaEmbeddingFunction(url="file:///etc/passwd")


@pytest.mark.parametrize(
    ("name", "config", "problem"),
    [
        ("openai", {"model_name": "m"}, "api_key_env_var"),
        ("openai", {"model_name": "m", "api_key_env_var": "K", "dimensions": "many"}, "dimensions"),
        ("openai", {"model_name": "m", "api_key_env_var": "K", "dimensions": True}, "dimensions"),
        ("openai", {"model_name": "m", "api_key_env_var": "K", "pooling": "cls"}, "pooling"),
        ("openai", {"model_name": "m", "api_key_env_var": "sk-live-123"}, "not the key itself"),
        ("huggingface_server", {}, "url"),
        ("ollama", {"url": "http://localhost:11434", "model_name": "m", "timeout": -1}, "timeout_s"),
        ("voyageai", {"api_key_env_var": "K", "model_name": "m", "truncation": "yes"}, "truncation"),
    ],
)
def test_a_configuration_that_cannot_be_meant_is_refused_by_field(name: str, config: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem) as caught:
        config_to_embedding_function({"name": name, "config": config})
    assert "sk-live-123" not in str(caught.value)


def test_another_model_cannot_take_over_a_collection() -> None:
    function = OpenAIEmbeddingFunction(model_name="b")
    with pytest.raises(ValueError, match=r"openai\.model_name cannot change"):
        function.validate_config_update({"model_name": "a"}, function.get_config())
