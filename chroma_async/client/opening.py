"""What the factories return: a client about to be opened, to be awaited or entered."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn

from chroma_async.client.client import AsyncClient
from chroma_async.client.interop import register_if_imported

#: What to write instead of ``client = AsyncHttpClient()`` and of ``with AsyncHttpClient() as client``.
_REMEDY = "write `client = await AsyncHttpClient(...)`, or `async with AsyncHttpClient(...) as client:`, and so for the other factories"
#: What an open client has beside its methods and properties.
_ATTRIBUTES = ("admin", "api", "database", "functions", "lane", "tenant")


class Opening(Awaitable[AsyncClient]):
    """``client = await AsyncHttpClient()`` or ``async with AsyncHttpClient() as client``. Awaited again, it gives the same client.

    Nothing is opened, and nothing needs closing, before that.
    """

    def __init__(self, make: Callable[[], Awaitable[AsyncClient]], *, connect: bool = True) -> None:
        self._make = make
        self._connect = connect
        self._client: AsyncClient | None = None
        self._opening = asyncio.Lock()

    def __await__(self) -> Generator[Any, Any, AsyncClient]:
        return self._open().__await__()

    async def _open(self) -> AsyncClient:
        if self._client is not None:
            return self._client
        # Several may await it at once, and there is one client to be closed.
        async with self._opening:
            if self._client is None:
                self._client = await self._made()
            return self._client

    async def _made(self) -> AsyncClient:
        register_if_imported()
        client = await self._make()
        if self._connect:
            try:
                await client.connect()
            except BaseException:
                await client.aclose()
                raise
        return client

    async def __aenter__(self) -> AsyncClient:
        return await self._open()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the client, if it was opened. Idempotent."""
        if self._client is not None:
            await self._client.aclose()

    async def close(self) -> None:
        """As :meth:`aclose`."""
        await self.aclose()

    # A type checker is not told, so that it goes on to refuse these itself.
    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> NoReturn:
            if name.startswith("_") or not (hasattr(AsyncClient, name) or name in _ATTRIBUTES):
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)
            raise AttributeError(f"the client is not open yet, so it has no {name!r}: {_REMEDY}", name=name, obj=self)

        def __enter__(self) -> NoReturn:
            raise TypeError(f"a client is not opened by `with`: {_REMEDY}")

        def __exit__(self, *_: object) -> None:
            """Never reached. ``with`` looks for it before it calls ``__enter__``."""
