"""What every writer lease promises."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from chroma_async.errors import FencedError
from chroma_async.storage.base.backends import Backends
from chroma_async.storage.base.lease import WriterLease
from chroma_async.storage.filesystem import FileSystem
from chroma_async.storage.local.lock import LocalLease
from chroma_async.storage.memory.lease import MemoryLease
from chroma_async.threads import Threads


def ask_in_child(lease: WriterLease) -> str:
    """The name of what ``check`` raises in a forked child."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        answer = "nothing"
        try:
            lease.check()
        except BaseException as error:
            answer = type(error).__name__
        finally:
            os.write(writing, answer.encode())
            os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:
        answer = pipe.read().decode()
    os.waitpid(child, 0)
    return answer


async def test_an_opened_store_holds_its_lease(backends: Backends) -> None:
    backends.lease.check()
    assert backends.lease.epoch >= 1


async def test_a_released_lease_fences_and_is_released_again(backends: Backends) -> None:
    await backends.lease.release()
    await backends.lease.release()
    with pytest.raises(FencedError):
        backends.lease.check()


@pytest.mark.parametrize("kind", ["memory", "local"])
async def test_a_lease_that_was_never_acquired_fences(kind: str, threads: Threads, tmp_path: Path) -> None:
    lease: WriterLease = MemoryLease() if kind == "memory" else LocalLease(tmp_path, threads, FileSystem(), lambda: 0)
    with pytest.raises(FencedError):
        lease.check()
    await lease.release()


async def test_a_forked_child_is_told_so_and_the_parent_keeps_its_lease(backends: Backends) -> None:
    assert ask_in_child(backends.lease) == "ForkedError"
    backends.lease.check()
