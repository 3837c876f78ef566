"""The envelope around every request: bounds, failures as JSON, CORS, one log line."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from multidict import CIMultiDict

from chroma_async.errors import AuthorizationError, ChromaError, InvalidArgumentError, RateLimitError, SlowRequestError, UnavailableError
from chroma_async.observation import REQUEST_ID
from chroma_async.server import access_log
from chroma_async.server.authentication import PERMISSION
from chroma_async.server.exchange import SERVER_NAME, SUBJECT, answer
from chroma_async.server.proxies import TrustedProxies
from chroma_async.server.request_id import REQUEST_ID_HEADER, request_id
from chroma_async.server.route import Route
from chroma_async.server.service import Service
from chroma_async.server.tracing import TRACE_ID_HEADER, trace_id
from chroma_async.wire.errors import encode_error

logger = logging.getLogger(__name__)

#: The parts of a path that say where.
_PLACES = ("tenant", "database", "collection_id", "alias", "crn", "name")
#: When to come back after a refusal that does not say.
RETRY_AFTER_S = 1
#: Failures that are the server's own and deserve a traceback in its log.
_OWN_FAILURES = frozenset({500})


def envelope(service: Service, routes: Mapping[Any, Route]) -> Middleware:
    """The outermost middleware. Probes are answered also beyond ``max_in_flight``.

    Whatever a route raises becomes the JSON of docs/CONTRACT.md#errors, except cancellation, which passes. Unknown paths and methods get an
    empty body.

    :param routes: the route behind each handler of the application.
    """
    probes = frozenset(route.path for route in routes.values() if route.probe)
    max_in_flight = service.settings.max_in_flight
    in_flight, traffic = service.in_flight, service.traffic
    origins = frozenset(service.settings.cors_allow_origins)
    proxies = TrustedProxies(service.settings.trusted_proxies)

    async def handled(request: web.Request, handler: Handler) -> web.StreamResponse:
        task = asyncio.current_task()
        if task is None or (len(in_flight) >= max_in_flight and request.path not in probes):
            return failure(request, RateLimitError(f"the server answers {max_in_flight} requests already"))
        in_flight.add(task)
        try:
            if "%" in request.raw_path:
                _check_path(request.raw_path)
            return await handler(request)
        except ChromaError as error:
            if error.code() in _OWN_FAILURES:
                _log_failure(request, routes, error)
            return failure(request, error)
        except web.HTTPException as refusal:
            return _empty(request, refusal)
        except web.RequestPayloadError as error:
            return failure(request, InvalidArgumentError(f"the body could not be read: {error}"))
        except ConnectionError:
            logger.debug("the client left before its request was read", extra={"fields": _named(request, routes)})
            raise  # aiohttp closes its side
        except Exception as error:
            _log_failure(request, routes, error)
            return _error_answer(request, 500, "InternalError", "internal error; the server's log has the details")
        finally:
            in_flight.discard(task)

    @web.middleware
    async def around(request: web.Request, handler: Handler) -> web.StreamResponse:
        started = service.clock()
        if proxies:
            request = request.clone(remote=proxies.client(request.remote or "", request.headers.getall("X-Forwarded-For", ())))
        name = request_id(request)
        REQUEST_ID.set(name)
        route = routes.get(request.match_info.handler)
        operation = access_log.UNMATCHED if route is None else route.operation
        if origins and request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
            response: web.StreamResponse = web.Response(headers={"Server": SERVER_NAME})
        else:
            try:
                response = await handled(request, handler)
            except BaseException:
                traffic.left(operation)
                raise
        if origins:
            _allow_origin(request, response, origins)
        response.headers[REQUEST_ID_HEADER] = name
        took_s = (service.clock() - started) / 1e9
        traffic.answered(operation, response.status, took_s, request.content_length or 0, response.content_length or 0)
        if access_log.enabled():
            access_log.log_request(request, route, response, took_s)
        if service.audit is not None and (route is None or not route.open):
            service.audit.add(_audited(request, operation, response.status))
        return response

    return around


def _audited(request: web.Request, operation: str, status: int) -> dict[str, Any]:
    """Who did what, where, and what came of it."""
    names, permission = request.match_info, request.get(PERMISSION)
    return {
        "request_id": request_id(request),
        "trace_id": trace_id(request),
        "user": None if permission is None else permission.caller.user,
        "address": request.remote,
        "operation": operation,
        **{place: names[place] for place in _PLACES if place in names},
        "subject": request.get(SUBJECT),
        "status": status,
    }


def _check_path(raw_path: str) -> None:
    """Names in a path are text. aiohttp would leave bytes that are none in their escaped form, which may be the name of something else.

    :raises InvalidArgumentError: what is escaped is not UTF-8.
    """
    try:
        unquote_to_bytes(raw_path.partition("?")[0]).decode()
    except UnicodeDecodeError:
        raise InvalidArgumentError("the path is not valid UTF-8") from None


def _named(request: web.Request, routes: Mapping[Any, Route]) -> dict[str, str]:
    """What a line of the log names a request by. Its path and its query string may hold what others must not read."""
    route = routes.get(request.match_info.handler)
    return {
        "method": request.method,
        "route": access_log.UNMATCHED if route is None else route.path,
        "request_id": request_id(request),
        "trace_id": trace_id(request),
    }


def _log_failure(request: web.Request, routes: Mapping[Any, Route], error: Exception) -> None:
    logger.error("a request failed", exc_info=error, extra={"fields": _named(request, routes)})


def failure(request: web.Request, error: ChromaError) -> web.Response:
    """The answer that stands for ``error``."""
    response = _error_answer(request, error.code(), error.wire_name, error.message())
    if isinstance(error, SlowRequestError):
        response.force_close()
    if isinstance(error, AuthorizationError):
        response.headers["WWW-Authenticate"] = error.challenge
    if isinstance(error, RateLimitError | UnavailableError):
        wait_s = RETRY_AFTER_S if error.retry_after_s is None else max(0, math.ceil(error.retry_after_s))
        response.headers["Retry-After"] = str(wait_s)
    return response


def _error_answer(request: web.Request, status: int, name: str, message: str) -> web.Response:
    response = answer(encode_error(name, message), status)
    response.headers[TRACE_ID_HEADER] = trace_id(request)
    return response


def _empty(request: web.Request, refusal: web.HTTPException) -> web.Response:
    """aiohttp's own refusals (no such path, no such method) and redirects, without its page."""
    headers = CIMultiDict({"Server": SERVER_NAME})
    if refusal.status >= 400:
        headers[TRACE_ID_HEADER] = trace_id(request)
    for name in ("Allow", "Location"):
        if name in refusal.headers:
            headers[name] = refusal.headers[name]
    return web.Response(status=refusal.status, headers=headers)


def _allow_origin(request: web.Request, response: web.StreamResponse, origins: frozenset[str]) -> None:
    headers = response.headers
    if "*" in origins:
        headers["Access-Control-Allow-Origin"] = "*"
    else:
        headers["Vary"] = "Origin"
        origin = request.headers.get("Origin")
        if origin not in origins:
            return
        headers["Access-Control-Allow-Origin"] = origin
    if request.method == "OPTIONS":
        headers["Access-Control-Allow-Methods"] = "*"
        headers["Access-Control-Allow-Headers"] = "*"
