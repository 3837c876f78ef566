"""A connection that gives nothing away of requests that it could not read.

aiohttp answers those with the line that it stumbled over; a header with a credential may be that line.
"""

from __future__ import annotations

from aiohttp import web

from chroma_async.server.exchange import answer
from chroma_async.wire.errors import encode_error

_UNREAD = "the request is not HTTP as it is read here: the request line or a header is malformed, or too long"


class Connection(web.RequestHandler):
    """One connection. What could not be read on it is logged by :mod:`chroma_async.server.connection_log`, and answered here."""

    __slots__ = ()

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """The answer to what could not be read (400), or to a failure outside of all routes (500)."""
        response = super().handle_error(request, status, exc, None)
        if status >= 500:
            return response
        told = answer(encode_error("InvalidArgumentError", _UNREAD), status)
        told.force_close()
        return told


class _Server(web.Server):
    """Makes the connections."""

    def __call__(self) -> web.RequestHandler:
        connection = super().__call__()
        connection.__class__ = Connection
        return connection


class Runner(web.AppRunner):
    """Runs an application on such connections."""

    async def _make_server(self) -> web.Server:
        server = await super()._make_server()
        server.__class__ = _Server
        return server
