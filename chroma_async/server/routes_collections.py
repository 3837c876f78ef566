"""Routes of collections."""

from __future__ import annotations

from aiohttp import web

from chroma_async.costs import WRITE_COLLECTION, by_cost
from chroma_async.server.exchange import SUBJECT, answer, collection_id, empty_object, json_value, page, parsed, scope
from chroma_async.server.route import COLLECTION, DATABASE, Route
from chroma_async.server.service import Service
from chroma_async.wire.collections import encode_collection, encode_collections, parse_create_collection, parse_modify_collection


async def create_collection(service: Service, request: web.Request) -> web.Response:
    """Or get it, when asked to and it exists."""
    where = scope(request)
    wanted = await parsed(service, request, parse_create_collection)
    request[SUBJECT] = wanted.name
    info = await service.api.create_collection(
        where,
        wanted.name,
        metadata=wanted.metadata,
        configuration=wanted.configuration,
        schema=wanted.schema,
        get_or_create=wanted.get_or_create,
    )
    return answer(encode_collection(info))


async def list_collections(service: Service, request: web.Request) -> web.Response:
    """By id."""
    limit, offset = page(request)
    infos = await service.api.list_collections(scope(request), limit, offset)
    return answer(await by_cost(service.run, WRITE_COLLECTION * len(infos), encode_collections, infos))


async def count_collections(service: Service, request: web.Request) -> web.Response:
    """Of one database."""
    return json_value(await service.api.count_collections(scope(request)))


async def get_collection(service: Service, request: web.Request) -> web.Response:
    """By name: that is what the last part of this path means for GET and DELETE."""
    return answer(encode_collection(await service.api.get_collection(scope(request), request.match_info["collection_id"])))


async def get_collection_by_id(service: Service, request: web.Request) -> web.Response:
    """By id."""
    return answer(encode_collection(await service.api.get_collection_by_id(scope(request), collection_id(request))))


async def modify_collection(service: Service, request: web.Request) -> web.Response:
    """By id: name, metadata, configuration."""
    where, id = scope(request), collection_id(request)
    changes = await parsed(service, request, parse_modify_collection)
    request[SUBJECT] = changes.new_name or ""
    await service.api.modify_collection(
        where, id, new_name=changes.new_name, new_metadata=changes.new_metadata, new_configuration=changes.new_configuration
    )
    return empty_object()


async def delete_collection(service: Service, request: web.Request) -> web.Response:
    """By name."""
    await service.api.delete_collection(scope(request), request.match_info["collection_id"])
    return empty_object()


_COLLECTIONS = DATABASE + "/collections"

COLLECTION_ROUTES = (
    Route(
        "POST",
        _COLLECTIONS,
        "create_collection",
        "Create a collection, or get it if it exists",
        "Collections",
        create_collection,
        "Collection",
        body="CreateCollection",
        errors=(400, 409, 422, 503),
        actions=("db:create_collection", "db:get_or_create_collection"),
    ),
    Route(
        "GET",
        _COLLECTIONS,
        "list_collections",
        "List collections by id",
        "Collections",
        list_collections,
        "Collections",
        errors=(400,),
        query=("limit", "offset"),
        actions=("db:list_collections",),
    ),
    Route(
        "GET",
        DATABASE + "/collections_count",
        "count_collections",
        "Count collections",
        "Collections",
        count_collections,
        "Count",
        errors=(400,),
        actions=("db:count_collections",),
    ),
    Route(
        "GET",
        _COLLECTIONS + "/by-id/{collection_id}",
        "get_collection_by_id",
        "Read a collection by its id",
        "Collections",
        get_collection_by_id,
        "Collection",
        errors=(400, 404),
        actions=("collection:get_collection",),
    ),
    Route(
        "GET",
        COLLECTION,
        "get_collection",
        "Read a collection by its name, given in place of the id",
        "Collections",
        get_collection,
        "Collection",
        errors=(400, 404),
        actions=("collection:get_collection",),
    ),
    Route(
        "PUT",
        COLLECTION,
        "update_collection",
        "Change the name, metadata or configuration of a collection",
        "Collections",
        modify_collection,
        "Empty",
        body="ModifyCollection",
        errors=(400, 404, 409, 422, 503),
        actions=("collection:update_collection",),
    ),
    Route(
        "DELETE",
        COLLECTION,
        "delete_collection",
        "Delete a collection by its name, given in place of the id",
        "Collections",
        delete_collection,
        "Empty",
        errors=(400, 404, 409, 503),
        actions=("collection:delete_collection",),
    ),
)
