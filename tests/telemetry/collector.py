"""A collector of spans on the loopback: takes OTLP over gRPC and over HTTP, and keeps what came, with the headers that came with it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceServicer, add_TraceServiceServicer_to_server


@dataclass(frozen=True)
class Span:
    """One span. Ids are hexadecimal; ``parent`` is empty for the first of a trace."""

    service: str
    name: str
    trace: str
    id: str
    parent: str
    began_ns: int
    ended_ns: int
    attributes: dict[str, Any]


@dataclass
class Collector:
    """What came. ``grpc`` and ``http`` are where it is taken, each as a URL."""

    spans: list[Span] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    grpc: str = ""
    http: str = ""

    def take(self, request: ExportTraceServiceRequest, headers: dict[str, str], path: str) -> None:
        """Keep what a request holds."""
        self.headers.append(headers)
        self.paths.append(path)
        for resource in request.resource_spans:
            service = next(each.value.string_value for each in resource.resource.attributes if each.key == "service.name")
            self.spans += [_span(service, each) for scope in resource.scope_spans for each in scope.spans]

    def named(self, name: str) -> list[Span]:
        """The spans of this name, as they came."""
        return [span for span in self.spans if span.name == name]

    def below(self, parent: Span) -> list[Span]:
        """The spans whose parent it is, in the order in which they began."""
        return sorted((span for span in self.spans if span.parent == parent.id), key=lambda span: span.began_ns)

    def parent_of(self, child: Span) -> Span:
        """The span above, which must have come."""
        (found,) = [span for span in self.spans if span.id == child.parent]
        return found


def _span(service: str, span: Any) -> Span:
    attributes = {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in span.attributes}
    return Span(
        service,
        span.name,
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        span.start_time_unix_nano,
        span.end_time_unix_nano,
        attributes,
    )


class _OverGrpc(TraceServiceServicer):  # type: ignore[misc]
    def __init__(self, collector: Collector) -> None:
        self._collector = collector

    def Export(self, request: Any, context: Any) -> Any:  # noqa: N802 - the name that gRPC calls
        headers = {key: value for key, value in context.invocation_metadata() if isinstance(value, str)}
        self._collector.take(request, headers, "grpc")
        return ExportTraceServiceResponse()


def _over_http(collector: Collector) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            collector.take(
                ExportTraceServiceRequest.FromString(raw), {key.lower(): value for key, value in self.headers.items()}, self.path
            )
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Standard error is not the place."""

    return Handler


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector on two free ports until the end of the block."""
    collector = Collector()
    over_grpc = grpc.server(ThreadPoolExecutor(2))
    add_TraceServiceServicer_to_server(_OverGrpc(collector), over_grpc)
    collector.grpc = f"http://127.0.0.1:{over_grpc.add_insecure_port('127.0.0.1:0')}"
    over_grpc.start()
    over_http = ThreadingHTTPServer(("127.0.0.1", 0), _over_http(collector))
    collector.http = f"http://127.0.0.1:{over_http.server_port}"
    thread = threading.Thread(target=over_http.serve_forever, daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        over_http.shutdown()
        over_http.server_close()
        thread.join()
        over_grpc.stop(None).wait()
