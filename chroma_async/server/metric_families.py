"""The metrics: names, labels and meanings, made of plain counters. In what format they are asked for is for :mod:`.metrics`.

The number of series is bounded: operations are as many as routes, statuses as many as there are, and of collections the largest have series
of their own; the rest is summed up as ``(other)``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Literal, TypeAlias

from chroma_async.measures import Histogram, Work
from chroma_async.server.traffic import OperationTraffic
from chroma_async.statistics import CollectionStatistics, LaneStatistics, StoreStatistics

#: What the collections are called that have no series of their own: no collection can have this name, so no series stands twice.
OTHER = "(other)"
PREFIX = "chroma_async_"
_COLLECTION_LABELS = ("tenant", "database", "collection")
#: Name and meaning, what of a collection it shows, and what that comes to over the others.
_OF_COLLECTIONS: tuple[tuple[str, str, Callable[[CollectionStatistics], float], Callable[[Iterable[float]], float]], ...] = (
    ("collection_rows", "Records of a loaded collection.", attrgetter("rows"), sum),
    ("collection_dead_rows", "Deleted or replaced rows that it still holds: its tombstones.", attrgetter("dead_rows"), sum),
    ("collection_unindexed_rows", "Rows of its segments that no graph covers.", attrgetter("unindexed_rows"), sum),
    ("collection_segments", "Segments of a loaded collection.", attrgetter("segments"), sum),
    ("collection_memory_bytes", "Memory that it holds besides its files.", attrgetter("memory_bytes"), sum),
    ("collection_file_bytes", "Size of its files.", attrgetter("file_bytes"), sum),
    ("collection_log_lag_rows", "Its operations that are in the log alone.", attrgetter("lag_rows"), sum),
    ("collection_log_lag_seconds", "For how long the oldest of these waits to be flushed.", attrgetter("lag_s"), max),
    ("collection_write_queue_requests", "Writes that wait in its queue.", attrgetter("queue_requests"), sum),
    ("collection_write_queue_bytes", "Bytes of the writes that wait in its queue.", attrgetter("queue_bytes"), sum),
)
#: The values of a family's labels, and what was counted under them.
Sample: TypeAlias = tuple[tuple[str, ...], float | Histogram]


@dataclass(frozen=True, slots=True)
class Family:
    """Metrics of one name, which is without the suffixes of samples (``_total``, ``_bucket``, ``_sum``, ``_count``)."""

    kind: Literal["gauge", "counter", "histogram"]
    name: str
    meaning: str
    labels: tuple[str, ...]
    samples: Sequence[Sample]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the metrics of one moment are made of. ``store`` is ``None`` while that is opened, or when it is not of this process."""

    version: str
    operations: Mapping[str, OperationTraffic]
    loop_lag: Histogram
    in_flight: int
    max_in_flight: int
    ready: bool
    store: StoreStatistics | None
    most_collections: int


def families(snapshot: Snapshot) -> Iterator[Family]:
    """All of them."""
    yield from _of_server(snapshot)
    yield from _of_operations(snapshot.operations)
    if snapshot.store is not None:
        yield from _of_store(snapshot.store)
        yield from _of_log(snapshot.store)
        yield from _of_threads(snapshot.store.lanes)
        yield from _of_work(snapshot.store.work)
        yield from _of_collections(snapshot.store.collections, snapshot.most_collections)


def _gauge(name: str, meaning: str, value: float) -> Family:
    return Family("gauge", PREFIX + name, meaning, (), [((), value)])


def _counter(name: str, meaning: str, value: float) -> Family:
    return Family("counter", PREFIX + name, meaning, (), [((), value)])


def _gauges(name: str, meaning: str, label: str, values: Iterable[tuple[str, float]]) -> Family:
    return Family("gauge", PREFIX + name, meaning, (label,), [((key,), value) for key, value in values])


def _counters(name: str, meaning: str, label: str, values: Iterable[tuple[str, float]]) -> Family:
    return Family("counter", PREFIX + name, meaning, (label,), [((key,), value) for key, value in values])


def _histogram(name: str, meaning: str, histogram: Histogram) -> Family:
    return Family("histogram", PREFIX + name, meaning, (), [((), histogram)])


def _histograms(name: str, meaning: str, label: str, values: Iterable[tuple[str, Histogram]]) -> Family:
    return Family("histogram", PREFIX + name, meaning, (label,), [((key,), value) for key, value in values])


def _of_server(snapshot: Snapshot) -> Iterator[Family]:
    yield _gauges("build_info", "The release that runs; always 1.", "version", [(snapshot.version, 1)])
    yield _gauge("ready", "1 if requests should be sent here, as /readyz says.", snapshot.ready)
    yield _gauge("requests_in_flight", "Requests that are being answered.", snapshot.in_flight)
    yield _gauge("requests_in_flight_limit", "Requests that are answered at once; more get 429.", snapshot.max_in_flight)
    yield _histogram("loop_lag_seconds", "How late the event loop came.", snapshot.loop_lag)


def _of_operations(operations: Mapping[str, OperationTraffic]) -> Iterator[Family]:
    answered: list[Sample] = [
        ((operation, str(status)), count) for operation, counted in operations.items() for status, count in counted.statuses.items()
    ]
    meaning = "Requests by operation and status; 499: the client left before its request was read."
    yield Family("counter", PREFIX + "requests", meaning, ("operation", "status"), answered)
    received = [(operation, counted.request_bytes) for operation, counted in operations.items()]
    yield _counters("request_body_bytes", "Bytes of request bodies, as announced.", "operation", received)
    sent = [(operation, counted.response_bytes) for operation, counted in operations.items()]
    yield _counters("response_body_bytes", "Bytes of answers' bodies.", "operation", sent)
    durations = [(operation, counted.seconds) for operation, counted in operations.items()]
    yield _histograms("request_duration_seconds", "How long answers took.", "operation", durations)


def _of_store(store: StoreStatistics) -> Iterator[Family]:
    held = sum(each.memory_bytes + each.file_bytes for each in store.collections)
    yield _gauge("poisoned", "1 if a write failed in doubt: no more are taken until the store is reopened.", store.poisoned)
    yield _gauge("collections", "Collections of the store.", store.total_collections)
    yield _gauge("collections_loaded", "Collections that are in memory.", len(store.collections))
    yield _gauge("collections_damaged", "Collections that could not be loaded, as a file is damaged.", store.damaged)
    yield _gauge("loaded_bytes", "Bytes of loaded collections, mapped files included.", held)
    yield _gauge("loaded_bytes_limit", "Bytes of loaded collections above which idle ones are unloaded.", store.memory_limit_bytes)
    yield _gauge("filter_cache_bytes", "Bytes of remembered answers to filters.", store.filter_cache.bytes)
    yield _gauge("filter_cache_bytes_limit", "Bytes that these may take.", store.filter_cache.limit_bytes)
    yield _counter("filter_cache_hits", "Filters whose answer was remembered, for a chunk or segment.", store.filter_cache.hits)
    yield _counter("filter_cache_misses", "Filters that had to be evaluated.", store.filter_cache.misses)
    if store.disk is not None:
        yield _gauge("disk_free_bytes", "Free space of the file system that holds the data.", store.disk.free_bytes)
        yield _gauge("disk_total_bytes", "Size of the file system that holds the data.", store.disk.total_bytes)


def _of_log(store: StoreStatistics) -> Iterator[Family]:
    log, loaded = store.log, store.collections
    yield _gauge("log_size_bytes", "What the write-ahead log takes on the disk.", log.size_bytes)
    yield _counter("log_appended_rows", "Operations (rows written or deleted) that the log took.", log.rows)
    yield _counter("log_appended_bytes", "Bytes that the log took.", log.bytes)
    yield _gauge("log_lag_rows", "Operations of loaded collections that are in the log alone.", sum(each.lag_rows for each in loaded))
    oldest_s = max((each.lag_s for each in loaded), default=0.0)
    yield _gauge("log_lag_seconds", "For how long the oldest of these waits to be flushed.", oldest_s)
    yield _histogram("log_append_seconds", "How long appends took, the way to their thread included.", log.appends)
    yield _histogram("log_sync_seconds", "How long the syncs (fsync) of the log took.", log.syncs)


def _of_threads(lanes: Sequence[LaneStatistics]) -> Iterator[Family]:
    yield _gauges("lane_workers", "Threads that a lane may have.", "lane", [(lane.name, lane.workers) for lane in lanes])
    yield _gauges("lane_jobs", "Jobs of a lane that wait or run.", "lane", [(lane.name, lane.jobs) for lane in lanes])
    yield _histograms("lane_wait_seconds", "How long jobs waited for a thread.", "lane", [(lane.name, lane.waits) for lane in lanes])


def _of_work(work: Mapping[str, Work]) -> Iterator[Family]:
    rows = [(kind, done.rows) for kind, done in work.items()]
    yield _counters("background_rows", "Rows that background work went through.", "kind", rows)
    failures = [(kind, done.failures) for kind, done in work.items()]
    yield _counters("background_failures", "Background work that failed, and is tried again.", "kind", failures)
    durations = [(kind, done.seconds) for kind, done in work.items()]
    yield _histograms("background_duration_seconds", "How long background work took.", "kind", durations)


def _of_collections(collections: Sequence[CollectionStatistics], most: int) -> Iterator[Family]:
    """The collections that hold most, each by itself, and the others in one."""
    ordered = sorted(collections, key=lambda each: (each.memory_bytes + each.file_bytes, each.id), reverse=True)
    own, others = ordered[:most], ordered[most:]
    for name, meaning, measure, together in _OF_COLLECTIONS:
        samples: list[Sample] = [((each.scope.tenant, each.scope.database, each.name), measure(each)) for each in own]
        if others:
            samples.append(((OTHER,) * len(_COLLECTION_LABELS), together(map(measure, others))))
        yield Family("gauge", PREFIX + name, meaning, _COLLECTION_LABELS, samples)
