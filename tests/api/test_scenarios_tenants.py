"""Tenants, databases and the system verbs."""

from __future__ import annotations

import time

import pytest

from tests.api.conftest import Store


async def test_a_new_store_has_the_default_tenant_and_database(store: Store) -> None:
    assert (await store.admin.get_tenant("default_tenant"))["name"] == "default_tenant"
    found = await store.admin.get_database("default_database")
    assert (found["name"], found["tenant"]) == ("default_database", "default_tenant")
    assert (store.client.tenant, store.client.database) == ("default_tenant", "default_database")


async def test_the_store_tells_its_time_version_limits_and_caller(store: Store) -> None:
    assert abs(await store.client.heartbeat() - time.time_ns()) < 60 * 10**9
    assert await store.client.get_version() == "1.0.0"
    assert await store.client.get_max_batch_size() == 5461
    identity = await store.client.get_user_identity()
    assert (identity.user_id, identity.tenant, list(identity.databases)) == ("", "default_tenant", ["default_database"])


async def test_a_tenant_is_created_once(store: Store) -> None:
    await store.admin.create_tenant("acme")
    assert (await store.admin.get_tenant("acme"))["name"] == "acme"
    with pytest.raises(store.errors.exists, match=r"acme.* already exists"):
        await store.admin.create_tenant("acme")


@pytest.mark.parametrize("name", ["acme corp", "ütf-8 ✓", "..."])
async def test_a_tenant_may_have_any_name_of_three_characters(store: Store, name: str) -> None:
    await store.admin.create_tenant(name)
    assert (await store.admin.get_tenant(name))["name"] == name


async def test_short_names_are_refused(store: Store) -> None:
    with pytest.raises(store.errors.invalid):
        await store.admin.create_tenant("ab")
    with pytest.raises(store.errors.invalid):
        await store.admin.create_database("ab")


async def test_what_does_not_exist_is_not_found(store: Store) -> None:
    for attempt in (
        store.admin.get_tenant("nobody"),
        store.admin.get_database("nothing"),
        store.admin.delete_database("nothing"),
        store.connect(tenant="nobody"),
        store.connect(database="nothing"),
        store.client.set_tenant("nobody"),
        store.client.set_database("nothing"),
    ):
        with pytest.raises(store.errors.not_found):
            await attempt


async def test_databases_are_listed_by_name_in_windows(store: Store) -> None:
    await store.admin.create_tenant("acme")
    for name in ("zebra", "alpha", "mango"):
        await store.admin.create_database(name, tenant="acme")
    assert [found["name"] for found in await store.admin.list_databases(tenant="acme")] == ["alpha", "mango", "zebra"]
    assert [found["name"] for found in await store.admin.list_databases(limit=1, offset=1, tenant="acme")] == ["mango"]
    assert list(await store.admin.list_databases(limit=0, tenant="acme")) == []
    assert list(await store.admin.list_databases(tenant="nobody")) == []
    with pytest.raises(store.errors.exists, match="alpha"):
        await store.admin.create_database("alpha", tenant="acme")


async def test_a_deleted_database_takes_its_collections_along(store: Store) -> None:
    await store.admin.create_database("scratch")
    other = await store.connect(database="scratch")
    collection = await other.create_collection("docs", embedding_function=None)
    await collection.add(ids=["a"], embeddings=[[1.0, 2.0]])
    await store.admin.delete_database("scratch")
    with pytest.raises(store.errors.not_found):
        await store.admin.get_database("scratch")
    with pytest.raises(store.errors.not_found):
        await collection.count()
    await store.admin.create_database("scratch")
    assert await other.count_collections() == 0


async def test_collections_of_different_scopes_do_not_meet(store: Store) -> None:
    await store.admin.create_tenant("acme")
    await store.admin.create_database("db1", tenant="acme")
    other = await store.connect(tenant="acme", database="db1")
    mine = await store.collection("docs")
    theirs = await other.create_collection("docs", embedding_function=None)
    assert mine.id != theirs.id
    await mine.add(ids=["a"], embeddings=[[1.0, 2.0]])
    assert (await mine.count(), await theirs.count()) == (1, 0)
    assert (theirs.tenant, theirs.database) == ("acme", "db1")
    await store.client.set_tenant("acme", "db1")
    assert (await store.client.get_collection("docs", embedding_function=None)).id == theirs.id
    with pytest.raises(store.errors.not_found):
        await store.client.get_collection_by_id(mine.id, embedding_function=None)


async def test_reset_leaves_a_new_store(store: Store) -> None:
    await store.admin.create_tenant("acme")
    collection = await store.collection()
    await collection.add(ids=["a"], embeddings=[[1.0, 2.0]])
    assert await store.client.reset() is True
    assert await store.client.count_collections() == 0
    with pytest.raises(store.errors.not_found):
        await store.admin.get_tenant("acme")
    assert (await store.admin.get_database("default_database"))["name"] == "default_database"
    assert await (await store.collection()).count() == 0
