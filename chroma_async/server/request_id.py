"""The name of one request: the caller's ``X-Request-Id``, or one made here. It stands in the answer and in lines of the log about it."""

from __future__ import annotations

import itertools
import re
import secrets

from aiohttp import web

#: The header, both ways.
REQUEST_ID_HEADER = "X-Request-Id"

#: What may be a name. Anything else could break a line of a log, or is too long to be looked for.
_NAME = re.compile(r"[\w.:/+=@-]{1,128}", re.ASCII)
_KEY = web.RequestKey("request_id", str)
#: Names made here are those of one process, in order: cheaper than random ones, and lines of one server sort by them.
_PROCESS = secrets.token_hex(6)
_NUMBERS = itertools.count(1)


def request_id(request: web.Request) -> str:
    """The same for as long as the request lasts. A name that a caller sends is taken when it is short and plain."""
    found = request.get(_KEY)
    if found is None:
        given = request.headers.get(REQUEST_ID_HEADER)
        found = given if given is not None and _NAME.fullmatch(given) else f"{_PROCESS}-{next(_NUMBERS):08x}"
        request[_KEY] = found
    return found
