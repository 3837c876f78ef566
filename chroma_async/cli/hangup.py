"""SIGHUP: read again what may change while a server serves."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from chroma_async.server.signals import on_signals


@contextmanager
def on_hangup(reload: Callable[[], Awaitable[None]]) -> Iterator[None]:
    """Call ``reload`` at each SIGHUP in the block, one after the other; without this the signal ends the process.

    :param reload: deals with its own failures.
    """
    loop, turn = asyncio.get_running_loop(), asyncio.Lock()
    tasks: set[asyncio.Task[None]] = set()

    async def in_turn() -> None:
        async with turn:
            await reload()

    def begin() -> None:
        task = loop.create_task(in_turn())
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    # Some systems have no such signal: then nothing is read again.
    numbers = (signal.SIGHUP,) if hasattr(signal, "SIGHUP") else ()
    with on_signals(numbers, begin):
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
