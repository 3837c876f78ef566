"""Where spans go, and with which headers."""

from __future__ import annotations

import logging
import sys

import pytest

from chroma_async.cli.telemetry import bounded_sampler, destination, read_headers, tracing
from chroma_async.config.setting import SettingsError
from chroma_async.config.settings import Settings


@pytest.mark.parametrize(
    ("endpoint", "protocol", "address", "over_http"),
    [
        ("http://collector:4317", "auto", "http://collector:4317", False),
        ("collector:4317", "auto", "https://collector:4317", False),
        ("collector", "auto", "https://collector", False),
        ("http://collector:4318", "auto", "http://collector:4318/v1/traces", True),
        ("collector:4318", "auto", "https://collector:4318/v1/traces", True),
        ("https://collector/v1/traces", "auto", "https://collector/v1/traces", True),
        ("https://collector/otlp/", "auto", "https://collector/otlp/v1/traces", True),
        ("http://collector:9", "http/protobuf", "http://collector:9/v1/traces", True),
        ("http://collector:4318/", "grpc", "http://collector:4318", False),
        ("[::1]:4318", "auto", "https://[::1]:4318/v1/traces", True),
    ],
)
def test_an_address_says_how_spans_are_sent(endpoint: str, protocol: str, address: str, over_http: bool) -> None:
    assert destination(endpoint, protocol) == (address, over_http)


@pytest.mark.parametrize(
    ("text", "headers"),
    [
        ("", {}),
        ("{}", {}),
        ("'{}'", {}),
        ('{"a": "b", "c": "d e"}', {"a": "b", "c": "d e"}),
        ("{'a': 'b', 'c': 'd e'}", {"a": "b", "c": "d e"}),
        ('\'{"a": "b"}\'', {"a": "b"}),
        ("a=b", {"a": "b"}),
        (" a = b%20c , d=e=f,", {"a": "b c", "d": "e=f"}),
        ('{"a": 5}', {"a": "5"}),
    ],
)
def test_headers_are_read_in_each_of_their_forms(text: str, headers: dict[str, str]) -> None:
    assert read_headers(text) == headers


@pytest.mark.parametrize("text", ["SECRET", "=SECRET", "a=b,SECRET", '{"a": "SECRET"', "{5: SECRET}", "{[]: SECRET}"])
def test_what_is_no_header_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(SettingsError, match="otel_headers") as refused:
        read_headers(text)
    assert "SECRET" not in refused.value.message()


def test_without_the_extra_a_line_names_it_and_all_goes_on(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with tracing(Settings(otel_endpoint="http://user:SECRET@collector:4317"), {}):
        pass
    assert "collector:4317: install chroma-async[otel]" in caplog.text
    assert "SECRET" not in caplog.text


@pytest.mark.parametrize(
    ("settings", "env"),
    [
        (Settings(), {}),
        (Settings(otel_endpoint="http://collector:4317", otel_granularity="none"), {}),
        (Settings(otel_endpoint="http://collector:4317"), {"OTEL_SDK_DISABLED": "true"}),
        (Settings(otel_endpoint="http://collector:4317"), {"OTEL_TRACES_EXPORTER": "none"}),
    ],
)
def test_nothing_is_loaded_when_no_spans_are_wanted(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, settings: Settings, env: dict[str, str]
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with caplog.at_level(logging.DEBUG), tracing(settings, env):
        pass
    assert caplog.text == ""


def test_so_many_requests_a_second_begin_a_trace_and_a_callers_trace_is_the_callers_choice() -> None:
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, TraceFlags

    now_s = 0.0
    tracer = TracerProvider(bounded_sampler(20.0, lambda: now_s)).get_tracer("test")

    def begun(kind: SpanKind = SpanKind.SERVER, sampled: bool | None = None) -> bool:
        flags = TraceFlags(TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT)
        caller = None if sampled is None else trace.set_span_in_context(NonRecordingSpan(SpanContext(7, 8, True, flags)))
        return tracer.start_span("x", caller, kind).is_recording()

    assert [begun() for _ in range(5)] == [True, True, False, False, False]
    assert begun(SpanKind.INTERNAL)
    assert [begun(sampled=True), begun(sampled=False)] == [True, False]
    now_s = 0.05
    assert [begun() for _ in range(3)] == [True, False, False]
    now_s = 60.0
    assert [begun() for _ in range(3)] == [True, True, False]
