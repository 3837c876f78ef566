"""The runbooks are true: what a server that does not start is said to say, it says; the names in them exist."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chroma_async.cli.commands import COMMANDS
from chroma_async.config.settings import TABLE
from tests.compat.servers import start_ours
from tests.docs.markdown import ROOT, code, section, table

TEXT = (ROOT / "docs" / "runbooks.md").read_text("utf-8")
SAID = [code(row[0])[0] for row in table(TEXT, "it says", "do")]


def start(*arguments: str, env: dict[str, str] | None = None) -> tuple[int, str]:
    """Exit code and last words of a server that should not start."""
    ended = subprocess.run(
        [sys.executable, "-m", "chroma_async", "run", *arguments], env=env or {}, capture_output=True, text=True, timeout=60, check=False
    )
    return ended.returncode, ended.stdout + ended.stderr


def port_in_use(path: Path) -> tuple[int, str]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        return start("--path", str(path), "--port", str(taken.getsockname()[1]))


def directory_in_use(path: Path) -> tuple[int, str]:
    owner = start_ours(path)
    try:
        return start("--path", str(path), "--port", "0")
    finally:
        owner.kill()


def with_file(name: str, content: str) -> Callable[[Path], tuple[int, str]]:
    def of(path: Path) -> tuple[int, str]:
        path.mkdir()
        (path / name).write_text(content)
        return start("--path", str(path), "--port", "0")

    return of


def not_writable(_path: Path) -> tuple[int, str]:
    return start("--path", "/proc/chroma", "--port", "0")


SCENARIOS: dict[str, Callable[[Path], tuple[int, str]]] = {
    "another program uses this port": port_in_use,
    "is in use by process": directory_in_use,
    "cannot be written": not_writable,
    "is a data directory of Chroma itself": with_file("chroma.sqlite3", ""),
    "not a data directory of chroma_async": with_file("photo.jpg", ""),
    "this release reads up to": with_file("FORMAT", "chroma_async\nformat 99\nepoch 1\n"),
    "as there are no credentials": lambda path: start("--path", str(path), "--host", "0.0.0.0", "--port", "0"),
    "unknown setting": lambda path: start("--path", str(path), env={"CHROMA_ASYNC_PROT": "1"}),
    "the file that it names cannot be read": lambda path: start(env={"CHROMA_SERVER_AUTHN_CREDENTIALS_FILE": str(path / "none")}),
}


def test_every_message_of_the_page_is_provoked_here() -> None:
    assert list(SCENARIOS) == SAID


@pytest.mark.parametrize("said", SCENARIOS)
def test_a_server_that_does_not_start_says_what_the_page_says(said: str, tmp_path: Path) -> None:
    exit_code, words = SCENARIOS[said](tmp_path / "data")
    assert exit_code == 1
    assert said in words
    assert "Traceback" not in words


def quoted() -> Iterator[str]:
    yield from code(re.sub(r"^```.*?^```", "", TEXT, flags=re.M | re.S))


def test_every_setting_and_command_that_is_named_exists() -> None:
    variables = {variable for row in TABLE.values() for variable in row.variables}
    named = {word for text in quoted() for word in re.findall(r"\bCHROMA_[A-Z_]+\b", text)}
    assert {name.removesuffix("_FILE") for name in named} <= variables
    settings = {text for text in quoted() if re.fullmatch(r"[a-z]+(_[a-z]+)+", text)} - {"process_cpu_seconds_total"}
    assert len(settings) >= 8
    assert settings <= set(TABLE)
    called = set(re.findall(r"chroma-async ([a-z]+)\b", "\n".join([*quoted(), section(TEXT, "The first minute")])))
    assert called
    assert called <= set(COMMANDS)


def test_times_to_stop_are_those_of_the_deployment_files() -> None:
    stops = section(TEXT, "It does not stop")
    unit = (ROOT / "deploy" / "systemd" / "chroma-async.service").read_text("utf-8")
    assert f"{re.findall(r'TimeoutStopSec=([0-9]+)', unit)[0]} seconds in our unit" in stops
    compose = (ROOT / "deploy" / "compose.yaml").read_text("utf-8")
    assert f"{re.findall(r'stop_grace_period: ([0-9]+)s', compose)[0]}\nin the compose file" in stops
    values = (ROOT / "deploy" / "helm" / "values.yaml").read_text("utf-8")
    drain, grace = (int(re.findall(rf"^{name}: (\d+)$", values, re.M)[0]) for name in ("drainDelaySeconds", "graceSeconds"))
    assert f"{drain + grace + 15} in the chart" in stops
