"""The systemd unit: systemd itself has nothing to say of it, and its exposure stays under a threshold."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from chroma_async.config.environment import environment_layer
from chroma_async.config.settings import TABLE, Settings
from tests.deploy.programs import DEPLOY, output_of, program

pytestmark = pytest.mark.deployment
UNIT = DEPLOY / "systemd" / "chroma-async.service"
TEXT = UNIT.read_text("utf-8")
SYSTEMD = "part of systemd (apt-get install systemd)"
#: Tenths. Of a service that needs the network, 0 is not to be had; without any of its hardening it is 92.
THRESHOLD = 14


def verified(directory: Path, text: str) -> tuple[int, str]:
    """What ``systemd-analyze verify`` says of a unit whose program is the one of this environment. It exits with 0 on a misspelt key, and
    says so: only silence is good."""
    unit = directory / "chroma-async.service"
    unit.write_text(text.replace("/opt/chroma-async/bin", str(Path(sys.executable).parent)))
    return output_of(program("systemd-analyze", SYSTEMD), "verify", unit)


def test_systemd_says_nothing_of_the_unit(tmp_path: Path) -> None:
    assert verified(tmp_path, TEXT) == (0, "")


def test_a_misspelt_key_is_heard(tmp_path: Path) -> None:
    _, said = verified(tmp_path, TEXT.replace("ProtectHome=", "ProtectHomes="))
    assert "ProtectHomes" in said


def exposure(unit: Path, threshold: int) -> tuple[int, str]:
    return output_of(program("systemd-analyze", SYSTEMD), "security", "--offline=true", f"--threshold={threshold}", "--no-pager", unit)


def test_its_exposure_is_under_the_threshold() -> None:
    code, said = exposure(UNIT, THRESHOLD)
    assert code == 0, said


def test_less_hardening_is_over_the_threshold(tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name
    unit.write_text(TEXT.replace("ProtectSystem=strict\n", ""))
    assert exposure(unit, THRESHOLD)[0] == 1


def test_its_variables_are_settings_and_it_stops_after_the_requests() -> None:
    given = dict(pair.split("=", 1) for line in re.findall(r"^Environment=(.+)$", TEXT, re.M) for pair in line.split())
    assert given.pop("CHROMA_SERVER_AUTHN_CREDENTIALS_FILE") == "%d/token"
    assert "token:" in "".join(re.findall(r"^LoadCredential=(.+)$", TEXT, re.M))
    layer = environment_layer(given, TABLE)
    assert (layer.faults, layer.notices) == ([], [])
    (seconds,) = re.findall(r"^TimeoutStopSec=(\d+)$", TEXT, re.M)
    assert int(seconds) > Settings().grace_s


def test_its_directory_is_the_one_it_may_write() -> None:
    (state,) = re.findall(r"^StateDirectory=(\S+)$", TEXT, re.M)
    assert f"PERSIST_DIRECTORY=/var/lib/{state} " in TEXT
    assert f"WorkingDirectory=/var/lib/{state}\n" in TEXT


def test_systemd_makes_the_user_that_the_unit_names(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    file = UNIT.with_name("chroma-async.sysusers.conf")
    code, said = output_of(program("systemd-sysusers", SYSTEMD), f"--root={tmp_path}", file)
    assert code == 0, said
    (user,) = re.findall(r"^User=(.+)$", TEXT, re.M)
    assert (tmp_path / "etc" / "passwd").read_text("utf-8").startswith(f"{user}:")
