"""Waiting for what an engine does in the background."""

from __future__ import annotations

import asyncio

from chroma_async.engine.engine import Engine

#: Tasks that run for as long as the engine does.
_LASTING = {"log writer", "ticker"}


async def settled(engine: Engine) -> None:
    """Until every task that comes to an end by itself has done so."""
    while running := [task for task in engine.context.tasks._running if task.get_name() not in _LASTING]:
        await asyncio.wait(running)
