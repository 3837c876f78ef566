"""Jobs that nobody waits for any longer, and lanes that are closed by someone who goes away."""

from __future__ import annotations

import asyncio
import threading

import pytest

from chroma_async.errors import ClosedError
from chroma_async.threads import Lane


async def test_a_job_whose_waiter_left_before_it_began_is_not_done() -> None:
    lane, gate = Lane("test", 1), threading.Event()
    done: list[int] = []
    first = asyncio.ensure_future(lane.run(gate.wait))
    await asyncio.sleep(0)
    waiting = [asyncio.ensure_future(lane.run(done.append, number)) for number in range(10)]
    await asyncio.sleep(0)
    for task in waiting[:9]:
        task.cancel()
    await asyncio.sleep(0)
    gate.set()
    await first
    await waiting[9]
    assert done == [9]
    await lane.aclose()


async def test_a_close_whose_caller_leaves_may_be_asked_for_again() -> None:
    lane, gate = Lane("test", 1), threading.Event()
    job = asyncio.ensure_future(lane.run(gate.wait))
    await asyncio.sleep(0)
    closing = asyncio.ensure_future(lane.aclose())
    await asyncio.sleep(0)
    closing.cancel()
    await asyncio.wait([closing])
    with pytest.raises(ClosedError):
        await lane.run(print)
    gate.set()
    await lane.aclose()
    assert job.done()
    assert await job is True
