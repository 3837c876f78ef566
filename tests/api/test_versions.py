"""What clients that wait for compaction look at, over HTTP: a collection's version, and its indexing status."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestServer

import chroma_async
from chroma_async.client.client import AsyncClient
from chroma_async.config.settings import Settings
from chroma_async.engine.engine import Engine
from chroma_async.server.app import create_app
from chroma_async.service.local import LocalAPI
from chroma_async.service.sharing import Lease
from tests.engine.store import Clock


@dataclass
class Served:
    """A server whose seconds pass when told, and a client of it."""

    port: int
    client: AsyncClient
    clock: Clock


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    clock = Clock()
    engine = await Engine.open(str(tmp_path / "data"), Settings(), automatic=False, monotonic=clock)
    app = create_app(LocalAPI(Lease(engine, None)), Settings(), engine.context.threads.run)
    async with TestServer(app) as server, chroma_async.AsyncHttpClient(host=str(server.make_url(""))) as client:
        assert server.port is not None
        yield Served(server.port, client, clock)
    await engine.aclose()


async def test_a_small_collection_is_taken_in_a_second_after_its_last_write(served: Served) -> None:
    base = f"http://127.0.0.1:{served.port}/api/v2/tenants/default_tenant/databases/default_database/collections"
    collection = await served.client.create_collection("small")
    await collection.add(ids=["a", "b"], embeddings=[[1, 0], [0, 1]])
    await collection.delete(ids=["a"])

    async def seen() -> tuple[int, dict[str, Any], int]:
        async with aiohttp.ClientSession() as session:
            bodies = [
                await (await session.get(f"{base}{path}")).json()
                for path in ("/small", f"/{collection.id}/indexing_status", f"/{collection.id}/count?read_level=index_only")
            ]
        assert bodies[0]["log_position"] == bodies[0]["version"]
        return bodies[0]["version"], bodies[1], bodies[2]

    served.clock.now += 0.9
    none = {"op_indexing_progress": 0.0, "num_unindexed_ops": 3, "num_indexed_ops": 0, "total_ops": 3}
    assert await seen() == (0, none, 0)
    served.clock.now += 0.2
    everything = {"op_indexing_progress": 1.0, "num_unindexed_ops": 0, "num_indexed_ops": 3, "total_ops": 3}
    assert await seen() == (3, everything, 1)


async def test_our_client_sees_the_same(served: Served) -> None:
    collection = await served.client.create_collection("small")
    await collection.add(ids=["a"], embeddings=[[1.0]])
    assert (await served.client.get_collection("small")).get_model().version == 0
    served.clock.now += 1.0
    model = (await served.client.get_collection("small")).get_model()
    assert (model.version, model.log_position) == (1, 1)
    assert (await collection.get_indexing_status()).op_indexing_progress == 1.0
    assert await collection.count("index_only") == 1
