"""The environment: names that count, names of others, and names that nobody knows."""

from __future__ import annotations

import pytest

from chroma_async.config.environment import default_layer, environment_layer, service_links
from chroma_async.config.settings import TABLE

KUBERNETES = {
    "CHROMA_PORT": "tcp://10.0.0.7:8000",
    "CHROMA_PORT_8000_TCP": "tcp://10.0.0.7:8000",
    "CHROMA_PORT_8000_TCP_ADDR": "10.0.0.7",
    "CHROMA_PORT_8000_TCP_PORT": "8000",
    "CHROMA_PORT_8000_TCP_PROTO": "tcp",
    "CHROMA_SERVICE_HOST": "10.0.0.7",
    "CHROMA_SERVICE_PORT": "8000",
    "CHROMA_SERVICE_PORT_HTTP": "8000",
}


def notices(env: dict[str, str]) -> list[str]:
    return environment_layer(env, TABLE).notices


def test_what_kubernetes_makes_of_a_service_named_chroma_is_ignored_in_one_line() -> None:
    layer = environment_layer(KUBERNETES, TABLE)
    assert layer.given == []
    assert layer.faults == []
    assert len(layer.notices) == 1
    assert layer.notices[0].startswith("CHROMA_PORT and 7 more are ignored: Kubernetes")


@pytest.mark.parametrize("service", ["CHROMA_ASYNC", "CHROMA_HOST", "CHROMA_SERVER_HTTP", "CHROMA_ASYNC_CLIENT"])
def test_so_is_that_of_a_service_whose_variables_look_like_settings(service: str) -> None:
    env = {name.replace("CHROMA", service, 1): value for name, value in KUBERNETES.items()}
    layer = environment_layer(env, TABLE)
    assert (layer.given, layer.faults, len(layer.notices)) == ([], [], 1)


def test_a_port_that_is_a_number_is_no_service() -> None:
    assert service_links({"CHROMA_PORT": "8000", "CHROMA_SERVICE_HOST": "10.0.0.7", "OTHER_PORT": "tcp://10.0.0.7:8000"}) == []


@pytest.mark.parametrize(
    "name",
    ["ANONYMIZED_TELEMETRY", "CHROMA_WORKERS", "CHROMA_LOG_CONFIG", "CHROMA_SQLITEDB__HASH_TYPE", "CHROMA_ASYNC_RATE_LIMIT_ENFORCER_IMPL"],
)
def test_chromas_variables_without_effect_are_taken_with_a_warning(name: str) -> None:
    assert notices({name: "1"}) == [f"{name} has no effect here"]


def test_several_of_them_are_one_warning() -> None:
    assert notices({"CHROMA_WORKERS": "2", "ANONYMIZED_TELEMETRY": "False"}) == ["ANONYMIZED_TELEMETRY, CHROMA_WORKERS have no effect here"]


@pytest.mark.parametrize(
    "name", ["CHROMA_HOST", "CHROMA_SSL", "CHROMA_API_KEY", "CHROMA_OPENAI_API_KEY", "CHROMA_CLIENT_AUTH_CREDENTIALS", "PATH", "OTEL_X"]
)
def test_variables_of_clients_and_of_others_are_left_alone(name: str) -> None:
    assert notices({name: "x"}) == []


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("CHROMA_LOG_LEVEL", "CHROMA_ASYNC_LOG_LEVEL"),
        ("CHROMA_PERSIST_PAHT", "CHROMA_PERSIST_PATH"),
        ("CHROMA_SERVER_NOFILES", "CHROMA_SERVER_NOFILE"),
    ],
)
def test_an_unknown_variable_of_chromas_is_a_warning_that_suggests_the_nearest(name: str, meant: str) -> None:
    assert notices({name: "x"}) == [f"{name} is no setting of this server, and has no effect; did you mean {meant}?"]


def test_an_unknown_variable_that_resembles_none_suggests_none() -> None:
    assert notices({"CHROMA_QQQ": "x"}) == ["CHROMA_QQQ is no setting of this server, and has no effect"]


def test_an_unknown_variable_of_our_own_is_refused() -> None:
    (fault,) = environment_layer({"CHROMA_ASYNC_MEMTABEL_ROWS": "5"}, TABLE).faults
    assert str(fault) == "CHROMA_ASYNC_MEMTABEL_ROWS = '5' (environment): unknown setting; did you mean CHROMA_ASYNC_MEMTABLE_ROWS?"


def test_a_default_can_be_changed_for_an_image() -> None:
    layer = default_layer({"CHROMA_ASYNC_DEFAULT_PATH": "/data", "CHROMA_ASYNC_DEFAULT_PORT": " ", "CHROMA_ASYNC_DEFAULT_PAHT": "/"}, TABLE)
    assert [(given.row.name, given.value) for given in layer.given] == [("path", "/data")]
    assert [fault.key for fault in layer.faults] == ["CHROMA_ASYNC_DEFAULT_PAHT"]
