"""Settings: which source wins, which names are known, and what is said about a bad one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from chroma_async.config.loading import load_client_settings, resolve_settings
from chroma_async.config.settings import ClientSettings, Settings, SettingsError


def settings_from(flags: Mapping[str, Any], env: Mapping[str, str], file: Path | None) -> Settings:
    return resolve_settings(flags, env, file).settings


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "settings.yaml"


def test_a_flag_wins_over_the_environment_the_environment_over_the_file_the_file_over_the_default(file: Path) -> None:
    file.write_text("port: 1\nhost: file\ngrace_s: 1\n")
    env = {"CHROMA_ASYNC_PORT": "2", "CHROMA_ASYNC_HOST": "environment"}
    found = resolve_settings({"port": 3, "path": None}, env, file)
    settings, origins = found.settings, found.origins
    assert (settings.port, settings.host, settings.grace_s, settings.path) == (3, "environment", 1.0, "./chroma")
    assert origins["port"] == "flag --port"
    assert origins["host"] == "environment, CHROMA_ASYNC_HOST"
    assert origins["grace_s"] == f"{file}, grace_s"
    assert origins["path"] == "default"


def test_chromas_own_configuration_file_is_understood_and_what_means_nothing_here_is_said_in_one_line(file: Path) -> None:
    file.write_text("""
port: 9000
listen_address: "0.0.0.0"
persist_path: "/data"
allow_reset: true
cors_allow_origins: ["https://a.example", "https://b.example"]
max_payload_size_bytes: 1000
circuit_breaker: {requests: 7}
open_telemetry: {endpoint: "http://collector:4318", service_name: store, filters: [{crate_name: x, filter_level: trace}]}
sqlitedb: {hash_type: md5, migration_mode: apply}
scorecard_enabled: false
""")
    found = resolve_settings({}, {}, file)
    settings = found.settings
    assert (settings.port, settings.host, settings.path, settings.allow_reset) == (9000, "0.0.0.0", "/data", True)
    assert settings.cors_allow_origins == ("https://a.example", "https://b.example")
    assert (settings.max_body_bytes, settings.max_in_flight) == (1000, 7)
    assert (settings.otel_endpoint, settings.otel_service_name) == ("http://collector:4318", "store")
    (ignored,) = found.notices
    assert all(key in ignored for key in ("sqlitedb.hash_type", "scorecard_enabled", "open_telemetry.filters"))


def test_toml_is_read_too(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('port = 9001\ncors_allow_origins = ["*"]\n[circuit_breaker]\nrequests = 5\n')
    settings = settings_from({}, {}, file)
    assert (settings.port, settings.cors_allow_origins, settings.max_in_flight) == (9001, ("*",), 5)


@pytest.mark.parametrize(
    ("name", "value", "field", "expected"),
    [
        ("CHROMA_PORT", "81", "port", 81),
        ("CHROMA_LISTEN_ADDRESS", "::", "host", "::"),
        ("CHROMA_PERSIST_PATH", "/x", "path", "/x"),
        ("CHROMA_ALLOW_RESET", "TRUE", "allow_reset", True),
        ("CHROMA_MAX_PAYLOAD_SIZE_BYTES", "5", "max_body_bytes", 5),
        ("CHROMA_CIRCUIT_BREAKER__REQUESTS", "9", "max_in_flight", 9),
        ("CHROMA_CIRCUIT_BREAKER__REQUESTS", "0", "max_in_flight", 1024),
        ("CHROMA_OPEN_TELEMETRY__ENDPOINT", "http://c", "otel_endpoint", "http://c"),
        ("CHROMA_CORS_ALLOW_ORIGINS", '["*"]', "cors_allow_origins", ("*",)),
        ("CHROMA_SERVER_CORS_ALLOW_ORIGINS", "http://a, http://b", "cors_allow_origins", ("http://a", "http://b")),
        ("ALLOW_RESET", "1", "allow_reset", True),
        ("PERSIST_DIRECTORY", "/y", "path", "/y"),
        ("IS_PERSISTENT", "false", "is_persistent", False),
        ("CHROMA_HOST_ADDR", "0.0.0.0", "host", "0.0.0.0"),
        ("CHROMA_HOST_PORT", "82", "port", 82),
        ("CHROMA_SERVER_HTTP_PORT", "83", "port", 83),
        ("CHROMA_SERVER_NOFILE", "70000", "open_files", 70000),
    ],
)
def test_the_environment_of_chromas_images_is_understood(name: str, value: str, field: str, expected: object) -> None:
    assert getattr(settings_from({}, {name: value}, None), field) == expected


def test_an_own_name_wins_over_chromas_and_chromas_over_the_older_one() -> None:
    env = {"CHROMA_HOST_PORT": "1", "CHROMA_PORT": "2", "CHROMA_ASYNC_PORT": "3"}
    assert settings_from({}, env, None).port == 3
    del env["CHROMA_ASYNC_PORT"]
    assert settings_from({}, env, None).port == 2


def test_names_that_belong_to_others_are_left_alone() -> None:
    env = {
        "ANONYMIZED_TELEMETRY": "False",
        "CHROMA_SERVER_HOST": "elsewhere",
        "CHROMA_API_KEY": "k",
        "CHROMA_ASYNC_CLIENT_MAX_RETRIES": "1",
    }
    assert settings_from({}, env, None) == Settings()


def test_an_empty_variable_counts_as_unset() -> None:
    assert settings_from({}, {"CHROMA_PORT": "", "PERSIST_DIRECTORY": " "}, None) == Settings()


@pytest.mark.parametrize(
    ("key", "value", "word"),
    [
        ("CHROMA_ASYNC_MEMTABEL_ROWS", "5", "unknown"),
        ("CHROMA_ASYNC_MEMTABLE_ROWS", "many", "whole number"),
        ("CHROMA_ASYNC_MEMTABLE_ROWS", "0", "above 0"),
        ("CHROMA_ASYNC_PORT", "65536", "65535"),
        ("CHROMA_ASYNC_VACUUM_DEAD_SHARE", "1.5", "at most 1"),
        ("CHROMA_ASYNC_GRACE_S", "nan", "at least 0"),
        ("CHROMA_ASYNC_LOG_LEVEL", "loud", "debug"),
        ("CHROMA_ASYNC_CORS_ALLOW_ORIGINS", "[1]", "list of texts"),
        ("ALLOW_RESET", "perhaps", "true or false"),
    ],
)
def test_a_bad_value_is_refused_with_its_name_value_and_source(key: str, value: str, word: str) -> None:
    with pytest.raises(SettingsError) as caught:
        settings_from({}, {key: value}, None)
    assert (caught.value.key, caught.value.value, caught.value.source) == (key, value, "environment")
    assert all(part in str(caught.value) for part in (key, value, "environment", word))


@pytest.mark.parametrize("text", ["prot: 1\n", "port: [1]\n", "port: true\n", "- port\n", "port: {a: 1}\n", "{"])
def test_a_file_with_an_unknown_name_or_of_the_wrong_shape_is_refused(file: Path, text: str) -> None:
    file.write_text(text)
    with pytest.raises(SettingsError, match=r"settings\.yaml"):
        settings_from({}, {}, file)


def test_a_file_that_is_missing_or_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="does not exist"):
        settings_from({}, {}, tmp_path / "none.yaml")
    (tmp_path / "settings.ini").write_text("")
    with pytest.raises(SettingsError, match=r"\.toml"):
        settings_from({}, {}, tmp_path / "settings.ini")


def test_an_empty_file_changes_nothing(file: Path) -> None:
    file.write_text("# nothing\n")
    assert settings_from({}, {}, file) == Settings()


def test_settings_made_in_code_are_judged_too() -> None:
    with pytest.raises(SettingsError, match="memtable_rows"):
        Settings(memtable_rows=-1)
    with pytest.raises(SettingsError, match="max_connections"):
        ClientSettings(max_connections=0)


def test_a_clients_settings_come_from_its_own_names_and_from_chromas() -> None:
    env = {"CHROMA_ASYNC_CLIENT_READ_TIMEOUT_S": "none", "CHROMA_HTTP_KEEPALIVE_SECS": "7", "CHROMA_ASYNC_PORT": "nonsense"}
    settings = load_client_settings(env)
    assert settings.read_timeout_s is None
    assert settings.keepalive_s == 7.0
    with pytest.raises(SettingsError, match="unknown"):
        load_client_settings({"CHROMA_ASYNC_CLIENT_TIMEOUT": "1"})
