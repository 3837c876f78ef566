"""Programs that the deployment files are checked with: those of the environment of ``make deployment``, else those of the system."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"


def program(name: str, source: str = "make deployment installs it") -> str:
    """The path of a program. Fails the test, with what to do, if it is missing: what was not checked must not look as if it was.

    :param source: where it comes from, for the sentence.
    """
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    found = shutil.which(name, path=places)
    if found is None:
        pytest.fail(f"{name} is not installed, so nothing was checked: {source}", pytrace=False)
    return found


def output_of(*command: str | Path, env: Mapping[str, str] | None = None, cwd: Path = ROOT, timeout_s: float = 100) -> tuple[int, str]:
    """Exit code, and all that a program printed."""
    ended = subprocess.run(
        list(map(str, command)), cwd=cwd, env=env, check=False, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout_s,
    )  # fmt: skip
    return ended.returncode, ended.stdout
