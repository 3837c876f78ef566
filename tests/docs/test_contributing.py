"""CONTRIBUTING.md is true: its commands exist, its folders and files are there, its rules are the ones that are tested."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys

import pytest

from tests.docs.markdown import ROOT, code, section, table
from tests.shape import test_layers, test_source

TEXT = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
TARGETS = re.findall(r"^([a-z]+):(?!=)", MAKEFILE, re.M)
QUOTED = re.findall(r"`([^`\n]+)`", TEXT)


def test_every_make_target_is_explained_and_every_explained_one_exists() -> None:
    rows = [code(row[0])[0].split() for row in table(TEXT, "command", "does")]
    assert all(words[0] == "make" for words in rows)
    explained = {words[1] if len(words) > 1 else "all" for words in rows}
    assert explained == set(TARGETS)
    mentioned = set(re.findall(r"`make ([a-z]+)", TEXT))
    assert mentioned <= set(TARGETS)


def test_make_can_do_every_command_that_is_written_here() -> None:
    commands = {quoted for quoted in QUOTED if quoted == "make" or quoted.startswith("make ")}
    assert len(commands) > 10
    for command in sorted(commands):
        words = ["make", "--dry-run", "VENV=/nonexistent/venv", *command.split()[1:]]
        subprocess.run(words, cwd=ROOT, check=True, capture_output=True, timeout=60)


def test_variables_that_are_passed_to_make_are_read_by_it() -> None:
    passed = {name for quoted in QUOTED if quoted.startswith("make ") for name in re.findall(r"\b([A-Z]+)=", quoted)}
    assert passed
    assert all(f"$({name})" in MAKEFILE for name in passed)


@pytest.mark.parametrize("path", sorted({quoted for quoted in QUOTED if re.match(r"(chroma_async|tests|docs|examples)/", quoted)}))
def test_a_path_that_is_named_is_there(path: str) -> None:
    assert (ROOT / path).exists()


def test_programs_that_are_run_with_python_are_there() -> None:
    modules = re.findall(r"python -m ([\w.]+)", TEXT)
    assert len(modules) >= 3
    assert [name for name in modules if importlib.util.find_spec(name) is None] == []
    files = re.findall(r"pytest (\S+\.py)(?: -k (\w+))?", TEXT)
    assert files
    for file, word in files:
        assert re.search(rf"def test_\w*{word}", (ROOT / file).read_text("utf-8"))


def test_every_folder_of_tests_says_what_it_claims() -> None:
    described = {code(row[0])[0] for row in table(TEXT, "folder", "claims")}
    folders = {f"tests/{path.name}" for path in (ROOT / "tests").iterdir() if path.is_dir() and not path.name.startswith(("_", "."))}
    assert described == folders


def test_the_rules_name_what_tests_them() -> None:
    rules = section(TEXT, "House rules")
    assert "`IMPORTS`" in rules
    assert test_layers.IMPORTS["errors"] == set()
    assert "450 is a test" in rules
    assert callable(test_source.test_no_module_is_longer_than_four_hundred_and_fifty_lines)


def test_the_commands_of_the_program_that_are_asked_for_in_a_report_exist() -> None:
    report = section(TEXT, "How a fault is reported")
    assert "`chroma-async --version`" in report
    assert "`chroma-async check --path DIR`" in report
    for arguments in (["--version"], ["check", "--help"]):
        said = subprocess.run(
            [sys.executable, "-m", "chroma_async", *arguments], check=True, capture_output=True, text=True, timeout=60, cwd=ROOT
        ).stdout
        assert re.search(r"\d+\.\d+\.\d+" if arguments == ["--version"] else "--path", said)
