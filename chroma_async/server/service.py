"""What every route of the server shares: the API behind it, the numbers that bound it, and the way to threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from aiohttp import web

from chroma_async.api import ChromaAPI
from chroma_async.config.settings import Settings
from chroma_async.threads import Run


@dataclass(slots=True)
class Service:
    """One server. ``in_flight`` are the tasks of requests being answered; ``draining`` is set when it stops accepting."""

    api: ChromaAPI
    settings: Settings
    run: Run
    clock: Callable[[], int]
    in_flight: set[asyncio.Task[object]] = field(default_factory=set)
    draining: bool = False


#: Where an application keeps its service.
SERVICE = web.AppKey("service", Service)
