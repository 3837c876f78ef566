"""The CloudFormation template: its linter is silent, and the stack that comes of it is the one that the page describes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from chroma_async.config.environment import environment_layer
from chroma_async.config.settings import TABLE
from tests.deploy.cloudformation import REQUIRED, TEMPLATE, Stack, stack
from tests.deploy.programs import DEPLOY, ROOT, output_of, program

pytestmark = pytest.mark.deployment
#: What users of Chroma's own templates know.
KNOWN = {
    "InstanceType", "KeyName", "ChromaServerAuthCredentials", "ChromaServerAuthProvider", "ChromaAuthTokenTransportHeader",
    "ChromaOtelCollectionEndpoint", "ChromaOtelServiceName", "ChromaOtelCollectionHeaders", "ChromaOtelGranularity",
}  # fmt: skip


@pytest.fixture(scope="module")
def made() -> Stack:
    """With nothing but what must be given."""
    return stack({})


def template() -> dict[str, Any]:
    """The template as data; short forms of functions as their long ones."""
    from cfnlint.decode import cfn_yaml

    return dict(cfn_yaml.load(str(TEMPLATE)))


def test_the_linter_has_nothing_to_say() -> None:
    assert output_of(program("cfn-lint"), TEMPLATE) == (0, "")


def test_the_linter_would_say_what_is_wrong(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text(TEMPLATE.read_text("utf-8").replace("VolumeType: !Ref", "VolumeTyp: !Ref", 1))
    code, said = output_of(program("cfn-lint"), bad)
    assert code != 0
    assert "VolumeTyp" in said


def test_it_takes_the_parameters_that_users_of_chroma_know_and_asks_for_no_more_than_it_must() -> None:
    parameters = template()["Parameters"]
    assert set(parameters) >= KNOWN
    assert {name for name, parameter in parameters.items() if "Default" not in parameter} == set(REQUIRED)
    assert {name for name, parameter in parameters.items() if parameter.get("NoEcho")} == {"AuthToken", "ChromaServerAuthCredentials"}
    assert not [name for name, parameter in parameters.items() if "0.0.0.0/0" in str(parameter.get("Default"))]


def test_the_page_names_parameters_that_there_are() -> None:
    page = (ROOT / "docs" / "deployment" / "aws.md").read_text("utf-8")
    given = set(re.findall(r"\b([A-Z]\w+)=[$0-9a-z]", page)) | set(
        re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`[^|]+) \|", page, re.M)))
    )
    assert set(REQUIRED) | KNOWN <= given <= set(template()["Parameters"])


def test_a_weak_token_and_a_network_that_is_none_are_refused() -> None:
    parameters = template()["Parameters"]
    assert parameters["AuthToken"]["MinLength"] == 16
    pattern = parameters["AllowedCidr"]["AllowedPattern"]
    assert re.search(pattern, "10.0.0.0/8")
    assert not re.search(pattern, "everywhere")
    assert not re.search(parameters["AuthToken"]["AllowedPattern"], "two words")


def test_the_volume_is_encrypted_and_stays_when_the_stack_goes() -> None:
    data = template()["Resources"]["Data"]
    assert (data["DeletionPolicy"], data["UpdateReplacePolicy"]) == ("Retain", "Retain")
    assert data["Properties"]["Encrypted"] is True


def test_the_stack_has_an_address_its_volume_and_one_open_port(made: Stack) -> None:
    assert made.status == "CREATE_COMPLETE"
    assert made.outputs["Url"] == f"http://{made.outputs['ServerIp']}:8000"
    assert made.volumes[made.outputs["DataVolume"]]["Attachments"][0]["Device"] == "/dev/sdf"
    assert made.ingress == {8000: ["10.0.0.0/8"]}
    assert made.instance["InstanceType"] == "t3.small"
    assert "KeyName" not in made.instance or not made.instance["KeyName"]


def test_ssh_is_open_only_with_a_key_and_only_to_the_addresses_that_were_named() -> None:
    made = stack({"KeyName": "mine", "SshCidr": "192.0.2.0/24"})
    assert made.ingress == {8000: ["10.0.0.0/8"], 22: ["192.0.2.0/24"]}
    assert made.instance["KeyName"] == "mine"


def test_no_credential_is_in_what_everyone_may_read() -> None:
    made = stack({"ChromaServerAuthCredentials": "admin:$2y$05$hash"})
    for secret in (REQUIRED["AuthToken"], "$2y$05$hash"):
        assert secret not in made.user_data
        assert secret not in str(made.outputs)
    role = template()["Resources"]["Role"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
    assert json.loads(json.dumps(role)) == [
        {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": {"Ref": "Credentials"}}
    ]


def test_the_machine_does_what_every_cloud_does(made: Stack) -> None:
    assert (DEPLOY / "cloud" / "first-boot.sh").read_text("utf-8") in made.user_data
    assert f"volume='{made.outputs['DataVolume']}'" in made.user_data
    assert f"IMAGE='{REQUIRED['Image']}'" in made.user_data


def test_the_shell_linter_has_nothing_to_say_of_it(made: Stack, tmp_path: Path) -> None:
    script = tmp_path / "user-data"
    script.write_text(made.user_data)
    assert output_of(program("shellcheck"), script) == (0, "")


def test_what_it_sets_are_settings_of_the_server() -> None:
    given = {
        "ChromaServerAuthProvider": "chromadb.auth.basic_authn.BasicAuthenticationServerProvider",
        "ChromaAuthTokenTransportHeader": "X-Chroma-Token",
        "ChromaOtelCollectionEndpoint": "http://192.0.2.1:4318",
        "ChromaOtelServiceName": "store",
        "ChromaOtelCollectionHeaders": '{"a": "b"}',
        "ChromaOtelGranularity": "operation",
    }
    script = stack(given).user_data
    (text,) = re.findall(r"environment <<'END'\n(.*?)^END$", script, re.M | re.S)
    environment = dict(line.split("=", 1) for line in text.splitlines())
    assert set(environment.values()) == set(given.values())
    layer = environment_layer(environment, TABLE)
    assert (layer.faults, layer.notices) == ([], [])
