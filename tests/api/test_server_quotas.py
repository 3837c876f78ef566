"""A tenant has no more than its quotas, over HTTP, whichever way it comes to more; what is refused changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import chromadb
import numpy as np
import pytest
from aiohttp import web

import chroma_async
from chroma_async import Knn, Search
from chroma_async.errors import QuotaExceededError
from chroma_async.server.app import create_app
from chroma_async.service.local import open_local
from tests.api.conftest import SETTINGS, forget_official


@asynccontextmanager
async def served(**quotas: Any) -> AsyncIterator[tuple[Any, int]]:
    """A client of a server with these quotas, and its port."""
    settings = replace(SETTINGS, **quotas)
    api = await open_local(None, settings)
    runner = web.AppRunner(create_app(api, settings, asyncio.to_thread))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port: int = runner.addresses[0][1]
        async with chroma_async.AsyncHttpClient("127.0.0.1", port) as client:
            yield client, port
    finally:
        await runner.cleanup()
        await api.aclose()


def rows(start: int, count: int) -> dict[str, Any]:
    return {"ids": [f"r{number}" for number in range(start, start + count)], "embeddings": np.ones((count, 2), np.float32)}


async def test_records_are_counted_over_all_collections_and_what_is_replaced_counts_once() -> None:
    async with served(quota_records=10) as (client, _):
        first = await client.create_collection("first", embedding_function=None)
        second = await client.create_collection("second", embedding_function=None)
        await first.add(**rows(0, 6))
        await second.add(**rows(0, 4))
        for write in (first.add, second.upsert):
            with pytest.raises(QuotaExceededError, match=r"^Quota exceeded: records: 11 of 10$"):
                await write(**rows(100, 1))
        assert (await first.count(), await second.count()) == (6, 4)
        await first.upsert(**rows(0, 6))
        await first.update(**rows(0, 6))
        await first.add(**rows(0, 6))
        await first.delete(ids=["r0", "r1"])
        await second.upsert(**rows(3, 3))
        assert (await first.count(), await second.count()) == (4, 6)
        with pytest.raises(QuotaExceededError):
            await second.upsert(**rows(100, 1))
        with pytest.raises(QuotaExceededError, match="records: 14 of 10"):
            await first.fork("copy")
        await client.delete_collection("first")
        await second.add(**rows(100, 4))


async def test_a_transaction_is_held_to_the_quota_as_a_whole() -> None:
    async with served(quota_records=5) as (client, _):
        docs = await client.create_collection("docs", embedding_function=None)
        await docs.add(**rows(0, 5))

        async def swap(transaction: Any) -> None:
            await transaction.delete(ids=["r0"])
            await transaction.upsert(**rows(1, 2))

        await docs.run(swap)

        async def more(transaction: Any) -> None:
            await transaction.add(**rows(50, 3))

        with pytest.raises(QuotaExceededError):
            await docs.run(more)
        assert await docs.count() == 4


async def test_writes_at_once_do_not_come_to_more_together() -> None:
    async with served(quota_records=50) as (client, _):
        docs = await client.create_collection("docs", embedding_function=None)
        outcomes = await asyncio.gather(*(docs.add(**rows(10 * number, 10)) for number in range(20)), return_exceptions=True)
        assert sum(outcome is None for outcome in outcomes) == 5
        assert {type(outcome) for outcome in outcomes} == {type(None), QuotaExceededError}
        assert await docs.count() == 50


async def test_collections_are_counted_over_all_databases_and_created_at_once_are_no_more() -> None:
    async with served(quota_collections=3) as (client, _):
        await client.admin.create_database("other")
        made = await asyncio.gather(
            *(client.create_collection(f"docs-{number}", embedding_function=None) for number in range(6)), return_exceptions=True
        )
        assert sum(isinstance(each, QuotaExceededError) for each in made) == 3
        kept = next(each for each in made if not isinstance(each, Exception))
        assert (await client.get_or_create_collection(kept.name, embedding_function=None)).id == kept.id
        await client.set_database("other")
        for create in (client.create_collection("more", embedding_function=None), kept.fork("copy")):
            with pytest.raises(QuotaExceededError, match=r"^Quota exceeded: collections: 4 of 3$"):
                await create


async def test_vectors_and_answers_are_bounded_and_other_tenants_have_their_own_numbers() -> None:
    async with served(quota_dimension=2, quota_n_results=5, tenant_quotas="acme: {dimension: 4, n_results: 50}") as (client, port):
        docs = await client.create_collection("docs", embedding_function=None)
        with pytest.raises(QuotaExceededError, match=r"^Quota exceeded: dimension: 3 of 2$"):
            await docs.add(ids=["a"], embeddings=[[1.0, 2.0, 3.0]])
        await docs.add(**rows(0, 10))
        assert len((await docs.query(query_embeddings=[[1.0, 1.0]], n_results=5))["ids"][0]) == 5
        ranked = Search().rank(Knn(query=[1.0, 1.0]))
        assert len((await docs.search(ranked.limit(5)))["ids"][0]) == 5
        for ask in (docs.query(query_embeddings=[[1.0, 1.0]], n_results=6), docs.search(ranked.limit(6))):
            with pytest.raises(QuotaExceededError, match=r"^Quota exceeded: n_results: 6 of 5$"):
                await ask
        with pytest.raises(QuotaExceededError, match="n_results: 10 of 5"):
            await docs.search(ranked)
        await client.admin.create_tenant("acme")
        await client.admin.create_database("default_database", "acme")
        async with chroma_async.AsyncHttpClient("127.0.0.1", port, tenant="acme") as theirs:
            wide = await theirs.create_collection("docs", embedding_function=None)
            await wide.add(ids=["a"], embeddings=[[1.0, 2.0, 3.0, 4.0]])
            assert len((await wide.query(query_embeddings=[[1.0, 2.0, 3.0, 4.0]], n_results=50))["ids"][0]) == 1


async def test_the_official_client_knows_a_quota_by_the_name_of_the_error() -> None:
    async with served(quota_records=1) as (client, port):
        await client.create_collection("docs", embedding_function=None)
        theirs = await chromadb.AsyncHttpClient("127.0.0.1", port)
        docs = await theirs.get_collection("docs", embedding_function=None)
        with pytest.raises(chromadb.errors.QuotaError, match=r"^Quota exceeded: records: 2 of 1"):
            await docs.add(ids=["a", "b"], embeddings=[[1.0, 2.0]] * 2)
        await forget_official()
