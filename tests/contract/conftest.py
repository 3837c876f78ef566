"""Every backend that the contract suites hold to its word. A new one joins by becoming a parameter of ``backends``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeAlias

import pytest

from chroma_async.storage.base.backends import Backends
from chroma_async.storage.base.catalog import Catalog
from chroma_async.storage.base.log import Log
from chroma_async.storage.base.segments import SegmentStore
from chroma_async.storage.filesystem import FileSystem
from chroma_async.storage.open import close_backends, open_backends
from chroma_async.threads import Threads

CHECKPOINT_BYTES = 1 << 16
Opening: TypeAlias = Callable[..., Awaitable[Backends]]


@pytest.fixture
async def threads() -> AsyncIterator[Threads]:
    threads = Threads(2)
    yield threads
    await threads.aclose()


@asynccontextmanager
async def opened(
    location: Path | None, threads: Threads, files: FileSystem | None = None, checkpoint_bytes: int = CHECKPOINT_BYTES
) -> AsyncIterator[Backends]:
    """A store for the length of a block."""
    backends = await open_backends(
        location, threads, log_checkpoint_bytes=checkpoint_bytes, sqlite_connections=2, open_files=1024, clock=lambda: 0, files=files
    )
    try:
        yield backends
    finally:
        await close_backends(backends, threads)


@pytest.fixture(params=["memory", "local"])
async def backends(request: pytest.FixtureRequest, threads: Threads, tmp_path: Path) -> AsyncIterator[Backends]:
    location = tmp_path / "store" if request.param == "local" else None
    async with opened(location, threads) as backends:
        yield backends


@pytest.fixture
def catalog(backends: Backends) -> Catalog:
    return backends.catalog


@pytest.fixture
def log(backends: Backends) -> Log:
    return backends.log


@pytest.fixture
def segments(backends: Backends) -> SegmentStore:
    return backends.segments
