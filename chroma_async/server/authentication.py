"""The middleware that asks every request who sends it, and the service as that caller may use it. The answers come from ``auth/``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler as AnyHandler
from aiohttp.typedefs import Middleware

from chroma_async.auth.action import KNOWN_CALLER
from chroma_async.auth.authorized_api import AuthorizedAPI
from chroma_async.auth.guard import Guard
from chroma_async.auth.permission import Permission
from chroma_async.server.route import Route
from chroma_async.server.service import Service

#: What the sender of the request may do, where callers are asked.
PERMISSION = web.RequestKey("permission", Permission)


def authenticated(guard: Guard, routes: Mapping[Any, Route]) -> Middleware:
    """Requests without a good credential come to no handler but the open ones: unknown paths and wrong methods are not told from others.

    :param routes: the routes by their handlers, as the router knows these.
    """

    @web.middleware
    async def asked(request: web.Request, handler: AnyHandler) -> web.StreamResponse:
        route = routes.get(request.match_info.handler)
        if route is None or not route.open:
            headers = request.headers
            shown = headers.getall("Authorization", ()), headers.getall("X-Chroma-Token", ())
            actions = (KNOWN_CALLER,) if route is None else route.actions
            request[PERMISSION] = permission = await guard.permission(*shown, request.remote or "")
            guard.admit(permission, actions)
        return await handler(request)

    return asked


def authorized(route: Route) -> Route:
    """The route with a handler whose service does what the caller may do, and no more."""
    if route.open:
        return route
    handler = route.handler

    async def as_caller(service: Service, request: web.Request) -> web.StreamResponse:
        return await handler(replace(service, store=AuthorizedAPI(service.api, request[PERMISSION])), request)

    return replace(route, handler=as_caller)
