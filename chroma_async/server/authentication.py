"""The middleware that asks every request who sends it. What it asks is in :mod:`chroma_async.auth`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from chroma_async.auth.authentication import Guard
from chroma_async.auth.caller import Caller
from chroma_async.server.route import Route

#: Who sends the request, where callers are asked.
CALLER = web.RequestKey("caller", Caller)


def authenticated(guard: Guard, routes: Mapping[Any, Route]) -> Middleware:
    """Requests without a good credential come to no handler but the open ones: unknown paths and wrong methods are not told from others.

    :param routes: the routes by their handlers, as the router knows these.
    """

    @web.middleware
    async def asked(request: web.Request, handler: Handler) -> web.StreamResponse:
        route = routes.get(request.match_info.handler)
        if route is None or not route.open:
            headers = request.headers
            shown = headers.getall("Authorization", ()), headers.getall("X-Chroma-Token", ())
            request[CALLER] = await guard.authentication.caller(*shown)
        return await handler(request)

    return asked
