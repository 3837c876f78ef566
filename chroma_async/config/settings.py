"""Every number that bounds something, in one place: what it is, its unit (last in its name) and its default.

:class:`Settings` belongs to a store and the server around it, :class:`ClientSettings` to an HTTP client. Both hold plain values only, never
components. Each field is a row of the table that :mod:`chroma_async.config.setting` describes; ``loading`` beside it fills them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from chroma_async.config.setting import Setting, SettingsError, measured_setting, setting, table

__all__ = ["CLIENT_TABLE", "TABLE", "ClientSettings", "Settings", "SettingsError"]

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
#: How much is traced; each contains the ones before it.
GRANULARITIES = ("none", "operation", "operation_and_segment", "all")
OTEL_PROTOCOLS = ("auto", "grpc", "http/protobuf")
LOG_FORMATS = ("auto", "json", "text")
LOG_LEVELS = ("debug", "info", "warning", "error", "critical")


def _processors() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class ServerSettings:
    """Server: where it listens, and what it takes from whom."""

    host: str = setting("127.0.0.1", "Address to listen on.", flag="ADDRESS", key="listen_address", variables=("CHROMA_HOST_ADDR",))
    port: int = setting(
        8000,
        "Port to listen on; 0 takes a free one, which the server prints.",
        flag="NUMBER",
        key="port",
        variables=("CHROMA_SERVER_HTTP_PORT", "CHROMA_HOST_PORT"),
        at_least=0,
        at_most=65535,
    )
    max_body_bytes: int = setting(40 * MIB, "Largest request body; a larger one is answered with 413.", key="max_payload_size_bytes")
    body_timeout_s: float = setting(
        30.0, "Time that a request's body may take, and a second more for each 4 KiB that have come; then 408. Slow senders hold no places."
    )
    trusted_proxies: tuple[str, ...] = setting(
        (),
        "Addresses and networks (``10.0.0.0/8``) of proxies in front, whose ``X-Forwarded-For`` says where requests come from.",
    )
    cors_allow_origins: tuple[str, ...] = setting(
        (),
        "Origins that browsers may call from; ``*`` for all, none for no CORS at all.",
        key="cors_allow_origins",
        variables=("CHROMA_SERVER_CORS_ALLOW_ORIGINS",),
    )
    grace_s: float = setting(30.0, "How long a stopping server lets requests finish.", at_least=0)
    drain_delay_s: float = setting(
        0.0,
        "How long a server that was told to stop goes on accepting requests while ``/readyz`` says so, for load balancers to notice.",
        at_least=0,
    )
    keepalive_s: float = setting(3630.0, "How long a connection without a request stays open.", variables=("CHROMA_TIMEOUT_KEEP_ALIVE",))
    max_in_flight: int = setting(1024, "Requests served at once; more are answered with 429.", key="circuit_breaker.requests")
    allow_reset: bool = setting(
        False, "Whether ``POST /api/v2/reset`` may delete everything.", key="allow_reset", variables=("ALLOW_RESET",)
    )
    log_level: str = setting(
        "info", "Least severe log line written: debug, info, warning, error or critical.", flag="LEVEL", choices=LOG_LEVELS
    )
    log_format: str = setting(
        "auto",
        "How log lines are written: json, text, or auto, which is text on a terminal and JSON elsewhere.",
        choices=LOG_FORMATS,
    )
    access_log: bool = setting(False, "Whether each request is logged, as one line of level info. A line takes 10 microseconds.")
    max_batch_size: int = setting(
        5461, "Largest batch that pre-flight advises clients to send, in records. Advice only: a larger one is taken."
    )
    open_files: int = setting(
        65536,
        "Open files the process asks the system for when a directory is opened (it gets what the hard limit allows).",
        variables=("CHROMA_SERVER_NOFILE",),
    )


@dataclass(frozen=True)
class SecuritySettings:
    """Security: who may connect, and how they show who they are."""

    auth_provider: str = setting(
        "",
        "What the credentials are: ``token``, ``basic``, a class path of Chroma's that means one of them, "
        "or the provider of an installed package. Credentials alone are tokens.",
        variables=("CHROMA_SERVER_AUTHN_PROVIDER", "CHROMA_SERVER_AUTH_PROVIDER"),
    )
    auth_credentials: str = setting(
        "",
        "Tokens, one a line; or Chroma's YAML of users, each with ``id``, ``tokens``, ``role``, ``tenant`` and ``databases``; "
        "or for ``basic`` the lines of an htpasswd file with bcrypt hashes.",
        variables=("CHROMA_SERVER_AUTHN_CREDENTIALS", "CHROMA_SERVER_AUTH_CREDENTIALS"),
        secret=True,
    )
    auth_credentials_provider: str = setting(
        "",
        "What older Chroma servers read credentials with: a class path, which says no more than ``auth_provider``.",
        variables=("CHROMA_SERVER_AUTH_CREDENTIALS_PROVIDER",),
    )
    auth_token_header: str = setting(
        "any",
        "The only header in which a token is expected. In ``authorization`` it follows the word Bearer.",
        variables=("CHROMA_AUTH_TOKEN_TRANSPORT_HEADER", "CHROMA_SERVER_AUTH_TOKEN_TRANSPORT_HEADER"),
        choices=("any", "authorization", "x-chroma-token", "x_chroma_token"),
    )
    failed_attempts: int = setting(
        10, "Wrong credentials of one address that are looked at without a wait; then 429 until its time is over."
    )
    failed_attempt_s: float = setting(5.0, "Time after which one more is looked at.")
    authz_provider: str = setting(
        "",
        "How callers are allowed what they do: ``rbac``, or one of Chroma's class paths with that meaning. A configuration alone is one.",
        variables=("CHROMA_SERVER_AUTHZ_PROVIDER",),
    )
    authz_config: str = setting(
        "",
        "Roles and the users that have them, as YAML in the form of Chroma's simple RBAC. Without it every caller may do everything.",
        variables=("CHROMA_SERVER_AUTHZ_CONFIG",),
        secret=True,
    )
    allow_unauthenticated: bool = setting(
        False,
        "Whether a server that asks for no credential may listen on other addresses than the loopback ones.",
        flag="YES",
        variables=("CHROMA_ALLOW_UNAUTHENTICATED",),
    )
    make_initial_token: bool = setting(
        False,
        "Whether a first start without any credential makes a token, and leaves it in the file ``initial-token`` of the data directory.",
    )
    rate_limit_per_s: float = setting(
        0.0, "Requests a second of one credential, or of one address where none are asked for; 0: any number.", at_least=0
    )
    rate_limit_burst: int = setting(100, "Requests that it may send at once after a rest.")
    concurrent_requests: int = setting(
        0, "Requests of it that are answered at once; more are answered with 429. 0: any number.", at_least=0
    )
    quota_collections: int = setting(0, "Collections that a tenant may have, in all its databases; 0: any number.", at_least=0)
    quota_records: int = setting(0, "Records that a tenant may have, in all its collections; 0: any number.", at_least=0)
    quota_dimension: int = setting(0, "Numbers that a vector may have; 0: any number.", at_least=0)
    quota_n_results: int = setting(0, "Records that a query or a search may ask for; 0: any number.", at_least=0)
    tenant_quotas: str = setting(
        "",
        "Quotas of tenants that have others, as YAML: ``{acme: {collections: 10, records: 1000}}``; what is left out is as above.",
        by_file=True,
    )
    audit_log: str = setting(
        "",
        "File that a line of JSON is added to for each request that needs a credential: who, what, where, result. Empty: none.",
        flag="FILE",
    )
    audit_log_bytes: int = setting(64 * MIB, "Size at which that file is put aside and a new one begun.")
    audit_log_files: int = setting(10, "Files put aside that are kept; the oldest is deleted.", at_least=1)


@dataclass(frozen=True)
class TLSSettings:
    """TLS: how connections are encrypted. The files are read again at SIGHUP."""

    tls_cert: str = setting(
        "",
        "File (PEM) with the server's certificate and those that lead to its authority; without one the server speaks plain HTTP.",
        flag="FILE",
    )
    tls_key: str = setting("", "File (PEM) with its key, without a password; empty when it is in the file of the certificate.", flag="FILE")
    tls_client_ca: str = setting(
        "", "File (PEM) with the authority whose certificates clients must have; empty: they need none.", flag="FILE"
    )


@dataclass(frozen=True)
class SignedTokenSettings:
    """Signed tokens: those of an identity provider (JWT), which callers show like any other token."""

    jwt_jwks: str = setting("", "Keys that sign tokens by RS256 or ES256: the address of a JWKS, or its file.")
    jwt_secret: str = setting("", "Secret that signs tokens by HS256, of at least 32 bytes.", secret=True)
    jwt_audience: str = setting("", "Audience (``aud``) that tokens must be for. Needed, as a provider has other services too.")
    jwt_issuer: str = setting("", "Issuer (``iss``) that they must have; none for any.")
    jwt_user_claim: str = setting("sub", "Claim that has the user.")
    jwt_role_claim: str = setting("", "Claim that has the role; a token without it is refused. None: ``authz_config`` has the users.")
    jwt_tenant_claim: str = setting("", "Claim that has the tenant to which the caller is bound; a token without it is refused.")
    jwt_databases_claim: str = setting("", "Claim that has the databases, a text or a list; a token without it is refused.")
    jwt_leeway_s: float = setting(30.0, "By how much the clocks of the provider and of the server may differ.", at_least=0)
    jwt_refresh_s: float = setting(300.0, "Time after which keys are fetched again. One that is not known is looked for at once.")


@dataclass(frozen=True)
class StorageSettings:
    """Storage: where data is kept."""

    path: str = setting("./chroma", "Data directory.", flag="DIRECTORY", key="persist_path", variables=("PERSIST_DIRECTORY",))
    is_persistent: bool = setting(
        True, "Whether data is kept on disk; false keeps all in memory until the process ends.", variables=("IS_PERSISTENT",)
    )
    sqlite_connections: int = setting(256, "Read-only SQLite connections kept open to chunk files, store-wide.")
    log_checkpoint_bytes: int = setting(
        16 * MIB,
        "Size of the write-ahead file at which the log is checkpointed. Writes wait for that, so it is better done often.",
    )


@dataclass(frozen=True)
class WritingSettings:
    """Writing: how much waits, and when it becomes files."""

    write_queue_bytes: int = setting(
        64 * MIB, "Bytes of writes that may wait in one collection's queue; more wait outside (in process) or get 429 (HTTP)."
    )
    write_queue_requests: int = setting(1024, "Write requests that may wait in one collection's queue.")
    write_group_rows: int = setting(8192, "Rows of the write requests that are committed together, unless a single request has more.")
    frozen_memtables: int = setting(4, "Full memtables of one collection that may wait to be flushed before its writers wait.")
    memtable_rows: int = setting(8192, "Rows in memory at which they are flushed to a chunk.")
    memtable_bytes: int = setting(16 * MIB, "Bytes in memory at which they are flushed.")
    flush_idle_s: float = setting(2.0, "Time without a write after which rows are flushed, if there are more than ``flush_idle_rows``.")
    flush_idle_rows: int = setting(1000, "Rows that make an idle flush worth its files.", at_least=0)
    flush_max_s: float = setting(60.0, "Longest time a row stays unflushed.")
    merge_fan_in: int = setting(8, "Adjacent chunks that merge into one.")
    merge_rows: int = setting(131072, "Rows of a chunk that is merged no further.")
    merge_bytes: int = setting(256 * MIB, "Bytes of vectors of a chunk that is merged no further.")
    segment_bytes: int = setting(2 * GIB, "Bytes of vectors of a segment, at which the next one begins.")
    segment_rows: int = setting(1048576, "Rows of a segment, at which the next one begins.")
    vacuum_dead_share: float = setting(
        0.2, "Share of dead rows at which a segment is rewritten without them, and its graph rebuilt.", at_most=1
    )
    vacuum_dead_bytes: int = setting(64 * MIB, "Bytes of dead rows at which a segment is rewritten without them.")


@dataclass(frozen=True)
class IndexingSettings:
    """Indexing: when graphs and text indexes are made, and how good they must be."""

    flat_rows: int = setting(4096, "Rows below which a segment has no graph: it is scanned.", at_least=0)
    absorb_bulk_rows: int = setting(
        8192, "Under bulk load, rows outside the graph that are worth adding to it: the larger of this and the share of its rows."
    )
    absorb_bulk_share: float = setting(0.3, "See ``absorb_bulk_rows``.", at_most=1)
    absorb_calm_rows: int = setting(
        4096, "The same once the last addition is done and writes come slower than ``absorb_calm_load`` of the indexing rate."
    )
    absorb_calm_share: float = setting(0.1, "See ``absorb_calm_rows``.", at_most=1)
    absorb_calm_load: float = setting(0.5, "Write rate, as a share of the indexing rate, under which a load counts as calm.", at_most=1)
    absorb_idle_s: float = setting(2.0, "Time without a write after which more than ``absorb_idle_rows`` rows outside the graph are added.")
    absorb_idle_rows: int = setting(1000, "Rows outside the graph that an idle collection leaves outside.", at_least=0)
    tail_codes_rows: int = setting(16384, "Rows outside the graph above which they are scanned as 8-bit codes.")
    max_unindexed_bytes: int = setting(
        1 * GIB, "Bytes of vectors that may wait for indexing; past it writers are slowed to the indexing rate, then refused with 429."
    )
    regex_budget_s: float = setting(10.0, "Seconds that the regular expressions of one request may take to match; then it is refused.")
    max_pattern_chars: int = setting(10_000, "Characters of a pattern ($regex, $like) at the most.")
    trigram_rows: int = setting(8192, "Documents above which full text gets a trigram index; fewer are scanned.", at_least=0)
    recall_target: float = setting(0.99, "Recall@10 that search effort is chosen for.", at_most=1)
    recall_floor: float = setting(0.98, "Recall@10 below which a graph is not put to use.", at_most=1)


@dataclass(frozen=True)
class ResourceSettings:
    """Processors and memory: how much of the machine the store takes."""

    query_threads: int = measured_setting(_processors, "the number of processors", "Threads that answer reads.")
    search_concurrency: int = setting(32, "Payloads of one search request that are under way at once.")
    background_threads: int = setting(1, "Threads for flushing, merging and vacuuming, at a lower priority.")
    index_threads: int = measured_setting(
        _processors, "the number of processors", "Threads that one graph build uses, at a lower priority."
    )
    read_tokens: int = setting(64, "Conditional reads of one collection whose tokens can still be committed against.")
    read_token_s: float = setting(60.0, "Time for which they can.")
    min_records_for_invocation: int = setting(
        100,
        "Rows written or deleted after which a collection's attached function runs again; after ``flush_max_s`` it does so anyway.",
        key="min_records_for_invocation",
    )
    schema_keys: int = setting(
        4096, "Metadata keys that a collection's schema discovers; further ones are stored and filtered, and not listed there."
    )
    max_forks: int = setting(256, "Forks that one tree of forks may have.")
    cache_bytes: int = setting(1 * GIB, "Bytes of loaded collections above which idle ones are unloaded, the longest idle first.")
    filter_cache_bytes: int = setting(
        64 * MIB, "Bytes of remembered answers to filters (which rows of which chunk match), store-wide; 0 remembers none.", at_least=0
    )
    collection_idle_s: float = setting(60.0, "Time without a request after which a collection counts as idle.")


@dataclass(frozen=True)
class TelemetrySettings:
    """Telemetry: metrics, and where spans go."""

    metrics_port: int | None = setting(
        None,
        "Port for ``/metrics`` alone, without a credential; unset leaves it at the server's own port.",
        at_least=0,
        at_most=65535,
    )
    metrics_host: str = setting("127.0.0.1", "Address of ``metrics_port``.")
    metrics_open: bool = setting(False, "Whether ``/metrics`` at the server's own port is answered without a credential.")
    metrics_collections: int = setting(
        20,
        "Loaded collections with metrics of their own, the largest first; the others are summed up as ``(other)``.",
        at_least=0,
        at_most=200,
    )
    slow_operation_s: float = setting(
        1.0, "Time from which on an operation is logged, with its steps and how searches were planned; 0 logs none.", at_least=0
    )
    otel_endpoint: str = setting(
        "",
        "Address of an OTLP collector that spans are sent to; without a scheme it means https, empty none. Needs the extra ``[otel]``.",
        key="open_telemetry.endpoint",
        variables=("CHROMA_OTEL_COLLECTION_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"),
    )
    otel_protocol: str = setting(
        "auto",
        "How spans are sent: grpc, http/protobuf, or auto, which is http/protobuf for port 4318 or a path, and grpc elsewhere.",
        choices=OTEL_PROTOCOLS,
        variables=("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"),
    )
    otel_headers: str = setting(
        "",
        "Headers that go with spans: JSON, or ``name=value`` with commas between.",
        variables=("CHROMA_OTEL_COLLECTION_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"),
        secret=True,
    )
    otel_service_name: str = setting(
        "chroma-async",
        "Name of this service in spans.",
        key="open_telemetry.service_name",
        variables=("CHROMA_OTEL_SERVICE_NAME", "OTEL_SERVICE_NAME"),
    )
    otel_traces_per_s: float = setting(
        100.0,
        "Requests a second, at the most, that begin a trace here; those of a caller's trace follow the caller's choice. A traced query "
        "takes some 15 % more processor time, so this bounds what tracing takes. ``OTEL_TRACES_SAMPLER`` decides instead where it is set.",
    )
    otel_granularity: str = setting(
        "operation_and_segment",
        "What spans are made of: none, operation (requests and what the engine does for them), operation_and_segment (also searches of "
        "segments, appends to the log, flushes and index builds), or all (also steps in threads, and probes).",
        choices=GRANULARITIES,
        variables=("CHROMA_OTEL_GRANULARITY",),
    )


@dataclass(frozen=True)
class Settings(
    ServerSettings,
    SecuritySettings,
    SignedTokenSettings,
    TLSSettings,
    StorageSettings,
    WritingSettings,
    IndexingSettings,
    ResourceSettings,
    TelemetrySettings,
):
    """A store and its server. Sizes in bytes, times in seconds, shares from 0 to 1."""

    def __post_init__(self) -> None:
        _check(self, TABLE)


@dataclass(frozen=True)
class ClientSettings:
    """An HTTP client. ``None`` for a timeout waits for ever."""

    connect_timeout_s: float | None = setting(5.0, "Time to make a connection.")
    pool_timeout_s: float | None = setting(10.0, "Time to wait for a free connection of the pool.")
    read_timeout_s: float | None = setting(60.0, "Time from sending a request that reads until its answer is complete.")
    write_timeout_s: float | None = setting(300.0, "The same for a request that writes.")
    max_connections: int = setting(100, "Connections open at once.", variables=("CHROMA_HTTP_MAX_CONNECTIONS",))
    keepalive_s: float = setting(40.0, "Time an unused connection is kept open.", variables=("CHROMA_HTTP_KEEPALIVE_SECS",))
    dns_ttl_s: float = setting(10.0, "Time a resolved host name is remembered.")
    max_retries: int = setting(3, "Retries of one request, where a retry is safe.", at_least=0)
    retry_backoff_s: float = setting(0.1, "Mean wait before the first retry; each further one doubles it.")
    retry_backoff_max_s: float = setting(5.0, "Longest wait before a retry.")
    retry_budget_share: float = setting(0.1, "Retries as a share of all requests above which none is made.", at_least=0, at_most=1)
    grace_s: float = setting(30.0, "How long closing waits for requests under way.", at_least=0)

    def __post_init__(self) -> None:
        _check(self, CLIENT_TABLE)


#: Name -> row, of a store and its server.
TABLE = table(Settings, "CHROMA_ASYNC_")
#: Name -> row, of an HTTP client.
CLIENT_TABLE = table(ClientSettings, "CHROMA_ASYNC_CLIENT_")


def _check(settings: Settings | ClientSettings, rows: Mapping[str, Setting]) -> None:
    for name, row in rows.items():
        value = getattr(settings, name)
        if reason := row.fault(value):
            raise SettingsError(name, row.masked(value), "argument", reason)
