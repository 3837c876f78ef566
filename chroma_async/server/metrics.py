"""``GET /metrics``: what Prometheus and its like ask for, written by prometheus-client (the extra ``[server]``)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

from aiohttp import web

from chroma_async.api import Inspectable
from chroma_async.errors import StoreError, UnimplementedError
from chroma_async.measures import Histogram
from chroma_async.release import release
from chroma_async.server.exchange import SERVER_NAME
from chroma_async.server.metric_families import Family, Snapshot, families
from chroma_async.server.route import Route
from chroma_async.server.service import Service

MISSING = "metrics need prometheus-client: install chroma-async[server]"


async def metrics(service: Service, request: web.Request) -> web.Response:
    """In the format that the caller asks for, OpenMetrics or Prometheus's text.

    :raises UnimplementedError: prometheus-client is missing.
    """
    snapshot = await _snapshot(service)
    body, content_type = await service.run(exposition, snapshot, request.headers.get("Accept", ""))
    return web.Response(body=body, headers={"Content-Type": content_type, "Server": SERVER_NAME})


METRICS_ROUTE = Route(
    "GET",
    "/metrics",
    "metrics",
    "Read the server's metrics",
    "System",
    metrics,
    "Text",
    errors=(501,),
    actions=("system:metrics",),
    probe=True,
    listed=False,
)


async def _snapshot(service: Service) -> Snapshot:
    store, settings = service.store, service.settings
    try:
        statistics = await store.statistics() if isinstance(store, Inspectable) else None
    except StoreError:  # it was closed meanwhile; the rest is still of interest
        statistics = None
    return Snapshot(
        version=release(),
        operations=service.traffic.copies(),
        loop_lag=service.traffic.loop_lag.copy(),
        in_flight=len(service.in_flight),
        max_in_flight=settings.max_in_flight,
        ready=not await service.unready(),
        store=statistics,
        most_collections=settings.metrics_collections,
    )


def exposition(snapshot: Snapshot, accept: str) -> tuple[bytes, str]:
    """All metrics as text, and its content type. Takes milliseconds. :raises UnimplementedError: prometheus-client is missing."""
    try:
        from prometheus_client.exposition import choose_encoder
    except ImportError:
        raise UnimplementedError(MISSING) from None
    encode, content_type = choose_encoder(accept)
    return encode(_Collected(families(snapshot))), content_type


class _Collected:
    """What prometheus-client writes: the figures of the process, by its own collectors, and ours."""

    def __init__(self, ours: Iterable[Family]) -> None:
        self._ours = ours

    def collect(self) -> Iterator[Any]:
        for collector in _process_collectors():
            yield from collector.collect()
        yield from map(_metric, self._ours)


@cache
def _process_collectors() -> tuple[Any, ...]:
    """Memory, processor time, descriptors and start of the process, and Python's garbage collector; registered nowhere."""
    from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

    nowhere = CollectorRegistry()
    return ProcessCollector(registry=nowhere), PlatformCollector(registry=nowhere), GCCollector(registry=nowhere)


def _metric(family: Family) -> Any:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

    kinds = {"gauge": GaugeMetricFamily, "counter": CounterMetricFamily, "histogram": HistogramMetricFamily}
    metric = kinds[family.kind](family.name, family.meaning, labels=family.labels)
    for labels, value in family.samples:
        if isinstance(value, Histogram):
            metric.add_metric(labels, buckets=_buckets(value), sum_value=value.sum)
        else:
            metric.add_metric(labels, float(value))
    return metric


def _buckets(histogram: Histogram) -> list[tuple[str, float]]:
    """Upper bound, and how many values were not above it."""
    buckets, total = [], 0
    for bound, count in zip((*histogram.bounds, float("inf")), histogram.counts, strict=True):
        total += count
        buckets.append(("+Inf" if bound == float("inf") else str(bound), float(total)))
    return buckets
