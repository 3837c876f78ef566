"""An asyncio-native vector store that speaks Chroma's HTTP API and mirrors its Python API with await.

Names are loaded when they are first used: an application that only speaks HTTP loads neither the index nor the storage.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chroma_async.api.admin import AsyncAdminClient
    from chroma_async.api.client import AsyncClient
    from chroma_async.api.cmek import Cmek
    from chroma_async.api.collection import AsyncCollection
    from chroma_async.api.embedding import DataLoader
    from chroma_async.api.functions import AttachedFunction, Function
    from chroma_async.api.index_config import (
        BoolInvertedIndexConfig,
        FloatInvertedIndexConfig,
        FtsIndexConfig,
        HnswIndexConfig,
        IntInvertedIndexConfig,
        SpannIndexConfig,
        SparseVectorIndexConfig,
        StringInvertedIndexConfig,
        VectorIndexConfig,
    )
    from chroma_async.api.results import DeleteResult, GetResult, Include, QueryResult, UserIdentity
    from chroma_async.api.schema import Schema
    from chroma_async.api.search import GroupBy, K, Key, Knn, Limit, MaxK, MinK, Rrf, Search, Select, Val
    from chroma_async.api.search_result import SearchResult
    from chroma_async.client.embedded import AsyncEphemeralClient, AsyncPersistentClient
    from chroma_async.client.http import AsyncHttpClient
    from chroma_async.client.interop import register_with_chromadb
    from chroma_async.config import ClientSettings, Settings
    from chroma_async.embedding.bm25 import ChromaBm25EmbeddingFunction
    from chroma_async.embedding.protocol import EmbeddingFunction, SparseEmbeddingFunction
    from chroma_async.embedding.registry import register_embedding_function, register_sparse_embedding_function
    from chroma_async.errors import ChromaError
    from chroma_async.types import DEFAULT_DATABASE, DEFAULT_TENANT, ReadLevel, SparseVector

__all__ = [
    "DEFAULT_DATABASE",
    "DEFAULT_TENANT",
    "AsyncAdminClient",
    "AsyncClient",
    "AsyncCollection",
    "AsyncEphemeralClient",
    "AsyncHttpClient",
    "AsyncPersistentClient",
    "AttachedFunction",
    "BoolInvertedIndexConfig",
    "ChromaBm25EmbeddingFunction",
    "ChromaError",
    "ClientSettings",
    "Cmek",
    "DataLoader",
    "DeleteResult",
    "EmbeddingFunction",
    "FloatInvertedIndexConfig",
    "FtsIndexConfig",
    "Function",
    "GetResult",
    "GroupBy",
    "HnswIndexConfig",
    "Include",
    "IntInvertedIndexConfig",
    "K",
    "Key",
    "Knn",
    "Limit",
    "MaxK",
    "MinK",
    "QueryResult",
    "ReadLevel",
    "Rrf",
    "Schema",
    "Search",
    "SearchResult",
    "Select",
    "Settings",
    "SpannIndexConfig",
    "SparseEmbeddingFunction",
    "SparseVector",
    "SparseVectorIndexConfig",
    "StringInvertedIndexConfig",
    "UserIdentity",
    "Val",
    "VectorIndexConfig",
    "register_embedding_function",
    "register_sparse_embedding_function",
    "register_with_chromadb",
]

_HOMES = {
    "api.admin": ("AsyncAdminClient",),
    "api.client": ("AsyncClient",),
    "api.collection": ("AsyncCollection",),
    "api.cmek": ("Cmek",),
    "api.embedding": ("DataLoader",),
    "api.functions": ("AttachedFunction", "Function"),
    "api.index_config": (
        "BoolInvertedIndexConfig",
        "FloatInvertedIndexConfig",
        "FtsIndexConfig",
        "HnswIndexConfig",
        "IntInvertedIndexConfig",
        "SpannIndexConfig",
        "SparseVectorIndexConfig",
        "StringInvertedIndexConfig",
        "VectorIndexConfig",
    ),
    "api.results": ("DeleteResult", "GetResult", "Include", "QueryResult", "UserIdentity"),
    "api.schema": ("Schema",),
    "api.search": ("GroupBy", "K", "Key", "Knn", "Limit", "MaxK", "MinK", "Rrf", "Search", "Select", "Val"),
    "api.search_result": ("SearchResult",),
    "client.embedded": ("AsyncEphemeralClient", "AsyncPersistentClient"),
    "client.http": ("AsyncHttpClient",),
    "client.interop": ("register_with_chromadb",),
    "config": ("ClientSettings", "Settings"),
    "embedding.bm25": ("ChromaBm25EmbeddingFunction",),
    "embedding.protocol": ("EmbeddingFunction", "SparseEmbeddingFunction"),
    "embedding.registry": ("register_embedding_function", "register_sparse_embedding_function"),
    "errors": ("ChromaError",),
    "types": ("DEFAULT_DATABASE", "DEFAULT_TENANT", "ReadLevel", "SparseVector"),
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
