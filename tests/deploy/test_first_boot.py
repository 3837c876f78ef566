"""What a fresh machine does in each cloud, run in a Debian root: its disk, its credentials, its container."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.deploy.cloudformation import REQUIRED, stack
from tests.deploy.machine import TOKEN, Machine, tag_of
from tests.deploy.terraform import rendered

pytestmark = [pytest.mark.deployment, pytest.mark.container]


def aws() -> tuple[str, str]:
    """The script, and where its disk appears."""
    made = stack({})
    volume = made.outputs["DataVolume"].replace("-", "")
    return made.user_data, f"/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_{volume}"


def gcp() -> tuple[str, str]:
    return rendered("gcp"), "/dev/disk/by-id/google-chroma-data"


def azure() -> tuple[str, str]:
    return rendered("azure"), "/dev/disk/azure/scsi1/lun10"


CLOUDS: dict[str, Callable[[], tuple[str, str]]] = {"aws": aws, "gcp": gcp, "azure": azure}


@pytest.fixture(scope="module", params=CLOUDS)
def cloud(request: pytest.FixtureRequest) -> tuple[str, str]:
    return CLOUDS[request.param]()


def test_the_disk_is_formatted_mounted_and_given_to_the_server(cloud: tuple[str, str], tmp_path: Path) -> None:
    script, name = cloud
    machine = Machine(tmp_path)
    disk = machine.add_disk(name)
    code, said = machine.run(script)
    assert code == 0, said
    assert (tag_of(disk, "TYPE"), tag_of(disk, "LABEL")) == ("ext4", "chroma-async")
    assert machine.calls("mount") == [["/srv/chroma-async"]]
    assert "LABEL=chroma-async /srv/chroma-async ext4" in (machine.files / "etc/fstab").read_text("utf-8")
    data = (machine.files / "srv/chroma-async/data").stat()
    assert (data.st_uid, data.st_gid, data.st_mode & 0o777) == (65532, 65532, 0o750)
    unit = machine.files / "etc/systemd/system/docker.service.d/chroma-async.conf"
    assert unit.read_text("utf-8") == "[Unit]\nRequiresMountsFor=/srv/chroma-async\n"


def test_the_token_is_readable_by_the_server_alone_and_the_container_has_no_rights(cloud: tuple[str, str], tmp_path: Path) -> None:
    script, name = cloud
    machine = Machine(tmp_path)
    machine.add_disk(name)
    assert machine.run(script)[0] == 0
    token = machine.files / "etc/chroma-async/token"
    assert token.read_text("utf-8") == f"{TOKEN}\n"
    assert (token.stat().st_uid, token.stat().st_mode & 0o777) == (65532, 0o400)
    (started,) = [call for call in machine.calls("docker") if call[0] == "run"]
    assert started[-1] == REQUIRED["Image"]
    for option in (["--read-only"], ["--cap-drop", "ALL"], ["--security-opt", "no-new-privileges"], ["--restart", "unless-stopped"]):
        at = started.index(option[0])
        assert started[at : at + len(option)] == option
    assert "CHROMA_SERVER_AUTHN_CREDENTIALS_FILE=/run/secrets/chroma-token" in started
    assert "/etc/chroma-async/token:/run/secrets/chroma-token:ro" in started
    assert TOKEN not in " ".join(started)


def test_a_second_run_keeps_the_disk_and_starts_the_container_anew(cloud: tuple[str, str], tmp_path: Path) -> None:
    script, name = cloud
    machine = Machine(tmp_path)
    disk = machine.add_disk(name)
    assert machine.run(script)[0] == 0
    before = tag_of(disk, "UUID")
    code, said = machine.run(script)
    assert code == 0, said
    assert tag_of(disk, "UUID") == before
    assert len(machine.calls("mount")) == 1
    assert (machine.files / "etc/fstab").read_text("utf-8").count("chroma-async ext4") == 1
    assert [call[0] for call in machine.calls("docker") if call[0] != "login"] == ["pull", "stop", "rm", "run"] * 2


def test_without_a_disk_nothing_is_started(cloud: tuple[str, str], tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    code, said = machine.run(cloud[0])
    assert code == 1
    assert "no data disk" in said
    assert [call for call in machine.calls("docker") if call[0] == "run"] == []


def test_a_disk_whose_contents_are_unclear_is_left_alone(cloud: tuple[str, str], tmp_path: Path) -> None:
    script, name = cloud
    machine = Machine(tmp_path)
    machine.add_disk(name)
    unclear = machine.files / "usr/local/bin/blkid"
    unclear.write_text("#!/bin/bash\nexit 8\n")
    unclear.chmod(0o755)
    code, said = machine.run(script)
    assert code == 1
    assert "is left alone" in said
    assert machine.calls("mount") == []
