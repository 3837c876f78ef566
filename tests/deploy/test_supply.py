"""Licences and vulnerabilities of what the image holds: the page is true, and an audit that could not ask does not look like a good one."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from tests.deploy.programs import DEPLOY, ROOT, output_of

pytestmark = pytest.mark.deployment
PAGE = ROOT / "docs" / "licences.md"
LOCKED = re.findall(r"^([a-z0-9._-]+)==(\S+)", (DEPLOY / "image" / "requirements.lock").read_text("utf-8"), re.M)
#: Licences that ask for no more than their text beside the program, or, MPL, for the source of the file that was changed.
FREE = {"Apache-2.0", "MIT", "MIT-0", "BSD-2-Clause", "BSD-3-Clause", "0BSD", "PSF-2.0", "MPL-2.0", "Zlib", "CC0-1.0", "CNRI-Python", "ISC"}


def test_the_page_of_licences_is_what_the_distributions_say() -> None:
    code, said = output_of(sys.executable, DEPLOY / "image" / "licences.py")
    assert code == 0, said
    assert said == PAGE.read_text("utf-8"), "make licences"


def test_every_licence_lets_the_image_be_used_and_passed_on() -> None:
    rows = [line.split(" | ") for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| ") and "licence" not in line]
    assert len(rows) == len(LOCKED)
    named = {name: set(re.findall(r"[\w.-]+", expression)) - {"AND", "OR", "WITH"} for name, expression, _ in rows}
    assert {name: licences - FREE for name, licences in named.items() if licences - FREE} == {}


def audited(directory: Path, entries: list[dict[str, object]] | None, code: int) -> tuple[int, str]:
    """What ``make audit`` makes of a pip-audit that reports these entries, or none at all."""
    program = directory / "pip-audit"
    report = "" if entries is None else json.dumps({"dependencies": entries, "fixes": []})
    program.write_text(
        f"#!{sys.executable}\nimport sys\nreport = {report!r}\nprint('as it said')\n"
        "path = next(word.split('=', 1)[1] for word in sys.argv if word.startswith('--output='))\n"
        f"report and open(path, 'w').write(report)\nsys.exit({code})\n"
    )
    program.chmod(0o755)
    return output_of(sys.executable, DEPLOY / "image" / "audit.py", program)


CLEAN: list[dict[str, object]] = [{"name": name, "version": version, "vulns": []} for name, version in LOCKED]


def test_an_audit_that_asked_about_everything_and_found_nothing_is_good(tmp_path: Path) -> None:
    code, said = audited(tmp_path, CLEAN, 0)
    assert code == 0
    assert f"checked: {len(LOCKED)} distributions" in said


def test_a_known_vulnerability_is_named_and_fails(tmp_path: Path) -> None:
    name, version = LOCKED[3]
    found = {"name": name, "version": version, "vulns": [{"id": "PYSEC-2026-1", "fix_versions": []}]}
    code, said = audited(tmp_path, [*CLEAN[:3], found, *CLEAN[4:]], 1)
    assert code == 1
    assert f"vulnerable: {name} {version}: PYSEC-2026-1" in said


@pytest.mark.parametrize("entries", [None, [], CLEAN[1:], [{"name": LOCKED[0][0], "skip_reason": "not found"}, *CLEAN[1:]]])
@pytest.mark.parametrize("exit_code", [0, 1])
def test_what_could_not_be_asked_about_is_not_checked_whatever_the_exit_code(
    tmp_path: Path, entries: list[dict[str, object]] | None, exit_code: int
) -> None:
    code, said = audited(tmp_path, entries, exit_code)
    assert code == 2
    assert "not checked" in said
    assert "as it said" in said
