"""A store as tests drive it: short verbs on one collection, through the same LocalAPI that every client has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np

from chroma_async.config.settings import Settings
from chroma_async.engine.collection import Collection
from chroma_async.engine.compaction.compaction_policy import Job
from chroma_async.engine.engine import Engine
from chroma_async.service.local import LocalAPI
from chroma_async.service.sharing import Lease
from chroma_async.types import CollectionInfo, DeleteRequest, Floats, GetRequest, QueryRequest, RecordBatch, Rows, Scope, WriteKind

SCOPE = Scope()
DIMENSION = 4

#: Small enough that a few dozen rows see every kind of job.
TINY = Settings(
    is_persistent=False,
    memtable_rows=64,
    merge_fan_in=2,
    merge_rows=64,
    segment_rows=128,
    flat_rows=16,
    trigram_rows=8,
    absorb_bulk_rows=4,
    absorb_calm_rows=4,
    absorb_idle_rows=0,
    query_threads=2,
    index_threads=1,
)


class Clock:
    """Seconds that pass only when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def vectors(numbers: Sequence[float]) -> Floats:
    """A vector for each number, ``(n, DIMENSION)``: the further apart the numbers, the further the vectors."""
    return np.array([[number] * DIMENSION for number in numbers], dtype=np.float32)


@dataclass
class Store:
    """An engine, its API, and one collection."""

    engine: Engine
    api: LocalAPI
    info: CollectionInfo

    @classmethod
    async def open(
        cls,
        location: Path | None,
        monotonic: Clock,
        *,
        name: str = "docs",
        configuration: Any = None,
        settings: Settings = TINY,
        **arguments: Any,
    ) -> Store:
        settings = replace(settings, is_persistent=location is not None)
        arguments.setdefault("automatic", False)
        engine = await Engine.open(None if location is None else str(location), settings, monotonic=monotonic, **arguments)
        api = LocalAPI(Lease(engine, None))
        info = await api.create_collection(SCOPE, name, configuration=configuration, get_or_create=True)
        return cls(engine, api, info)

    @property
    def id(self) -> UUID:
        return self.info.id

    async def other(self, name: str) -> Store:
        """Another collection of the same store."""
        return Store(self.engine, self.api, await self.api.create_collection(SCOPE, name, get_or_create=True))

    async def collection(self) -> Collection:
        """The collection as the engine holds it, loaded."""
        async with self.engine.registry.using(SCOPE, self.id) as collection:
            return collection

    async def write(self, kind: str, ids: Sequence[str], embeddings: Any = None, **columns: Any) -> None:
        if embeddings is None and kind != "update":
            embeddings = vectors(range(len(ids)))
        elif embeddings is not None:
            embeddings = np.asarray(embeddings, dtype=np.float32)
        await self.api.write(SCOPE, self.id, WriteKind(kind), RecordBatch(list(ids), embeddings, **columns))

    async def add(self, ids: Sequence[str], embeddings: Any = None, **columns: Any) -> None:
        await self.write("add", ids, embeddings, **columns)

    async def update(self, ids: Sequence[str], embeddings: Any = None, **columns: Any) -> None:
        await self.write("update", ids, embeddings, **columns)

    async def upsert(self, ids: Sequence[str], embeddings: Any = None, **columns: Any) -> None:
        await self.write("upsert", ids, embeddings, **columns)

    async def delete(self, ids: Sequence[str] | None = None, **request: Any) -> int:
        return await self.api.delete(SCOPE, self.id, DeleteRequest(ids=None if ids is None else list(ids), **request))

    async def get(self, **request: Any) -> Rows:
        return (await self.api.get(SCOPE, self.id, GetRequest(**request))).rows

    async def ids(self, **request: Any) -> list[str]:
        return (await self.get(include=(), **request)).ids

    async def query(self, embedding: Sequence[float] | Floats, n_results: int = 10, **request: Any) -> Rows:
        embeddings = np.asarray([embedding], dtype=np.float32)
        return (await self.api.query(SCOPE, self.id, QueryRequest(embeddings, n_results, **request))).queries[0]

    async def count(self) -> int:
        return await self.api.count(SCOPE, self.id)

    async def flush(self) -> None:
        await (await self.collection()).flush()

    async def flush_oldest(self) -> None:
        """Flush the oldest frozen memtable and no other."""
        collection = await self.collection()
        await collection.compactor.flush_lane.flush_oldest()

    async def do(self, job: Job) -> bool:
        """Do one job of maintenance, also while memtables wait to be flushed; whether it changed anything."""
        return await (await self.collection()).compactor.jobs.run(job, None)

    async def finish(self) -> None:
        await (await self.collection()).finish()

    async def everything(self) -> Rows:
        """All there is to read."""
        return await self.get(include=("documents", "metadatas", "embeddings", "uris"))


def same(left: Rows, right: Rows) -> bool:
    """Whether two answers agree in everything."""
    plain = (left.ids, left.documents, left.uris, left.metadatas) == (right.ids, right.documents, right.uris, right.metadatas)
    return plain and np.array_equal(left.embeddings, right.embeddings)  # type: ignore[arg-type]


async def sound(store: Store) -> bool:
    """Whether a look at every stored byte finds no damage."""
    return [finding async for finding in store.api.check() if finding.level == "error"] == []
