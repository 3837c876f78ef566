"""What Chroma calls the settings that exist here, in its configuration file and in the environment of its servers, images and clients."""

from __future__ import annotations

#: Names of Chroma's configuration file for settings that exist here; also as CHROMA_<KEY> in the environment, ``.`` written ``__``.
CHROMA_KEYS = {
    "port": "port",
    "listen_address": "host",
    "persist_path": "path",
    "allow_reset": "allow_reset",
    "cors_allow_origins": "cors_allow_origins",
    "max_payload_size_bytes": "max_body_bytes",
    "circuit_breaker.requests": "max_in_flight",
    "min_records_for_invocation": "min_records_for_invocation",
    "open_telemetry.endpoint": "otel_endpoint",
    "open_telemetry.service_name": "otel_service_name",
}

#: Names of Chroma's configuration file that mean nothing to this store.
CHROMA_IGNORED = {
    "sqlite_filename", "open_telemetry", "circuit_breaker", "stdout_tracing", "enable_span_indexing", "scorecard_enabled", "scorecard",
    "sqlitedb", "segment_manager", "default_knn_index", "enable_schema", "sysdb", "log", "executor",
    "collections_with_segments_provider", "enable_log_scouting", "region", "tenants_with_quantization_enabled",
    "tenants_with_maxscore_enabled", "tenants_to_migrate_immediately", "tenants_to_migrate_immediately_threshold",
}  # fmt: skip

#: Environment of Chroma's older Python server and of its container image.
LEGACY_ENVIRONMENT = {
    "ALLOW_RESET": "allow_reset",
    "PERSIST_DIRECTORY": "path",
    "IS_PERSISTENT": "is_persistent",
    "CHROMA_HOST_ADDR": "host",
    "CHROMA_HOST_PORT": "port",
    "CHROMA_SERVER_HTTP_PORT": "port",
    "CHROMA_SERVER_CORS_ALLOW_ORIGINS": "cors_allow_origins",
    "CHROMA_SERVER_NOFILE": "open_files",
    "CHROMA_OTEL_COLLECTION_ENDPOINT": "otel_endpoint",
    "CHROMA_OTEL_SERVICE_NAME": "otel_service_name",
}

#: Chroma's names for what an HTTP client does.
LEGACY_CLIENT_ENVIRONMENT = {"CHROMA_HTTP_KEEPALIVE_SECS": "keepalive_s", "CHROMA_HTTP_MAX_CONNECTIONS": "max_connections"}
