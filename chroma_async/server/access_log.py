"""The access log: one line for each request: what it was, what it came to, how long it took. Never bodies, headers or query strings."""

from __future__ import annotations

import logging

from aiohttp import web

from chroma_async.server.request_id import request_id
from chroma_async.server.route import Route
from chroma_async.server.tracing import trace_id

#: Its own logger, so that it can be turned on and off by itself.
access = logging.getLogger("chroma_async.server.access")

#: What stands in the place of the route of a request for which there is none. Its path could be anything, so it is not logged.
UNMATCHED = "unmatched"


def enabled() -> bool:
    """Whether a line would be written at all."""
    return access.isEnabledFor(logging.INFO)


def log_request(request: web.Request, route: Route | None, response: web.StreamResponse, duration_s: float) -> None:
    """Write the line. The record is made here because the logger would first look for the caller, which costs more than all the rest."""
    length = response.content_length if isinstance(response, web.Response) else None
    template = UNMATCHED if route is None else route.path
    fields = {
        "client": request.remote,
        "method": request.method,
        "route": template,
        "path": None if route is None else request.raw_path.partition("?")[0],
        "status": response.status,
        "duration_ms": round(duration_s * 1000, 3),
        "request_bytes": request.content_length or 0,
        "bytes": length or 0,
        "request_id": request_id(request),
        "trace_id": trace_id(request),
    }
    values = (request.method, template, response.status)
    record = logging.LogRecord(access.name, logging.INFO, __file__, 0, "%s %s %d", values, None)
    record.fields = fields
    access.handle(record)
