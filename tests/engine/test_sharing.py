"""One engine per directory and process: shared by clients of one loop, refused to other loops, useless after a fork."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from chroma_async.config.settings import Settings
from chroma_async.errors import ClosedError, ForkedError, LockedError, ValidationError, WrongLoopError
from chroma_async.service.local import open_local
from chroma_async.types import GetRequest, RecordBatch, WriteKind
from tests.engine.store import SCOPE, Store, vectors

SETTINGS = Settings()
Open = Callable[..., Awaitable[Store]]


async def write(path: Path, id: str) -> None:
    """Open, write one record, and never close."""
    api = await open_local(str(path), SETTINGS)
    info = await api.create_collection(SCOPE, "docs", get_or_create=True)
    await api.write(SCOPE, info.id, WriteKind.ADD, RecordBatch([id], vectors([1])))


async def read(path: Path) -> list[str]:
    api = await open_local(str(path), SETTINGS)
    try:
        info = await api.get_collection(SCOPE, "docs")
        return (await api.get(SCOPE, info.id, GetRequest())).rows.ids
    finally:
        await api.aclose()


async def test_clients_of_one_path_share_an_engine(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "data")
    paths = [tmp_path / "data", tmp_path / "link", tmp_path / "x" / ".." / "data"]
    first, *others = await asyncio.gather(*(open_local(str(path), SETTINGS) for path in paths))
    assert all(other.engine is first.engine for other in others)
    info = await first.create_collection(SCOPE, "docs")
    await first.write(SCOPE, info.id, WriteKind.ADD, RecordBatch(["a"], vectors([1])))
    assert (await others[0].get(SCOPE, info.id, GetRequest())).rows.ids == ["a"]
    await first.aclose()
    await first.aclose()
    with pytest.raises(ClosedError):
        await first.heartbeat()
    with pytest.raises(ClosedError):
        await first.count(SCOPE, info.id)
    assert await others[0].count(SCOPE, info.id) == 1
    await asyncio.gather(*(other.aclose() for other in others))
    assert await read(paths[0]) == ["a"]


async def test_opening_while_the_last_client_closes_waits_for_it(tmp_path: Path) -> None:
    for _ in range(5):
        api = await open_local(str(tmp_path), SETTINGS)
        closing = asyncio.ensure_future(api.aclose())
        await asyncio.sleep(0)
        other = await open_local(str(tmp_path), SETTINGS)
        await closing
        assert other.engine is not None
        await other.aclose()


async def test_other_settings_for_an_open_path_are_refused(tmp_path: Path) -> None:
    api = await open_local(str(tmp_path), SETTINGS)
    with pytest.raises(ValidationError, match="different settings"):
        await open_local(str(tmp_path), replace(SETTINGS, allow_reset=True))
    await api.aclose()
    await (await open_local(str(tmp_path), replace(SETTINGS, allow_reset=True))).aclose()


async def test_stores_in_memory_are_their_clients_own() -> None:
    first, second = await open_local(None, SETTINGS), await open_local(None, SETTINGS)
    await first.create_collection(SCOPE, "docs")
    assert await second.count_collections(SCOPE) == 0
    await first.aclose()
    await second.aclose()


async def test_another_running_loop_is_refused(tmp_path: Path) -> None:
    api = await open_local(str(tmp_path), SETTINGS)
    outcome: list[BaseException | None] = []

    def elsewhere() -> None:
        try:
            asyncio.run(open_local(str(tmp_path), SETTINGS))
            outcome.append(None)
        except WrongLoopError as error:
            outcome.append(error)

    await asyncio.to_thread(elsewhere)
    assert isinstance(outcome[0], WrongLoopError)
    assert await api.count_collections(SCOPE) == 0
    await api.aclose()


def test_a_path_whose_loop_was_closed_is_opened_again(tmp_path: Path) -> None:
    for id in "abc":
        asyncio.run(write(tmp_path, id))
    assert asyncio.run(read(tmp_path)) == ["a", "b", "c"]
    gc.collect()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("chroma-")]


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


async def test_a_forked_child_is_told_so_and_leaves_the_lock_alone(open_store: Open, tmp_path: Path) -> None:
    store = await open_store()
    await store.add(["a"])
    child = os.fork()
    if child == 0:
        code = 1
        try:
            store.engine.check_usable()
        except ForkedError:
            code = 0
        except BaseException:
            code = 2
        os._exit(code)
    _, status = await asyncio.to_thread(os.waitpid, child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    await store.add(["b"])
    assert await store.ids() == ["a", "b"]
    with pytest.raises(LockedError):
        await open_store()
