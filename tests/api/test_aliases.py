"""Aliases: second names that move in one step, in process and over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
from aiohttp.test_utils import TestServer

import chroma_async
from chroma_async.client.client import AsyncClient
from chroma_async.config.settings import Settings
from chroma_async.errors import InvalidArgumentError, NotFoundError, UniqueConstraintError, ValidationError
from chroma_async.server.app import create_app
from chroma_async.service.local import open_local


@pytest.fixture(params=["ephemeral", "persistent", "http"])
async def client(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[AsyncClient]:
    if request.param == "http":
        api = await open_local(str(tmp_path / "store"), Settings())
        app = create_app(api, Settings(), api.engine.context.threads.run)
        async with TestServer(app) as server, chroma_async.AsyncHttpClient(host=str(server.make_url(""))) as client:
            yield client
        await api.aclose()
        return
    persistent = request.param == "persistent"
    async with chroma_async.AsyncPersistentClient(tmp_path / "store") if persistent else chroma_async.AsyncEphemeralClient() as client:
        yield client


async def test_an_alias_moves_from_one_collection_to_another(client: AsyncClient) -> None:
    old, new = await client.create_collection("articles-1"), await client.create_collection("articles-2")
    await old.add(ids=["a"], embeddings=[[1.0]])
    await client.set_alias("articles", old)
    assert (await client.get_collection("articles")).id == old.id
    await new.add(ids=["a", "b"], embeddings=[[1.0], [2.0]])
    await client.set_alias("articles", new)
    current = await client.get_collection("articles")
    assert (current.id, current.name, await current.count()) == (new.id, "articles-2", 2)
    assert await client.list_aliases() == {"articles": new.id}
    await client.delete_collection("articles-1")
    await client.delete_alias("articles")
    assert await client.list_aliases() == {}
    with pytest.raises(NotFoundError):
        await client.get_collection("articles")


async def test_an_alias_that_points_nowhere_is_refused(client: AsyncClient) -> None:
    with pytest.raises(NotFoundError):
        await client.set_alias("articles", uuid4())
    with pytest.raises(NotFoundError):
        await client.delete_alias("articles")
    assert await client.list_aliases() == {}


async def test_collections_and_aliases_never_share_a_name(client: AsyncClient) -> None:
    one, two = await client.create_collection("one-collection"), await client.create_collection("two-collection")
    with pytest.raises(UniqueConstraintError):
        await client.set_alias("two-collection", one)
    await client.set_alias("the-alias", one)
    with pytest.raises(UniqueConstraintError):
        await client.create_collection("the-alias")
    with pytest.raises(UniqueConstraintError):
        await two.modify(name="the-alias")
    with pytest.raises((InvalidArgumentError, ValidationError)):
        await client.set_alias("x", one)


async def test_what_an_alias_stands_for_is_not_deleted_under_it(client: AsyncClient) -> None:
    collection = await client.create_collection("articles-1")
    await client.set_alias("articles", collection)
    with pytest.raises(UniqueConstraintError, match="articles"):
        await client.delete_collection("articles-1")
    with pytest.raises(NotFoundError):
        await client.delete_collection("articles")
    assert await collection.count() == 0
    await client.delete_alias("articles")
    await client.delete_collection("articles-1")


async def test_aliases_survive_a_restart(tmp_path: Path) -> None:
    async with chroma_async.AsyncPersistentClient(tmp_path / "store") as client:
        collection = await client.create_collection("articles-1")
        await client.set_alias("articles", collection)
    async with chroma_async.AsyncPersistentClient(tmp_path / "store") as client:
        assert (await client.get_collection("articles")).id == collection.id


async def test_aliases_belong_to_their_database(client: AsyncClient) -> None:
    collection = await client.create_collection("articles-1")
    await client.set_alias("articles", collection)
    await client.admin.create_database("other")
    await client.set_database("other")
    assert await client.list_aliases() == {}
    with pytest.raises(NotFoundError):
        await client.get_collection("articles")
    with pytest.raises(NotFoundError):
        await client.set_alias("articles", collection)
