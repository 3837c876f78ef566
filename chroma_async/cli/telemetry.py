"""Where spans go. The package itself only knows OpenTelemetry's API; the SDK and the exporters are those of the extra ``[otel]``."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml

from chroma_async.config.setting import MASK, SettingsError
from chroma_async.config.settings import Settings

logger = logging.getLogger(__name__)

#: The port at which collectors take OTLP over HTTP; 4317 is that of gRPC.
HTTP_PORT = 4318
_PATH = "/v1/traces"
#: Set in place of an address for all signals, and read by the exporters themselves.
_TRACES_ENDPOINT = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
#: A collector that does not answer must not hold up a server that stops.
_EXPORT_MS = 5000.0


@contextmanager
def tracing(settings: Settings, env: Mapping[str, str] = os.environ) -> Iterator[None]:
    """Send spans to a collector until the end of the block; nothing when there is no address for them.

    An address without an SDK to serve it is worth a warning, not a refusal to start: answers do not depend on spans. What further variables
    ``OTEL_…`` say about sampling, batches, certificates and resources, the SDK reads itself.

    :raises SettingsError: the headers are none.
    """
    wanted = settings.otel_endpoint or env.get(_TRACES_ENDPOINT, "")
    off = env.get("OTEL_SDK_DISABLED", "").lower() == "true" or env.get("OTEL_TRACES_EXPORTER", "otlp") == "none"
    if not wanted or off or settings.otel_granularity == "none":
        yield
        return
    headers = read_headers(settings.otel_headers)
    try:
        from opentelemetry import trace
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        exporter = _exporter(wanted, settings.otel_protocol, headers)
    except ImportError as error:
        logger.warning("no spans are sent to %s: install chroma-async[otel] (%s)", _shown(wanted), error.name)
        yield
        return
    sampler = None if "OTEL_TRACES_SAMPLER" in env else bounded_sampler(settings.otel_traces_per_s)
    provider = TracerProvider(sampler, Resource.create({"service.name": settings.otel_service_name}))
    provider.add_span_processor(BatchSpanProcessor(exporter, export_timeout_millis=_EXPORT_MS))
    trace.set_tracer_provider(provider)
    logger.info("spans are sent", extra={"fields": {"endpoint": _shown(wanted), "granularity": settings.otel_granularity}})
    try:
        yield
    finally:
        provider.shutdown()


def bounded_sampler(per_s: float, monotonic: Callable[[], float] = time.monotonic) -> Any:
    """An SDK's sampler: requests that begin a trace are sampled, so many a second at the most; what belongs to a trace goes with it, and
    background work always is. :raises ImportError: there is no SDK.
    """
    from opentelemetry.sdk.trace.sampling import Decision, ParentBased, Sampler, SamplingResult
    from opentelemetry.trace import SpanKind

    class Bounded(Sampler):
        """A bucket that holds what a tenth of a second allows, and fills as time goes by: a burst is no reason to trace all of it."""

        def __init__(self) -> None:
            self._left = self._most = max(1.0, per_s / 10)
            self._seen_s = monotonic()

        def should_sample(
            self, parent_context: Any, trace_id: int, name: str, kind: Any = None, attributes: Any = None, *_: Any, **__: Any
        ) -> SamplingResult:
            if kind is SpanKind.SERVER and not self._take():
                return SamplingResult(Decision.DROP)
            return SamplingResult(Decision.RECORD_AND_SAMPLE, attributes)

        def _take(self) -> bool:
            now_s = monotonic()
            self._left = min(self._most, self._left + (now_s - self._seen_s) * per_s)
            self._seen_s = now_s
            if self._left < 1:
                return False
            self._left -= 1
            return True

        def get_description(self) -> str:
            return f"Bounded{{{per_s}}}"

    return ParentBased(Bounded())


def _exporter(endpoint: str, protocol: str, headers: dict[str, str]) -> Any:
    """:raises ImportError: it is not installed."""
    address, over_http = destination(endpoint, protocol)
    if over_http:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as OverHttp

        return OverHttp(address, headers=headers or None, timeout=_EXPORT_MS / 1000)
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as OverGrpc

    # gRPC takes header names in lower case only.
    lower = {name.lower(): value for name, value in headers.items()}
    return OverGrpc(address, insecure=address.startswith("http://"), headers=lower or None, timeout=_EXPORT_MS / 1000)


def destination(endpoint: str, protocol: str) -> tuple[str, bool]:
    """The address of a collector, whole, and whether spans go there over HTTP rather than over gRPC.

    :param endpoint: with or without a scheme, which then is https; over HTTP with or without the path of traces.
    :param protocol: ``grpc``, ``http/protobuf``, or ``auto``: HTTP for a port or a path that only HTTP has.
    """
    address = endpoint if "://" in endpoint else f"https://{endpoint}"
    parts = urlsplit(address.rstrip("/"))
    over_http = protocol.startswith("http") or (protocol == "auto" and (parts.port == HTTP_PORT or bool(parts.path)))
    if not over_http:
        return f"{parts.scheme}://{parts.netloc}", False
    path = parts.path if parts.path.endswith(_PATH) else f"{parts.path}{_PATH}"
    return parts._replace(path=path).geturl(), True


def read_headers(text: str) -> dict[str, str]:
    """Headers from JSON (in single quotes too, or with them in place of double ones, as templates write it) or from ``name=value,…``.

    :raises SettingsError: it is neither; the value is not shown.
    """
    bare = text.strip()
    if len(bare) > 1 and bare[0] == bare[-1] and bare[0] in "'\"":
        bare = bare[1:-1].strip()
    if not bare:
        return {}
    if not bare.startswith("{"):
        pairs = [pair.partition("=") for pair in bare.split(",") if pair.strip()]
        if all(name.strip() and equals for name, equals, _ in pairs):
            return {name.strip(): unquote(value.strip()) for name, _, value in pairs}
        raise SettingsError("otel_headers", MASK, "argument", "expected JSON, or name=value with commas between")
    try:
        found = yaml.safe_load(bare)
    except yaml.YAMLError:
        found = None
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
        raise SettingsError("otel_headers", MASK, "argument", "expected a JSON object of texts")
    return {name: str(value) for name, value in found.items()}


def _shown(endpoint: str) -> str:
    """An address without the password that may be in it."""
    return endpoint.rpartition("@")[2]
