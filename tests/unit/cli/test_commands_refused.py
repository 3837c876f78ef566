"""Every command with a path, a file, an address or a port that cannot be: a line that says why, and an exit code; no traceback."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from chroma_async import AsyncPersistentClient
from chroma_async.cli import main
from tests.unit.cli.test_logs import restored  # noqa: F401 - commands set up the log of the process


def call(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def refused(result: Result) -> str:
    """The one line that a command printed."""
    assert result.exit_code == 1, result.output
    # click ends a command by this; anything else would be a traceback.
    assert isinstance(result.exception, SystemExit), repr(result.exception)
    assert "Traceback" not in result.output
    (line,) = [line for line in result.output.splitlines() if line.startswith("Error: ")]
    return line


def _a_file(place: Path) -> Path:
    place.write_text("x")
    return place


def _inside_a_file(place: Path) -> Path:
    return _a_file(place) / "deep"


def _foreign(place: Path) -> Path:
    place.mkdir()
    (place / "notes.txt").write_text("mine")
    return place


def _of_chroma(place: Path) -> Path:
    place.mkdir()
    (place / "chroma.sqlite3").write_text("theirs")
    return place


#: What a path leads to, whatever command is given it, beside one that leads nowhere.
PLACES: dict[str, Callable[[Path], Path]] = {
    "a file": _a_file,
    "inside a file": _inside_a_file,
    "another program's directory": _foreign,
    "a directory of Chroma": _of_chroma,
    "too long a name": lambda place: place / ("x" * 300),
    "a device": lambda _: Path("/dev/null"),
    "a place of the system": lambda _: Path("/proc/x"),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("command", ["check", "compact", "run"])
def test_a_path_that_is_no_store_is_refused_in_one_line(command: str, place: str, tmp_path: Path) -> None:
    path = PLACES[place](tmp_path / "place")
    more = ["--port", "0"] if command == "run" else []
    line = refused(call(command, "--path", str(path), *more))
    assert str(path) in line


@pytest.mark.parametrize("command", ["check", "compact"])
def test_a_missing_directory_is_not_made_by_a_command_that_only_looks(command: str, tmp_path: Path) -> None:
    path = tmp_path / "missing"
    assert "there is no data directory" in refused(call(command, "--path", str(path)))
    assert not path.exists()


async def _stored(directory: Path) -> None:
    async with AsyncPersistentClient(directory) as client:
        collection = await client.create_collection("docs")
        await collection.add([f"r{row}" for row in range(2_000)], [[float(row), 1.0] for row in range(2_000)])


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store whose files in segments are cut short."""
    directory = tmp_path_factory.mktemp("damaged") / "store"
    asyncio.run(_stored(directory))
    assert call("compact", "--path", str(directory)).exit_code == 0
    files = list((directory / "segments").iterdir())
    assert files
    for file in files:
        os.truncate(file, 10)
    return directory


def test_a_damaged_store_is_told_by_check_and_by_compact(damaged: Path, tmp_path: Path) -> None:
    directory = str(shutil.copytree(damaged, tmp_path / "store"))
    found = call("check", "--path", directory)
    assert (found.exit_code, "Traceback" in found.output) == (1, False)
    assert "has 10 bytes, not" in found.output
    assert "has 10 bytes, not" in refused(call("compact", "--path", directory))


#: A configuration file -> what is said of it.
FILES: dict[str, tuple[str, bytes | None, str]] = {
    "missing": ("settings.toml", None, "does not exist"),
    "no TOML": ("settings.toml", b"port = = 5", "Invalid value"),
    "bytes": ("settings.toml", b"\xff\xfe\x00", "it is no text in UTF-8"),
    "a misspelt key": ("settings.toml", b"prot = 5\n", "prot"),
    "a list": ("settings.yaml", b"- a\n", "a mapping of names to values is expected"),
    "YAML that nests": ("settings.yaml", b"[" * 2_000, "it nests too deep"),
    "TOML that nests": ("settings.toml", b"a = " + b"[" * 2_000, "it nests too deep"),
    "another ending": ("settings.json", b"{}", "its name must end in .toml, .yaml or .yml"),
}


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("command", [("run",), ("config", "show"), ("config", "check"), ("check",), ("compact",)], ids=" ".join)
def test_a_configuration_file_that_cannot_be_read_is_refused_in_one_line(command: tuple[str, ...], kind: str, tmp_path: Path) -> None:
    name, content, words = FILES[kind]
    if content is not None:
        (tmp_path / name).write_bytes(content)
    result = call(*command, "--config", str(tmp_path / name))
    assert (result.exit_code, isinstance(result.exception, SystemExit)) == (1, True), result.output
    assert words in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize("host", ["no-such-host.invalid", "x" * 70, "a..b", "256.1.1.1"])
def test_a_host_that_cannot_be_listened_on_is_refused_before_a_directory_is_made(host: str, tmp_path: Path) -> None:
    line = refused(call("run", "--path", str(tmp_path / "data"), "--host", host, "--port", "0"))
    assert f"cannot listen on {host}" in line
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("port", ["-1", "70000", "x", "", str(2**70)])
@pytest.mark.parametrize("command", ["run", "healthcheck"])
def test_a_port_that_is_none_is_refused(command: str, port: str) -> None:
    result = call(command, "--port", port)
    assert result.exit_code in (1, 2)
    assert isinstance(result.exception, SystemExit)
    assert "Traceback" not in result.output
