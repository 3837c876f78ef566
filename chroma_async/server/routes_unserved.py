"""Routes that Chroma has and one node does not serve: they answer what Chroma's single node answers."""

from __future__ import annotations

from aiohttp import web

from chroma_async.errors import NotFoundError, UnimplementedError
from chroma_async.server.route import COLLECTION, Route
from chroma_async.server.service import Service


async def functions(service: Service, request: web.Request) -> web.Response:
    """Attach and detach, whatever they ask."""
    raise UnimplementedError("attached functions are not implemented on a single node")


async def get_function(service: Service, request: web.Request) -> web.Response:
    """There can be none."""
    raise NotFoundError(f"Attached function [{request.match_info['function_name']}] not found")


UNSERVED_ROUTES = (
    Route(
        "POST",
        COLLECTION + "/functions/attach",
        "attach_function",
        "Attach a function",
        "Functions",
        functions,
        "AttachedFunction",
        body="AttachFunction",
        errors=(401, 501),
    ),
    Route(
        "GET",
        COLLECTION + "/functions/{function_name}",
        "get_attached_function",
        "Read an attached function",
        "Functions",
        get_function,
        "AttachedFunction",
        errors=(401, 404),
    ),
    Route(
        "POST",
        COLLECTION + "/attached_functions/{name}/detach",
        "detach_function",
        "Detach a function",
        "Functions",
        functions,
        "DetachResult",
        body="DetachFunction",
        errors=(401, 501),
    ),
)
