"""Three ways to a store: in memory, on disk, and over HTTP. Each is a :class:`ChromaAPI` and the engine behind it."""

from __future__ import annotations

import tempfile
from abc import ABC, abstractmethod
from contextlib import AsyncExitStack
from dataclasses import replace

from aiohttp import web

import chroma_async
from chroma_async.api import ChromaAPI
from chroma_async.config.settings import Settings
from chroma_async.engine.engine import Engine
from chroma_async.engine.read.search_plan import PlanSettings
from chroma_async.server.app import create_app
from chroma_async.service.local import LocalAPI
from chroma_async.service.sharing import Lease

#: So small that every kind of job happens within a few dozen rows.
SETTINGS = Settings(
    is_persistent=False,
    memtable_rows=8,
    flush_idle_rows=0,
    merge_fan_in=3,
    merge_rows=48,
    segment_rows=96,
    flat_rows=16,
    trigram_rows=8,
    absorb_bulk_rows=4,
    absorb_calm_rows=4,
    absorb_idle_rows=0,
    tail_codes_rows=16,
    cache_bytes=1,
    sqlite_connections=4,
    query_threads=2,
    index_threads=1,
)
#: Asks graphs and codes wherever there are any: by the real costs so few rows are always compared exactly.
EAGER = PlanSettings(cheap_exact_us=0.0, row_ns=1e9, exact_share=0, tail_codes_rows=16)


class Clock:
    """Seconds that pass only when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Way(ABC):
    """A store and how to come to it. ``open`` may be called again after ``close``, where ``reopens``."""

    reopens = False
    #: Whether requests that begin together arrive in the order in which they began.
    in_order = True
    location: str | None = None

    def __init__(self) -> None:
        self.clock = Clock()
        self.engine: Engine
        self.api: ChromaAPI
        self._stack = AsyncExitStack()

    async def open(self, *, eager: bool) -> None:
        settings = replace(SETTINGS, is_persistent=self.location is not None)
        self.engine = await Engine.open(self.location, settings, automatic=False, monotonic=self.clock)
        if eager:
            self.engine.registry.context = replace(self.engine.context, plan=EAGER)
        self.api = await self._connect(LocalAPI(Lease(self.engine, None)))

    @abstractmethod
    async def _connect(self, local: LocalAPI) -> ChromaAPI: ...

    async def close(self, *, flush: bool) -> None:
        await self._stack.aclose()
        await self.engine.aclose(flush=flush)

    def remove(self) -> None:
        """Leave nothing behind."""
        self.clock.now = 0.0


class Memory(Way):
    async def _connect(self, local: LocalAPI) -> ChromaAPI:
        return local


class Disk(Memory):
    reopens = True

    def __init__(self) -> None:
        super().__init__()
        self._directory = tempfile.TemporaryDirectory()
        self.location = self._directory.name + "/data"

    def remove(self) -> None:
        self._directory.cleanup()


class Http(Way):
    in_order = False

    async def _connect(self, local: LocalAPI) -> ChromaAPI:
        runner = web.AppRunner(create_app(local, SETTINGS, self.engine.context.threads.run), shutdown_timeout=1.0)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        client = await self._stack.enter_async_context(chroma_async.AsyncHttpClient("127.0.0.1", runner.addresses[0][1]))
        return client.api
