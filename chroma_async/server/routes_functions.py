"""Routes of attached functions."""

from __future__ import annotations

from aiohttp import web

from chroma_async.server.exchange import SUBJECT, answer, collection_id, parsed, scope
from chroma_async.server.route import COLLECTION, Route
from chroma_async.server.service import Service
from chroma_async.wire.functions import (
    encode_attachment,
    encode_detached,
    encode_function,
    parse_attach_function,
    parse_detach_function,
)


async def attach(service: Service, request: web.Request) -> web.Response:
    """Attached, or found to be attached already."""
    where, id = scope(request), collection_id(request)
    asked = await parsed(service, request, parse_attach_function)
    request[SUBJECT] = f"{asked.name} into {asked.output_collection}"
    made = await service.api.attach_function(where, id, asked.name, asked.function_id, asked.output_collection, asked.params)
    return answer(encode_attachment(made))


async def get_function(service: Service, request: web.Request) -> web.Response:
    """With how far it has come."""
    name = request.match_info["function_name"]
    return answer(encode_function(await service.api.get_attached_function(scope(request), collection_id(request), name)))


async def detach(service: Service, request: web.Request) -> web.Response:
    """With its output collection, or without."""
    where, id = scope(request), collection_id(request)
    delete_output = await parsed(service, request, parse_detach_function)
    return answer(encode_detached(await service.api.detach_function(where, id, request.match_info["name"], delete_output)))


FUNCTION_ROUTES = (
    Route(
        "POST",
        COLLECTION + "/functions/attach",
        "attach_function",
        "Attach a function",
        "Functions",
        attach,
        "Attachment",
        body="AttachFunction",
        errors=(400, 404, 409, 422, 503),
        actions=("collection:create_attached_function",),
    ),
    Route(
        "GET",
        COLLECTION + "/functions/{function_name}",
        "get_attached_function",
        "Read an attached function",
        "Functions",
        get_function,
        "AttachedFunction",
        errors=(400, 404),
        actions=("collection:get_collection",),
    ),
    Route(
        "POST",
        COLLECTION + "/attached_functions/{name}/detach",
        "detach_function",
        "Detach a function",
        "Functions",
        detach,
        "DetachResult",
        body="DetachFunction",
        errors=(400, 404, 409, 422, 503),
        actions=("collection:remove_attached_function",),
    ),
)
