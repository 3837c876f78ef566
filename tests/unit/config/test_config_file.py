"""Configuration files: what they may hold, and what is said about the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from chroma_async.config.config_file import file_layer
from chroma_async.config.settings import TABLE
from chroma_async.config.values import Layer


def layer_of(tmp_path: Path, text: str | bytes, name: str = "settings.yaml") -> Layer:
    file = tmp_path / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file_layer(file, "command line", TABLE)


def fault_of(tmp_path: Path, text: str | bytes, name: str = "settings.yaml") -> str:
    (fault,) = layer_of(tmp_path, text, name).faults
    return str(fault)


@pytest.mark.parametrize("text", ["", "# nothing\n", "port:\n", "open_telemetry: {}\n", "circuit_breaker: {requests: 0}\n"])
def test_a_file_that_says_nothing_changes_nothing(tmp_path: Path, text: str) -> None:
    layer = layer_of(tmp_path, text)
    assert (layer.given, layer.notices, layer.faults) == ([], [], [])


def test_a_key_that_stands_twice_is_refused_with_both_lines(tmp_path: Path) -> None:
    assert "port stands twice, in line 1 and in line 3" in fault_of(tmp_path, "port: 1\nlisten_address: x\nport: 2\n")
    assert "endpoint stands twice" in fault_of(tmp_path, "open_telemetry:\n  endpoint: a\n  endpoint: b\n")
    assert "overwrite" in fault_of(tmp_path, "port = 1\nport = 2\n", "settings.toml")


def test_two_names_of_one_setting_are_refused(tmp_path: Path) -> None:
    assert "the same setting is given as path too" in fault_of(tmp_path, "path: a\npersist_path: b\n")


@pytest.mark.parametrize(
    ("text", "meant"), [("prot: 1\n", "port"), ("persist_paht: x\n", "persist_path"), ("max-body-bytes: 1\n", "max_body_bytes")]
)
def test_an_unknown_key_is_refused_and_the_nearest_suggested(tmp_path: Path, text: str, meant: str) -> None:
    assert fault_of(tmp_path, text).endswith(f"unknown setting; did you mean {meant}?")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("- port\n", "not a list"),
        ("port\n", "not a str"),
        ("{", "it is not YAML"),
        ("a: !!python/object:os.system {}\n", "it is not YAML"),
        (b"\xff\xfe\x00", "UTF-8"),
        ("? [1]\n: 2\n", "unhashable"),
    ],
)
def test_what_is_no_mapping_is_refused(tmp_path: Path, text: str | bytes, reason: str) -> None:
    said = fault_of(tmp_path, text)
    assert reason in said
    assert "settings.yaml" in said


def test_a_directory_is_no_configuration_file(tmp_path: Path) -> None:
    (fault,) = file_layer(tmp_path, "command line", TABLE).faults
    assert "Is a directory" in str(fault)


def test_all_that_has_no_effect_is_one_warning(tmp_path: Path) -> None:
    layer = layer_of(tmp_path, "sqlitedb: {hash_type: md5}\nsysdb: {sqlite: {log_tenant: default}}\nopen_telemetry: {filters: []}\n")
    assert layer.faults == []
    assert layer.notices == [
        f"{tmp_path / 'settings.yaml'}: sqlitedb.hash_type, sysdb.sqlite.log_tenant, open_telemetry.filters have no effect here"
    ]
