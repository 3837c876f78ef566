"""Routes of conditional reads and commits."""

from __future__ import annotations

from aiohttp import web

from chroma_async.costs import by_cost
from chroma_async.server.exchange import answer, collection_id, parsed, scope
from chroma_async.server.route import COLLECTION, Route
from chroma_async.server.service import Service
from chroma_async.wire.responses import encoding_us
from chroma_async.wire.transactions import (
    encode_conditional_records,
    encode_outcome,
    parse_conditional_commit,
    parse_conditional_get,
)


async def conditional_get(service: Service, request: web.Request) -> web.Response:
    """A get, and the token of what it saw."""
    where, id = scope(request), collection_id(request)
    wanted, read_token = await parsed(service, request, parse_conditional_get)
    records, token = await service.api.conditional_get(where, id, wanted, read_token)
    return answer(await by_cost(service.run, encoding_us(records.rows), encode_conditional_records, records, token))


async def conditional_commit(service: Service, request: web.Request) -> web.Response:
    """All operations, or a conflict."""
    where, id = scope(request), collection_id(request)
    return answer(encode_outcome(await service.api.conditional_commit(where, id, await parsed(service, request, parse_conditional_commit))))


TRANSACTION_ROUTES = (
    Route(
        "POST",
        COLLECTION + "/conditional/get",
        "conditional_get",
        "Read records that a commit may depend on",
        "Records",
        conditional_get,
        "ConditionalGetResult",
        body="ConditionalGet",
        errors=(400, 404, 412, 422),
        actions=("collection:get",),
    ),
    Route(
        "POST",
        COLLECTION + "/conditional/commit",
        "conditional_commit",
        "Write, unless what was read has changed",
        "Records",
        conditional_commit,
        "CommitOutcome",
        body="ConditionalCommit",
        errors=(400, 404, 409, 412, 422, 503),
        actions=("collection:add", "collection:delete", "collection:update", "collection:upsert"),
    ),
)
