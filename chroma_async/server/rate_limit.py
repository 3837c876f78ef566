"""The middleware that bounds what one credential may ask; without credentials, what one address may."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from chroma_async.limits.rate_limit import RateLimit
from chroma_async.server.route import Route


def rate_limited(limit: RateLimit, routes: Mapping[Any, Route]) -> Middleware:
    """Behind the middleware that asks for credentials, so that guesses do not use up what a good one may ask.

    Open routes have no bound: they are cheap, and probes.

    :param routes: the routes by their handlers, as the router knows these.
    """

    @web.middleware
    async def bounded(request: web.Request, handler: Handler) -> web.StreamResponse:
        route = routes.get(request.match_info.handler)
        if route is None or route.open:
            return await handler(request)
        caller = _caller(request)
        limit.enter(caller)
        try:
            return await handler(request)
        finally:
            limit.leave(caller)

    return bounded


def _caller(request: web.Request) -> str | bytes:
    """What stands for a caller: a digest of what it shows, else where it comes from."""
    shown = request.headers.get("Authorization", ""), request.headers.get("X-Chroma-Token", "")
    return blake2b("\n".join(shown).encode("utf-8", "surrogateescape"), digest_size=16).digest() if any(shown) else request.remote or ""
