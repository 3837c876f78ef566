"""The official asynchronous client, and the official client's own idea of concurrency."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator

import chromadb
import numpy as np
import pytest
from chromadb.api import AsyncClientAPI
from chromadb.errors import NotFoundError

from tests.compat.servers import Server


@pytest.fixture
async def official(server: Server) -> AsyncIterator[AsyncClientAPI]:
    client = await chromadb.AsyncHttpClient(host=server.host, port=server.port)
    yield client
    await client._server._cleanup()  # type: ignore[attr-defined]


async def test_every_verb_of_the_asynchronous_client_works(official: AsyncClientAPI) -> None:
    name = f"async-{uuid.uuid4().hex}"
    collection = await official.create_collection(name, embedding_function=None, metadata={"hnsw:space": "cosine"})
    await collection.add(ids=["a", "b"], embeddings=[[1, 0], [0, 1]], documents=["first", "second"], metadatas=[{"n": 1}, {"n": 2}])
    await collection.upsert(ids=["c"], embeddings=[[1, 1]], documents=["third"])
    await collection.update(ids=["c"], metadatas=[{"n": 3}])
    assert await collection.count() == 3
    assert (await collection.get(where={"n": {"$gte": 2}}))["ids"] == ["b", "c"]
    assert (await collection.peek(1))["ids"] == ["a"]
    found = await collection.query(query_embeddings=[[3, 1]], n_results=2)
    assert found["ids"] == [["a", "c"]]
    assert found["distances"] is not None
    assert found["distances"][0] == pytest.approx([0.0513167, 0.1055728], abs=1e-6)
    await collection.modify(name=f"{name}-new")
    assert f"{name}-new" in [each.name for each in await official.list_collections()]
    assert await collection.delete(ids=["a"]) == {"deleted": 1}
    await official.delete_collection(f"{name}-new")
    with pytest.raises(NotFoundError):
        await official.get_collection(f"{name}-new")


async def test_writes_made_at_once_all_arrive_and_are_seen_by_their_writers(official: AsyncClientAPI) -> None:
    collection = await official.create_collection(f"async-{uuid.uuid4().hex}", embedding_function=None)

    async def write(writer: int) -> None:
        for n in range(5):
            id = f"{writer}-{n}"
            await collection.add(ids=[id], embeddings=[[float(writer), float(n)]])
            assert (await collection.get(ids=[id]))["ids"] == [id]

    await asyncio.gather(*(write(writer) for writer in range(8)))
    got = await collection.get(include=["embeddings"])
    assert sorted(got["ids"]) == sorted(f"{writer}-{n}" for writer in range(8) for n in range(5))
    assert [f"{int(x)}-{int(y)}" for x, y in np.asarray(got["embeddings"])] == got["ids"]
