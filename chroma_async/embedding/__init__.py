"""Embedding functions: from texts to vectors, on the client's side only. Neither the server nor the engine knows this package.

Names are loaded when they are first used, so that asking for one function imports no other.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chroma_async.embedding.default import DefaultEmbeddingFunction
    from chroma_async.embedding.onnx import ONNXMiniLM_L6_V2
    from chroma_async.embedding.protocol import EmbeddingFunction, Embeddings, SparseEmbeddingFunction, SparseEmbeddings
    from chroma_async.embedding.registry import (
        config_to_embedding_function,
        config_to_sparse_embedding_function,
        get_builtins,
        known_embedding_functions,
        register_embedding_function,
        register_sparse_embedding_function,
        sparse_known_embedding_functions,
    )
    from chroma_async.embedding.secrets import trust_embedding_origins
    from chroma_async.embedding.sentence_transformer import SentenceTransformerEmbeddingFunction
    from chroma_async.embedding.services.cohere import CohereEmbeddingFunction
    from chroma_async.embedding.services.huggingface import HuggingFaceEmbeddingFunction, HuggingFaceEmbeddingServer
    from chroma_async.embedding.services.jina import JinaEmbeddingFunction
    from chroma_async.embedding.services.limits import Limits, Waiting
    from chroma_async.embedding.services.ollama import OllamaEmbeddingFunction
    from chroma_async.embedding.services.openai import OpenAIEmbeddingFunction
    from chroma_async.embedding.services.voyageai import VoyageAIEmbeddingFunction

__all__ = [
    "CohereEmbeddingFunction",
    "DefaultEmbeddingFunction",
    "EmbeddingFunction",
    "Embeddings",
    "HuggingFaceEmbeddingFunction",
    "HuggingFaceEmbeddingServer",
    "JinaEmbeddingFunction",
    "Limits",
    "ONNXMiniLM_L6_V2",
    "OllamaEmbeddingFunction",
    "OpenAIEmbeddingFunction",
    "SentenceTransformerEmbeddingFunction",
    "SparseEmbeddingFunction",
    "SparseEmbeddings",
    "VoyageAIEmbeddingFunction",
    "Waiting",
    "config_to_embedding_function",
    "config_to_sparse_embedding_function",
    "get_builtins",
    "known_embedding_functions",
    "register_embedding_function",
    "register_sparse_embedding_function",
    "sparse_known_embedding_functions",
    "trust_embedding_origins",
]

_HOMES = {
    "services.cohere": ("CohereEmbeddingFunction",),
    "default": ("DefaultEmbeddingFunction",),
    "services.huggingface": ("HuggingFaceEmbeddingFunction", "HuggingFaceEmbeddingServer"),
    "services.jina": ("JinaEmbeddingFunction",),
    "services.limits": ("Limits", "Waiting"),
    "services.ollama": ("OllamaEmbeddingFunction",),
    "onnx": ("ONNXMiniLM_L6_V2",),
    "services.openai": ("OpenAIEmbeddingFunction",),
    "protocol": ("EmbeddingFunction", "Embeddings", "SparseEmbeddingFunction", "SparseEmbeddings"),
    "registry": (
        "config_to_embedding_function",
        "config_to_sparse_embedding_function",
        "get_builtins",
        "known_embedding_functions",
        "register_embedding_function",
        "register_sparse_embedding_function",
        "sparse_known_embedding_functions",
    ),
    "secrets": ("trust_embedding_origins",),
    "sentence_transformer": ("SentenceTransformerEmbeddingFunction",),
    "services.voyageai": ("VoyageAIEmbeddingFunction",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
