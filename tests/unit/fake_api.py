"""The smallest ChromaAPI: remembers what it was asked, holds collections and records in dicts, filters nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID, uuid5

import numpy as np

from chroma_async.errors import NotFoundError, UniqueConstraintError
from chroma_async.types import (
    CollectionInfo,
    Database,
    DeleteRequest,
    GetRequest,
    Health,
    Identity,
    Json,
    Neighbours,
    Preflight,
    QueryRequest,
    ReadLevel,
    RecordBatch,
    Records,
    Rows,
    Scope,
    SearchRequest,
    SearchRows,
    Tenant,
    WriteKind,
)

NAMESPACE = UUID(int=7)


class FakeAPI:
    def __init__(self, max_batch_size: int = 5461) -> None:
        self.max_batch_size = max_batch_size
        self.collections: dict[str, CollectionInfo] = {}
        self.asked: list[tuple[str, Any]] = []
        self.closed = 0

    async def heartbeat(self) -> int:
        return 42

    async def health(self) -> Health:
        return Health(True, True)

    async def version(self) -> str:
        return "1.0.0"

    async def preflight(self) -> Preflight:
        self.asked.append(("preflight", None))
        return Preflight(self.max_batch_size, True)

    async def identity(self) -> Identity:
        return Identity("", "default_tenant", ["default_database"])

    async def reset(self) -> bool:
        self.collections.clear()
        return True

    async def create_tenant(self, name: str) -> None:
        self.asked.append(("create_tenant", name))

    async def get_tenant(self, name: str) -> Tenant:
        if name == "missing":
            raise NotFoundError(f"Tenant [{name}] not found")
        return Tenant(name)

    async def update_tenant(self, name: str, resource_name: str) -> None:
        self.asked.append(("update_tenant", (name, resource_name)))

    async def create_database(self, name: str, tenant: str) -> None:
        self.asked.append(("create_database", (name, tenant)))

    async def get_database(self, name: str, tenant: str) -> Database:
        if name == "missing":
            raise NotFoundError(f"Database [{name}] not found")
        return Database(UUID(int=0), name, tenant)

    async def delete_database(self, name: str, tenant: str) -> None:
        self.asked.append(("delete_database", (name, tenant)))

    async def list_databases(self, tenant: str, limit: int | None = None, offset: int = 0) -> list[Database]:
        return [Database(UUID(int=0), "default_database", tenant)]

    async def create_collection(
        self,
        scope: Scope,
        name: str,
        *,
        metadata: Any = None,
        configuration: Any = None,
        schema: Any = None,
        get_or_create: bool = False,
    ) -> CollectionInfo:
        self.asked.append(("create_collection", configuration))
        if name in self.collections and not get_or_create:
            raise UniqueConstraintError(f"Collection [{name}] already exists")
        if name not in self.collections:
            self.collections[name] = CollectionInfo(
                id=uuid5(NAMESPACE, name),
                name=name,
                tenant=scope.tenant,
                database=scope.database,
                metadata=metadata,
                configuration=configuration or {"hnsw": {"space": "l2"}, "spann": None, "embedding_function": None},
                schema=schema or {},
                dimension=None,
            )
        return self.collections[name]

    async def get_collection(self, scope: Scope, name: str) -> CollectionInfo:
        if name not in self.collections:
            raise NotFoundError(f"Collection [{name}] does not exist")
        return self.collections[name]

    async def get_collection_by_id(self, scope: Scope, id: UUID) -> CollectionInfo:
        return next(info for info in self.collections.values() if info.id == id)

    async def list_collections(self, scope: Scope, limit: int | None = None, offset: int = 0) -> list[CollectionInfo]:
        return list(self.collections.values())[offset:][:limit]

    async def count_collections(self, scope: Scope) -> int:
        return len(self.collections)

    async def modify_collection(
        self, scope: Scope, id: UUID, *, new_name: str | None = None, new_metadata: Any = None, new_configuration: Any = None
    ) -> None:
        self.asked.append(("modify", (new_name, new_metadata, new_configuration)))
        info = await self.get_collection_by_id(scope, id)
        del self.collections[info.name]
        changed = replace(info, name=new_name or info.name, metadata=new_metadata or info.metadata)
        self.collections[changed.name] = changed

    async def delete_collection(self, scope: Scope, name: str) -> None:
        del self.collections[name]

    async def write(self, scope: Scope, id: UUID, kind: WriteKind, batch: RecordBatch) -> None:
        self.asked.append((kind.value, batch))

    async def delete(self, scope: Scope, id: UUID, request: DeleteRequest) -> int:
        self.asked.append(("delete", request))
        return len(request.ids or ())

    async def get(self, scope: Scope, id: UUID, request: GetRequest) -> Records:
        self.asked.append(("get", request))
        ids = ["a", "b"]
        return Records(_rows(ids, request.include), request.include)

    async def query(self, scope: Scope, id: UUID, request: QueryRequest) -> Neighbours:
        self.asked.append(("query", request))
        return Neighbours([_rows(["a"], request.include) for _ in request.embeddings], request.include)

    async def search(self, scope: Scope, id: UUID, request: SearchRequest) -> list[SearchRows]:
        self.asked.append(("search", request))
        return [
            SearchRows(Rows(["a"], documents=["text"]), np.full(1, 0.5, dtype=np.float32), ("#document", "#score"))
            for _ in request.searches
        ]

    async def count(
        self, scope: Scope, id: UUID, read_level: ReadLevel = ReadLevel.INDEX_AND_WAL, *, where: Json = None, where_document: Json = None
    ) -> int:
        self.asked.append(("count", read_level))
        return 2

    async def aclose(self) -> None:
        self.closed += 1


def _rows(ids: list[str], include: tuple[str, ...]) -> Rows:
    return Rows(
        ids=ids,
        embeddings=np.ones((len(ids), 2), dtype=np.float32) if "embeddings" in include else None,
        documents=[f"document {id}" for id in ids] if "documents" in include else None,
        uris=[f"uri:{id}" for id in ids] if "uris" in include else None,
        metadatas=[None for _ in ids] if "metadatas" in include else None,
        distances=np.full(len(ids), 0.5, dtype=np.float32) if "distances" in include else None,
    )
