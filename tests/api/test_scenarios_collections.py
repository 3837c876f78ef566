"""Collections: their names, metadata, configuration, order, change and end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.api.conftest import Store


async def test_a_new_collection_says_what_it_is(store: Store) -> None:
    collection = await store.collection("docs", metadata={"s": "x", "i": 1, "f": 1.5, "b": True})
    assert isinstance(collection.id, UUID)
    assert (collection.name, collection.tenant, collection.database) == ("docs", "default_tenant", "default_database")
    assert collection.metadata == {"s": "x", "i": 1, "f": 1.5, "b": True}
    assert collection.configuration_json["hnsw"] == {
        "space": "l2",
        "ef_construction": 100,
        "ef_search": 100,
        "max_neighbors": 16,
        "resize_factor": 1.2,
        "sync_threshold": 1000,
    }
    assert collection.configuration_json["spann"] is None
    assert await collection.count() == 0
    again = await store.client.get_collection("docs", embedding_function=None)
    assert (again.id, again.name, again.metadata) == (collection.id, "docs", collection.metadata)
    by_id = await store.client.get_collection_by_id(collection.id, embedding_function=None)
    assert by_id.name == "docs"


async def test_a_collection_without_metadata_has_none(store: Store) -> None:
    assert (await store.collection()).metadata is None


async def test_a_name_is_taken_once_and_names_differ_by_case(store: Store) -> None:
    await store.collection("docs")
    with pytest.raises(store.errors.exists, match=r"docs.* already exists"):
        await store.collection("docs")
    await store.collection("DOCS")
    assert await store.client.count_collections() == 2


async def test_get_or_create_gives_the_one_that_exists_unchanged(store: Store) -> None:
    first = await store.client.get_or_create_collection("docs", embedding_function=None, metadata={"a": 1})
    again = await store.client.get_or_create_collection("docs", embedding_function=None, metadata={"a": 2})
    assert (again.id, again.metadata) == (first.id, {"a": 1})


@pytest.mark.parametrize("name", ["ab", "", "_docs", "docs-", "a b c", "a..b", "1.2.3.4", "x" * 513, "dö-c"])
async def test_bad_names_are_refused(store: Store, name: str) -> None:
    with pytest.raises(store.errors.invalid):
        await store.collection(name)


@pytest.mark.parametrize("name", ["abc", "a-b_c.d", "123", "x" * 512])
async def test_good_names_are_taken(store: Store, name: str) -> None:
    assert (await store.collection(name)).name == name


@pytest.mark.parametrize("metadata", [{}, {"a": [1]}, {"a": None}, {"a": {"b": 1}}, "x"], ids=str)
async def test_bad_metadata_is_refused(store: Store, metadata: Any) -> None:
    with pytest.raises(store.errors.any):
        await store.collection("docs", metadata=metadata)
    assert await store.client.count_collections() == 0


async def test_collections_are_listed_in_windows_ordered_by_id(store: Store) -> None:
    made = [await store.collection(f"docs{n}") for n in range(5)]
    in_order = [one.name for one in sorted(made, key=lambda one: str(one.id))]
    assert [one.name for one in await store.client.list_collections()] == in_order
    assert [one.name for one in await store.client.list_collections(limit=2, offset=1)] == in_order[1:3]
    assert list(await store.client.list_collections(limit=0)) == []
    assert list(await store.client.list_collections(offset=9)) == []
    assert await store.client.count_collections() == 5


async def test_a_deleted_collection_is_gone_with_its_records(store: Store) -> None:
    collection = await store.collection()
    await collection.add(ids=["a"], embeddings=[[1.0, 2.0]])
    await store.client.delete_collection("docs")
    for attempt in (
        collection.count(),
        collection.get(),
        collection.add(ids=["b"], embeddings=[[1.0, 2.0]]),
        store.client.get_collection("docs", embedding_function=None),
        store.client.delete_collection("docs"),
        store.client.get_collection_by_id(uuid4(), embedding_function=None),
    ):
        with pytest.raises(store.errors.not_found, match="does not exist"):
            await attempt
    assert await (await store.collection()).count() == 0


async def test_modify_renames_and_replaces_the_metadata(store: Store) -> None:
    collection = await store.collection("docs", metadata={"a": 1, "b": 2})
    await collection.modify(name="papers", metadata={"c": 3})
    assert (collection.name, collection.metadata) == ("papers", {"c": 3})
    again = await store.client.get_collection("papers", embedding_function=None)
    assert (again.id, again.metadata) == (collection.id, {"c": 3})
    with pytest.raises(store.errors.not_found):
        await store.client.get_collection("docs", embedding_function=None)
    await collection.modify(name="papers")
    await collection.modify()
    assert (await store.client.get_collection("papers", embedding_function=None)).metadata == {"c": 3}


async def test_modify_drops_metadata_keys_that_are_null(store: Store) -> None:
    collection = await store.collection("docs", metadata={"a": 1})
    await collection.modify(metadata={"b": 2, "c": None})
    assert (await store.client.get_collection("docs", embedding_function=None)).metadata == {"b": 2}
    await collection.modify(metadata={"b": None})
    assert (await store.client.get_collection("docs", embedding_function=None)).metadata is None


async def test_modify_refuses_bad_and_taken_names_and_a_new_space(store: Store) -> None:
    collection = await store.collection("docs")
    await store.collection("taken")
    with pytest.raises(store.errors.invalid):
        await collection.modify(name="a")
    with pytest.raises(store.errors.exists):
        await collection.modify(name="taken")
    with pytest.raises(ValueError, match="distance function"):
        await collection.modify(metadata={"hnsw:space": "cosine"})
    with pytest.raises(store.errors.any):
        await collection.modify(metadata={})
    with pytest.raises(store.errors.any):
        await collection.modify(configuration={"hnsw": {"space": "cosine"}})
    assert (await store.client.get_collection("docs", embedding_function=None)).metadata is None


async def test_modify_changes_what_of_the_configuration_may_change(store: Store) -> None:
    collection = await store.collection()
    await collection.modify(configuration={"hnsw": {"ef_search": 33, "sync_threshold": 7}})
    again = await store.client.get_collection("docs", embedding_function=None)
    assert again.configuration_json["hnsw"]["ef_search"] == 33
    assert again.configuration_json["hnsw"]["sync_threshold"] == 7
    assert again.configuration_json["hnsw"]["space"] == "l2"


@pytest.mark.parametrize(
    "arguments",
    [
        {"configuration": {"hnsw": {"space": "cosine", "ef_construction": 77}}},
        {"metadata": {"hnsw:space": "cosine", "hnsw:construction_ef": 77}},
    ],
    ids=["configuration", "metadata"],
)
async def test_the_space_is_chosen_by_configuration_or_by_the_old_metadata_keys(store: Store, arguments: dict[str, Any]) -> None:
    collection = await store.collection("docs", **arguments)
    found = collection.configuration_json["hnsw"]
    assert (found["space"], found["ef_construction"]) == ("cosine", 77)


@pytest.mark.parametrize(
    "configuration",
    [{"hnsw": {"space": "manhattan"}}, {"hnsw": {"nonsense": 1}}, {"hnsw": {"ef_search": "x"}}, {"hnsw": {}, "spann": {}}],
    ids=str,
)
async def test_a_bad_configuration_is_refused(store: Store, configuration: dict[str, Any]) -> None:
    if configuration == {"hnsw": {}, "spann": {}}:
        configuration = {"hnsw": {"ef_search": 10}, "spann": {"ef_search": 10}}
    with pytest.raises(store.errors.any):
        await store.collection("docs", configuration=configuration)
    assert await store.client.count_collections() == 0


async def test_two_clients_see_each_others_collections(store: Store) -> None:
    other = await store.connect()
    collection = await store.collection()
    seen = await other.get_collection("docs", embedding_function=None)
    await collection.add(ids=["a"], embeddings=[[1.0, 2.0]])
    assert (seen.id, await seen.count()) == (collection.id, 1)


@pytest.mark.parametrize("store", ["ephemeral", "persistent", "http"], indirect=True)  # chromadb's ask for a path that no server has
async def test_an_empty_name_is_the_name_of_nothing(store: Store) -> None:
    collection = await store.collection()
    asked: dict[str, Callable[[], Awaitable[Any]]] = {
        "Collection [] does not exist": lambda: store.client.get_collection(""),
        "Alias [] does not exist": lambda: store.client.delete_alias(""),
        "Attached function [] does not exist": lambda: collection.get_attached_function(""),
        "Tenant [] not found": lambda: store.admin.get_tenant(""),
        "Database [] not found. Are you sure it exists?": lambda: store.admin.get_database(""),
        "Database [default_database] not found. Are you sure it exists?": lambda: store.admin.get_database("default_database", ""),
        "Database [] not found": lambda: store.admin.delete_database(""),
    }
    for words, ask in asked.items():
        with pytest.raises(store.errors.not_found) as refused:
            await ask()
        assert str(refused.value) == words
    with pytest.raises(store.errors.invalid, match=r"^Validation error: alias: .*3-512 characters"):
        await store.client.set_alias("", collection)
    with pytest.raises(store.errors.not_found, match=r"Collection \[\] does not exist"):
        await store.client.delete_collection("")
    with pytest.raises(store.errors.not_found, match=r"Attached function \[\] does not exist"):
        await collection.detach_function("")
    with pytest.raises(store.errors.not_found, match=r"Tenant \[\] not found"):
        await store.client.set_tenant("")
    assert await store.client.count_collections() == 1
