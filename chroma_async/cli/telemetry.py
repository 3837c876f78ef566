"""Where spans go. The package itself only knows OpenTelemetry's API; the SDK and an exporter are the user's to install."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from chroma_async.config.settings import Settings

logger = logging.getLogger(__name__)


@contextmanager
def tracing(settings: Settings) -> Iterator[None]:
    """Send spans to ``settings.otel_endpoint`` (OTLP over HTTP) until the end of the block; nothing when there is no endpoint.

    An endpoint without an SDK to serve it is worth a warning, not a refusal to start: answers do not depend on spans.
    """
    if not settings.otel_endpoint:
        yield
        return
    try:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        logger.warning(
            "no spans are sent to %s: install chroma-async[otel] (opentelemetry-sdk, opentelemetry-exporter-otlp-proto-http)",
            settings.otel_endpoint,
        )
        yield
        return
    endpoint = settings.otel_endpoint.rstrip("/")
    exporter = OTLPSpanExporter(endpoint if endpoint.endswith("/v1/traces") else f"{endpoint}/v1/traces")
    provider = TracerProvider(resource=Resource.create({"service.name": settings.otel_service_name}))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    try:
        yield
    finally:
        provider.shutdown()
