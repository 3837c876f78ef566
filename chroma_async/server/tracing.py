"""Spans around routes, and the trace id that failures carry.

Only the OpenTelemetry API is used here. Without an SDK there are no spans and no cost; an SDK has to be set up before the application is
made. The caller's W3C trace context is continued.
"""

from __future__ import annotations

from aiohttp import web
from opentelemetry import propagate, trace
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode

from chroma_async.errors import ChromaError
from chroma_async.server.route import Handler, Route
from chroma_async.server.service import Service

#: The header of answers.
TRACE_ID_HEADER = "chroma-trace-id"
NO_TRACE = "0" * 32
_SPAN_CONTEXT = web.RequestKey("span_context", SpanContext)


def traced(route: Route, granularity: str) -> Handler:
    """The route's handler, in a span of its own when there is an SDK to collect it; its answers carry the trace's id.

    :param granularity: see ``otel_granularity``; probes, which come every few seconds, have spans only where everything has.
    """
    handler = route.handler
    has_sdk = not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
    if not has_sdk or granularity == "none" or (route.probe and granularity != "all"):
        return handler
    tracer = trace.get_tracer("chroma_async.server")
    attributes = {"http.request.method": route.method, "http.route": route.path}

    async def in_span(service: Service, request: web.Request) -> web.StreamResponse:
        with tracer.start_as_current_span(
            route.operation,
            context=propagate.extract(request.headers),
            kind=SpanKind.SERVER,
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            request[_SPAN_CONTEXT] = span.get_span_context()
            try:
                response = await handler(service, request)
            except Exception as error:
                status = error.code() if isinstance(error, ChromaError) else 500
                span.set_attribute("http.response.status_code", status)
                if status >= 500:
                    span.record_exception(error)
                    span.set_status(Status(StatusCode.ERROR))
                raise
            span.set_attribute("http.response.status_code", response.status)
            response.headers[TRACE_ID_HEADER] = trace_id(request)
            return response

    return in_span


def trace_id(request: web.Request) -> str:
    """32 hexadecimal digits: of the request's span, else of the caller's trace, else zeros."""
    context = request.get(_SPAN_CONTEXT) or trace.get_current_span(propagate.extract(request.headers)).get_span_context()
    return trace.format_trace_id(context.trace_id) if context.is_valid else NO_TRACE
