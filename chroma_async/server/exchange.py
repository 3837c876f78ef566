"""Reading requests and making answers: the body, the path, the query string; JSON out."""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar, TypeVarTuple
from uuid import UUID

from aiohttp import web
from multidict import CIMultiDict

from chroma_async.costs import INFLATE_BYTE, INLINE_US, READ_BYTE, by_cost
from chroma_async.errors import InvalidArgumentError, InvalidUUIDError, PayloadTooLargeError, SlowRequestError, UnsupportedMediaTypeError
from chroma_async.server.service import Service
from chroma_async.types import U32_LIMIT, Scope
from chroma_async.wire.body import dump_json

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

SERVER_NAME = "chroma-async"
DATABASE_NAME_LENGTH = 3

#: What a request makes, renames or attaches, where its body names it: for the audit log.
SUBJECT = web.RequestKey("subject", str)

#: What a body has to come with once its time is up.
SLOWEST_BYTES_PER_S = 4096

_JSON_HEADERS = CIMultiDict({"Content-Type": "application/json", "Server": SERVER_NAME})
_HYPHENATED = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_UUID = re.compile(rf"{_HYPHENATED}|[0-9a-f]{{32}}|\{{{_HYPHENATED}\}}|urn:uuid:{_HYPHENATED}", re.IGNORECASE)
#: A server is asked for the same collections again and again.
_REMEMBERED_UUIDS = 1024
#: zlib: 32 adds detection of a gzip or zlib header to the largest window; a negative window means neither.
_ANY_HEADER, _NO_HEADER = 32 + zlib.MAX_WBITS, -zlib.MAX_WBITS


def answer(body: bytes, status: int = 200) -> web.Response:
    """An answer of JSON text."""
    return web.Response(body=body, status=status, headers=_JSON_HEADERS)


def empty_object(status: int = 200) -> web.Response:
    """``{}``."""
    return answer(b"{}", status)


def json_value(value: bool | int | str, status: int = 200) -> web.Response:
    """A bare JSON value."""
    return answer(dump_json(value), status)


async def parsed(service: Service, request: web.Request, parse: Callable[[bytes, *Ts], T], *args: *Ts) -> T:
    """The request's body, read by ``parse``.

    :raises UnsupportedMediaTypeError: the body says it is not JSON, or is compressed in a way unknown here.
    :raises PayloadTooLargeError: longer than ``max_body_bytes``, as sent or decompressed.
    :raises SlowRequestError: it came too slowly.
    """
    headers = request.headers
    content_type = headers.get("Content-Type")
    if content_type is not None and content_type != "application/json" and not _names_json(content_type):
        raise UnsupportedMediaTypeError(f"Content-Type: expected application/json, found {content_type!r:.80}")
    raw = await _read(request, service.settings.max_body_bytes, service.settings.body_timeout_s)
    encoding = headers.get("Content-Encoding")
    if encoding is not None:
        raw = await _decompressed(service, raw, encoding.strip().lower())
    return await by_cost(service.run, READ_BYTE * len(raw), parse, raw, *args)


def scope(request: web.Request) -> Scope:
    """Tenant and database of the path. :raises InvalidArgumentError: the database's name is too short to be one."""
    names = request.match_info
    database = names["database"]
    if len(database) < DATABASE_NAME_LENGTH:
        raise InvalidArgumentError(f"a database name has at least {DATABASE_NAME_LENGTH} characters, got {database!r}")
    return Scope(names["tenant"], database)


def collection_id(request: web.Request) -> UUID:
    """The path's collection id: hyphenated, plain, in braces or as a URN, in any case. :raises InvalidUUIDError: none of these."""
    return read_uuid(request.match_info["collection_id"])


@lru_cache(_REMEMBERED_UUIDS)
def read_uuid(value: str) -> UUID:
    """Any of the forms of :func:`collection_id`. :raises InvalidUUIDError: none of these."""
    if _UUID.fullmatch(value) is None:
        raise InvalidUUIDError(f"{value!r} is not a valid UUIDv4")
    return UUID(value.lower())


def page(request: web.Request) -> tuple[int | None, int]:
    """``limit`` and ``offset`` of the query string. :raises InvalidArgumentError: not an integer from 0 to 2**32 - 1, or given twice."""
    return _number(request, "limit"), _number(request, "offset") or 0


def query_value(request: web.Request, name: str) -> str | None:
    """A value of the query string. :raises InvalidArgumentError: it is given twice."""
    if not request.query_string:
        return None
    values = request.query.getall(name, [])
    if len(values) > 1:
        raise InvalidArgumentError(f"query string: {name} is given twice")
    return values[0] if values else None


def _number(request: web.Request, name: str) -> int | None:
    value = query_value(request, name)
    if value is None:
        return None
    if not re.fullmatch(r"\+?0*[0-9]{1,10}", value) or int(value.lstrip("+0") or "0") >= U32_LIMIT:
        raise InvalidArgumentError(f"query string: {name} must be an integer from 0 to {U32_LIMIT - 1}, got {value!r:.40}")
    return int(value)


def _names_json(content_type: str) -> bool:
    media = content_type.partition(";")[0].strip().lower()
    return media == "application/json" or (media.startswith("application/") and media.endswith("+json"))


async def _read(request: web.Request, limit: int, timeout_s: float) -> bytes:
    if (request.content_length or 0) > limit:
        raise _too_large(limit)
    content, loop = request.content, asyncio.get_running_loop()
    if content.is_eof():  # all of it came with the head, as most do
        return _bounded(await content.read(), limit)
    begun_s, body = loop.time(), bytearray()
    try:
        while True:
            async with asyncio.timeout_at(begun_s + timeout_s + len(body) / SLOWEST_BYTES_PER_S):
                chunk = await content.readany()
            if not chunk:
                return bytes(body)
            body += chunk
            if len(body) > limit:
                raise _too_large(limit)
    except TimeoutError:
        came_s = loop.time() - begun_s
        raise SlowRequestError(f"the body came too slowly: {len(body)} bytes in {came_s:.0f} seconds") from None


async def _decompressed(service: Service, data: bytes, encoding: str) -> bytes:
    if encoding in ("", "identity"):
        return data
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise UnsupportedMediaTypeError(f"a body compressed with {encoding!r:.40} cannot be read; use gzip or deflate")
    limit = service.settings.max_body_bytes
    # A few kilobytes can hold megabytes, so the first try is bounded, and only what is short comes out on the event loop.
    short = int(INLINE_US / INFLATE_BYTE)
    body = inflate(data, min(short, limit)) if len(data) <= short else None
    if body is None:
        body = await service.run(inflate, data, limit)
    if body is None:
        raise _too_large(limit)
    return body


def inflate(data: bytes, limit: int) -> bytes | None:
    """gzip (one member or several), zlib or bare deflate; ``None`` when more than ``limit`` bytes would come out.

    :raises InvalidArgumentError: it is none of these, or cut short.
    """
    text = b""
    while data:
        try:
            text, data = _inflate_member(data, text, limit)
        except zlib.error as error:
            raise InvalidArgumentError(f"the body is not what its content encoding says: {error}") from None
        if len(text) > limit:
            return None
    return text


def _inflate_member(data: bytes, before: bytes, limit: int) -> tuple[bytes, bytes]:
    budget = limit - len(before) + 1
    try:
        stream = zlib.decompressobj(_ANY_HEADER)
        text = stream.decompress(data, budget)
    except zlib.error:
        if before:
            raise
        stream = zlib.decompressobj(_NO_HEADER)
        text = stream.decompress(data, budget)
    if not stream.eof and len(text) < budget:
        raise zlib.error("it is cut short")
    return before + text, stream.unused_data


def _bounded(body: bytes, limit: int) -> bytes:
    if len(body) > limit:
        raise _too_large(limit)
    return body


def _too_large(limit: int) -> PayloadTooLargeError:
    return PayloadTooLargeError(f"the body is larger than {limit} bytes")
