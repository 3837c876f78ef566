"""The span of a request that a client sends, and the header by which the server's spans go on in the same trace.

Nothing is loaded and nothing is done unless the program has an OpenTelemetry SDK.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


def tracing() -> bool:
    """Whether the program has loaded an SDK, which alone makes spans that anybody sees."""
    return "opentelemetry.sdk.trace" in sys.modules


@contextmanager
def client_span(method: str, host: str, port: int | None) -> Iterator[dict[str, str]]:
    """A span around the block, below the caller's; the headers that the request must carry to be in its trace.

    An error that leaves the block marks the span, without its message, which may quote a record.
    """
    from opentelemetry import propagate, trace
    from opentelemetry.trace import SpanKind, Status, StatusCode

    attributes: dict[str, str | int] = {"http.request.method": method, "server.address": host}
    if port is not None:
        attributes["server.port"] = port
    tracer = trace.get_tracer("chroma_async.client")
    with tracer.start_as_current_span(
        method, kind=SpanKind.CLIENT, attributes=attributes, record_exception=False, set_status_on_exception=False
    ) as span:
        headers: dict[str, str] = {}
        propagate.inject(headers)
        try:
            yield headers
        except BaseException as error:
            span.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise
