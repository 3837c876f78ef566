"""What is said of connections that go wrong: one line each, and nothing of what the client sent.

aiohttp logs a request that it cannot read with a traceback whose last line quotes the request: a token in a broken header would stand in
the log. The object here takes the place of its logger.
"""

from __future__ import annotations

import logging

from aiohttp.http_exceptions import HttpProcessingError

logger = logging.getLogger("chroma_async.server.connection")


class ConnectionLog:
    """The two methods of a logger that aiohttp calls."""

    def debug(self, message: str, *args: object, exc_info: object = None) -> None:
        """What is of interest to those who look for faults of clients. The error is left out, as it may quote the request."""
        if isinstance(exc_info, BaseException):
            logger.debug(f"{message} (%s)", *args, type(exc_info).__name__)
        else:
            logger.debug(message, *args)

    def exception(self, message: str, *args: object, exc_info: object = None) -> None:
        """What ended a connection. A client's fault is a line, ours a traceback. Of one that just left the middleware has told."""
        if isinstance(exc_info, ConnectionError):
            return
        if isinstance(exc_info, HttpProcessingError):
            logger.info("a request that cannot be read was refused with %d (%s)", exc_info.code, type(exc_info).__name__)
        else:
            logger.error(message, *args, exc_info=exc_info if isinstance(exc_info, BaseException) else None)
