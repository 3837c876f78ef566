"""What an installation brings, and what the image, the build file and the continuous check promise."""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import stat
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import distribution, packages_distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from chroma_async.config.settings import TABLE
from tests.shape.source import ROOT, modules


def project() -> dict[str, Any]:
    return dict(tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"])


def test_a_core_installation_is_at_most_twenty_distributions() -> None:
    needed: set[str] = set()
    waiting = [(Requirement(text), "") for text in project()["dependencies"]]
    while waiting:
        requirement, extra = waiting.pop()
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        if name in needed and not requirement.extras:
            continue
        needed.add(name)
        for text in distribution(name).requires or ():
            waiting += [(Requirement(text), wanted) for wanted in ("", *requirement.extras)]
    assert len(needed) <= 20, sorted(needed)


def declared(*texts: str) -> set[str]:
    """The distributions that requirements name."""
    return {canonicalize_name(Requirement(text).name) for text in texts}


#: Import -> distribution, of those that only the environment of `make deployment` has.
NOT_INSTALLED_HERE = {"cfnlint": "cfn-lint", "hcl2": "python-hcl2", "helm_python": "helm-python-sdk"}


def undeclared(imported: Iterable[str], allowed: set[str]) -> set[str]:
    """Imports that none of these distributions brings. What is not installed here is known by its own name."""
    installed = packages_distributions()
    own = {*sys.stdlib_module_names, "chroma_async", "tests", "examples"}
    tops = {name.partition(".")[0] for name in imported} - own
    return {top for top in tops if allowed.isdisjoint(map(canonicalize_name, installed.get(top, [NOT_INSTALLED_HERE.get(top, top)])))}


def test_what_the_package_imports_is_declared_in_the_core_or_by_an_extra() -> None:
    core = declared(*project()["dependencies"])
    extras = {text for extra, texts in project()["optional-dependencies"].items() if extra != "dev" for text in texts}
    imports = [item for module in modules() for item in module.imports()]
    assert undeclared((item.target for item in imports if item.at_load), core) == set()
    assert undeclared((item.target for item in imports), core | declared(*extras)) == set()


def imports_of(file: Path) -> set[str]:
    """Every module that a test imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return names


def test_what_the_tests_import_is_declared_for_developers() -> None:
    everything = declared(*project()["dependencies"], *(text for texts in project()["optional-dependencies"].values() for text in texts))
    imported = {name for file in (ROOT / "tests").rglob("*.py") for name in imports_of(file)}
    assert undeclared(imported, everything) == set()


def test_the_command_is_installed_under_its_name() -> None:
    assert project()["scripts"] == {"chroma-async": "chroma_async.cli:main"}


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions, continued lines joined, comments left out."""
    text = "\n".join(line for line in (ROOT / "Dockerfile").read_text("utf-8").splitlines() if not line.startswith("#"))
    lines = [line for line in text.replace("\\\n", " ").splitlines() if line.strip()]
    return [(word.upper(), rest.strip()) for word, rest in (line.split(maxsplit=1) for line in lines)]


def last_stage() -> dict[str, list[str]]:
    """Instruction -> arguments, of the stage that becomes the image."""
    every = instructions()
    begin = max(n for n, (word, _) in enumerate(every) if word == "FROM")
    found: dict[str, list[str]] = {}
    for word, rest in every[begin:]:
        found.setdefault(word, []).append(rest)
    return found


def test_the_image_is_built_in_stages_from_bases_pinned_by_tag() -> None:
    bases = [rest.split()[0] for word, rest in instructions() if word == "FROM"]
    assert len(bases) >= 2
    assert all(re.fullmatch(r"[\w./-]+:\d[\w.-]*", base) for base in bases)


def test_the_image_runs_the_server_itself_as_a_user_without_rights() -> None:
    stage = last_stage()
    assert stage["USER"] == ["65532:65532"]
    assert json.loads(stage["ENTRYPOINT"][-1]) == ["chroma-async"]
    assert json.loads(stage["CMD"][-1]) == ["run"]


def test_the_image_is_set_by_variables_that_give_way_to_those_of_its_user() -> None:
    named = set(re.findall(r"\b(CHROMA_\w+)=", " ".join(last_stage()["ENV"])))
    assert named == {f"CHROMA_ASYNC_DEFAULT_{name}" for name in ("HOST", "PATH", "GRACE_S", "MAKE_INITIAL_TOKEN")}
    assert {name.removeprefix("CHROMA_ASYNC_DEFAULT_").lower() for name in named} <= set(TABLE)


def test_the_image_installs_what_others_made_by_hash_before_it_sees_our_source() -> None:
    steps = [rest for word, rest in instructions() if word in ("COPY", "RUN")]
    (locked,) = [number for number, step in enumerate(steps) if "requirements.lock" in step]
    (source,) = [number for number, step in enumerate(steps) if step.startswith("chroma_async ")]
    assert locked < source
    installs = [step for line in steps for step in line.split("&&") if re.search(r"\bpip\b.* (install|wheel) ", step)]
    assert len(installs) == 4
    assert all("--require-hashes" in step or "--no-deps" in step for step in installs)


def test_the_image_has_one_volume_one_port_and_a_health_check_that_needs_no_other_program() -> None:
    stage = last_stage()
    assert stage["VOLUME"] == ["/data"]
    assert stage["EXPOSE"] == ["8000"]
    (check,) = stage["HEALTHCHECK"]
    assert json.loads(check[check.index("CMD ") + 4 :]) == ["chroma-async", "healthcheck"]


def test_the_builder_is_sent_everything_the_image_copies_and_no_more() -> None:
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")}
    copied = {name for word, rest in instructions() if word == "COPY" and "--from" not in rest for name in rest.split()[:-1]}
    assert {name.removeprefix("./") for name in copied} == sent
    assert "*" in (ROOT / ".dockerignore").read_text("utf-8").splitlines()


def dry_run(*goals: str) -> str:
    """What make would do in a clone where nothing was made yet."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    command = ["make", "--dry-run", "VENV=/nonexistent/venv", *goals]
    return subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True).stdout


def test_run_and_test_work_as_the_first_command_after_a_clone() -> None:
    for goal, last in (("run", "chroma-async run --host 127.0.0.1 --port 8000 --path ./chroma"), ("test", "-m pytest")):
        steps = dry_run(goal)
        assert steps.index("-m venv") < steps.index("pip install") < steps.index(last)


def pytest_calls(goal: str) -> list[list[str]]:
    """The arguments of each call of pytest that a goal makes."""
    lines = [line.partition(" -m pytest ") for line in dry_run(goal).splitlines()]
    return [shlex.split(arguments) for _, separator, arguments in lines if separator]


MARKS = ("slow", "reference", "deployment", "container", "alone")


def selected(calls: list[list[str]], *marks: str) -> list[int]:
    """Which of the calls run a test that has these marks and no other."""
    expressions = [call[call.index("-m") + 1] if "-m" in call else "True" for call in calls]
    has = {mark: mark in marks for mark in MARKS}
    return [number for number, expression in enumerate(expressions) if eval(expression, has)]


def test_each_test_runs_once_in_parallel_or_after_that_alone() -> None:
    calls = pytest_calls("test")
    assert ["--numprocesses" in call for call in calls] == [True, False]
    assert selected(calls) == [0]
    assert selected(calls, "alone") == [1]
    for minutes in ("slow", "reference", "deployment"):
        assert selected(calls, minutes) == selected(calls, minutes, "alone") == []


def test_what_runs_alone_is_looked_for_in_the_files_that_have_it_and_in_no_other() -> None:
    _, call = pytest_calls("test")
    named = set(call[call.index("-m") + 2 :])
    marked = {str(file.relative_to(ROOT)) for file in (ROOT / "tests").rglob("test_*.py") if "pytest.mark.alone" in file.read_text("utf-8")}
    assert named == marked
    assert len(marked) > 3


def test_every_test_that_asks_the_real_server_lies_where_its_goal_looks() -> None:
    asking = {file for file in (ROOT / "tests").rglob("*.py") if "pytest.mark.reference" in file.read_text("utf-8")}
    asking.discard(ROOT / "tests" / "shape" / "test_distribution.py")
    (call,) = pytest_calls("reference")
    assert asking
    assert all(file.is_relative_to(ROOT / call[-1]) for file in asking)


@pytest.mark.parametrize(("goal", "marks"), [("slow", ["slow"]), ("reference", ["reference"])])
def test_what_takes_minutes_has_a_goal_of_its_own(goal: str, marks: list[str]) -> None:
    assert selected(pytest_calls(goal), *marks) == [0]


@pytest.mark.parametrize(("goal", "folder"), [("recall", "tests/recall"), ("crash", "tests/crash"), ("soak", "tests/model")])
def test_a_goal_of_one_folder_runs_all_that_it_holds(goal: str, folder: str) -> None:
    (call,) = pytest_calls(goal)
    assert call[-1] == folder
    assert selected([call]) == selected([call], "slow") == selected([call], "alone") == [0]


def test_tests_that_look_at_a_clock_run_alone() -> None:
    looking = {
        file.name
        for file in (ROOT / "tests").rglob("test_*.py")
        if re.search(r"\b(perf_counter|thread_time|process_time)(_ns)?\(", file.read_text("utf-8"))
    } - {"test_distribution.py"}
    assert looking
    assert {name for name in looking if "pytest.mark.alone" not in next((ROOT / "tests").rglob(name)).read_text("utf-8")} == set()


@pytest.mark.parametrize(("goal", "marks"), [("deployment", ["deployment"]), ("container", ["deployment", "container"])])
def test_what_needs_other_programs_has_a_goal_of_its_own(goal: str, marks: list[str]) -> None:
    (call,) = pytest_calls(goal)
    assert call[-1] == "tests/deploy"
    assert selected([call], *marks) == [0]
    files = list((ROOT / "tests" / "deploy").glob("test_*.py"))
    assert files
    assert all("pytest.mark.deployment" in file.read_text("utf-8") for file in files)


CHECKED = ("check", "test", "deployment", "reference", "recall", "crash")


def test_the_continuous_check_starts_from_nothing_and_runs_what_a_developer_runs() -> None:
    script = ROOT / ".ci" / "run"
    text = script.read_text("utf-8")
    assert script.stat().st_mode & stat.S_IXUSR
    assert "mktemp -d" in text
    assert re.findall(r'^make VENV="\$scratch/venv" (\w+)$', text, re.M) == list(CHECKED)
    assert re.findall(r"^make .*", text, re.M)[-1] == text.splitlines()[-1], "the last lines are those of a runner"
    for kept in re.findall(r"\bexport\b.* XDG_CACHE_HOME=(\S+)", text):
        assert kept.startswith('"$scratch/'), "the environment of the real server is fresh too"
    assert "XDG_CACHE_HOME" in text
    subprocess.run(["bash", "-n", str(script)], check=True)
