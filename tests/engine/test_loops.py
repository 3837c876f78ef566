"""An engine belongs to one event loop: no other may use it, and what a loop leaves when it ends is taken over."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from chroma_async.engine.engine import Engine
from chroma_async.errors import WrongLoopError
from chroma_async.service.local import open_local
from tests.engine.clients import SETTINGS, read, read_and_close, written
from tests.engine.gate import PATIENCE_S
from tests.engine.store import SCOPE


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
        return await read(tmp_path / "data")

    assert asyncio.run(go()) == ["a"]


FORGETS_TO_CLOSE = """
import asyncio, pathlib, sys
from tests.engine.clients import written

kept = asyncio.run(written(pathlib.Path(sys.argv[1])))
print("written", flush=True)
"""


def test_a_program_that_forgets_to_close_its_store_ends(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FORGETS_TO_CLOSE, str(tmp_path / "data")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=90)
    assert (ended.returncode, ended.stdout) == (0, "written\n"), ended.stderr
    assert asyncio.run(read(tmp_path / "data")) == ["a"]


CLOSED_IN_THE_MIDDLE = """
import asyncio, pathlib, sys
from chroma_async.service.local import open_local
from chroma_async.types import RecordBatch, WriteKind
from tests.engine.clients import SETTINGS, read_and_close, written
from tests.engine.store import SCOPE, vectors

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
    owner = asyncio.get_running_loop()

    def elsewhere() -> None:
        with pytest.raises(WrongLoopError, match=rf"in event loop {id(owner):#x} and is used in loop 0x\w+; .* one client per loop"):
            asyncio.run(api.count(SCOPE, info.id))

    await asyncio.to_thread(elsewhere)
    await api.aclose()


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
        asyncio.run(written(tmp_path, id))
    assert asyncio.run(read(tmp_path)) == ["a", "b", "c"]
    gc.collect()
    ours = [thread for thread in threading.enumerate() if thread.name.startswith("chroma-")]
    for thread in ours:
        thread.join(PATIENCE_S)  # told to end, it may be on its way out
    assert not [thread for thread in ours if thread.is_alive()]
