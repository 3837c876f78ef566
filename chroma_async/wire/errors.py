"""Failures on the wire: ``{"error": name, "message": text}``, and the way back to a class of :mod:`chroma_async.errors`.

Chroma sends most failures under the catch-all name ``ChromaError``, so the status decides there.
"""

from __future__ import annotations

import orjson

from chroma_async.errors import (
    AuthorizationError,
    BatchSizeExceededError,
    ChromaAuthError,
    ChromaError,
    ConditionalWriteConflictError,
    DuplicateIDError,
    InternalError,
    InvalidArgumentError,
    InvalidDimensionException,
    InvalidUUIDError,
    NotFoundError,
    PayloadTooLargeError,
    ProtocolError,
    QuotaExceededError,
    RateLimitError,
    RequestTimeoutError,
    ResetDisabledError,
    SlowRequestError,
    StaleReadError,
    UnavailableError,
    UnimplementedError,
    UniqueConstraintError,
    UnprocessableError,
    UnsupportedMediaTypeError,
)

#: Names that say more than their status.
_BY_NAME: dict[str, type[ChromaError]] = {
    "InvalidArgumentError": InvalidArgumentError,
    "InvalidDimension": InvalidDimensionException,
    "DuplicateID": DuplicateIDError,
    "InvalidUUID": InvalidUUIDError,
    "NotFoundError": NotFoundError,
    "UniqueConstraintError": UniqueConstraintError,
    "IDAlreadyExists": UniqueConstraintError,
    "AuthorizationError": AuthorizationError,
    "AuthError": ChromaAuthError,
    "BatchSizeExceededError": BatchSizeExceededError,
    "RateLimitError": RateLimitError,
    "QuotaError": QuotaExceededError,
    "ConditionalWriteConflictError": ConditionalWriteConflictError,
    "InternalError": InternalError,
    "VersionMismatchError": InternalError,
    "Unimplemented": UnimplementedError,
}

_BY_STATUS: dict[int, type[ChromaError]] = {
    400: InvalidArgumentError,
    401: AuthorizationError,
    403: ChromaAuthError,
    404: NotFoundError,
    408: SlowRequestError,
    409: UniqueConstraintError,
    410: UnimplementedError,
    412: StaleReadError,
    413: PayloadTooLargeError,
    415: UnsupportedMediaTypeError,
    422: UnprocessableError,
    429: RateLimitError,
    500: InternalError,
    501: UnimplementedError,
    502: UnavailableError,
    503: UnavailableError,
    504: RequestTimeoutError,
}


def encode_error(wire_name: str, message: str) -> bytes:
    """An error body. Text that has no UTF-8 form (a lone surrogate in a name it quotes) is written with question marks."""
    try:
        return orjson.dumps({"error": wire_name, "message": message})
    except orjson.JSONEncodeError:
        return orjson.dumps({"error": wire_name, "message": message.encode("utf-8", "replace").decode("utf-8")})


def decode_error(
    status: int, raw: bytes, *, url: str | None = None, trace_id: str | None = None, retry_after: str | None = None
) -> ChromaError:
    """The failure that an answer with this ``status`` (400 and more) and body stands for, to be raised by the caller.

    ``trace_id`` and ``retry_after`` are the headers ``chroma-trace-id`` and ``retry-after`` (whole seconds; a date is ignored). A body that
    is not Chroma's is kept as the message; a 404 or 405 with such a body comes from a server that has no such route: ProtocolError.
    """
    name, message = _name_and_message(raw)
    if name is None and status in (404, 405):
        kind: type[ChromaError] = ProtocolError
        message = f"no such route (status {status}); is this Chroma's address? {message}".rstrip()
    else:
        kind = _BY_NAME.get(name or "") or _BY_STATUS.get(status) or (InternalError if status >= 500 else ChromaError)
    if kind is ChromaAuthError and message.lower().startswith("reset"):
        kind = ResetDisabledError
    error = kind(message or f"status {status} without a message")
    error.url, error.trace_id = url, trace_id
    if retry_after is not None and retry_after.strip().isdecimal():
        error.retry_after_s = float(retry_after)
    return error


def _name_and_message(raw: bytes) -> tuple[str | None, str]:
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        value = None
    if isinstance(value, dict) and isinstance(value.get("error"), str):
        return value["error"], str(value.get("message") or "")
    return None, raw[:500].decode("utf-8", "replace").strip()
