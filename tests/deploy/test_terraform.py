"""The Terraform files: every resource and argument is one of the provider's, and the names are those that Chroma's users know."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from chroma_async.config.environment import environment_layer
from chroma_async.config.settings import TABLE
from tests.deploy.programs import DEPLOY, ROOT, output_of, program
from tests.deploy.terraform import SCRIPTS, Body, Provider, blocks, faults, load, rendered, texts

pytestmark = pytest.mark.deployment
MODULES = {"gcp": "google", "gcp/cloud-run": "google", "azure": "azurerm"}
SHARED = {
    "image", "auth_token", "allowed_cidrs", "ssh_cidrs", "instance_name", "machine_type", "disk_size_gb", "disk_type",
    "chroma_server_auth_credentials", "chroma_server_auth_provider", "chroma_auth_token_transport_header",
    "chroma_otel_collection_endpoint", "chroma_otel_service_name", "chroma_otel_collection_headers", "chroma_otel_granularity",
    "credentials_version",
}  # fmt: skip
OF_CHROMA = {
    "gcp": {"project_id", "region", "zone"},
    "azure": {"resource_group_name", "location", "ssh_public_key_path"},
}
SECRETS = {"auth_token", "chroma_server_auth_credentials"}


@pytest.fixture(scope="module", params=MODULES)
def case(request: pytest.FixtureRequest) -> tuple[str, Body, Provider]:
    return request.param, load(DEPLOY / request.param), Provider(MODULES[request.param])


def variables(module: Body) -> dict[str, dict[str, Any]]:
    return {name: body for block in module["variable"] for name, body in block.items()}


def test_every_resource_and_argument_is_one_of_the_provider(case: tuple[str, Body, Provider]) -> None:
    _, module, provider = case
    assert len(list(blocks(module, "resource"))) >= 5
    assert faults(module, provider) == []


@pytest.mark.parametrize(
    ("module", "old", "new", "fault"),
    [
        ("gcp", "machine_type  ", "machine_typ  ", "google_compute_instance.server.machine_typ: no such argument"),
        ("gcp", "machine_type  ", "machine_typ  ", "google_compute_instance.server: machine_type is missing"),
        ("gcp", 'resource "google_compute_disk"', 'resource "google_compute_disc"', "google_compute_disc.data: no such type"),
        ("gcp", "nat_ip = ", "nat_ips = ", "google_compute_instance.server.network_interface.access_config.nat_ips: no such argument"),
        ("gcp", "address.server.address\n    }", "address.server.adress\n    }", "google_compute_address.server has no adress"),
        ("gcp", "disk.data.id", "disk.date.id", "google_compute_disk.date is referred to and not declared"),
        ("gcp/cloud-run", 'dynamic "nfs"', 'dynamic "nsf"', "google_cloud_run_v2_service.server.template.volumes.nsf: no such argument"),
        ("azure", "prevent_destroy", "prevent_destruction", "azurerm_managed_disk.data.lifecycle: no prevent_destruction"),
    ],
)
def test_what_the_provider_does_not_know_is_found(module: str, old: str, new: str, fault: str, tmp_path: Path) -> None:
    for file in (DEPLOY / module).glob("*.tf"):
        (tmp_path / file.name).write_text(file.read_text("utf-8"))
    main = (DEPLOY / module / "main.tf").read_text("utf-8")
    assert old in main
    (tmp_path / "main.tf").write_text(main.replace(old, new, 1))
    assert fault in faults(load(tmp_path), Provider(MODULES[module]))


def test_the_release_that_is_asked_for_is_the_one_of_the_schema(case: tuple[str, Body, Provider]) -> None:
    _, module, provider = case
    (settings,) = module["terraform"]
    (wanted,) = settings["required_providers"]
    assert wanted[provider.name]["version"].strip('"') == f"~> {provider.release.split('.')[0]}.0"


def test_every_variable_that_is_used_is_declared_and_the_other_way_round(case: tuple[str, Body, Provider]) -> None:
    _, module, _ = case
    used = {name for text in texts(module) for name in re.findall(r"\bvar\.(\w+)", text)}
    assert used == set(variables(module))
    assert all(body.get("description") and body.get("type") for body in variables(module).values())


def test_the_names_are_those_of_chromas_templates_and_the_same_in_both_clouds() -> None:
    for cloud, own in OF_CHROMA.items():
        assert set(variables(load(DEPLOY / cloud))) >= SHARED | own
    outputs = {cloud: {name for block in load(DEPLOY / cloud)["output"] for name in block} for cloud in OF_CHROMA}
    assert outputs["gcp"] == {"chroma_instance_ip", "url", "data_disk"}
    assert outputs["azure"] == {"public_ip_address", "url", "data_disk"}


def test_nobody_is_let_in_by_default_and_no_secret_is_kept(case: tuple[str, Body, Provider]) -> None:
    name, module, _ = case
    declared = variables(module)
    for secret in SECRETS & set(declared):
        assert declared[secret]["sensitive"] is True
        assert declared[secret]["ephemeral"] is True
    assert "default" not in declared["auth_token"]
    if name != "gcp/cloud-run":
        assert "default" not in declared["allowed_cidrs"]
        assert "0.0.0.0/0" in str(declared["allowed_cidrs"]["validation"])
        assert declared["ssh_cidrs"]["default"] == []


@pytest.mark.parametrize(("cloud", "type_"), [("gcp", "google_compute_disk"), ("azure", "azurerm_managed_disk")])
def test_the_disk_cannot_be_destroyed_by_the_way(cloud: str, type_: str) -> None:
    (disk,) = [body for kind, _, body in blocks(load(DEPLOY / cloud), "resource") if kind == type_]
    assert disk["lifecycle"][0]["prevent_destroy"] is True


@pytest.mark.parametrize("cloud", SCRIPTS)
def test_the_template_gets_the_values_that_it_names(cloud: str) -> None:
    main = (DEPLOY / cloud / "main.tf").read_text("utf-8")
    (text,) = re.findall(r'templatefile\("\$\{path\.module\}/([\w.-]+)", \{\n(.*?)\n    \}\)', main, re.S)
    assert text[0] == SCRIPTS[cloud]
    given = set(re.findall(r"^ +(\w+) +=", text[1], re.M))
    named = set(re.findall(r"(?<!\$)\$\{(\w+)\}", (DEPLOY / cloud / SCRIPTS[cloud]).read_text("utf-8")))
    assert given == named


@pytest.mark.parametrize("cloud", SCRIPTS)
def test_the_shell_linter_has_nothing_to_say_of_the_script(cloud: str, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text(rendered(cloud))
    assert output_of(program("shellcheck"), script) == (0, "")


@pytest.mark.parametrize("cloud", SCRIPTS)
def test_what_the_script_sets_are_settings_of_the_server(cloud: str) -> None:
    (text,) = re.findall(r"environment <<'END'\n(.*?)^END$", rendered(cloud), re.M | re.S)
    environment = dict(line.split("=", 1) for line in text.splitlines())
    assert len(environment) == 6
    layer = environment_layer(environment, TABLE)
    assert (layer.faults, layer.notices) == ([], [])


def test_cloud_run_sets_what_the_server_knows_and_no_more_than_one_instance() -> None:
    (service,) = [body for kind, _, body in blocks(load(DEPLOY / "gcp" / "cloud-run"), "resource") if kind == "google_cloud_run_v2_service"]
    (template,) = service["template"]
    assert template["scaling"][0]["max_instance_count"] == 1
    environment = {entry["name"]: entry["value"] for entry in template["containers"][0]["env"]}
    environment.pop("CHROMA_SERVER_AUTHN_CREDENTIALS_FILE")
    layer = environment_layer(environment, TABLE)
    assert (layer.faults, layer.notices) == ([], [])


@pytest.mark.parametrize("page", ["gcp", "azure"])
def test_the_page_names_variables_that_there_are(page: str) -> None:
    text = (ROOT / "docs" / "deployment" / f"{page}.md").read_text("utf-8")
    cells = "".join(re.findall(r"^\| (`[^|]+) \|", text, re.M))
    declared = set(variables(load(DEPLOY / page)))
    assert set(re.findall(r"`(\w+)`", cells)) == declared
    assert set(re.findall(r"-var (\w+)=", text)) <= declared | set(variables(load(DEPLOY / "gcp" / "cloud-run")))
