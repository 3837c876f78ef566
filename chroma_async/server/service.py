"""What every route of the server shares: the API behind it, the numbers that bound it, and the way to threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from aiohttp import web

from chroma_async.api import ChromaAPI
from chroma_async.auth.key_store import KeyStore
from chroma_async.config.settings import Settings
from chroma_async.errors import UnavailableError
from chroma_async.server.audit_log import AuditLog
from chroma_async.server.traffic import Traffic
from chroma_async.threads import Run


@dataclass(slots=True)
class Service:
    """One server. ``in_flight`` are the tasks of requests being answered; ``draining`` is set when it is told to stop.

    ``store`` is what it serves, ``None`` while that is being opened. ``keys`` are its API keys, ``None`` if it has none.
    """

    store: ChromaAPI | None
    settings: Settings
    run: Run
    clock: Callable[[], int]
    in_flight: set[asyncio.Task[object]] = field(default_factory=set)
    draining: bool = False
    traffic: Traffic = field(default_factory=Traffic)
    keys: KeyStore | None = None
    audit: AuditLog | None = None

    @property
    def api(self) -> ChromaAPI:
        """What answers requests. :raises UnavailableError: the store is being opened."""
        if self.store is None:
            raise UnavailableError(RECOVERING)
        return self.store

    async def unready(self) -> str:
        """Why requests should not be sent here; empty if they should."""
        if self.draining:
            return DRAINING
        if self.store is None:
            return RECOVERING
        health = await self.store.health()
        return "" if health.ready else health.reason or "not ready"


RECOVERING = "recovering: the store is being opened"
DRAINING = "draining: the server stops"

#: Where an application keeps its service.
SERVICE = web.AppKey("service", Service)
