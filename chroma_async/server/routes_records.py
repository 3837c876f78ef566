"""Routes of records: the ones that matter for speed."""

from __future__ import annotations

from aiohttp import web

from chroma_async.costs import by_cost
from chroma_async.errors import InvalidArgumentError
from chroma_async.server.exchange import answer, collection_id, empty_object, json_value, parsed, query_value, scope
from chroma_async.server.route import COLLECTION, Route
from chroma_async.server.service import Service
from chroma_async.types import ReadLevel, WriteKind
from chroma_async.wire.collections import encode_deleted, encode_write_counts
from chroma_async.wire.requests import parse_count, parse_delete, parse_get, parse_query, parse_search, parse_write
from chroma_async.wire.responses import encode_neighbours, encode_records, encode_searches, encoding_us


async def add(service: Service, request: web.Request) -> web.Response:
    """The one verb that answers 201."""
    return await _write(service, request, WriteKind.ADD, 201)


async def update(service: Service, request: web.Request) -> web.Response:
    """Merge into records that exist."""
    return await _write(service, request, WriteKind.UPDATE)


async def upsert(service: Service, request: web.Request) -> web.Response:
    """Merge or insert."""
    return await _write(service, request, WriteKind.UPSERT)


async def delete(service: Service, request: web.Request) -> web.Response:
    """By ids, by filter, or both."""
    where, id = scope(request), collection_id(request)
    return answer(encode_deleted(await service.api.delete(where, id, await parsed(service, request, parse_delete))))


async def get(service: Service, request: web.Request) -> web.Response:
    """By ids or filter, in order of first insertion."""
    where, id = scope(request), collection_id(request)
    records = await service.api.get(where, id, await parsed(service, request, parse_get))
    return answer(await by_cost(service.run, encoding_us(records.rows), encode_records, records))


async def query(service: Service, request: web.Request) -> web.Response:
    """Nearest neighbours."""
    where, id = scope(request), collection_id(request)
    neighbours = await service.api.query(where, id, await parsed(service, request, parse_query))
    return answer(await by_cost(service.run, sum(map(encoding_us, neighbours.queries)), encode_neighbours, neighbours))


async def search(service: Service, request: web.Request) -> web.Response:
    """By rank expressions."""
    where, id = scope(request), collection_id(request)
    answers = await service.api.search(where, id, await parsed(service, request, parse_search))
    cost_us = sum(encoding_us(found.rows) for found in answers)
    return answer(await by_cost(service.run, cost_us, encode_searches, answers))


async def count(service: Service, request: web.Request) -> web.Response:
    """All records."""
    where, id = scope(request), collection_id(request)
    return json_value(await service.api.count(where, id, _read_level(request)))


async def count_matching(service: Service, request: web.Request) -> web.Response:
    """Those that match a filter; beyond Chroma's routes."""
    where, id = scope(request), collection_id(request)
    filter, document_filter, read_level = await parsed(service, request, parse_count)
    return json_value(await service.api.count(where, id, read_level, where=filter, where_document=document_filter))


async def _write(service: Service, request: web.Request, kind: WriteKind, status: int = 200) -> web.Response:
    where, id = scope(request), collection_id(request)
    counts = await service.api.write(where, id, kind, await parsed(service, request, parse_write, kind))
    if COUNTS_HEADER in request.headers:
        return answer(encode_write_counts(counts), status)
    return empty_object(status)


def _read_level(request: web.Request) -> ReadLevel:
    value = query_value(request, "read_level")
    if value is None:
        return ReadLevel.INDEX_AND_WAL
    try:
        return ReadLevel(value)
    except ValueError:
        levels = ", ".join(ReadLevel)
        raise InvalidArgumentError(f"query string: read_level must be one of {levels}, got {value!r:.40}") from None


#: A client that sends it, with any value, is told how many records were inserted and updated.
COUNTS_HEADER = "x-chroma-counts"

_ERRORS = (400, 404, 422)
#: The disk is full, or what is durable is in doubt.
_WRITE_ERRORS = (*_ERRORS, 503)

RECORD_ROUTES = (
    Route(
        "POST",
        COLLECTION + "/query",
        "collection_query",
        "Find the records nearest to vectors",
        "Records",
        query,
        "QueryResult",
        body="Query",
        errors=_ERRORS,
        query=("limit", "offset"),
        actions=("collection:query",),
    ),
    Route(
        "POST",
        COLLECTION + "/search",
        "collection_search",
        "Search by rank expressions",
        "Records",
        search,
        "SearchResult",
        body="Search",
        errors=_ERRORS,
        actions=("collection:search",),
    ),
    Route(
        "POST",
        COLLECTION + "/get",
        "collection_get",
        "Read records by id or filter",
        "Records",
        get,
        "GetResult",
        body="Get",
        errors=_ERRORS,
        actions=("collection:get",),
    ),
    Route(
        "POST",
        COLLECTION + "/upsert",
        "collection_upsert",
        "Insert records, or merge into those that exist",
        "Records",
        upsert,
        "WriteResult",
        body="WriteRecords",
        errors=_WRITE_ERRORS,
        headers=(COUNTS_HEADER,),
        actions=("collection:upsert",),
    ),
    Route(
        "POST",
        COLLECTION + "/add",
        "collection_add",
        "Insert records; ids that exist are skipped",
        "Records",
        add,
        "WriteResult",
        body="WriteRecords",
        status=201,
        errors=_WRITE_ERRORS,
        headers=(COUNTS_HEADER,),
        actions=("collection:add",),
    ),
    Route(
        "POST",
        COLLECTION + "/count",
        "collection_count_matching",
        "Count the records that match a filter",
        "Records",
        count_matching,
        "Count",
        body="CountRecords",
        errors=_ERRORS,
        actions=("collection:count",),
    ),
    Route(
        "GET",
        COLLECTION + "/count",
        "collection_count",
        "Count records",
        "Records",
        count,
        "Count",
        errors=(400, 404),
        query=("read_level",),
        actions=("collection:count",),
    ),
    Route(
        "POST",
        COLLECTION + "/update",
        "collection_update",
        "Merge into records that exist; ids that do not are skipped",
        "Records",
        update,
        "WriteResult",
        body="UpdateRecords",
        errors=_WRITE_ERRORS,
        headers=(COUNTS_HEADER,),
        actions=("collection:update",),
    ),
    Route(
        "POST",
        COLLECTION + "/delete",
        "collection_delete",
        "Delete records by id or filter",
        "Records",
        delete,
        "DeleteResult",
        body="Delete",
        errors=_WRITE_ERRORS,
        actions=("collection:delete",),
    ),
)
