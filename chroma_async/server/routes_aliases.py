"""Routes of aliases, which Chroma does not have: second names that move from one collection to another in one step."""

from __future__ import annotations

from aiohttp import web

from chroma_async.server.exchange import answer, empty_object, parsed, read_uuid, scope
from chroma_async.server.route import DATABASE, Route
from chroma_async.server.service import Service
from chroma_async.wire.collections import encode_aliases, parse_text_field

_ALIASES = DATABASE + "/aliases"


async def list_aliases(service: Service, request: web.Request) -> web.Response:
    """By name."""
    return answer(encode_aliases(await service.api.list_aliases(scope(request))))


async def set_alias(service: Service, request: web.Request) -> web.Response:
    """Made, or moved."""
    where = scope(request)
    collection = read_uuid(await parsed(service, request, parse_text_field, "collection_id"))
    await service.api.set_alias(where, request.match_info["alias"], collection)
    return empty_object()


async def delete_alias(service: Service, request: web.Request) -> web.Response:
    """The collection stays."""
    await service.api.delete_alias(scope(request), request.match_info["alias"])
    return empty_object()


ALIAS_ROUTES = (
    Route(
        "GET",
        _ALIASES,
        "list_aliases",
        "List aliases by name",
        "Collections",
        list_aliases,
        "Aliases",
        errors=(400,),
        actions=("db:list_collections",),
    ),
    Route(
        "PUT",
        _ALIASES + "/{alias}",
        "set_alias",
        "Make an alias of a collection, or move it",
        "Collections",
        set_alias,
        "Empty",
        body="SetAlias",
        errors=(400, 404, 409, 422, 503),
        actions=("collection:update_collection",),
    ),
    Route(
        "DELETE",
        _ALIASES + "/{alias}",
        "delete_alias",
        "Delete an alias",
        "Collections",
        delete_alias,
        "Empty",
        errors=(400, 404, 503),
        actions=("collection:update_collection",),
    ),
)
