"""What a real collector receives from a real server: which spans, in which trace, below which."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.compat.servers import start_ours
from tests.docs.markdown import ROOT
from tests.telemetry.collector import Collector, Span, collecting

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER = "00f067aa0ba902b7"
COLLECTIONS = "/api/v2/tenants/default_tenant/databases/default_database/collections"


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as found:
        yield found


def served(tmp_path: Path, env: dict[str, str], *requests: tuple[str, object]) -> list[dict[str, str]]:
    """The headers of the answers to requests of one trace to a server with this environment, which has ended by then.

    ``*`` in a path stands for a collection with two records, made before.
    """
    import http.client

    server = start_ours(tmp_path / "data", env=env)
    answers = []
    try:
        connection = http.client.HTTPConnection(server.host, server.port)

        def ask(path: str, body: object, traced: bool) -> tuple[dict[str, str], dict[str, str]]:
            headers = {"traceparent": f"00-{TRACE}-{CALLER}-01"} if traced else {}
            connection.request("POST" if body is not None else "GET", path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            text = response.read()
            return {name.lower(): value for name, value in response.getheaders()}, json.loads(text) if text.startswith(b"{") else {}

        place = f"{COLLECTIONS}/{ask(COLLECTIONS, {'name': 'docs'}, False)[1]['id']}"
        ask(f"{place}/add", {"ids": ["a", "b"], "embeddings": [[1.0, 2.0], [3.0, 4.0]], "documents": ["a secret", "b"]}, False)
        answers = [ask(path.replace("*", place), body, True)[0] for path, body in requests]
        connection.close()
        assert server.stop() == 0, server.log.read_text()
    finally:
        server.kill()
    return answers


ADD = ("*/add", {"ids": ["c"], "embeddings": [[5.0, 6.0]], "documents": ["c secret"]})
QUERY = ("*/query", {"query_embeddings": [[1.25, 2.0]], "n_results": 1, "where_document": {"$contains": "secret"}})
GET = ("*/get", {"ids": ["a"]})


def the(spans: list[Span]) -> Span:
    (found,) = [span for span in spans if span.trace == TRACE]
    return found


def test_a_write_and_a_query_are_traced_from_the_request_to_the_log_and_the_segment(collector: Collector, tmp_path: Path) -> None:
    answers = served(tmp_path, {"CHROMA_OTEL_COLLECTION_ENDPOINT": collector.grpc}, ADD, QUERY)
    assert [answer["chroma-trace-id"] for answer in answers] == [TRACE, TRACE]
    assert set(collector.paths) == {"grpc"}
    ways = (("collection_add", "write", "log append"), ("collection_query", "query", "segment search"))
    for request_name, operation_name, step_name in ways:
        step = next(span for span in collector.named(step_name) if span.trace == TRACE)
        operation = collector.parent_of(step)
        request = collector.parent_of(operation)
        assert (operation.name, request.name, request.parent) == (operation_name, request_name, CALLER)
        assert request.began_ns <= operation.began_ns <= step.began_ns <= step.ended_ns <= operation.ended_ns <= request.ended_ns
        assert {span.service for span in (step, operation, request)} == {"chroma-async"}
    search = the(collector.named("segment search"))
    assert (search.attributes["chroma.rows"], search.attributes["chroma.plan"]) == (3, "Exact()")
    query = the(collector.named("query"))
    assert (query.attributes["chroma.n_results"], query.attributes["chroma.filtered"]) == (1, True)
    assert not any("secret" in str(value) or "1.25" in str(value) for span in collector.spans for value in span.attributes.values())


@pytest.mark.parametrize(
    ("granularity", "names"),
    [
        ("none", set()),
        ("operation", {"collection_add", "write", "collection_query", "query", "collection_get", "get"}),
        (
            "operation_and_segment",
            {"collection_add", "write", "log append", "collection_query", "query", "segment search", "collection_get", "get"},
        ),
        (
            "all",
            {"collection_add", "write", "resolve", "log append", "apply", "collection_query", "query", "segment search", "read",
             "collection_get", "get", "livez"},
        ),
    ],
)  # fmt: skip
def test_each_granularity_has_the_spans_that_its_name_says(collector: Collector, tmp_path: Path, granularity: str, names: set[str]) -> None:
    env = {"CHROMA_OTEL_COLLECTION_ENDPOINT": collector.grpc, "CHROMA_OTEL_GRANULARITY": granularity}
    served(tmp_path, env, ADD, QUERY, GET, ("/livez", None))
    assert {span.name for span in collector.spans if span.trace == TRACE} == names


def test_one_trace_goes_from_a_program_through_its_client_to_the_segment(collector: Collector, tmp_path: Path) -> None:
    server = start_ours(tmp_path / "data", env={"CHROMA_OTEL_COLLECTION_ENDPOINT": collector.grpc})
    try:
        program = [sys.executable, "-m", "tests.telemetry.traced_client", collector.http, server.host, str(server.port)]
        subprocess.run(program, cwd=ROOT, check=True, timeout=60)
        assert server.stop() == 0
    finally:
        server.kill()
    (visit,) = collector.named("a visit")
    sent = collector.below(visit)
    assert [span.name for span in sent][-2:] == ["POST", "POST"]
    requests = [span for each in sent[-2:] for span in collector.below(each)]
    assert [(span.service, span.name) for span in requests] == [("chroma-async", "collection_add"), ("chroma-async", "collection_query")]
    (query,) = collector.below(requests[1])
    (search,) = collector.below(query)
    assert (query.name, search.name) == ("query", "segment search")
    assert {span.trace for span in (*sent, *requests, query, search)} == {visit.trace}


def test_flushes_and_index_builds_have_traces_of_their_own(collector: Collector, tmp_path: Path) -> None:
    env = {
        "CHROMA_OTEL_COLLECTION_ENDPOINT": collector.grpc,
        "CHROMA_ASYNC_FLAT_ROWS": "16",
        "CHROMA_ASYNC_MEMTABLE_ROWS": "32",
        "CHROMA_ASYNC_ABSORB_IDLE_ROWS": "0",
        "CHROMA_ASYNC_ABSORB_BULK_ROWS": "1",
        "CHROMA_ASYNC_ABSORB_IDLE_S": "0.01",
    }
    rows = [[float(number % 5), float(number)] for number in range(64)]
    server = start_ours(tmp_path / "data", env=env)
    try:
        import http.client

        connection = http.client.HTTPConnection(server.host, server.port)

        def ask(path: str, body: object = None) -> dict[str, int]:
            connection.request("GET" if body is None else "POST", path, None if body is None else json.dumps(body))
            return dict(json.loads(connection.getresponse().read()))

        place = f"{COLLECTIONS}/{ask(COLLECTIONS, {'name': 'docs'})['id']}"
        ask(f"{place}/add", {"ids": [str(number) for number in range(64)], "embeddings": rows})
        while ask(f"{place}/indexing_status")["num_unindexed_ops"]:
            pass
        connection.close()
        assert server.stop() == 0
    finally:
        server.kill()
    for name in ("flush", "index"):
        span = collector.named(name)[0]
        assert (span.parent, span.attributes["chroma.rows"]) == ("", 64)
        assert span.trace != collector.named("collection_add")[0].trace


@pytest.mark.parametrize(
    ("env", "path", "header"),
    [
        ({"CHROMA_OTEL_COLLECTION_ENDPOINT": "{grpc}"}, "grpc", None),
        ({"CHROMA_OTEL_COLLECTION_ENDPOINT": "{http}/v1/traces"}, "/v1/traces", None),
        ({"CHROMA_OTEL_COLLECTION_ENDPOINT": "{http}", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, "/v1/traces", None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "{http}/base", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, "/base/v1/traces", None),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "{grpc}", "OTEL_EXPORTER_OTLP_HEADERS": "X-Key=a%20b"}, "grpc", "a b"),
        ({"CHROMA_OTEL_COLLECTION_ENDPOINT": "{grpc}", "CHROMA_OTEL_COLLECTION_HEADERS": '{"X-Key": "json"}'}, "grpc", "json"),
        ({"CHROMA_OTEL_COLLECTION_ENDPOINT": "{http}/v1/traces", "CHROMA_OTEL_COLLECTION_HEADERS": "{'X-Key': 'b'}"}, "/v1/traces", "b"),
        ({"CHROMA_OPEN_TELEMETRY__ENDPOINT": "{grpc}"}, "grpc", None),
    ],
)  # fmt: skip
def test_spans_arrive_by_each_way_of_naming_the_collector(
    collector: Collector, tmp_path: Path, env: dict[str, str], path: str, header: str | None
) -> None:
    named = {name: value.replace("{grpc}", collector.grpc).replace("{http}", collector.http) for name, value in env.items()}
    served(tmp_path, named | {"CHROMA_OTEL_SERVICE_NAME": "mine"}, GET)
    assert the(collector.named("get")).service == "mine"
    assert set(collector.paths) == {path}
    assert {headers.get("x-key") for headers in collector.headers} == {header}


@pytest.mark.parametrize(
    "env",
    [{"OTEL_SDK_DISABLED": "true"}, {"OTEL_TRACES_EXPORTER": "none"}, {"OTEL_TRACES_SAMPLER": "always_off"}],
)
def test_the_standard_variables_turn_spans_off(collector: Collector, tmp_path: Path, env: dict[str, str]) -> None:
    served(tmp_path, {"CHROMA_OTEL_COLLECTION_ENDPOINT": collector.grpc, **env}, GET)
    assert collector.spans == []


def test_a_collector_that_is_not_there_neither_stops_answers_nor_the_servers_end(tmp_path: Path, deaf_port: int) -> None:
    answers = served(tmp_path, {"CHROMA_OTEL_COLLECTION_ENDPOINT": f"http://127.0.0.1:{deaf_port}"}, GET)
    assert [answer["chroma-trace-id"] for answer in answers] == [TRACE]
