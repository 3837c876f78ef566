"""Routes that Chroma has and one node does not serve: they answer what Chroma's single node answers."""

from __future__ import annotations

import re

from aiohttp import web

from chroma_async.errors import InternalError, InvalidArgumentError, NotFoundError, UnimplementedError
from chroma_async.server.exchange import collection_id, parsed, scope
from chroma_async.server.route import COLLECTION, ROOT, Route
from chroma_async.server.service import Service
from chroma_async.wire.collections import parse_text_field

_CRN = re.compile("[^:]+:[^:]+:[^:]+")


async def fork(service: Service, request: web.Request) -> web.Response:
    """Refused for a collection that exists."""
    await parsed(service, request, parse_text_field, "new_name")
    await _known_collection(service, request)
    raise UnimplementedError("forking is unsupported on a single node")


async def fork_count(service: Service, request: web.Request) -> web.Response:
    """Refused for a collection that exists."""
    await _known_collection(service, request)
    raise UnimplementedError("forking is unsupported on a single node")


async def indexing_status(service: Service, request: web.Request) -> web.Response:
    """Chroma answers 500 here, not 501."""
    await _known_collection(service, request)
    raise InternalError("indexing status is not implemented on a single node")


async def functions(service: Service, request: web.Request) -> web.Response:
    """Attach and detach, whatever they ask."""
    raise UnimplementedError("attached functions are not implemented on a single node")


async def get_function(service: Service, request: web.Request) -> web.Response:
    """There can be none."""
    raise NotFoundError(f"Attached function [{request.match_info['function_name']}] not found")


async def get_collection_by_crn(service: Service, request: web.Request) -> web.Response:
    """No tenant has a resource name, so a well-formed CRN names nothing."""
    crn = request.match_info["crn"]
    if _CRN.fullmatch(crn) is None:
        raise InvalidArgumentError(f"{crn!r} is not a CRN; it has three parts, tenant_resource_name:database:collection")
    raise NotFoundError(f"Collection [{crn}] does not exist")


async def _known_collection(service: Service, request: web.Request) -> None:
    await service.api.get_collection_by_id(scope(request), collection_id(request))


_ERRORS = (400, 401, 404, 422, 501)

UNSERVED_ROUTES = (
    Route(
        "GET",
        COLLECTION + "/indexing_status",
        "indexing_status",
        "Learn how much of a collection is indexed",
        "Records",
        indexing_status,
        "IndexingStatus",
        errors=(400, 401, 404),
    ),
    Route(
        "POST",
        COLLECTION + "/fork",
        "fork_collection",
        "Make a copy-on-write clone of a collection",
        "Collections",
        fork,
        "Collection",
        body="Fork",
        errors=_ERRORS,
    ),
    Route(
        "GET", COLLECTION + "/fork_count", "fork_count", "Count forks", "Collections", fork_count, "ForkCount", errors=(400, 401, 404, 501)
    ),
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
    Route(
        "GET",
        ROOT + "/collections/{crn}",
        "get_collection_by_crn",
        "Read a collection by its resource name",
        "Collections",
        get_collection_by_crn,
        "Collection",
        errors=(400, 401, 404),
    ),
)
