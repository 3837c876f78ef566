"""The compose file is one by its own schema, what it mounts is there, and nothing in it runs with more rights than it needs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from chroma_async.config.environment import environment_layer
from chroma_async.config.settings import TABLE
from tests.deploy.programs import DEPLOY, output_of, program

pytestmark = pytest.mark.deployment
FILE = DEPLOY / "compose.yaml"
COMPOSE: dict[str, Any] = yaml.safe_load(FILE.read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
#: Digests are for those who choose the registry.
WITHOUT_DIGEST = "CL-0019"


def is_compose(file: Path) -> tuple[int, str]:
    return output_of(program("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", file)


def test_it_is_a_compose_file_by_the_schema_of_compose() -> None:
    code, said = is_compose(FILE)
    assert code == 0, said


def test_a_misspelt_key_is_found(tmp_path: Path) -> None:
    bad = tmp_path / "compose.yaml"
    bad.write_text(FILE.read_text("utf-8").replace("read_only: true", "readonly: true", 1))
    assert is_compose(bad)[0] == 1


def test_the_security_linter_finds_nothing_but_tags_without_digest() -> None:
    _, said = output_of(program("compose-lint"), "check", "--format", "json", FILE)
    found = set(re.findall(r'"(CL-\d{4})"', json.dumps(json.loads(said))))
    assert found == {WITHOUT_DIGEST}, said


def test_the_server_alone_is_what_starts_without_a_profile() -> None:
    assert {name for name, service in SERVICES.items() if "profiles" not in service} == {"server"}
    assert {profile for service in SERVICES.values() for profile in service.get("profiles", ())} == {"observability"}


def default(text: str) -> str:
    """What compose makes of ``${NAME:-default}`` when nothing is set."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)


def test_the_variables_of_the_server_are_settings_that_can_be_used() -> None:
    environment = {name: default(value) for name, value in SERVICES["server"]["environment"].items()}
    environment.pop("CHROMA_SERVER_AUTHN_CREDENTIALS_FILE")
    layer = environment_layer(environment, TABLE)
    assert layer.faults == []
    assert layer.notices == []
    assert "CHROMA_SERVER_AUTHN_CREDENTIALS" in TABLE["auth_credentials"].variables


def test_the_time_to_stop_is_longer_than_the_time_for_requests() -> None:
    grace = int(SERVICES["server"]["environment"]["CHROMA_ASYNC_GRACE_S"])
    assert int(SERVICES["server"]["stop_grace_period"].removesuffix("s")) > grace


def test_ports_are_open_to_this_machine_only() -> None:
    ports = [default(port) for service in SERVICES.values() for port in service.get("ports", ())]
    assert len(ports) >= 3
    assert all(port.startswith("127.0.0.1:") for port in ports)


def bound() -> Iterator[str]:
    """Files of this machine that containers see."""
    for service in SERVICES.values():
        yield from (volume.split(":")[0] for volume in service.get("volumes", ()) if volume.startswith("."))


def test_every_file_that_is_mounted_lies_beside_the_compose_file() -> None:
    assert list(bound())
    assert [path for path in bound() if not (DEPLOY / path).exists()] == []
    assert COMPOSE["services"]["server"]["build"] == ".."
    assert (DEPLOY.parent / "Dockerfile").exists()


def test_what_is_named_is_declared() -> None:
    for kind in ("networks", "secrets"):
        assert {name for service in SERVICES.values() for name in service.get(kind, ())} == set(COMPOSE[kind])
    volumes = {volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", ())}
    assert {name for name in volumes if not name.startswith(".")} == set(COMPOSE["volumes"])


def test_the_collector_has_every_part_that_its_pipelines_name_and_no_other() -> None:
    collector = yaml.safe_load((DEPLOY / "observability" / "collector.yaml").read_text("utf-8"))
    pipelines = collector["service"]["pipelines"].values()
    for kind in ("receivers", "processors", "exporters"):
        assert {name for pipeline in pipelines for name in pipeline[kind]} == set(collector[kind])


def test_addresses_inside_are_those_of_services() -> None:
    text = "".join(file.read_text("utf-8") for file in sorted((DEPLOY / "observability").rglob("*.y*ml")))
    hosts = set(re.findall(r"\b([a-z]+):(?:4317|8000|8889|9090|16686)\b", text)) - {"http"}
    assert hosts == {"jaeger", "server", "collector", "prometheus"}
    assert hosts <= set(SERVICES)
