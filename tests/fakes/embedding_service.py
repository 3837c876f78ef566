"""A service at the end of a real socket that embeds texts as told: what it was asked is kept, what it answers is scripted."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

#: Makes the JSON of an answer from the texts that were sent.
Shape = Callable[[list[str]], Any]


def vector(text: str) -> list[float]:
    """What every service here embeds ``text`` to."""
    return [float(len(text)), 1.0, -0.5]


@dataclass(frozen=True)
class Said:
    """One request as it arrived."""

    path: str
    headers: dict[str, str]
    body: Any


@dataclass(frozen=True)
class Refusal:
    """One answer that is not vectors."""

    status: int
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)


class Service:
    """Answers with ``shape`` of the texts under ``texts_under``, after the refusals are used up."""

    def __init__(self, texts_under: str = "input", shape: Shape | None = None) -> None:
        self.texts_under = texts_under
        self.shape: Shape = shape or (lambda texts: [vector(text) for text in texts])
        self.refusals: list[Refusal] = []
        self.asked: list[Said] = []
        self.url = ""
        self.at_once = 0
        self.most_at_once = 0
        self.gate: Callable[[], Any] | None = None

    async def handle(self, request: web.Request) -> web.Response:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            body = await request.json()
            self.asked.append(Said(request.path_qs, dict(request.headers), body))
            if self.gate is not None:
                await self.gate()
            if self.refusals:
                refusal = self.refusals.pop(0)
                return web.Response(status=refusal.status, body=refusal.body, headers=refusal.headers)
            return web.json_response(self.shape(body[self.texts_under]))
        finally:
            self.at_once -= 1


@contextmanager
def serving_elsewhere(service: Service) -> Iterator[Service]:
    """As :func:`serving`, in a thread of its own: for callers that block the loop they are called in."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    context = serving(service)
    try:
        asyncio.run_coroutine_threadsafe(context.__aenter__(), loop).result(10)
        yield service
        asyncio.run_coroutine_threadsafe(context.__aexit__(None, None, None), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@asynccontextmanager
async def serving(service: Service) -> AsyncIterator[Service]:
    """``service`` with its ``url``, on a port of its own."""
    app = web.Application()
    app.router.add_post("/{path:.*}", service.handle)
    runner = web.AppRunner(app, shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        service.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield service
    finally:
        await runner.cleanup()
