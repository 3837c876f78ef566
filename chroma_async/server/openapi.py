"""The OpenAPI 3.1 document, made from the route table so that it cannot disagree with what is served."""

from __future__ import annotations

import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from chroma_async.server.route import Route
from chroma_async.server.schemas import SCHEMAS

TITLE = "chroma-async"
API_VERSION = "1.0.0"
TOKEN_HEADER = "x-chroma-token"

_PARAMETER = re.compile(r"\{(\w+)\}")
_QUERY_PARAMETERS: dict[str, tuple[str, dict[str, Any]]] = {
    "limit": ("At most so many items", {"type": "integer", "minimum": 0}),
    "offset": ("Items to leave out at the beginning", {"type": "integer", "minimum": 0}),
    "read_level": (
        "How much of the write log the answer has to include",
        {"type": "string", "enum": ["index_and_wal", "index_only", "index_and_bounded_wal"]},
    ),
}
_HEADERS: dict[str, str] = {"x-chroma-counts": "With any value: answer how many records were inserted and updated"}

#: What any route may answer: something failed that no request can mend.
_ANY = frozenset({500})
#: What routes that ask for a credential answer to those who have none, and to those who may not do this.
_GUARDED = frozenset({401, 403})
#: What reading a body may end in besides 400 and 422: too slow, too long, or not said to be JSON.
_BODY = frozenset({408, 413, 415})
#: What a server that is full answers, probes excepted.
_FULL = frozenset({429})


def statuses(route: Route) -> list[int]:
    """Every status that a failure of the route may have, ascending."""
    guarded, body, full = () if route.open else _GUARDED, () if route.body is None else _BODY, () if route.probe else _FULL
    return sorted({*route.errors, *_ANY, *guarded, *body, *full})


def openapi(routes: Iterable[Route]) -> dict[str, Any]:
    """The document for the listed ``routes``."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        if route.listed:
            paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": TITLE,
            "version": API_VERSION,
            "description": "A vector store that speaks Chroma's HTTP API v2.",
        },
        "paths": paths,
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {"ApiKeyAuth": {"type": "apiKey", "in": "header", "name": TOKEN_HEADER}},
        },
    }


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "tags": [route.tag],
        "summary": route.summary,
        "operationId": route.operation,
        "parameters": [
            *map(_path_parameter, _PARAMETER.findall(route.path)),
            *map(_query_parameter, route.query),
            *map(_header_parameter, route.headers),
        ],
        "responses": {
            str(route.status): _response(route.status, route.result),
            **{str(status): _response(status, "Error") for status in statuses(route)},
        },
    }
    if route.body is not None:
        operation["requestBody"] = {"required": True, "content": _content(route.body)}
    if not route.open:
        operation["security"] = [{"ApiKeyAuth": []}]
    return operation


def _path_parameter(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _query_parameter(name: str) -> dict[str, Any]:
    description, schema = _QUERY_PARAMETERS[name]
    return {"name": name, "in": "query", "required": False, "description": description, "schema": schema}


def _header_parameter(name: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": False, "description": _HEADERS[name], "schema": {"type": "string"}}


def _response(status: int, schema: str) -> dict[str, Any]:
    return {"description": HTTPStatus(status).phrase, "content": _content(schema)}


def _content(schema: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
