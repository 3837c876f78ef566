"""The Dockerfile passes its linter."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.deploy.programs import ROOT, output_of, program

pytestmark = pytest.mark.deployment


def test_the_linter_has_nothing_to_say_of_the_dockerfile() -> None:
    assert output_of(program("hadolint"), ROOT / "Dockerfile") == (0, "")


def test_the_linter_would_say_what_is_wrong(tmp_path: Path) -> None:
    bad = tmp_path / "Dockerfile"
    bad.write_text((ROOT / "Dockerfile").read_text("utf-8").replace("FROM python:3.13-slim-trixie AS build", "FROM python:latest AS build"))
    code, said = output_of(program("hadolint"), bad)
    assert code == 1
    assert "DL3007" in said
