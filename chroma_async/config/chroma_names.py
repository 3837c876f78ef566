"""Names of Chroma's that are known here and mean nothing to this server."""

from __future__ import annotations

import re

#: Keys of Chroma's configuration file without effect here, with all that is below them.
KEYS_WITHOUT_EFFECT = frozenset({
    "sqlite_filename", "open_telemetry", "circuit_breaker", "stdout_tracing", "enable_span_indexing", "scorecard_enabled", "scorecard",
    "sqlitedb", "segment_manager", "default_knn_index", "enable_schema", "sysdb", "log", "executor",
    "collections_with_segments_provider", "enable_log_scouting", "region", "tenants_with_quantization_enabled",
    "tenants_with_maxscore_enabled", "tenants_to_migrate_immediately", "tenants_to_migrate_immediately_threshold",
})  # fmt: skip

#: Variables of Chroma's older images and of its Python server without effect here.
VARIABLES_WITHOUT_EFFECT = frozenset({
    *(f"CHROMA_{key.upper()}" for key in KEYS_WITHOUT_EFFECT),
    "ANONYMIZED_TELEMETRY", "CHROMA_WORKERS", "CHROMA_LOG_CONFIG", "CHROMA_SERVER_THREAD_POOL_SIZE",
    "MIGRATIONS", "MIGRATIONS_HASH_ALGORITHM", "CHROMA_MEMORY_LIMIT_BYTES", "CHROMA_SEGMENT_CACHE_POLICY", "CHROMA_API_IMPL",
    "CHROMA_TELEMETRY_IMPL", "CHROMA_PRODUCT_TELEMETRY_IMPL", "CHROMA_DB_IMPL", "CHROMA_SYSDB_IMPL", "CHROMA_PRODUCER_IMPL",
    "CHROMA_CONSUMER_IMPL", "CHROMA_SEGMENT_MANAGER_IMPL", "CHROMA_SEGMENT_DIRECTORY_IMPL", "CHROMA_SEGMENT_DIRECTORY_ROUTING_MODE",
    "CHROMA_MEMBERLIST_PROVIDER_IMPL", "CHROMA_COORDINATOR_HOST", "CHROMA_SERVER_GRPC_PORT", "CHROMA_EXECUTOR_IMPL",
    "CHROMA_QUERY_REPLICATION_FACTOR", "CHROMA_LOGSERVICE_HOST", "CHROMA_LOGSERVICE_PORT", "CHROMA_QUOTA_PROVIDER_IMPL",
    "CHROMA_RATE_LIMITING_PROVIDER_IMPL", "CHROMA_QUOTA_ENFORCER_IMPL", "CHROMA_RATE_LIMIT_ENFORCER_IMPL",
    "CHROMA_ASYNC_RATE_LIMIT_ENFORCER_IMPL", "CHROMA_LOGSERVICE_REQUEST_TIMEOUT_SECONDS", "CHROMA_SYSDB_REQUEST_TIMEOUT_SECONDS",
    "CHROMA_QUERY_REQUEST_TIMEOUT_SECONDS", "CHROMA_COLLECTION_ASSIGNMENT_POLICY_IMPL",
})  # fmt: skip

#: Variables that clients read, and that a server leaves alone without a word.
CLIENT_VARIABLES = re.compile(
    r"CHROMA_(HOST|SSL|TENANT|DATABASE|(\w+_)?API_KEY|SERVER_(HOST|HEADERS|SSL_ENABLED|SSL_VERIFY|API_DEFAULT_PATH)"
    r"|OVERWRITE_SINGLETON_TENANT_DATABASE_ACCESS_FROM_AUTH|CLIENT_\w+|HTTP_\w+|ASYNC_CLIENT_\w+)"
)


def is_switched_off(name: str, value: object) -> bool:
    """Chroma writes 0 for a circuit breaker that is off; here requests in flight always have a bound, the default."""
    return name == "max_in_flight" and str(value).strip() == "0"
