"""An asyncio-native vector store that speaks Chroma's HTTP API and mirrors its Python API with await.

Names are loaded when they are first used: an application that only speaks HTTP loads neither the index nor the storage.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chroma_async.builders.cmek import Cmek
    from chroma_async.builders.index_config import (
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
    from chroma_async.builders.schema import Schema
    from chroma_async.builders.search import GroupBy, K, Key, Knn, Limit, MaxK, MinK, Rrf, Search, Select, Val
    from chroma_async.client.admin import AsyncAdminClient
    from chroma_async.client.client import AsyncClient
    from chroma_async.client.collection import AsyncCollection
    from chroma_async.client.embedded import AsyncEphemeralClient, AsyncPersistentClient
    from chroma_async.client.embedding import DataLoader
    from chroma_async.client.functions import AttachedFunction, Function
    from chroma_async.client.http import AsyncHttpClient
    from chroma_async.client.interop import register_with_chromadb
    from chroma_async.client.results import DeleteResult, GetResult, Include, QueryResult, UserIdentity
    from chroma_async.client.search_result import SearchResult
    from chroma_async.config.settings import ClientSettings, Settings
    from chroma_async.embedding.bm25 import ChromaBm25EmbeddingFunction
    from chroma_async.embedding.protocol import EmbeddingFunction, SparseEmbeddingFunction
    from chroma_async.embedding.registry import register_embedding_function, register_sparse_embedding_function
    from chroma_async.encryption.encryption import Encryption
    from chroma_async.errors import ChromaError, IgnoredArgumentWarning
    from chroma_async.sparse_vector import SparseVector
    from chroma_async.types import DEFAULT_DATABASE, DEFAULT_TENANT, ReadLevel

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
    "Encryption",
    "FloatInvertedIndexConfig",
    "FtsIndexConfig",
    "Function",
    "GetResult",
    "GroupBy",
    "HnswIndexConfig",
    "IgnoredArgumentWarning",
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
    "client.admin": ("AsyncAdminClient",),
    "client.client": ("AsyncClient",),
    "client.collection": ("AsyncCollection",),
    "builders.cmek": ("Cmek",),
    "client.embedding": ("DataLoader",),
    "client.functions": ("AttachedFunction", "Function"),
    "builders.index_config": (
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
    "client.results": ("DeleteResult", "GetResult", "Include", "QueryResult", "UserIdentity"),
    "builders.schema": ("Schema",),
    "builders.search": ("GroupBy", "K", "Key", "Knn", "Limit", "MaxK", "MinK", "Rrf", "Search", "Select", "Val"),
    "client.search_result": ("SearchResult",),
    "client.embedded": ("AsyncEphemeralClient", "AsyncPersistentClient"),
    "client.http": ("AsyncHttpClient",),
    "client.interop": ("register_with_chromadb",),
    "config.settings": ("ClientSettings", "Settings"),
    "embedding.bm25": ("ChromaBm25EmbeddingFunction",),
    "embedding.protocol": ("EmbeddingFunction", "SparseEmbeddingFunction"),
    "embedding.registry": ("register_embedding_function", "register_sparse_embedding_function"),
    "encryption.encryption": ("Encryption",),
    "errors": ("ChromaError", "IgnoredArgumentWarning"),
    "sparse_vector": ("SparseVector",),
    "types": ("DEFAULT_DATABASE", "DEFAULT_TENANT", "ReadLevel"),
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
