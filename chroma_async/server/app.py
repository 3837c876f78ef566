"""The server as an aiohttp application over any :class:`ChromaAPI`."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from aiohttp import web

from chroma_async.api import ChromaAPI
from chroma_async.auth.attempts import attempts_from
from chroma_async.auth.authentication import authentication_from
from chroma_async.auth.guard import Guard
from chroma_async.auth.key_store import KeyStore
from chroma_async.auth.keys import Keys
from chroma_async.auth.policy import policy_from
from chroma_async.config.settings import Settings
from chroma_async.limits.quota_api import within_quotas
from chroma_async.limits.quotas import quotas_from
from chroma_async.limits.rate_limit import rate_limit_from
from chroma_async.server.audit_log import AuditLog
from chroma_async.server.authentication import authenticated, authorized
from chroma_async.server.connection_log import ConnectionLog
from chroma_async.server.docs import document_routes
from chroma_async.server.loop_lag import watch_loop
from chroma_async.server.metrics import METRICS_ROUTE
from chroma_async.server.middleware import envelope
from chroma_async.server.rate_limit import rate_limited
from chroma_async.server.route import Route
from chroma_async.server.routes_aliases import ALIAS_ROUTES
from chroma_async.server.routes_collections import COLLECTION_ROUTES
from chroma_async.server.routes_forks import FORK_ROUTES
from chroma_async.server.routes_functions import FUNCTION_ROUTES
from chroma_async.server.routes_keys import KEY_ROUTES
from chroma_async.server.routes_records import RECORD_ROUTES
from chroma_async.server.routes_system import SYSTEM_ROUTES
from chroma_async.server.routes_tenants import TENANT_ROUTES
from chroma_async.server.routes_transactions import TRANSACTION_ROUTES
from chroma_async.server.service import SERVICE, Service
from chroma_async.server.tracing import traced
from chroma_async.threads import Run

#: Every route. aiohttp tries those of equal beginning in turn, so the busiest come first.
ROUTES: tuple[Route, ...] = (
    *RECORD_ROUTES,
    *SYSTEM_ROUTES,
    METRICS_ROUTE,
    *COLLECTION_ROUTES,
    *TENANT_ROUTES,
    *FORK_ROUTES,
    *ALIAS_ROUTES,
    *TRANSACTION_ROUTES,
    *FUNCTION_ROUTES,
    *KEY_ROUTES,
)

#: Longest request line and header. Names of tenants have no bound, and proxies add large cookies and tokens.
HEAD_LINE_BYTES = 64 * 1024

#: What is served at the port of the metrics, if they have one.
METRICS_PORT_PATHS = frozenset({METRICS_ROUTE.path, "/livez", "/readyz"})

#: aiohttp's own pattern for a placeholder leaves out braces, which ids and names may hold.
_PLACEHOLDER = re.compile(r"\{(\w+)\}")


def create_app(
    api: ChromaAPI | None,
    settings: Settings,
    run: Run,
    clock: Callable[[], int] = time.monotonic_ns,
    guard: Guard | None = None,
    audit: AuditLog | None = None,
) -> web.Application:
    """The application. It neither opens nor closes ``api``.

    :param api: ``None`` while it is being opened; then it is put into the application's service.
    :param run: calls a function in a thread (:class:`chroma_async.threads.Run`); used for bodies and answers too long for the loop.
    :param clock: nanoseconds, for the durations in the access log.
    :param guard: asks requests for credentials; unless it is given, ``settings`` say which there are.
    :param audit: where a line goes for each request that needs a credential.
    :raises SettingsError: the settings for that cannot be used.
    """
    store = None if api is None else within_quotas(api, quotas_from(settings))
    service = Service(store, settings, run, clock, audit=audit)
    limit = rate_limit_from(settings)
    routes = [_as_set(route, settings) for route in (*ROUTES, *document_routes(ROUTES))]
    if settings.metrics_port is not None:
        routes = [route for route in routes if route.path != METRICS_ROUTE.path]
    if guard is None and (authentication := authentication_from(settings, Keys((), time.time), run)).can_let_in:
        guard = Guard(authentication, policy_from(settings), attempts_from(settings))
    if guard is not None:
        routes = list(map(authorized, routes))
        service.keys = KeyStore(guard, Path(settings.path), run) if settings.is_persistent else None
    handlers = {partial(traced(route, settings.otel_granularity), service): route for route in routes}
    middlewares = [envelope(service, handlers)]
    if guard is not None:
        middlewares.append(authenticated(guard, handlers))
    if limit.limits:
        middlewares.append(rate_limited(limit, handlers))
    app = web.Application(
        middlewares=middlewares,
        # Bodies are decompressed by this package (bounded, and off the loop); the access log is the middleware's.
        handler_args={
            "auto_decompress": False,
            "access_log": None,
            "logger": ConnectionLog(),
            "max_line_size": HEAD_LINE_BYTES,
            "max_field_size": HEAD_LINE_BYTES,
        },
    )
    app[SERVICE] = service
    app.cleanup_ctx.append(watch_loop)
    for handler, route in handlers.items():
        path = _PLACEHOLDER.sub(r"{\1:[^/]+}", route.path)
        if route.method == "GET":
            app.router.add_get(path, handler)  # and HEAD
        else:
            app.router.add_route(route.method, path, handler)
    return app


def create_metrics_app(service: Service) -> web.Application:
    """The metrics alone, for a port of their own, and the probes. Nobody is asked for a credential there."""
    routes = [route for route in (METRICS_ROUTE, *SYSTEM_ROUTES) if route.path in METRICS_PORT_PATHS]
    handlers = {partial(route.handler, service): route for route in routes}
    app = web.Application(middlewares=[envelope(service, handlers)], handler_args={"access_log": None, "logger": ConnectionLog()})
    for handler, route in handlers.items():
        app.router.add_get(route.path, handler)
    return app


def _as_set(route: Route, settings: Settings) -> Route:
    """A route as settings change it: the metrics may be open to all."""
    return replace(route, open=True, actions=()) if route.path == METRICS_ROUTE.path and settings.metrics_open else route
