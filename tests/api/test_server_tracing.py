from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

import pytest
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from chroma_async.costs import INLINE_US, READ_BYTE, WRITE_CHARACTER
from chroma_async.errors import InternalError, NotFoundError
from tests.fakes.api import FakeAPI, id_of, served

T = TypeVar("T")
P = ParamSpec("P")
ADD = f"/api/v2/tenants/default_tenant/databases/default_database/collections/{id_of('docs')}/add"
TRACE_ID = 0x4BF92F3577B34DA6A3CE929D0E0E4736


class Span(NonRecordingSpan):
    """Remembers what it was told."""

    def __init__(self, name: str, options: dict[str, Any]) -> None:
        super().__init__(SpanContext(TRACE_ID, 1, False, TraceFlags(1)))
        self.name, self.options = name, options
        self.attributes: dict[str, Any] = dict(options["attributes"])
        self.exceptions: list[BaseException] = []

    def set_attribute(self, key: str, value: Any) -> None:
        self.attributes[key] = value

    def record_exception(self, exception: BaseException, *args: Any, **kwargs: Any) -> None:
        self.exceptions.append(exception)


class Tracer:
    """What an SDK would give, as far as the server asks."""

    def __init__(self) -> None:
        self.spans: list[Span] = []

    @contextmanager
    def start_as_current_span(self, name: str, **options: Any) -> Iterator[Span]:
        self.spans.append(Span(name, options))
        yield self.spans[-1]


@pytest.fixture
def tracer(monkeypatch: pytest.MonkeyPatch) -> Tracer:
    tracer = Tracer()
    monkeypatch.setattr(trace, "get_tracer_provider", object)
    monkeypatch.setattr(trace, "get_tracer", lambda name: tracer)
    return tracer


async def test_a_request_is_one_span_that_continues_the_callers_trace(tracer: Tracer) -> None:
    parent = f"00-{TRACE_ID:032x}-00f067aa0ba902b7-01"
    async with (
        served(FakeAPI()) as client,
        client.post(ADD, json={"ids": [], "embeddings": []}, headers={"traceparent": parent}) as response,
    ):
        assert response.status == 201
    [span] = tracer.spans
    assert span.name == "collection_add"
    assert span.attributes["http.route"].endswith("/collections/{collection_id}/add")
    assert span.attributes["http.response.status_code"] == 201
    assert trace.get_current_span(span.options["context"]).get_span_context().trace_id == TRACE_ID


async def test_a_failure_carries_its_spans_trace_and_only_our_own_are_recorded(tracer: Tracer) -> None:
    api = FakeAPI()
    async with served(api) as client:
        for failure, status, recorded in ((NotFoundError("x"), 404, 0), (InternalError("x"), 500, 1), (KeyError("x"), 500, 1)):
            api.failure = failure
            async with client.post(ADD, json={"ids": [], "embeddings": []}) as response:
                assert (response.status, response.headers["chroma-trace-id"]) == (status, f"{TRACE_ID:032x}")
            assert tracer.spans[-1].attributes["http.response.status_code"] == status
            assert len(tracer.spans[-1].exceptions) == recorded


async def test_only_long_bodies_and_answers_leave_the_event_loop() -> None:
    moved: list[str] = []

    async def run(work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        moved.append(work.__name__)
        return await asyncio.to_thread(work, *args, **kwargs)

    api = FakeAPI()
    async with served(api, run=run) as client:
        short = json.dumps({"ids": ["a"], "embeddings": [[1.0]]}).encode()
        for body in (short, short + b" " * int(INLINE_US / READ_BYTE)):
            async with client.post(ADD, data=body, headers={"Content-Type": "application/json"}) as response:
                assert response.status == 201
        assert moved == ["parse_write"]
        characters = int(INLINE_US / WRITE_CHARACTER)
        api.rows = type(api.rows)(["a"], documents=["x" * characters])
        async with client.post(ADD.replace("/add", "/get"), json={"include": ["documents"]}) as response:
            assert len((await response.json())["documents"][0]) == characters
        assert moved == ["parse_write", "encode_records"]
