"""A child process that was forked gets no use of its parent's store, and does it no harm."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from chroma_async.errors import ForkedError, LockedError
from chroma_async.service.local import open_local
from tests.engine.clients import SETTINGS, read, read_and_close, written
from tests.engine.store import SCOPE, Store

Open = Callable[..., Awaitable[Store]]


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
                assert await read(tmp_path / "data") == ["a"]

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


async def test_a_forked_child_is_told_so_and_leaves_the_lock_alone(open_store: Open, tmp_path: Path) -> None:
    store = await open_store()
    await store.add(["a"])
    child = os.fork()
    if child == 0:
        code = 1
        try:
            store.engine.guard.check()
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
