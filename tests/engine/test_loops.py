"""An engine belongs to one loop and one process; what is left of it when they end is taken over."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from chroma_async.config.settings import Settings
from chroma_async.engine.engine import Engine
from chroma_async.errors import ClosedError, ForkedError, LockedError, WrongLoopError
from chroma_async.service.local import LocalAPI, open_local
from chroma_async.types import CollectionInfo, GetRequest, RecordBatch, WriteKind
from tests.engine.store import SCOPE, vectors

SETTINGS = Settings(query_threads=1, index_threads=1)


async def written(path: Path) -> tuple[LocalAPI, CollectionInfo]:
    """A client that nobody closes, of a store with one record."""
    api = await open_local(str(path), SETTINGS)
    info = await api.create_collection(SCOPE, "docs", get_or_create=True)
    await api.write(SCOPE, info.id, WriteKind.UPSERT, RecordBatch(["a"], vectors([1])))
    return api, info


async def read_and_close(api: LocalAPI) -> list[str]:
    info = await api.get_collection(SCOPE, "docs")
    ids = (await api.get(SCOPE, info.id, GetRequest(include=()))).rows.ids
    await api.aclose()
    return ids


def test_two_clients_may_open_at_once_what_a_closed_loop_has_left(tmp_path: Path) -> None:
    asyncio.run(written(tmp_path / "data"))

    async def both() -> list[list[str]]:
        apis = await asyncio.gather(*(open_local(str(tmp_path / "data"), SETTINGS) for _ in range(2)))
        return [await read_and_close(api) for api in apis]

    assert asyncio.run(both()) == [["a"], ["a"]]


def test_a_client_of_a_closed_loop_closes_nobody_elses_engine(tmp_path: Path) -> None:
    old, _ = asyncio.run(written(tmp_path / "data"))

    async def go() -> list[str]:
        young = await open_local(str(tmp_path / "data"), SETTINGS)
        await old.aclose()
        return await read_and_close(young)

    assert asyncio.run(go()) == ["a"]


def test_closing_a_client_of_a_closed_loop_gives_the_directory_up(tmp_path: Path) -> None:
    old, _ = asyncio.run(written(tmp_path / "data"))

    async def go() -> list[str]:
        await old.aclose()
        engine = await Engine.open(str(tmp_path / "data"), SETTINGS)
        await engine.aclose()
        return await read_and_close(await open_local(str(tmp_path / "data"), SETTINGS))

    assert asyncio.run(go()) == ["a"]


CLOSED_IN_THE_MIDDLE = """
import asyncio, pathlib, sys
from tests.engine.test_loops import *

def go(path, steps):
    loop = asyncio.new_event_loop()
    api, info = loop.run_until_complete(written(path))

    async def few_steps():
        loop.create_task(api.create_collection(SCOPE, "begun"))
        loop.create_task(api.write(SCOPE, info.id, WriteKind.ADD, RecordBatch(["b"], vectors([2]))))
        loop.create_task(api.modify_collection(SCOPE, info.id, new_metadata={"k": 1}))
        for _ in range(steps):
            await asyncio.sleep(0)

    loop.run_until_complete(few_steps())
    loop.close()

    async def again():
        young = await asyncio.wait_for(open_local(str(path), SETTINGS), 20)
        await young.create_collection(SCOPE, "after")
        return await read_and_close(young)

    assert set(asyncio.run(again())) - {"b"} == {"a"}

for steps in (1, 2, 3, 5, 8, 13):
    go(pathlib.Path(sys.argv[1]) / str(steps), steps)
print("done")
"""


def test_a_loop_that_is_closed_in_the_middle_of_a_statement_does_not_keep_the_next_from_opening(tmp_path: Path) -> None:
    """In a process of its own, as Python has much to say about tasks that are destroyed."""
    command = [sys.executable, "-c", CLOSED_IN_THE_MIDDLE, str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=90)
    assert ended.stdout == "done\n", ended.stderr


async def test_another_running_loop_may_not_use_an_engine(tmp_path: Path) -> None:
    api, info = await written(tmp_path / "data")

    def elsewhere() -> None:
        with pytest.raises(WrongLoopError):
            asyncio.run(api.count(SCOPE, info.id))

    await asyncio.to_thread(elsewhere)
    await api.aclose()


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


async def test_a_second_close_waits_for_the_first(tmp_path: Path) -> None:
    engine = await Engine.open(str(tmp_path / "data"), SETTINGS)
    first = asyncio.ensure_future(engine.aclose())
    await asyncio.sleep(0)
    await engine.aclose()
    again = await Engine.open(str(tmp_path / "data"), SETTINGS)
    await asyncio.gather(first, again.aclose())


@pytest.mark.parametrize("steps", [1, 3, 9])
async def test_a_close_whose_caller_goes_away_is_finished(tmp_path: Path, steps: int) -> None:
    engine = await Engine.open(str(tmp_path / "data"), SETTINGS)
    closing = asyncio.ensure_future(engine.aclose())
    for _ in range(steps):
        await asyncio.sleep(0)
    closing.cancel()
    await asyncio.wait([closing])
    await engine.aclose()
    again = await Engine.open(str(tmp_path / "data"), SETTINGS)
    await again.aclose()
    with pytest.raises(ClosedError):
        engine.check_usable()


def in_child(work: Callable[[], Awaitable[None]]) -> int:
    """Run it in a forked child; 0 when it returns."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            signal.alarm(20)
            asyncio.run(work())  # type: ignore[arg-type]
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


async def test_a_forked_child_is_told_so_and_can_open_a_store_of_its_own(tmp_path: Path) -> None:
    api, info = await written(tmp_path / "data")

    async def work() -> None:
        for call in (api.count(SCOPE, info.id), api.create_collection(SCOPE, "child"), api.list_collections(SCOPE)):
            with pytest.raises(ForkedError):
                await call
        await api.aclose()
        with pytest.raises(LockedError):
            await open_local(str(tmp_path / "data"), SETTINGS)
        other, _ = await written(tmp_path / "other")
        assert await read_and_close(other) == ["a"]

    assert in_child(work) == 0
    assert await api.count(SCOPE, info.id) == 1
    await api.aclose()


async def test_a_child_opens_what_its_parent_has_given_up(tmp_path: Path) -> None:
    api, _ = await written(tmp_path / "data")
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            signal.alarm(20)
            os.read(reader, 1)

            async def work() -> None:
                assert await read_and_close(await open_local(str(tmp_path / "data"), SETTINGS)) == ["a"]

            asyncio.run(work())
            status = 0
        finally:
            os._exit(status)
    await api.aclose()
    os.write(writer, b"x")
    status = await asyncio.to_thread(lambda: os.waitpid(pid, 0)[1])
    os.close(reader)
    os.close(writer)
    assert os.waitstatus_to_exitcode(status) == 0
