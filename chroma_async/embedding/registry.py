"""Which class a name in a collection's configuration stands for: the built-in ones and those that the application registered.

A configuration is data that anybody with access to the server may have written. It chooses among these classes and nothing else: no module
is imported because of what it says but the built-in one of that name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from importlib import import_module
from typing import Any, TypeVar, overload

from chroma_async.embedding.protocol import EmbeddingFunction, SparseEmbeddingFunction, is_anonymous
from chroma_async.errors import ValidationError, ValidationTypeError
from chroma_async.refusing import guarded

_C = TypeVar("_C", bound=type[Any])

#: Name -> module of this package and class.
_BUILT_IN: dict[str, tuple[str, str]] = {
    "cohere": ("services.cohere", "CohereEmbeddingFunction"),
    "default": ("default", "DefaultEmbeddingFunction"),
    "huggingface": ("services.huggingface", "HuggingFaceEmbeddingFunction"),
    "huggingface_server": ("services.huggingface", "HuggingFaceEmbeddingServer"),
    "jina": ("services.jina", "JinaEmbeddingFunction"),
    "ollama": ("services.ollama", "OllamaEmbeddingFunction"),
    "onnx_mini_lm_l6_v2": ("onnx", "ONNXMiniLM_L6_V2"),
    "openai": ("services.openai", "OpenAIEmbeddingFunction"),
    "sentence_transformer": ("sentence_transformer", "SentenceTransformerEmbeddingFunction"),
    "voyageai": ("services.voyageai", "VoyageAIEmbeddingFunction"),
}
_BUILT_IN_SPARSE: dict[str, tuple[str, str]] = {
    "chroma_bm25": ("bm25", "ChromaBm25EmbeddingFunction"),
}


class Registry(MutableMapping[str, type[Any]]):
    """Name -> class. Built-in classes are imported when they are asked for; an application may replace them."""

    def __init__(self, built_in: Mapping[str, tuple[str, str]]) -> None:
        self._built_in = dict(built_in)
        self._given: dict[str, type[Any]] = {}

    def __getitem__(self, name: str) -> type[Any]:
        if name not in self._given:
            module, attribute = self._built_in[name]
            self._given[name] = getattr(import_module(f"chroma_async.embedding.{module}"), attribute)
        return self._given[name]

    def __setitem__(self, name: str, cls: type[Any]) -> None:
        self._given[name] = cls

    def __delitem__(self, name: str) -> None:
        if name not in self:
            raise KeyError(name)
        self._given.pop(name, None)
        self._built_in.pop(name, None)

    def __iter__(self) -> Iterator[str]:
        yield from self._built_in
        yield from (name for name in self._given if name not in self._built_in)

    def __contains__(self, name: object) -> bool:
        return name in self._given or name in self._built_in

    def __len__(self) -> int:
        return sum(1 for _ in self)


#: The dense functions that collections may name.
known_embedding_functions = Registry(_BUILT_IN)
#: The sparse ones.
sparse_known_embedding_functions = Registry(_BUILT_IN_SPARSE)


def get_builtins() -> set[str]:
    """The names that need no registration."""
    return {*_BUILT_IN, *_BUILT_IN_SPARSE}


@overload
def register_embedding_function(ef_class: _C) -> _C: ...
@overload
def register_embedding_function(ef_class: None = None) -> Callable[[_C], _C]: ...
@guarded
def register_embedding_function(ef_class: Any = None) -> Any:
    """Class decorator, with or without parentheses: let collections whose configuration names this class use it without being given one.

    :raises ValidationTypeError: it has no ``name``, ``get_config`` or ``build_from_config``.
    """
    return _registering(ef_class, known_embedding_functions, EmbeddingFunction)


@overload
def register_sparse_embedding_function(ef_class: _C) -> _C: ...
@overload
def register_sparse_embedding_function(ef_class: None = None) -> Callable[[_C], _C]: ...
@guarded
def register_sparse_embedding_function(ef_class: Any = None) -> Any:
    """As :func:`register_embedding_function`, for functions that give sparse vectors."""
    return _registering(ef_class, sparse_known_embedding_functions, SparseEmbeddingFunction)


def _registering(ef_class: Any, registry: Registry, protocol: type[Any]) -> Any:
    def register(cls: _C) -> _C:
        name = None if is_anonymous(cls, protocol) else cls.name()
        if not isinstance(name, str):
            raise ValidationTypeError(
                f"{getattr(cls, '__name__', cls)} needs static methods name() and build_from_config(config), and get_config()"
            )
        registry[name] = cls
        return cls

    return register if ef_class is None else register(ef_class)


def config_to_embedding_function(config: Mapping[str, Any]) -> Any:
    """The function that ``{"name": ..., "config": {...}}`` describes.

    :raises ValidationError: no class of that name is registered, or it cannot use the configuration.
    """
    return _build(config, known_embedding_functions, "embedding function")


def config_to_sparse_embedding_function(config: Mapping[str, Any]) -> Any:
    """As :func:`config_to_embedding_function`, for sparse vectors."""
    return _build(config, sparse_known_embedding_functions, "sparse embedding function")


def _build(config: Mapping[str, Any], registry: Registry, noun: str) -> Any:
    name = config.get("name")
    if not isinstance(name, str):
        raise ValidationError(f"{noun}: its description needs a name, got {sorted(config)}")
    if name not in registry:
        raise ValidationError(f"no {noun} is registered under the name {name!r}; known are {', '.join(sorted(registry)) or 'none'}")
    inside = config.get("config")
    return registry[name].build_from_config(dict(inside) if isinstance(inside, Mapping) else {})
