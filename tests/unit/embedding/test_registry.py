"""Names in configurations and the classes they stand for; and what one client keeps of them."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import chromadb
import pytest
from chromadb.utils import embedding_functions as theirs

import chroma_async
from chroma_async.embedding import (
    EmbeddingFunction,
    SparseEmbeddingFunction,
    config_to_embedding_function,
    config_to_sparse_embedding_function,
    get_builtins,
    known_embedding_functions,
    register_embedding_function,
    register_sparse_embedding_function,
    sparse_known_embedding_functions,
)
from chroma_async.embedding.missing_function import MissingFunction
from chroma_async.embedding.pool import FunctionPool
from chroma_async.embedding.protocol import describe
from chroma_async.embedding.services.ollama import OllamaEmbeddingFunction
from chroma_async.errors import ValidationError


@pytest.fixture(autouse=True)
def untouched(monkeypatch: pytest.MonkeyPatch) -> None:
    for registry in (known_embedding_functions, sparse_known_embedding_functions):
        monkeypatch.setattr(registry, "_given", {})
        monkeypatch.setattr(registry, "_built_in", dict(registry._built_in))


class Own(EmbeddingFunction[list[str]]):
    """All that an application has to write."""

    def __init__(self, size: int = 2) -> None:
        self.size = size
        self.closed = 0

    async def __call__(self, input: list[str]) -> list[list[float]]:
        return [[1.0] * self.size for _ in input]

    @staticmethod
    def name() -> str:
        return "own"

    @staticmethod
    def build_from_config(config: dict[str, Any]) -> Own:
        return Own(config["size"])

    def get_config(self) -> dict[str, Any]:
        return {"size": self.size}

    async def aclose(self) -> None:
        self.closed += 1


def test_every_built_in_function_has_chromadbs_name_and_says_it_itself() -> None:
    assert known_embedding_functions.keys() <= theirs.known_embedding_functions.keys()
    assert sparse_known_embedding_functions.keys() <= theirs.sparse_known_embedding_functions.keys()
    assert get_builtins() == {*known_embedding_functions, *sparse_known_embedding_functions}
    for registry in (known_embedding_functions, sparse_known_embedding_functions):
        for name, cls in registry.items():
            assert cls.name() == name


@pytest.mark.parametrize("decorate", [register_embedding_function, register_embedding_function()], ids=["plain", "called"])
def test_a_registered_class_is_found_by_its_name(decorate: Any) -> None:
    assert decorate(Own) is Own
    built = config_to_embedding_function({"name": "own", "config": {"size": 5}})
    assert (type(built), built.size) == (Own, 5)
    assert "own" in set(known_embedding_functions)
    assert "own" not in get_builtins()
    del known_embedding_functions["own"]
    with pytest.raises(ValidationError, match="no embedding function is registered under the name 'own'; known are cohere, default"):
        config_to_embedding_function({"name": "own", "config": {}})
    with pytest.raises(KeyError):
        del known_embedding_functions["own"]


def test_an_application_may_put_a_class_of_its_own_in_the_place_of_a_built_in_one() -> None:
    known_embedding_functions["openai"] = Own
    assert isinstance(config_to_embedding_function({"name": "openai", "config": {"size": 1}}), Own)


def test_classes_that_could_not_be_found_again_are_not_registered() -> None:
    class Nameless(EmbeddingFunction[list[str]]):
        def __call__(self, input: list[str]) -> list[list[float]]:
            return []

    for cls in (Nameless, int):
        with pytest.raises(TypeError, match="needs static methods"):
            register_embedding_function(cls)
    assert (Nameless().is_legacy(), Own().is_legacy(), describe(Nameless())) == (True, False, {"type": "legacy"})


def test_sparse_functions_have_a_registry_of_their_own() -> None:
    class Sparse(SparseEmbeddingFunction[list[str]]):
        def __call__(self, input: list[str]) -> list[Any]:
            return [chroma_async.SparseVector([1], [1.0]) for _ in input]

        @staticmethod
        def name() -> str:
            return "words"

        @staticmethod
        def build_from_config(config: dict[str, Any]) -> Sparse:
            return Sparse()

        def get_config(self) -> dict[str, Any]:
            return {}

    register_sparse_embedding_function(Sparse)
    assert isinstance(config_to_sparse_embedding_function({"name": "words", "config": {}}), Sparse)
    with pytest.raises(ValidationError, match="no sparse embedding function"):
        config_to_sparse_embedding_function({"name": "openai", "config": {}})
    with pytest.raises(ValidationError, match="no embedding function"):
        config_to_embedding_function({"name": "words", "config": {}})


def test_what_a_class_leaves_out_is_as_in_chromadb() -> None:
    function: Any = Own()
    reference = chromadb.EmbeddingFunction
    assert function.default_space() == reference.default_space(function)
    assert function.supported_spaces() == reference.supported_spaces(function)
    function.validate_config({"anything": 1})
    function.validate_config_update({}, {})
    assert isinstance(function, EmbeddingFunction)
    assert not isinstance(len, EmbeddingFunction)


async def test_a_query_is_embedded_like_a_text_unless_the_class_says_otherwise() -> None:
    assert await Own().embed_query(["a"]) == [[1.0, 1.0]]  # type: ignore[misc]


async def test_a_client_builds_one_function_for_one_description_and_ends_it() -> None:
    register_embedding_function(Own)
    functions = FunctionPool()
    first = functions.dense({"type": "known", "name": "own", "config": {"size": 1}})
    assert functions.dense({"name": "own", "config": {"size": 1}}) is first
    assert functions.dense({"name": "own", "config": {"size": 2}}) is not first
    brought = Own(3)
    functions.adopt(brought)
    assert functions.dense(describe(brought)) is brought
    await functions.aclose()
    await functions.aclose()
    assert (first.closed, brought.closed) == (1, 0), "what the application brought, it ends"


def test_a_name_without_a_class_is_looked_up_again_the_next_time() -> None:
    functions = FunctionPool()
    description = {"type": "known", "name": "own", "config": {"size": 1}}
    assert isinstance(functions.dense(description), MissingFunction)
    assert isinstance(functions.sparse(description), MissingFunction)
    register_embedding_function(Own)
    assert isinstance(functions.dense(description), Own)


def test_a_class_that_fails_to_build_says_so_when_it_is_called() -> None:
    register_embedding_function(Own)
    unbuilt = FunctionPool().dense({"type": "known", "name": "own", "config": {}})
    assert isinstance(unbuilt, MissingFunction)
    assert describe(unbuilt) == {"type": "known", "name": "own", "config": {}}
    with pytest.raises(ValidationError, match="'own' of the collection cannot be made here: 'size'") as caught:
        unbuilt.embed_query(["a"])
    assert isinstance(caught.value.__cause__, KeyError)


def test_chromadbs_default_function_is_not_adopted_as_it_would_download() -> None:
    functions = FunctionPool()
    functions.adopt(chromadb.api.types.DefaultEmbeddingFunction())
    functions.adopt(lambda input: [])
    functions.adopt(None)
    assert type(functions.dense({"name": "default", "config": {}})).__module__ == "chroma_async.embedding.default"


def test_naming_a_function_imports_no_other_and_no_model_library() -> None:
    code = (
        "import chroma_async.embedding as e, sys; e.known_embedding_functions['ollama']; "
        "print(*(n for n in sys.modules if n.startswith(('chroma_async.embedding.', 'onnx', 'tokenizers', 'sentence_'))))"
    )
    loaded = set(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split())
    assert "chroma_async.embedding.services.ollama" in loaded
    assert not {name for name in loaded if name.endswith(("openai", "onnx", "onnxruntime", "tokenizers", "bm25", "models"))}


def test_functions_are_equal_when_their_configurations_are() -> None:
    assert OllamaEmbeddingFunction(model_name="a") == OllamaEmbeddingFunction(model_name="a")
    assert OllamaEmbeddingFunction(model_name="a") != OllamaEmbeddingFunction(model_name="b")
    assert OllamaEmbeddingFunction() != object()
