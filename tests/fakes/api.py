"""A ChromaAPI of dictionaries: enough behaviour for the tests of what stands on either side of one, none of the engine's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid5

import aiohttp
import numpy as np
from aiohttp import web

from chroma_async.config.settings import Settings
from chroma_async.errors import InvalidArgumentError, NotFoundError, ResetDisabledError, UniqueConstraintError
from chroma_async.server.app import create_app
from chroma_async.threads import Run
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

NIL = UUID(int=0)
NAMESPACE = UUID(int=7)
#: What a collection is configured with that says nothing.
CONFIGURATION = {"hnsw": {"space": "l2"}, "spann": None, "embedding_function": None}


def id_of(name: str) -> UUID:
    """The id that a collection of this name gets."""
    return uuid5(NAMESPACE, name)


@dataclass(frozen=True)
class Asked:
    """One request, as it reached the API. ``what`` is the request, the batch, or the arguments by name."""

    verb: str
    what: Any
    scope: Scope | None = None
    id: UUID | None = None


class FakeAPI:
    """Remembers what it was asked, and holds tenants, databases and collections, but no records: reads answer ``rows`` and ``found``.

    Record verbs take any id. ``failure`` is raised by each of them; ``gate`` holds queries until it is set.
    """

    def __init__(self, max_batch_size: int = 5461) -> None:
        self.max_batch_size = max_batch_size
        self.tenants = {"default_tenant"}
        self.databases = {("default_tenant", "default_database")}
        self.collections: dict[str, CollectionInfo] = {}
        self.asked: list[Asked] = []
        self.closed = 0
        self.is_healthy = True
        self.allow_reset = False
        self.failure: BaseException | None = None
        self.gate: asyncio.Event | None = None
        self.waiting = asyncio.Event()
        self.rows = Rows(
            ids=["a", "b"],
            embeddings=np.array([[0.1, 2.0], [3.0, -0.0]], dtype=np.float32),
            documents=["one", None],
            uris=["uri:a", "uri:b"],
            metadatas=[{"n": 1}, None],
            distances=np.array([0.1, 1.0], dtype=np.float32),
        )
        self.found = SearchRows(Rows(["a"], documents=["text"]), np.full(1, 0.5, dtype=np.float32), ("#document", "#score"))

    def sent(self, verb: str) -> Any:
        """What came with the last request of this verb."""
        return next(asked.what for asked in reversed(self.asked) if asked.verb == verb)

    @property
    def verbs(self) -> list[str]:
        """The verbs of all requests, in order."""
        return [asked.verb for asked in self.asked]

    async def heartbeat(self) -> int:
        return 1_700_000_000_000_000_000

    async def health(self) -> Health:
        return Health(self.is_healthy, True)

    async def version(self) -> str:
        return "1.0.0"

    async def preflight(self) -> Preflight:
        self.asked.append(Asked("preflight", None))
        return Preflight(self.max_batch_size, True)

    async def identity(self) -> Identity:
        return Identity("", "default_tenant", ["default_database"])

    async def reset(self) -> bool:
        if not self.allow_reset:
            raise ResetDisabledError("Reset is disabled by config")
        self.collections.clear()
        return True

    async def create_tenant(self, name: str) -> None:
        self.asked.append(Asked("create_tenant", name))
        if len(name) < 3:
            raise InvalidArgumentError("a tenant name has at least 3 characters")
        if name in self.tenants:
            raise UniqueConstraintError(f"Tenant [{name}] already exists")
        self.tenants.add(name)

    async def get_tenant(self, name: str) -> Tenant:
        if name not in self.tenants:
            raise NotFoundError(f"Tenant [{name}] not found")
        return Tenant(name)

    async def update_tenant(self, name: str, resource_name: str) -> None:
        self.asked.append(Asked("update_tenant", (name, resource_name)))

    async def create_database(self, name: str, tenant: str) -> None:
        self.asked.append(Asked("create_database", (name, tenant)))
        if (tenant, name) in self.databases:
            raise UniqueConstraintError(f"Database [{name}] already exists")
        self.databases.add((tenant, name))

    async def get_database(self, name: str, tenant: str) -> Database:
        if (tenant, name) not in self.databases:
            raise NotFoundError(f"Database [{name}] not found. Are you sure it exists?")
        return Database(NIL, name, tenant)

    async def delete_database(self, name: str, tenant: str) -> None:
        self.asked.append(Asked("delete_database", (name, tenant)))
        self.databases.remove((tenant, name))

    async def list_databases(self, tenant: str, limit: int | None = None, offset: int = 0) -> list[Database]:
        names = sorted(name for owner, name in self.databases if owner == tenant)
        return [Database(NIL, name, tenant) for name in names[offset:][:limit]]

    async def create_collection(
        self,
        scope: Scope,
        name: str,
        *,
        metadata: Json = None,
        configuration: Json = None,
        schema: Json = None,
        get_or_create: bool = False,
    ) -> CollectionInfo:
        wanted = {"name": name, "metadata": metadata, "configuration": configuration, "schema": schema, "get_or_create": get_or_create}
        self.asked.append(Asked("create_collection", wanted, scope))
        if name in self.collections and not get_or_create:
            raise UniqueConstraintError(f"Collection [{name}] already exists")
        if name not in self.collections:
            self.collections[name] = CollectionInfo(
                id=id_of(name),
                name=name,
                tenant=scope.tenant,
                database=scope.database,
                metadata=metadata,
                configuration=configuration or CONFIGURATION,
                schema=schema or {},
                dimension=None,
            )
        return self.collections[name]

    async def get_collection(self, scope: Scope, name: str) -> CollectionInfo:
        if name not in self.collections:
            raise NotFoundError(f"Collection [{name}] does not exist")
        return self.collections[name]

    async def get_collection_by_id(self, scope: Scope, id: UUID) -> CollectionInfo:
        for info in self.collections.values():
            if info.id == id:
                return info
        raise NotFoundError(f"Collection [{id}] does not exist.")

    async def list_collections(self, scope: Scope, limit: int | None = None, offset: int = 0) -> list[CollectionInfo]:
        return list(self.collections.values())[offset:][:limit]

    async def count_collections(self, scope: Scope) -> int:
        return len(self.collections)

    async def modify_collection(
        self, scope: Scope, id: UUID, *, new_name: str | None = None, new_metadata: Json = None, new_configuration: Json = None
    ) -> None:
        wanted = {"new_name": new_name, "new_metadata": new_metadata, "new_configuration": new_configuration}
        self.asked.append(Asked("modify_collection", wanted, scope, id))
        for info in [info for info in self.collections.values() if info.id == id]:
            del self.collections[info.name]
            changed = replace(info, name=new_name or info.name, metadata=new_metadata or info.metadata)
            self.collections[changed.name] = changed

    async def delete_collection(self, scope: Scope, name: str) -> None:
        await self.get_collection(scope, name)
        del self.collections[name]

    async def write(self, scope: Scope, id: UUID, kind: WriteKind, batch: RecordBatch) -> None:
        self._note(kind.value, scope, id, batch)

    async def delete(self, scope: Scope, id: UUID, request: DeleteRequest) -> int:
        self._note("delete", scope, id, request)
        return len(request.ids or ())

    async def get(self, scope: Scope, id: UUID, request: GetRequest) -> Records:
        self._note("get", scope, id, request)
        return Records(self._selected(request.include), request.include)

    async def query(self, scope: Scope, id: UUID, request: QueryRequest) -> Neighbours:
        if self.gate is not None:
            self.waiting.set()
            await self.gate.wait()
        self._note("query", scope, id, request)
        return Neighbours([self._selected(request.include)] * len(request.embeddings), request.include)

    async def search(self, scope: Scope, id: UUID, request: SearchRequest) -> list[SearchRows]:
        self._note("search", scope, id, request)
        return [self.found for _ in request.searches]

    async def count(
        self, scope: Scope, id: UUID, read_level: ReadLevel = ReadLevel.INDEX_AND_WAL, *, where: Json = None, where_document: Json = None
    ) -> int:
        self._note("count", scope, id, read_level)
        return len(self.rows.ids)

    async def aclose(self) -> None:
        self.closed += 1

    def _note(self, verb: str, scope: Scope, id: UUID, what: Any) -> None:
        if self.failure is not None:
            raise self.failure
        self.asked.append(Asked(verb, what, scope, id))

    def _selected(self, include: tuple[str, ...]) -> Rows:
        return Rows(self.rows.ids, **{name: getattr(self.rows, name) for name in include})


@asynccontextmanager
async def served(api: FakeAPI, settings: Settings | None = None, run: Run = asyncio.to_thread) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of a server on a socket of its own."""
    runner = web.AppRunner(create_app(api, settings or Settings(), run))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}", auto_decompress=False) as session:
            yield session
    finally:
        await runner.cleanup()
