"""The commands of docs/observability.md do, against a real server, what the page says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.compat.servers import Server, start_ours
from tests.docs.markdown import ROOT

PAGE = (ROOT / "docs" / "observability.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.M | re.S)
#: Commands, and what they print where the page says it.
EXAMPLES = [
    (text, BLOCKS[number + 1][1] if BLOCKS[number + 1 : number + 2] and BLOCKS[number + 1][0] == "text" else None)
    for number, (kind, text) in enumerate(BLOCKS)
    if kind == "sh" and not text.startswith("chroma-async run")
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = start_ours(tmp_path_factory.mktemp("page") / "data")
    yield running
    running.kill()


@pytest.mark.parametrize(("command", "printed"), EXAMPLES)
def test_an_example_prints_what_stands_below_it(server: Server, tmp_path: Path, command: str, printed: str | None) -> None:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    text = command.replace("localhost:8000", f"{server.host}:{server.port}")
    ended = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text], cwd=tmp_path, env={**os.environ, "PATH": path}, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 0, ended.stderr
    if printed is not None:
        assert ended.stdout.split() == printed.split()


def test_the_page_has_examples_and_none_is_left_out() -> None:
    assert len(EXAMPLES) >= 2
    assert {kind for kind, _ in BLOCKS} <= {"sh", "text"}
