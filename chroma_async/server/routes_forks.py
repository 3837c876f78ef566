"""Routes of forks, of indexing progress, and of collections by resource name."""

from __future__ import annotations

from aiohttp import web

from chroma_async.server.exchange import SUBJECT, answer, collection_id, parsed, scope
from chroma_async.server.route import COLLECTION, ROOT, Route
from chroma_async.server.service import Service
from chroma_async.wire.collections import encode_collection, encode_count, encode_indexing_status, parse_text_field


async def fork(service: Service, request: web.Request) -> web.Response:
    """A copy on write, under a new name."""
    where, id = scope(request), collection_id(request)
    new_name = await parsed(service, request, parse_text_field, "new_name")
    request[SUBJECT] = new_name
    return answer(encode_collection(await service.api.fork_collection(where, id, new_name)))


async def fork_count(service: Service, request: web.Request) -> web.Response:
    """Of the whole tree."""
    return answer(encode_count(await service.api.fork_count(scope(request), collection_id(request))))


async def indexing_status(service: Service, request: web.Request) -> web.Response:
    """True figures: flushed and indexed operations against all."""
    return answer(encode_indexing_status(await service.api.indexing_status(scope(request), collection_id(request))))


async def get_collection_by_crn(service: Service, request: web.Request) -> web.Response:
    """Found through the resource name of its tenant."""
    return answer(encode_collection(await service.api.get_collection_by_crn(request.match_info["crn"])))


FORK_ROUTES = (
    Route(
        "POST",
        COLLECTION + "/fork",
        "fork_collection",
        "Make a copy-on-write clone of a collection",
        "Collections",
        fork,
        "Collection",
        body="Fork",
        errors=(400, 404, 409, 422, 503),
        actions=("collection:fork_collection",),
    ),
    Route(
        "GET",
        COLLECTION + "/fork_count",
        "fork_count",
        "Count forks",
        "Collections",
        fork_count,
        "ForkCount",
        errors=(400, 404),
        actions=("collection:count_forks",),
    ),
    Route(
        "GET",
        COLLECTION + "/indexing_status",
        "indexing_status",
        "Learn how much of a collection is indexed",
        "Records",
        indexing_status,
        "IndexingStatus",
        errors=(400, 404),
        actions=("collection:get_collection",),
    ),
    Route(
        "GET",
        ROOT + "/collections/{crn}",
        "get_collection_by_crn",
        "Read a collection by its resource name",
        "Collections",
        get_collection_by_crn,
        "Collection",
        errors=(400, 404),
        actions=("collection:get_collection_by_crn",),
    ),
)
