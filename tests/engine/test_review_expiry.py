"""Records that expire cost the event loop nothing, and the ticker nothing to wait for."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from chroma_async.engine.snapshot import expiry
from chroma_async.errors import PayloadTooLargeError
from tests.engine.gate import HeldLog, held
from tests.engine.settling import settled
from tests.engine.store import Clock, Store, vectors

Open = Callable[..., Awaitable[Store]]

END = 2_000_000_000


class Wall:
    """Nanoseconds since the epoch, set by hand."""

    def __init__(self) -> None:
        self.seconds = END - 10

    def __call__(self) -> int:
        return self.seconds * 10**9


async def test_expired_rows_are_found_in_threads(open_store: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    wall = Wall()
    store = await open_store()
    object.__setattr__(store.engine.context, "clock", wall)
    find, threads = expiry.due, set[int]()

    def noted(*arguments: Any) -> Any:
        threads.add(threading.get_ident())
        return find(*arguments)

    monkeypatch.setattr(expiry, "due", noted)
    monkeypatch.setattr("chroma_async.engine.write.commit_queue.due", noted)
    ids = [f"a{n}" for n in range(40)]
    for flushed in (False, True):
        wall.seconds = END - 10
        await store.upsert(ids, vectors(range(40)), expires_at=[END + n for n in range(40)])
        if flushed:
            await store.flush()
        for now in (END - 1, END, END + 20):
            wall.seconds = now
            alive = 40 - max(0, now - END + 1)
            assert await store.count() == alive
            assert len(await store.ids()) == alive
            await store.query([1.0] * 4)
    await store.engine.tick()
    await settled(store.engine)
    assert threads
    assert threading.get_ident() not in threads


async def test_the_ticker_does_not_wait_for_the_log(open_store: Open, clock: Clock) -> None:
    wall = Wall()
    store = await open_store(wrap=held)
    object.__setattr__(store.engine.context, "clock", wall)
    other = await store.other("other")
    await other.add(["old"])
    await store.add(["a", "b"], expires_at=[END, None])
    log: Any = store.engine.context.backends.log
    assert isinstance(log, HeldLog)
    wall.seconds = END
    clock.now += 120
    log.hold()
    await asyncio.wait_for(store.engine.tick(), 10)
    await log.reached()
    await asyncio.wait_for(store.engine.tick(), 10)
    log.release()
    await settled(store.engine)
    assert (await other.collection()).manifest.version == 1
    assert await store.ids() == ["b"]


async def test_a_request_too_large_for_the_log_is_refused_alone(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chroma_async.engine.write.commit_queue.MAX_ENTRY_BYTES", 100_000)
    small, large = await asyncio.gather(
        store.add(["a"], documents=["x"]), store.add(["b"], documents=["x" * 100_000]), return_exceptions=True
    )
    assert small is None
    assert isinstance(large, PayloadTooLargeError)
    assert await store.ids() == ["a"]
