"""A verb whose caller goes away comes to its end: nothing is left half done, and nothing is held for nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chroma_async.engine.engine import Engine
from chroma_async.errors import NotFoundError
from chroma_async.service.local import open_local
from chroma_async.types import DeleteRequest
from tests.engine.clients import SETTINGS
from tests.engine.gate import paused
from tests.engine.settling import settled
from tests.engine.store import SCOPE, Store, vectors

Open = Callable[..., Awaitable[Store]]


async def cancelled(call: Awaitable[Any], reached: asyncio.Event, passage: asyncio.Event) -> None:
    task = asyncio.ensure_future(call)
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    passage.set()


async def test_a_collection_is_gone_though_the_caller_of_its_deletion_went_away(disk: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    await disk.add(["a"])
    pause = paused(monkeypatch, disk.engine.context.backends.catalog, "delete_collection")
    await cancelled(disk.api.delete_collection(SCOPE, "docs"), *pause)
    await settled(disk.engine)
    with pytest.raises(NotFoundError):
        await disk.add(["b"])
    assert await disk.engine.context.backends.log.collections() == {}


async def test_the_collections_of_a_database_are_gone_though_the_caller_of_its_deletion_went_away(
    disk: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await disk.add(["a"])
    pause = paused(monkeypatch, disk.engine.context.backends.catalog, "delete_database")
    await cancelled(disk.api.delete_database(SCOPE.database, SCOPE.tenant), *pause)
    await settled(disk.engine)
    with pytest.raises(NotFoundError):
        await disk.add(["b"])


async def test_a_modification_shows_though_its_caller_went_away(disk: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    await disk.add(["a"])
    pause = paused(monkeypatch, disk.engine.context.backends.catalog, "update_collection")
    await cancelled(disk.api.modify_collection(SCOPE, disk.id, new_name="renamed", new_metadata={"a": 1}), *pause)
    await settled(disk.engine)
    info = await disk.api.get_collection_by_id(SCOPE, disk.id)
    assert (info.name, info.metadata) == ("renamed", {"a": 1})


async def test_what_is_created_and_written_while_a_reset_goes_on_is_kept(disk: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    await disk.add(["old"])
    reached, passage = paused(monkeypatch, disk.engine.context.backends.catalog, "reset")
    resetting = asyncio.ensure_future(disk.engine.removal.reset())
    await reached.wait()
    young = await disk.other("young")
    await young.add(["kept"])
    passage.set()
    await resetting
    assert await young.ids() == ["kept"]
    assert set(await disk.engine.context.backends.log.collections()) == {young.id}
    with pytest.raises(NotFoundError):
        await disk.ids()


async def test_a_reset_ends_though_its_caller_went_away(disk: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    await disk.add(["old"])
    pause = paused(monkeypatch, disk.engine.context.backends.catalog, "reset")
    await cancelled(disk.engine.removal.reset(), *pause)
    await settled(disk.engine)
    with pytest.raises(NotFoundError):
        await disk.ids()


async def test_every_verb_may_be_cancelled_at_every_step(open_store: Open) -> None:
    """After any number of steps of the loop; what the store says afterwards is what it held before, or what the verb makes of it."""
    store = await open_store()
    others: list[Store] = []
    for steps in range(25):
        other = await store.other(f"c{steps:03d}")
        others.append(other)
        await other.add(["a", "b"], documents=["x", "y"])
        calls: list[Callable[[Store], Awaitable[Any]]] = [
            lambda one: one.add(["c"]),
            lambda one: one.upsert(["a"], vectors([5]), documents=["z"]),
            lambda one: one.api.delete(SCOPE, one.id, DeleteRequest(ids=["b"])),
            lambda one: one.api.delete(SCOPE, one.id, DeleteRequest(where_document={"$contains": "y"})),
            lambda one: one.get(),
            lambda one: one.query([1.0, 1, 1, 1]),
            lambda one: one.api.modify_collection(SCOPE, one.id, new_metadata={"k": 1}),
            lambda one: one.flush(),
            lambda one: one.finish(),
        ]
        for call in calls:
            task = asyncio.ensure_future(call(other))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
        task = asyncio.ensure_future(other.api.create_collection(SCOPE, f"made{steps}"))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
    await settled(store.engine)
    for other in others:
        held = await other.everything()
        assert set(held.ids) <= {"a", "b", "c"}
        assert held.ids[0] == "a"
        assert len(held.ids) == await other.count()
    before = [await other.everything() for other in others]
    await store.engine.aclose()
    again = await open_store()
    for other, then in zip(others, before, strict=True):
        now = await Store(again.engine, again.api, other.info).everything()
        assert (now.ids, now.documents) == (then.ids, then.documents)


async def test_a_fork_is_whole_though_its_caller_went_away(disk: Store, open_store: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    await disk.add(["a", "b"])
    pause = paused(monkeypatch, disk.engine.context.backends.catalog, "fork_collection")
    await cancelled(disk.api.fork_collection(SCOPE, disk.id, "fork"), *pause)
    await settled(disk.engine)
    await disk.flush()
    fork = await disk.api.get_collection(SCOPE, "fork")
    assert fork.dimension == 4
    assert await Store(disk.engine, disk.api, fork).ids() == ["a", "b"]
    await disk.engine.aclose()
    again = await open_store()
    assert await Store(again.engine, again.api, fork).ids() == ["a", "b"]


async def test_an_opening_whose_caller_goes_away_does_not_keep_the_directory(tmp_path: Path) -> None:
    for steps in (1, 2, 4, 8, 16, 32, 64):
        opening = asyncio.ensure_future(open_local(str(tmp_path / "data"), SETTINGS))
        for _ in range(steps):
            await asyncio.sleep(0)
        opening.cancel()
        await asyncio.wait([opening])
        if not opening.cancelled():
            await opening.result().aclose()
        # Waits for the end of what was begun, and then has the directory to itself.
        await (await open_local(str(tmp_path / "data"), SETTINGS)).aclose()
        engine = await Engine.open(str(tmp_path / "data"), SETTINGS)
        await engine.aclose()


async def test_an_opening_without_a_caller_closes_by_itself(tmp_path: Path) -> None:
    opening = asyncio.ensure_future(open_local(str(tmp_path / "data"), SETTINGS))
    await asyncio.sleep(0)
    opening.cancel()
    await asyncio.wait([opening])
    # What it had begun ends by itself; nobody asks for it.
    while tasks := [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]:
        await asyncio.wait(tasks)
    engine = await Engine.open(str(tmp_path / "data"), SETTINGS)
    await engine.aclose()


@pytest.mark.parametrize("steps", [1, 2, 5, 10, 100])
async def test_a_caller_that_goes_away_while_opening_does_not_keep_the_directory(tmp_path: Path, steps: int) -> None:
    opening = asyncio.ensure_future(open_local(str(tmp_path), SETTINGS))
    for _ in range(steps):
        await asyncio.sleep(0)
    opening.cancel()
    await asyncio.wait([opening])
    if not opening.cancelled():
        await opening.result().aclose()
    # Other settings: possible only when nobody has it open any longer.
    api = await open_local(str(tmp_path), replace(SETTINGS, allow_reset=True))
    await api.aclose()
