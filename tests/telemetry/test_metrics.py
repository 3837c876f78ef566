"""The metrics of a real server, read by Prometheus's own parser."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from uuid import UUID, uuid4

import aiohttp
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics

from chroma_async.config.settings import Settings
from chroma_async.server.lifecycle import StopRequest, serve
from chroma_async.server.listening import bound
from chroma_async.types import CollectionInfo, Scope
from tests.fakes.api import FakeAPI
from tests.telemetry.conftest import Served, parsed, serving, value

OURS = {"tenant": "default_tenant", "database": "default_database"}
OTHERS = {"tenant": "(other)", "database": "(other)", "collection": "(other)"}


async def test_requests_are_counted_by_operation_and_status_with_their_time_and_bytes(served: Served) -> None:
    docs = await served.collection("docs")
    for name in ("a", "b"):
        await served.post(f"{docs}/add", 201, ids=[name], embeddings=[[1.0, 2.0]])
    await served.post(f"{docs}/add", 422, ids=5)
    await served.client.get("/no-such-path")
    samples = await served.samples()
    assert value(samples, "requests_total", operation="collection_add", status="201") == 2
    assert value(samples, "requests_total", operation="collection_add", status="422") == 1
    assert value(samples, "requests_total", operation="unmatched", status="404") == 1
    assert value(samples, "request_duration_seconds_count", operation="collection_add") == 3
    assert value(samples, "request_duration_seconds_bucket", operation="collection_add", le="+Inf") == 3
    assert 0 < value(samples, "request_duration_seconds_sum", operation="collection_add") < 10
    assert value(samples, "request_body_bytes_total", operation="collection_add") > 80
    assert value(samples, "response_body_bytes_total", operation="collection_add") > 4
    assert value(samples, "requests_in_flight") == 1


async def test_a_client_that_leaves_is_counted_as_499(served: Served) -> None:
    docs = await served.collection("docs")
    host, port = served.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"POST {docs}/add HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{{".encode())
    writer.write_eof()
    await reader.read()
    writer.close()
    assert value(await served.samples(), "requests_total", operation="collection_add", status="499") == 1


async def test_what_a_collection_holds_and_what_is_yet_to_be_flushed_is_told(served: Served) -> None:
    docs = await served.collection("docs")
    await served.post(f"{docs}/add", 201, ids=[f"{n}" for n in range(40)], embeddings=[[float(n), 1.0] for n in range(40)])
    await served.post(f"{docs}/delete", ids=["0", "1"])
    samples = await served.samples()
    labels = OURS | {"collection": "docs"}
    assert value(samples, "collection_rows", **labels) == 38
    assert value(samples, "collection_dead_rows", **labels) == 2
    assert value(samples, "collection_log_lag_rows", **labels) == value(samples, "log_lag_rows") == 42
    assert value(samples, "log_appended_rows_total") == 42
    assert value(samples, "log_appended_bytes_total") > 40 * 8
    assert value(samples, "log_size_bytes") > value(samples, "log_appended_bytes_total")
    assert value(samples, "log_append_seconds_count") == 2
    assert value(samples, "log_sync_seconds_count") >= 2
    assert 0 < value(samples, "log_sync_seconds_sum") < value(samples, "log_append_seconds_sum") + 1
    assert value(samples, "collections") == value(samples, "collections_loaded") == 1
    assert value(samples, "collection_memory_bytes", **labels) > 40 * 8
    assert value(samples, "disk_total_bytes") > value(samples, "disk_free_bytes") > 0


async def test_flushes_and_index_builds_are_counted_with_their_rows(served: Served) -> None:
    docs = await served.collection("docs")
    ids = [f"{n}" for n in range(40)]
    await served.post(f"{docs}/add", 201, ids=ids, embeddings=[[float(n % 7), float(n)] for n in range(40)])
    async with served.api.engine.registry.using(Scope(), UUID(docs.rpartition("/")[2])) as collection:
        await collection.flush()
        before = await served.samples()
        await collection.finish()
    after = await served.samples()
    labels = OURS | {"collection": "docs"}
    assert value(before, "collection_unindexed_rows", **labels) == 40
    assert value(before, "collection_log_lag_rows", **labels) == 0
    assert value(after, "collection_unindexed_rows", **labels) == 0
    assert value(after, "collection_file_bytes", **labels) > 40 * 8
    assert value(after, "background_rows_total", kind="flush") == value(after, "background_rows_total", kind="index") == 40
    assert value(after, "background_duration_seconds_count", kind="index") == 1
    assert value(after, "background_failures_total", kind="index") == 0


async def test_threads_loop_caches_and_process_are_told(served: Served) -> None:
    docs = await served.collection("docs")
    await served.post(f"{docs}/add", 201, ids=["a"], embeddings=[[1.0, 2.0]], metadatas=[{"n": 1}])
    async with served.api.engine.registry.using(Scope(), UUID(docs.rpartition("/")[2])) as collection:
        await collection.flush()
    for _ in range(2):
        await served.post(f"{docs}/query", query_embeddings=[[1.0, 2.0]], where={"n": 1})
    samples = await served.samples()
    assert {dict(labels)["lane"] for labels in samples["chroma_async_lane_jobs"]} >= {"query", "write", "flush", "background", "log"}
    assert value(samples, "lane_wait_seconds_count", lane="query") >= 2
    assert value(samples, "filter_cache_hits_total") >= 1
    assert value(samples, "filter_cache_misses_total") >= 1
    assert 0 < value(samples, "filter_cache_bytes") <= value(samples, "filter_cache_bytes_limit")
    assert value(samples, "ready") == 1
    assert value(samples, "poisoned") == 0
    assert samples["process_resident_memory_bytes"][frozenset()] > 1e6
    assert "chroma_async_loop_lag_seconds_bucket" in samples


async def test_open_metrics_are_given_to_those_who_ask_for_them(served: Served) -> None:
    await served.collection("docs")
    accept = "application/openmetrics-text; version=1.0.0"
    async with served.client.get("/metrics", headers={"Accept": accept}) as response:
        assert response.headers["Content-Type"].startswith(accept)
        text = await response.text()
    names = {family.name for family in open_metrics(text)}
    assert {"chroma_async_requests", "chroma_async_request_duration_seconds", "process_cpu_seconds"} <= names


@pytest.mark.slow
async def test_ten_thousand_collections_make_no_more_than_five_thousand_series() -> None:
    settings = Settings(is_persistent=False, metrics_collections=200)
    async with serving(None, settings) as served:
        scope = Scope()
        for number in range(10_000):
            info: CollectionInfo = await served.api.create_collection(scope, f"collection-{number}")
            assert await served.api.count(scope, info.id) == 0
        operations = served.client.get(f"/api/v2/tenants/x{uuid4()}")
        async with operations as response:
            assert response.status == 404
        samples = await served.samples()
    assert value(samples, "collections_loaded") == 10_000
    assert sum(map(len, samples.values())) <= 5000
    own = samples["chroma_async_collection_memory_bytes"]
    assert len(own) == 201
    assert value(samples, "collection_memory_bytes", **OTHERS) > sum(size for labels, size in own.items() if len(labels) == 3) / 2


async def test_a_port_of_its_own_has_the_metrics_and_the_probes_and_the_servers_port_has_none() -> None:
    stop, ready, opened = StopRequest(), asyncio.Event(), asyncio.Event()
    settings = Settings(port=0, metrics_port=0)

    async def opening() -> FakeAPI:
        await opened.wait()
        return FakeAPI()

    async with bound("127.0.0.1", 0) as sockets, bound("127.0.0.1", 0) as at_metrics:
        urls = [f"http://127.0.0.1:{each[0].getsockname()[1]}" for each in (sockets, at_metrics)]
        server = asyncio.create_task(
            serve(opening, settings, asyncio.to_thread, sockets, lambda host, port: ready.set(), stop, metrics_sockets=at_metrics)
        )
        async with aiohttp.ClientSession() as client:
            while True:
                try:
                    async with client.get(f"{urls[1]}/readyz") as response:
                        assert response.status == 503
                    break
                except aiohttp.ClientConnectionError:
                    await asyncio.sleep(0)
            async with client.get(f"{urls[1]}/metrics") as response:
                assert value(parsed(await response.text()), "ready") == 0
            opened.set()
            await ready.wait()
            async with client.get(f"{urls[1]}/metrics") as response:
                assert value(parsed(await response.text()), "ready") == 1
            for path, status in (("/livez", 200), ("/readyz", 200), ("/api/v2/version", 404)):
                async with client.get(f"{urls[1]}{path}") as response:
                    assert response.status == status
            async with client.get(f"{urls[0]}/metrics") as response:
                assert response.status == 404
        stop.request()
        await server


async def test_without_its_extra_the_metrics_are_a_501_that_names_it(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client.exposition", None)
    async with served.client.get("/metrics") as response:
        assert response.status == 501
        assert "chroma-async[server]" in (await response.json())["message"]


async def test_a_store_that_was_closed_leaves_the_servers_own_metrics(tmp_path: Path) -> None:
    async with serving(tmp_path / "data", Settings()) as served:
        await served.api.engine.aclose()
        samples = await served.samples()
    assert value(samples, "ready") == 0
    assert "chroma_async_collections" not in samples


@pytest.mark.parametrize("metrics_open", [False, True])
async def test_where_credentials_are_set_metrics_ask_for_one_unless_they_are_opened(metrics_open: bool) -> None:
    settings = Settings(is_persistent=False, auth_credentials="the-right-token", metrics_open=metrics_open)
    async with serving(None, settings) as served:
        async with served.client.get("/metrics") as response:
            assert response.status == (200 if metrics_open else 401)
        async with served.client.get("/metrics", headers={"Authorization": "Bearer the-right-token"}) as response:
            assert response.status == 200
