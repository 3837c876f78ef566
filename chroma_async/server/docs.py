"""The API described to its callers: ``/openapi.json`` for programs, ``/docs/`` for people. The page loads nothing from anywhere."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from html import escape
from itertools import groupby
from operator import attrgetter

from aiohttp import web

from chroma_async.server.exchange import SERVER_NAME, answer
from chroma_async.server.openapi import openapi
from chroma_async.server.route import Route
from chroma_async.server.schemas import SCHEMAS
from chroma_async.server.service import Service
from chroma_async.wire.body import dump_json

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #222; background: #fff }
h1 { font-size: 1.5rem } h2 { font-size: 1.1rem; margin-top: 2rem }
dt { font-family: ui-monospace, monospace; margin-top: .8rem; overflow-wrap: anywhere } dd { margin-left: 4.5rem; color: #444 }
dt b { display: inline-block; width: 4.5rem } code { background: #f3f3f3; padding: 0 .2rem }
@media (prefers-color-scheme: dark) { body { color: #ddd; background: #181818 } dd { color: #aaa } code { background: #2a2a2a } }
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_PAGE_HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Server": SERVER_NAME,
}


def document_routes(routes: Sequence[Route]) -> tuple[Route, ...]:
    """The routes that describe ``routes``."""
    document, listing = dump_json(openapi(routes)), page(routes).encode()

    async def json_document(service: Service, request: web.Request) -> web.Response:
        return answer(document)

    async def redirect(service: Service, request: web.Request) -> web.Response:
        raise web.HTTPSeeOther("/docs/")

    async def html_page(service: Service, request: web.Request) -> web.Response:
        return web.Response(body=listing, headers=_PAGE_HEADERS)

    return (
        Route("GET", "/openapi.json", "openapi", "Read this API as an OpenAPI document", "Docs", json_document, "Empty", open=True),
        Route("GET", "/docs", "docs", "Go to the page", "Docs", redirect, "Text", open=True, listed=False),
        Route("GET", "/docs/", "docs_page", "Read this API as a page", "Docs", html_page, "Text", open=True, listed=False),
    )


def page(routes: Sequence[Route]) -> str:
    """The listed routes by tag, with the fields of their bodies."""
    listed = sorted((route for route in routes if route.listed), key=attrgetter("tag"))
    sections = "".join(
        f"<h2>{escape(tag)}</h2><dl>{''.join(map(_entry, group))}</dl>" for tag, group in groupby(listed, key=attrgetter("tag"))
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>chroma-async API</title><style>{_STYLE}</style></head><body>'
        f'<h1>chroma-async API</h1><p>The same as data: <a href="/openapi.json">/openapi.json</a></p>{sections}</body></html>'
    )


def _entry(route: Route) -> str:
    parts = [f"<dt><b>{route.method}</b> {escape(route.path)}</dt><dd>{escape(route.summary)}"]
    for label, names in (("query", route.query), ("body", SCHEMAS[route.body]["properties"] if route.body else ())):
        if names:
            parts.append(f"<br>{label}: " + ", ".join(f"<code>{escape(name)}</code>" for name in names))
    return "".join(parts) + "</dd>"
