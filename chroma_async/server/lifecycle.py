"""From binding the address to the last answer."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from aiohttp import web

from chroma_async.api import ChromaAPI
from chroma_async.auth.guard import Guard
from chroma_async.config.settings import Settings
from chroma_async.limits.quota_api import within_quotas
from chroma_async.limits.quotas import quotas_from
from chroma_async.server.app import create_app, create_metrics_app
from chroma_async.server.audit_log import AuditLog
from chroma_async.server.connection import Runner
from chroma_async.server.service import SERVICE
from chroma_async.server.signals import on_signals
from chroma_async.threads import Run

logger = logging.getLogger(__name__)

#: Once requests are cut off, what aiohttp may still take to close their connections.
_CLOSE_S = 1.0


class StopRequest:
    """Asks a server to stop: once for gracefully, twice for now."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.insisted = asyncio.Event()

    def request(self) -> None:
        """Count one more wish to stop."""
        (self.insisted if self.asked.is_set() else self.asked).set()


async def serve(
    opening: Callable[[], Awaitable[ChromaAPI]],
    settings: Settings,
    run: Run,
    sockets: Sequence[socket.socket],
    ready: Callable[[str, int], None],
    stop: StopRequest | None = None,
    clock: Callable[[], int] = time.monotonic_ns,
    guard: Guard | None = None,
    metrics_sockets: Sequence[socket.socket] = (),
    tls: ssl.SSLContext | None = None,
    audit: AuditLog | None = None,
) -> None:
    """Serve what ``opening`` opens at bound ``sockets`` until told to stop; then return, so that the caller can close it.

    Connections are accepted before it is called: meanwhile ``/livez`` answers, ``/readyz`` says why not yet, and all else is a 503.
    ``metrics_sockets`` answer for metrics and probes, as long as the server is there. ``ready`` is called with the first address and its
    port once requests are served.
    SIGTERM and SIGINT, or ``stop``, end it: ``/readyz`` says so for ``settings.drain_delay_s``, in which all is served as before; then no
    more connections, requests in flight may finish within ``settings.grace_s``, and are cut off after that; a second signal cuts them off
    at once. Nothing is acknowledged that was not done. A signal that comes while the store is being opened ends the process.

    :param audit: where a line goes for each request that needs a credential. :param tls: encrypts the connections; ``None``: plain HTTP.
    :raises OSError: another program listens at one of the addresses since they were bound; nothing was opened.
    """
    stop = stop or StopRequest()
    app = create_app(None, settings, run, clock, guard, audit)
    service = app[SERVICE]
    runner = Runner(app, shutdown_timeout=settings.grace_s + _CLOSE_S, keepalive_timeout=settings.keepalive_s)
    metrics = Runner(create_metrics_app(service), shutdown_timeout=_CLOSE_S)
    await runner.setup()
    try:
        await metrics.setup()
        for each in sockets:
            await web.SockSite(runner, each, ssl_context=tls).start()
        for each in metrics_sockets:
            await web.SockSite(metrics, each).start()
        service.store = within_quotas(await opening(), quotas_from(settings))
        with on_signals((signal.SIGTERM, signal.SIGINT), stop.request):
            host, port = runner.addresses[0][:2]
            ready(host, port)
            logger.info("requests are served", extra={"fields": {"address": host, "port": port}})
            await stop.asked.wait()
            service.draining = True
            logger.info("the server stops", extra={"fields": {"in_flight": len(service.in_flight)}})
            await _told(stop.insisted, settings.drain_delay_s)
            await _drain(runner, app, settings.grace_s, stop.insisted)
    finally:
        await runner.cleanup()
        await metrics.cleanup()


async def _told(insisted: asyncio.Event, delay_s: float) -> None:
    """Let those who ask ``/readyz`` learn that the server stops, unless it must be now."""
    if delay_s:
        with suppress(TimeoutError):
            async with asyncio.timeout(delay_s):
                await insisted.wait()


async def _drain(runner: web.AppRunner, app: web.Application, grace_s: float, insisted: asyncio.Event) -> None:
    cleanup = asyncio.ensure_future(runner.cleanup())
    insistence = asyncio.ensure_future(insisted.wait())
    try:
        await asyncio.wait({cleanup, insistence}, timeout=grace_s, return_when=asyncio.FIRST_COMPLETED)
        if not cleanup.done():
            _cut_off(runner, app)
        await cleanup
    finally:
        insistence.cancel()


def _cut_off(runner: web.AppRunner, app: web.Application) -> None:
    for task in list(app[SERVICE].in_flight):
        task.cancel()
    if runner.server is not None:
        for connection in runner.server.connections:
            if isinstance(connection.transport, asyncio.Transport):
                connection.transport.abort()
