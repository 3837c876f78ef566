"""Routes about the server itself."""

from __future__ import annotations

from aiohttp import web

from chroma_async.auth.action import KNOWN_CALLER
from chroma_async.errors import UnimplementedError
from chroma_async.server.exchange import answer, json_value
from chroma_async.server.route import ROOT, Route
from chroma_async.server.service import Service
from chroma_async.types import Health
from chroma_async.wire.body import dump_json
from chroma_async.wire.collections import encode_health, encode_heartbeat, encode_identity, encode_preflight


class _GoneError(UnimplementedError):
    """The route was served once."""

    status = 410
    wire_name = "Unimplemented"


async def heartbeat(service: Service, request: web.Request) -> web.Response:
    """The clock."""
    return answer(encode_heartbeat(await service.api.heartbeat()))


async def healthcheck(service: Service, request: web.Request) -> web.Response:
    """200 when both parts are ready, else 503; the same members either way."""
    health = Health(False, False) if service.store is None else await service.store.health()
    return answer(encode_health(health), 200 if health.ready else 503)


async def livez(service: Service, request: web.Request) -> web.Response:
    """The process answers; that is all this says."""
    return json_value("ok")


async def readyz(service: Service, request: web.Request) -> web.Response:
    """503, and why, while the store is being opened, when it takes no writes, and once the server was told to stop."""
    why = await service.unready()
    return json_value(why, 503) if why else json_value("ok")


async def version(service: Service, request: web.Request) -> web.Response:
    """The API's version."""
    return json_value(await service.api.version())


async def preflight(service: Service, request: web.Request) -> web.Response:
    """What a client should know before its first write."""
    return answer(encode_preflight(await service.api.preflight()))


async def identity(service: Service, request: web.Request) -> web.Response:
    """Who the caller is."""
    return answer(encode_identity(await service.api.identity()))


async def reset(service: Service, request: web.Request) -> web.Response:
    """Delete everything, where allowed."""
    return answer(dump_json(await service.api.reset()))


async def first_version(service: Service, request: web.Request) -> web.Response:
    """Clients of API v1 learn that it is gone."""
    raise _GoneError("API v1 is gone; use /api/v2")


SYSTEM_ROUTES = (
    Route("GET", ROOT + "/heartbeat", "heartbeat", "Read the server's clock", "System", heartbeat, "Heartbeat", open=True, probe=True),
    Route("GET", ROOT, "root", "Read the server's clock", "System", heartbeat, "Heartbeat", open=True, probe=True, listed=False),
    Route(
        "GET",
        ROOT + "/healthcheck",
        "healthcheck",
        "Ask whether reads and writes are served",
        "System",
        healthcheck,
        "Health",
        errors=(503,),
        open=True,
        probe=True,
    ),
    Route("GET", "/livez", "livez", "Ask whether the process answers", "System", livez, "Text", open=True, probe=True),
    Route(
        "GET",
        "/readyz",
        "readyz",
        "Ask whether requests should be sent here",
        "System",
        readyz,
        "Text",
        errors=(503,),
        open=True,
        probe=True,
    ),
    Route("GET", ROOT + "/version", "version", "Read the version of the API", "System", version, "Text", open=True),
    Route(
        "GET",
        ROOT + "/pre-flight-checks",
        "pre_flight_checks",
        "Learn the batch limit and the encodings",
        "System",
        preflight,
        "Preflight",
        open=True,
    ),
    Route(
        "GET",
        ROOT + "/auth/identity",
        "get_user_identity",
        "Learn who the caller is",
        "System",
        identity,
        "Identity",
        actions=(KNOWN_CALLER,),
    ),
    Route("POST", ROOT + "/reset", "reset", "Delete everything", "System", reset, "Boolean", errors=(403, 503), actions=("system:reset",)),
    *(
        Route(
            method, "/api/v1/{rest:.+}", f"v1_{method.lower()}", "API v1 is gone", "System", first_version, "Error", listed=False, open=True
        )
        for method in ("GET", "PUT", "PATCH", "DELETE", "OPTIONS")
    ),
)
