"""The npm client: each of its verbs gives the same on this server as on Chroma's own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.compat.servers import Server, making, start_ours, start_reference

pytestmark = pytest.mark.reference

SCRIPTS = Path(__file__).parent / "js"
#: Without node there is nothing to run.
NODE = [node for node in [shutil.which("node")] if node and shutil.which("npm")]


@pytest.fixture(scope="module")
def package() -> Path:
    """The script, beside the client of the version that package.json names."""
    wanted = (SCRIPTS / "package.json").read_text()
    version = json.loads(wanted)["dependencies"]["chromadb"]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    place = cache / "chroma-async" / f"npm-chromadb-{version}"
    with making(place):
        if not (place / "node_modules" / "chromadb").exists():
            place.mkdir(parents=True, exist_ok=True)
            (place / "package.json").write_text(wanted)
            subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--silent"], cwd=place, check=True)
    shutil.copy(SCRIPTS / "verbs.mjs", place)
    return place


@pytest.mark.parametrize("node", NODE)
def test_every_verb_of_the_npm_client_gives_what_it_gives_on_the_real_server(package: Path, node: str, tmp_path: Path) -> None:
    transcripts = []
    for start in (start_ours, start_reference):
        server = start(tmp_path / start.__name__)
        try:
            transcripts.append(_run(node, package, server))
        finally:
            server.stop()
    ours, theirs = transcripts
    assert {step: (ours.get(step), value) for step, value in theirs.items() if ours.get(step) != value} == {}
    assert list(ours) == list(theirs)
    assert len(ours) > 60


def _run(node: str, package: Path, server: Server) -> dict[str, Any]:
    command = [node, "verbs.mjs", server.host, str(server.port)]
    ended = subprocess.run(command, cwd=package, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    # Distances differ in their last digits, and so do the vectors that Chroma gives back in a cosine space.
    lines = [json.loads(line, parse_float=lambda digits: round(float(digits), 5)) for line in ended.stdout.splitlines()]
    return {line["step"]: line for line in lines}
