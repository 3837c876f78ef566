"""Stores for engine tests: tiny settings, nothing automatic, a clock that only moves when told."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from chroma_async.engine.engine import Engine
from tests.engine.store import Clock, Store


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def open_store(tmp_path: Path, clock: Clock) -> AsyncIterator[Callable[..., Awaitable[Store]]]:
    """Opens stores on one directory (``disk=False``: in memory) and closes what is still open in the end."""
    opened: list[Engine] = []

    async def open_one(*, disk: bool = True, **arguments: Any) -> Store:
        store = await Store.open(tmp_path / "data" if disk else None, clock, **arguments)
        opened.append(store.engine)
        return store

    yield open_one
    for engine in opened:
        await engine.aclose(flush=False)


@pytest.fixture(params=["memory", "disk"])
async def store(request: pytest.FixtureRequest, open_store: Callable[..., Awaitable[Store]]) -> Store:
    return await open_store(disk=request.param == "disk")


@pytest.fixture
async def disk(open_store: Callable[..., Awaitable[Store]]) -> Store:
    return await open_store()
