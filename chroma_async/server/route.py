"""A route as data: what is served, by which coroutine, and what the OpenAPI document says of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from aiohttp import web

from chroma_async.server.service import Service

Handler: TypeAlias = Callable[[Service, web.Request], Awaitable[web.StreamResponse]]

ROOT = "/api/v2"
DATABASE = ROOT + "/tenants/{tenant}/databases/{database}"
COLLECTION = DATABASE + "/collections/{collection_id}"


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one path.

    ``body`` and ``result`` name component schemas (:mod:`.schemas`); ``query`` and ``headers`` are what it reads besides.
    ``errors`` are the statuses that its failures may have, but for those of any route (:func:`.openapi.statuses`).
    ``actions``: a caller may come in to whom one of them is allowed anywhere; the verb behind decides the rest.
    ``open`` routes need no credentials. ``probe`` routes are answered also when the server is full. ``listed`` routes are in the OpenAPI
    document.
    """

    method: str
    path: str
    operation: str
    summary: str
    tag: str
    handler: Handler
    result: str
    body: str | None = None
    status: int = 200
    errors: tuple[int, ...] = ()
    query: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    open: bool = False
    probe: bool = False
    listed: bool = True
