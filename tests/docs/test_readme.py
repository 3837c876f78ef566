"""The README is true: its programs run, in its order, and say what it says they say."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def programs() -> dict[str, str]:
    """The Python blocks of the README by the file name in their first line."""
    blocks = re.findall(r"```python\n# (\w+\.py)\n(.*?)```", README, flags=re.DOTALL)
    return dict(blocks)


def run(name: str, directory: Path) -> str:
    """Run one of the programs in ``directory``; what it printed."""
    result = subprocess.run(
        [sys.executable, name],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(directory)])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The server as the README starts it, on a free port."""
    directory = tmp_path_factory.mktemp("server")
    process = subprocess.Popen(
        [sys.executable, "-m", "chroma_async", "run", "--path", str(directory / "support-desk"), "--port", "0"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    match = re.search(r"http://127\.0\.0\.1:(\d+)", line)
    assert match, line
    yield int(match[1])
    process.terminate()
    assert process.wait(30) == 0
    process.stdout.close()


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A directory with the README's files in it."""
    for name, code in programs().items():
        (tmp_path / name).write_text(code, encoding="utf-8")
    return tmp_path


def test_the_embedded_knowledge_base_answers(desk: Path) -> None:
    first, billing, settings = run("embedded.py", desk).splitlines()
    assert first.startswith("['reset-password', ")
    assert billing == "['refund']"
    assert "Export all your data" in settings
    assert "Refunds" not in settings


def test_the_embedded_knowledge_base_answers_the_same_when_it_is_run_again(desk: Path) -> None:
    assert run("embedded.py", desk) == run("embedded.py", desk)


@pytest.mark.parametrize(("program", "expected"), [("over_http.py", "['refund'] 5"), ("official.py", "['invoice'] 5")])
def test_the_server_answers_both_clients(desk: Path, server: int, program: str, expected: str) -> None:
    source = desk / program
    source.write_text(source.read_text(encoding="utf-8").replace("port=8000", f"port={server}"), encoding="utf-8")
    assert run(program, desk).strip() == expected


def test_what_goes_beyond_chroma_does_what_the_readme_says(desk: Path) -> None:
    pages, counts, nearest, current, viewed = run("beyond.py", desk).splitlines()
    assert pages == "['reset-password', 'refund'] ['invoice', 'change-email']"
    assert counts == "2 5"
    assert nearest == "reset-password"
    assert current == "articles-2 ['Refunds take three working days.']"
    assert viewed == "[{'topic': 'billing', 'views': 588}]"


def test_the_readme_has_a_program_for_each_of_the_three_forms() -> None:
    assert set(programs()) == {"knowledge.py", "embedded.py", "over_http.py", "official.py", "beyond.py"}


@pytest.mark.parametrize("target", re.findall(r"\]\((?!http)([^)#]+)\)", README))
def test_what_the_readme_links_to_is_there(target: str) -> None:
    assert (ROOT / target).exists()
