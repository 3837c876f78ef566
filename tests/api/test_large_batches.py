"""A call may write any number of records: in process all or nothing, over HTTP in pieces that the server takes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from aiohttp.test_utils import TestServer

import chroma_async
from chroma_async.client.client import AsyncClient
from chroma_async.config.settings import Settings
from chroma_async.errors import PayloadTooLargeError, ValidationError
from chroma_async.server.app import create_app
from chroma_async.service.local import open_local

ROWS = 20_000
VECTORS = np.arange(4 * ROWS, dtype=np.float32).reshape(ROWS, 4)
IDS = [f"{row:05}" for row in range(ROWS)]


@pytest.fixture(params=["ephemeral", "persistent", "http", "http, bodies of 100 KB"])
async def client(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[AsyncClient]:
    kind: str = request.param
    if kind == "ephemeral":
        async with chroma_async.AsyncEphemeralClient() as client:
            yield client
        return
    if kind == "persistent":
        async with chroma_async.AsyncPersistentClient(tmp_path) as client:
            yield client
        return
    settings = replace(Settings(), max_body_bytes=100_000) if "bodies" in kind else Settings()
    api = await open_local(None, settings)
    app = create_app(api, settings, api.engine.context.threads.run)
    async with TestServer(app) as server, chroma_async.AsyncHttpClient(host=str(server.make_url(""))) as client:
        yield client
    await api.aclose()


async def test_twenty_thousand_records_are_added_changed_and_read_with_one_call_each(client: AsyncClient) -> None:
    assert await client.get_max_batch_size() < ROWS
    collection = await client.create_collection("large")
    await collection.add(ids=IDS, embeddings=VECTORS, documents=[f"text {id}" for id in IDS])
    assert await collection.count() == ROWS
    await collection.upsert(ids=IDS[::-1], embeddings=VECTORS[::-1], metadatas=[{"n": int(id)} for id in reversed(IDS)])
    await collection.update(ids=IDS, embeddings=VECTORS, documents=[f"new {id}" for id in IDS])
    got = await collection.get(ids=[IDS[0], IDS[-1]], include=["documents", "metadatas", "embeddings"])
    assert got["ids"] == [IDS[0], IDS[-1]], "the order of the first insertion"
    assert got["documents"] == [f"new {IDS[0]}", f"new {IDS[-1]}"]
    assert got["metadatas"] == [{"n": 0}, {"n": ROWS - 1}]
    np.testing.assert_array_equal(got["embeddings"], VECTORS[[0, -1]])


async def test_a_large_batch_with_one_bad_record_writes_nothing(client: AsyncClient) -> None:
    collection = await client.create_collection("large")
    with pytest.raises(ValidationError):
        await collection.add(ids=IDS, embeddings=VECTORS, documents=[*("x" for _ in IDS[1:]), 5])
    assert await collection.count() == 0


async def test_a_record_that_no_piece_can_hold_is_named_by_what_was_written_before_it(tmp_path: Path) -> None:
    settings = replace(Settings(), max_body_bytes=10_000, max_batch_size=10)
    api = await open_local(None, settings)
    app = create_app(api, settings, api.engine.context.threads.run)
    async with TestServer(app) as server, chroma_async.AsyncHttpClient(host=str(server.make_url(""))) as client:
        collection = await client.create_collection("large")
        texts = ["x"] * 40
        texts[27] = "x" * 20_000
        with pytest.raises(PayloadTooLargeError, match="the first 27 of 40 records were written") as refused:
            await collection.add(ids=IDS[:40], embeddings=VECTORS[:40], documents=texts)
        assert refused.value.records_written == 27
        assert (await collection.get())["ids"] == IDS[:27]
    await api.aclose()
