"""Verbs of two steps, stopped between them while others create, delete and rename: each answer is right for some order."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from chroma_async.engine.collection import Collection
from chroma_async.errors import InvalidArgumentError, NotFoundError
from chroma_async.types import RecordBatch, Scope, WriteKind
from tests.engine.gate import PATIENCE_S, paused
from tests.engine.store import SCOPE, TINY, Store, vectors

Pause = tuple[asyncio.Event, asyncio.Event]


async def begun(call: Coroutine[Any, Any, Any], pause: Pause) -> asyncio.Task[Any]:
    """The call, stopped at the pause."""
    task = asyncio.ensure_future(call)
    await asyncio.wait_for(pause[0].wait(), PATIENCE_S)
    return task


async def ended(task: asyncio.Task[Any], pause: Pause) -> Any:
    """What becomes of it when it goes on."""
    pause[1].set()
    return await asyncio.wait_for(task, PATIENCE_S)


def get_or_create(store: Store, name: str) -> Coroutine[Any, Any, Any]:
    return store.api.create_collection(SCOPE, name, get_or_create=True)


async def attach(store: Store, output: str = "output", name: str = "fn") -> tuple[UUID, bool]:
    made = await store.api.attach_function(SCOPE, store.id, name, "record_counter", output)
    return made.id, made.created


async def test_get_or_create_gives_what_another_created_in_between(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    pause = paused(monkeypatch, store.engine.context.backends.catalog, "create_collection", before=True)
    asking = await begun(get_or_create(store, "new"), pause)
    other = await store.api.create_collection(SCOPE, "new")
    assert (await ended(asking, pause)).id == other.id


async def test_get_or_create_creates_when_what_another_created_in_between_is_gone_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = store.engine.context.backends.catalog
    pause = paused(monkeypatch, catalog, "create_collection", before=True)
    asking = await begun(get_or_create(store, "new"), pause)
    other = await store.api.create_collection(SCOPE, "new")
    await store.api.delete_collection(SCOPE, "new")
    made = await ended(asking, pause)
    assert made.id != other.id
    assert (await store.api.get_collection(SCOPE, "new")).id == made.id


async def test_get_or_create_follows_an_alias_that_was_set_in_between(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    pause = paused(monkeypatch, store.engine.context.backends.catalog, "create_collection", before=True)
    asking = await begun(get_or_create(store, "second"), pause)
    await store.api.set_alias(SCOPE, "second", store.id)
    assert (await ended(asking, pause)).id == store.id


async def test_a_collection_has_the_name_by_which_it_was_found_while_its_renaming_returns(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.add(["a"])
    pause = paused(monkeypatch, store.engine.context.backends.catalog, "update_collection")
    change = store.api.modify_collection(
        SCOPE, store.id, new_name="renamed", new_metadata={"a": 1}, new_configuration={"hnsw": {"ef_search": 7}}
    )
    renaming = await begun(change, pause)
    found = await store.api.get_collection(SCOPE, "renamed")
    (listed,) = await store.api.list_collections(SCOPE)
    for info in (found, listed):
        assert (info.name, info.metadata, info.configuration["hnsw"]["ef_search"]) == ("renamed", {"a": 1}, 7)
        assert info.schema["keys"]["#embedding"]["float_list"]["vector_index"]["config"]["hnsw"]["ef_search"] == 7
    await ended(renaming, pause)


async def test_a_collection_has_the_name_by_which_it_was_found_though_it_was_renamed_since(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.add(["a"], metadatas=[{"discovered": 1}])
    pause = paused(monkeypatch, store.engine.context.backends.catalog, "get_collection")
    asking = await begun(store.api.get_collection(SCOPE, "docs"), pause)
    await store.api.modify_collection(SCOPE, store.id, new_name="renamed")
    found = await ended(asking, pause)
    assert (found.name, found.dimension) == ("docs", 4)
    assert "discovered" in found.schema["keys"]


async def test_a_detached_output_is_deleted_and_not_the_one_that_took_its_name(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    await attach(store)
    output = await store.api.get_collection(SCOPE, "output")
    pause = paused(monkeypatch, store.engine.functions, "get")
    detaching = await begun(store.api.detach_function(SCOPE, store.id, "fn", delete_output=True), pause)
    await store.api.modify_collection(SCOPE, output.id, new_name="renamed")
    bystander = await store.api.create_collection(SCOPE, "output")
    await ended(detaching, pause)
    assert (await store.api.get_collection(SCOPE, "output")).id == bystander.id
    with pytest.raises(NotFoundError):
        await store.api.get_collection_by_id(SCOPE, output.id)


async def test_a_function_is_attached_anew_while_the_deletion_of_its_output_returns(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    first, _ = await attach(store)
    pause = paused(monkeypatch, store.engine.context.backends.catalog, "delete_collection")
    deleting = await begun(store.api.delete_collection(SCOPE, "output"), pause)
    with pytest.raises(NotFoundError, match="fn"):
        await store.api.get_attached_function(SCOPE, store.id, "fn")
    second, created = await attach(store)
    assert created
    assert second != first
    await ended(deleting, pause)
    assert (await store.api.get_attached_function(SCOPE, store.id, "fn")).id == second


async def test_a_function_stays_that_is_attached_while_the_detaching_of_another_returns(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await attach(store)
    pause = paused(monkeypatch, store.engine.context.backends.catalog, "detach_function")
    detaching = await begun(store.api.detach_function(SCOPE, store.id, "fn"), pause)
    second, created = await attach(store, "other-output", "other")
    assert created
    await ended(detaching, pause)
    assert (await store.api.get_attached_function(SCOPE, store.id, "other")).id == second


async def test_forks_of_one_tree_at_once_are_no_more_than_there_may_be(
    open_store: Callable[..., Awaitable[Store]], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await open_store(settings=replace(TINY, max_forks=1))
    pause = paused(monkeypatch, store.engine.context.backends.catalog, "fork_collection", before=True)
    forking = await begun(store.api.fork_collection(SCOPE, store.id, "first"), pause)
    monkeypatch.undo()
    second = asyncio.ensure_future(store.api.fork_collection(SCOPE, store.id, "second"))
    pause[1].set()
    outcomes = await asyncio.gather(forking, second, return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["CollectionInfo", "InvalidArgumentError"]
    assert await store.api.fork_count(SCOPE, store.id) == 1


async def test_the_forks_of_a_collection_that_was_just_deleted_are_not_counted_as_none(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.api.fork_collection(SCOPE, store.id, "fork")
    pause = paused(monkeypatch, store.engine.context.backends.catalog, "get_collection_by_id")
    counting = await begun(store.api.fork_count(SCOPE, store.id), pause)
    await store.api.delete_collection(SCOPE, "docs")
    with pytest.raises(NotFoundError, match=str(store.id)):
        await ended(counting, pause)


async def test_no_write_reaches_a_collection_of_a_deleted_database_once_its_name_is_free(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    scope = Scope(SCOPE.tenant, "other")
    await store.api.create_database(scope.database, scope.tenant)
    old = [await store.api.create_collection(scope, f"docs-{number}") for number in range(3)]
    batch = RecordBatch(["a"], vectors([1]))
    for info in old:
        await store.api.write(scope, info.id, WriteKind.ADD, batch)
    pause = paused(monkeypatch, Collection, "aclose", before=True)
    deleting = await begun(store.api.delete_database(scope.database, scope.tenant), pause)
    await store.api.create_database(scope.database, scope.tenant)
    for number, info in enumerate(old):
        new = await store.api.create_collection(scope, f"docs-{number}")
        with pytest.raises(NotFoundError):
            await store.api.write(scope, info.id, WriteKind.UPSERT, batch)
        assert await store.api.count(scope, new.id) == 0
    await ended(deleting, pause)


async def test_a_full_tree_is_refused_by_its_limit(open_store: Callable[..., Awaitable[Store]]) -> None:
    store = await open_store(settings=replace(TINY, max_forks=1))
    await store.api.fork_collection(SCOPE, store.id, "first")
    with pytest.raises(InvalidArgumentError, match="has 1 forks, as many as there may be"):
        await store.api.fork_collection(SCOPE, store.id, "second")
