"""One store, five ways to it: our client over HTTP, on disk and in memory, and chromadb's own two clients against our server.

A scenario takes ``store`` and need not know which one it holds. ``store.errors`` says what each kind of refusal is called there.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, ClassVar
from unittest.mock import patch

import chromadb
import chromadb.errors
import httpx
import pytest
from aiohttp import web
from chromadb.api.shared_system_client import SharedSystemClient

import chroma_async
from chroma_async import errors
from chroma_async.config.settings import Settings
from chroma_async.server.app import create_app
from chroma_async.service.local import open_local
from chroma_async.threads import Lane

SETTINGS = Settings(allow_reset=True, is_persistent=False)


@dataclass(frozen=True)
class Errors:
    """What refusals are called, by what the caller should do."""

    invalid: type[Exception]
    not_found: type[Exception]
    exists: type[Exception]
    duplicate: type[Exception]
    #: Any refusal at all: the client's own checks differ in where they stand.
    any: tuple[type[Exception], ...]


OURS = Errors(
    errors.InvalidArgumentError, errors.NotFoundError, errors.UniqueConstraintError, errors.DuplicateIDError, (errors.ChromaError,)
)
THEIRS = Errors(
    chromadb.errors.InvalidArgumentError,
    chromadb.errors.NotFoundError,
    chromadb.errors.ChromaError,
    chromadb.errors.DuplicateIDError,
    (chromadb.errors.ChromaError, ValueError, TypeError),
)


@dataclass
class Store:
    """``client`` and ``admin`` have chromadb's verbs, each awaited; ``connect`` makes further clients of the same store."""

    kind: str
    client: Any
    admin: Any
    connect: Callable[..., Awaitable[Any]]
    errors: Errors

    @property
    def is_ours(self) -> bool:
        """Whether the client is this package's."""
        return not self.kind.startswith("official")

    async def collection(self, name: str = "docs", **arguments: Any) -> Any:
        """A collection without an embedding function."""
        return await self.client.create_collection(name, embedding_function=None, **arguments)


class Threaded:
    """A synchronous object whose methods are awaited: each call runs in a thread."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.inner, name)
        if not inspect.ismethod(value):
            return value

        @wraps(value)
        async def call(*args: Any, **kwargs: Any) -> Any:
            return _threaded(await asyncio.to_thread(value, *args, **kwargs))

        return call

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Threaded) and bool(self.inner == other.inner)

    def __hash__(self) -> int:
        return id(self.inner)


def _threaded(value: Any) -> Any:
    if isinstance(value, chromadb.Collection):
        return Threaded(value)
    return [_threaded(item) for item in value] if isinstance(value, list) else value


@asynccontextmanager
async def served() -> AsyncIterator[int]:
    """Our server over a store in memory, on a real socket; its port."""
    api = await open_local(None, SETTINGS)
    bodies = Lane("body", 2)
    runner = web.AppRunner(create_app(api, SETTINGS, bodies.run), shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
        await bodies.aclose()
        await api.aclose()


@asynccontextmanager
async def opened(kind: str, path: Path) -> AsyncIterator[Store]:
    """A new store of one kind, and a client of it."""
    async with AsyncExitStack() as stack:
        if kind in ("http", "official", "official-sync"):
            port = await stack.enter_async_context(served())
        if kind == "official":
            stack.push_async_callback(forget_official)
        if kind == "official-sync":
            stack.callback(_stop_official)
            stack.enter_context(patch("httpx.Client", _Pool))

        async def connect(**scope: str) -> Any:
            if kind == "http":
                return await stack.enter_async_context(chroma_async.AsyncHttpClient("127.0.0.1", port, **scope))
            if kind == "persistent":
                return await stack.enter_async_context(chroma_async.AsyncPersistentClient(path, SETTINGS, **scope))
            if kind == "ephemeral" and not first:
                return await stack.enter_async_context(chroma_async.AsyncEphemeralClient(SETTINGS, **scope))
            if kind == "ephemeral":  # a store in memory belongs to one client; others look at it through the same API
                further = await stack.enter_async_context(chroma_async.AsyncClient(first[0].api, **scope))
                return await further.connect()
            if kind == "official":
                return await chromadb.AsyncHttpClient("127.0.0.1", port, **scope)
            return Threaded(await asyncio.to_thread(chromadb.HttpClient, "127.0.0.1", port, **scope))

        first: list[Any] = []
        client = await connect()
        first.append(client)
        yield Store(kind, client, _admin(client), connect, THEIRS if kind.startswith("official") else OURS)


def _admin(client: Any) -> Any:
    if isinstance(client, Threaded):
        return Threaded(client.inner._admin_client)
    return client.admin if isinstance(client, chroma_async.AsyncClient) else client._admin_client


async def forget_official() -> None:
    """chromadb's async client has no end of its own: its pool of the running loop is dropped here."""
    from chromadb.api.async_fastapi import AsyncFastAPI

    for client in list(AsyncFastAPI._clients.values()):
        await client.aclose()
    AsyncFastAPI._clients.clear()
    SharedSystemClient.clear_system_cache()


class _Pool(httpx.Client):
    """chromadb's sync client leaves its connections open, also when it fails to be made: every pool is remembered, and closed here."""

    made: ClassVar[list[_Pool]] = []

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.made.append(self)


def _stop_official() -> None:
    while _Pool.made:
        _Pool.made.pop().close()
    SharedSystemClient.clear_system_cache()


@pytest.fixture(params=["ephemeral", "persistent", "http", "official", "official-sync"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    async with opened(request.param, tmp_path / "data") as found:
        yield found
