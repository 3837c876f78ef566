"""Every number that bounds something, in one place: what it is, its unit (last in its name) and its default.

:class:`Settings` belongs to a store and the server around it, :class:`ClientSettings` to an HTTP client. Both hold plain values only, never
components. :mod:`chroma_async.config.loading` reads them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, fields

from chroma_async.errors import ValidationError

__all__ = ["ClientSettings", "Settings", "SettingsError", "fault"]

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
LOG_LEVELS = ("debug", "info", "warning", "error", "critical")


class SettingsError(ValidationError):
    """A setting that cannot be used: ``key`` as it was written, its ``value``, and the ``source`` it came from."""

    def __init__(self, key: str, value: object, source: str, reason: str) -> None:
        super().__init__(f"{key} = {value!r} ({source}): {reason}")
        self.key, self.value, self.source = key, value, source


def _processors() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Settings:
    """A store and its server. Sizes in bytes, times in seconds, shares from 0 to 1."""

    # Server
    #: Address to listen on.
    host: str = "127.0.0.1"
    #: Port to listen on; 0 takes a free one, which the server prints.
    port: int = 8000
    #: Largest request body; a larger one is answered with 413.
    max_body_bytes: int = 40 * MIB
    #: Origins that browsers may call from; ``*`` for all, none for no CORS at all.
    cors_allow_origins: tuple[str, ...] = ()
    #: How long a stopping server lets requests finish.
    grace_s: float = 30.0
    #: Requests served at once; more are answered with 429.
    max_in_flight: int = 1024
    #: Whether ``POST /api/v2/reset`` may delete everything.
    allow_reset: bool = False
    #: Least severe log line written: debug, info, warning, error or critical.
    log_level: str = "info"
    #: Whether each request is logged. It costs as much as a quarter of a small request.
    access_log: bool = False
    #: Largest batch that pre-flight advises clients to send, in records. Advice only: a larger one is taken.
    max_batch_size: int = 5461
    #: Open files the process asks the system for when a directory is opened (it gets what the hard limit allows).
    open_files: int = 65536

    # Storage
    #: Data directory.
    path: str = "./chroma"
    #: Whether data is kept on disk; false keeps all in memory until the process ends.
    is_persistent: bool = True
    #: Read-only SQLite connections kept open to chunk files, store-wide.
    sqlite_connections: int = 256
    #: Size of the write-ahead file at which the log is checkpointed. Writes wait for its end, so it is better done often than at length.
    log_checkpoint_bytes: int = 16 * MIB

    # Writing
    #: Bytes of writes that may wait in one collection's queue; more wait outside (in process) or get 429 (HTTP).
    write_queue_bytes: int = 64 * MIB
    #: Write requests that may wait in one collection's queue.
    write_queue_requests: int = 1024
    #: Rows of the write requests that are committed together, unless a single request has more.
    write_group_rows: int = 8192
    #: Full memtables of one collection that may wait to be flushed before its writers wait.
    frozen_memtables: int = 4
    #: Rows in memory at which they are flushed to a chunk.
    memtable_rows: int = 8192
    #: Bytes in memory at which they are flushed.
    memtable_bytes: int = 16 * MIB
    #: Time without a write after which rows are flushed, if there are more than ``flush_idle_rows``.
    flush_idle_s: float = 2.0
    #: Rows that make an idle flush worth its files.
    flush_idle_rows: int = 1000
    #: Longest time a row stays unflushed.
    flush_max_s: float = 60.0
    #: Adjacent chunks that merge into one.
    merge_fan_in: int = 8
    #: Rows of a chunk that is merged no further.
    merge_rows: int = 131072
    #: Bytes of vectors of a chunk that is merged no further.
    merge_bytes: int = 256 * MIB
    #: Bytes of vectors of a segment, at which the next one begins.
    segment_bytes: int = 2 * GIB
    #: Rows of a segment, at which the next one begins.
    segment_rows: int = 1048576
    #: Share of dead rows at which a segment is rewritten without them, and its graph rebuilt.
    vacuum_dead_share: float = 0.2
    #: Bytes of dead rows at which a segment is rewritten without them.
    vacuum_dead_bytes: int = 64 * MIB

    # Indexing
    #: Rows below which a segment has no graph: it is scanned.
    flat_rows: int = 4096
    #: Under bulk load, rows outside the graph that are worth adding to it: the larger of this and the share of its rows.
    absorb_bulk_rows: int = 8192
    #: See ``absorb_bulk_rows``.
    absorb_bulk_share: float = 0.3
    #: The same once the last addition is done and writes come slower than ``absorb_calm_load`` of the indexing rate.
    absorb_calm_rows: int = 4096
    #: See ``absorb_calm_rows``.
    absorb_calm_share: float = 0.1
    #: Write rate, as a share of the indexing rate, under which a load counts as calm.
    absorb_calm_load: float = 0.5
    #: Time without a write after which more than ``absorb_idle_rows`` rows outside the graph are added.
    absorb_idle_s: float = 2.0
    #: Rows outside the graph that an idle collection leaves outside.
    absorb_idle_rows: int = 1000
    #: Rows outside the graph above which they are scanned as 8-bit codes.
    tail_codes_rows: int = 16384
    #: Bytes of vectors that may wait for indexing; past it writers are slowed to the indexing rate, then refused with 429.
    max_unindexed_bytes: int = 1 * GIB
    #: Seconds that the regular expressions of one request may take to match; then it is refused.
    regex_budget_s: float = 10.0
    #: Characters of a pattern ($regex, $like) at the most.
    max_pattern_chars: int = 10_000
    #: Documents above which full text gets a trigram index; fewer are scanned.
    trigram_rows: int = 8192
    #: Recall@10 that search effort is chosen for.
    recall_target: float = 0.99
    #: Recall@10 below which a graph is not put to use.
    recall_floor: float = 0.98

    # Processors and memory
    #: Threads that answer reads.
    query_threads: int = field(default_factory=_processors)
    #: Payloads of one search request that are under way at once.
    search_concurrency: int = 32
    #: Threads for flushing, merging and vacuuming, at a lower priority.
    background_threads: int = 1
    #: Threads that one graph build uses, at a lower priority.
    index_threads: int = field(default_factory=_processors)
    #: Conditional reads of one collection whose tokens can still be committed against.
    read_tokens: int = 64
    #: Time for which they can.
    read_token_s: float = 60.0
    #: Rows written or deleted after which a collection's attached function runs again; after ``flush_max_s`` it does so anyway.
    min_records_for_invocation: int = 100
    #: Metadata keys that a collection's schema discovers; further ones are stored and filtered, and not listed there.
    schema_keys: int = 4096
    #: Forks that one tree of forks may have.
    max_forks: int = 256
    #: Bytes of loaded collections above which idle ones are unloaded, the longest idle first.
    cache_bytes: int = 1 * GIB
    #: Bytes of remembered answers to filters (which rows of which chunk match), store-wide; 0 remembers none.
    filter_cache_bytes: int = 64 * MIB
    #: Time without a request after which a collection counts as idle.
    collection_idle_s: float = 60.0

    # Telemetry
    #: Address of an OTLP collector that spans are sent to; empty for none. Needs the OpenTelemetry SDK installed.
    otel_endpoint: str = ""
    #: Name of this service in spans.
    otel_service_name: str = "chroma-async"

    def __post_init__(self) -> None:
        _check(self)


@dataclass(frozen=True)
class ClientSettings:
    """An HTTP client. ``None`` for a timeout waits for ever."""

    #: Time to make a connection.
    connect_timeout_s: float | None = 5.0
    #: Time to wait for a free connection of the pool.
    pool_timeout_s: float | None = 10.0
    #: Time from sending a request that reads until its answer is complete.
    read_timeout_s: float | None = 60.0
    #: The same for a request that writes.
    write_timeout_s: float | None = 300.0
    #: Connections open at once.
    max_connections: int = 100
    #: Time an unused connection is kept open.
    keepalive_s: float = 40.0
    #: Time a resolved host name is remembered.
    dns_ttl_s: float = 10.0
    #: Retries of one request, where a retry is safe.
    max_retries: int = 3
    #: Mean wait before the first retry; each further one doubles it.
    retry_backoff_s: float = 0.1
    #: Longest wait before a retry.
    retry_backoff_max_s: float = 5.0
    #: Retries as a share of all requests above which none is made.
    retry_budget_share: float = 0.1
    #: How long closing waits for requests under way.
    grace_s: float = 30.0

    def __post_init__(self) -> None:
        _check(self)


#: Numbers that may be zero; all others must be above it.
_MAY_BE_ZERO = {
    "port",
    "grace_s",
    "max_retries",
    "retry_budget_share",
    "flush_idle_rows",
    "absorb_idle_rows",
    "flat_rows",
    "trigram_rows",
    "filter_cache_bytes",
}


def _check(settings: Settings | ClientSettings) -> None:
    for item in fields(settings):
        value = getattr(settings, item.name)
        if reason := fault(item.name, value):
            raise SettingsError(item.name, value, "argument", reason)


def fault(name: str, value: object) -> str | None:
    """Why ``value`` cannot be the field ``name``, or None."""
    if name == "log_level" and value not in LOG_LEVELS:
        return "one of " + ", ".join(LOG_LEVELS) + " is expected"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not (value >= 0 if name in _MAY_BE_ZERO else value > 0):
        return "a number above zero is expected" if name not in _MAY_BE_ZERO else "zero or more is expected"
    if (name.endswith("_share") or name.startswith("recall_") or name == "absorb_calm_load") and value > 1:
        return "a share from 0 to 1 is expected"
    if name == "port" and value > 65535:
        return "a port is at most 65535"
    return None
