"""Nothing phones home: what a server, and who imports the package, asks of the network and of other programs, heard by the interpreter."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.compat.servers import Server, start_ours

#: Runs before anything else of an interpreter. uvloop is kept out: it connects where the interpreter cannot hear it.
LISTENER = """
import os, sys
sys.modules["uvloop"] = None
HEARD = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "urllib.Request", "subprocess.Popen",
         "os.system", "os.exec", "os.posix_spawn", "os.fork", "pickle.find_class", "import")
FILE = os.open(os.environ["HEARD_IN"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
def hear(event, arguments):
    if event in HEARD:
        os.write(FILE, f"{event} {arguments[:2] if event != 'import' else arguments[0]}\\n".encode())
sys.addaudithook(hear)
"""
COLLECTIONS = "/api/v2/tenants/default_tenant/databases/default_database/collections"
#: What a request may say, and a careless server would build.
NAMED = [
    {"type": "known", "name": "openai", "config": {"model_name": "m", "api_key_env_var": "PATH", "api_base": "http://192.0.2.1/v1"}},
    {"type": "known", "name": "default", "config": {}},
    {"type": "known", "name": "os.system", "config": {"command": "true"}},
]


@pytest.fixture
def listening(tmp_path: Path) -> dict[str, str]:
    """The environment in which an interpreter is heard."""
    place = tmp_path / "listener"
    place.mkdir()
    (place / "sitecustomize.py").write_text(LISTENER)
    return {"PYTHONPATH": str(place), "HEARD_IN": str(tmp_path / "heard")}


def heard(environment: dict[str, str]) -> list[str]:
    return Path(environment["HEARD_IN"]).read_text("utf-8").splitlines()


def calls(lines: list[str]) -> list[str]:
    """All but imports, and but asking for addresses of this machine."""
    local = ("127.0.0.1", "::1", "localhost")
    return [
        line
        for line in lines
        if not line.startswith("import ") and not (line.startswith("socket.getaddrinfo") and any(f"'{host}'" in line for host in local))
    ]


def run(code: str, environment: dict[str, str]) -> None:
    subprocess.run([sys.executable, "-c", code], env={**os.environ, **environment}, check=True, timeout=60)


@pytest.mark.parametrize(
    "module", ["chroma_async", "chroma_async.service.local", "chroma_async.server.app", "chroma_async.embedding", "chroma_async.cli.run"]
)
def test_importing_the_package_asks_nothing_of_the_network_and_starts_no_program(module: str, listening: dict[str, str]) -> None:
    run(f"import {module}", listening)
    lines = heard(listening)
    assert calls(lines) == []
    assert f"import {module}" in lines


def test_a_program_that_connects_is_heard(listening: dict[str, str], deaf_port: int) -> None:
    run(f"import socket; socket.socket().connect_ex(('127.0.0.1', {deaf_port}))", listening)
    assert any(line.startswith("socket.connect ") and str(deaf_port) in line for line in calls(heard(listening)))
    run("import subprocess; subprocess.run(['true'])", listening)
    assert any(line.startswith("subprocess.Popen") for line in calls(heard(listening)))


def asked(server: Server, path: str, body: dict[str, Any] | None = None) -> Any:
    """GET, or POST of a body."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(server.url + path, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def test_a_server_connects_to_nobody_and_builds_nothing_that_a_request_names(listening: dict[str, str], tmp_path: Path) -> None:
    server = start_ours(tmp_path / "data", env=listening)
    try:
        before = len(heard(listening))
        for number, function in enumerate(NAMED):
            made = asked(server, COLLECTIONS, {"name": f"docs-{number}", "configuration": {"embedding_function": function}})
            records = f"{COLLECTIONS}/{made['id']}"
            asked(server, f"{records}/upsert", {"ids": ["a"], "embeddings": [[1.0, 2.0]], "documents": ["http://192.0.2.1/x"]})
            assert asked(server, f"{records}/query", {"query_embeddings": [[1.0, 2.0]], "n_results": 1})["ids"] == [["a"]]
        asked(server, "/api/v2/version")
        assert server.stop() == 0
    finally:
        server.kill()
    lines = heard(listening)
    assert calls(lines) == []
    loaded = {line.removeprefix("import ") for line in lines[before:] if line.startswith("import ")}
    assert {name for name in loaded if name.startswith(("chroma_async.embedding", "chromadb", "openai", "os.system"))} == set()
