"""What operators do with a store from the command line, on a directory and on a server."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

import chroma_async
from chroma_async.cli import main
from chroma_async.config.settings import Settings
from tests.compat.servers import start_ours

ROWS = 3000


def call(*arguments: str, env: dict[str, str] | None = None, input: str | None = None) -> Result:
    return CliRunner().invoke(main, arguments, env=env, input=input)


def said(*arguments: str, env: dict[str, str] | None = None) -> str:
    result = call(*arguments, env=env)
    assert result.exit_code == 0, result.output
    return result.output


async def fill(path: Path, *names: str, rows: int = ROWS) -> None:
    vectors = np.random.default_rng(5).normal(size=(rows, 16)).astype(np.float32)
    async with chroma_async.AsyncPersistentClient(path, Settings(flat_rows=500)) as client:
        for name in names:
            collection = await client.create_collection(name, embedding_function=None, metadata={"of": name})
            await collection.add(ids=[str(row) for row in range(rows)], embeddings=vectors)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    asyncio.run(fill(tmp_path / "data", "films", "books"))
    return tmp_path / "data"


def test_collections_are_listed_shown_and_deleted(store: Path) -> None:
    at = ("--path", str(store))
    head, books, films = said("collections", "list", *at).splitlines()
    assert head.split() == ["NAME", "RECORDS", "DIMENSION", "SPACE", "INDEXED", "ID"]
    assert books.split()[:4] == ["books", str(ROWS), "16", "l2"]
    assert films.startswith("films")
    assert [json.loads(line)["name"] for line in said("collections", "list", "--json", *at).splitlines()] == ["books", "films"]
    shown = json.loads(said("collections", "show", "films", *at))
    assert (shown["records"], shown["metadata"], shown["configuration"]["hnsw"]["space"]) == (ROWS, {"of": "films"}, "l2")
    assert call("collections", "delete", "films", *at, input="n\n").exit_code == 1
    assert said("collections", "delete", "films", "--yes", *at) == "collection films is deleted\n"
    for command in ("show", "delete"):
        missing = call("collections", command, "films", *at, *(["--yes"] if command == "delete" else []))
        assert (missing.exit_code, missing.output) == (1, "Error: Collection [films] does not exist\n")


def test_the_same_commands_ask_a_server_with_the_credential_of_the_environment(store: Path) -> None:
    server = start_ours(store, env={"CHROMA_SERVER_AUTHN_CREDENTIALS": "a-token"})
    env = {"CHROMA_CLIENT_AUTH_CREDENTIALS": "a-token"}
    try:
        assert len(said("collections", "list", "--url", server.url, env=env).splitlines()) == 3
        assert json.loads(said("collections", "show", "books", "--url", server.url, env=env))["records"] == ROWS
        said("collections", "delete", "books", "--yes", "--url", server.url, env=env)
        refused = call("collections", "list", "--url", server.url)
        assert refused.exit_code == 1
        assert "Traceback" not in refused.output
        owned = call("stats", "--path", str(store))
        assert owned.exit_code == 1
        assert "connect to it with AsyncHttpClient" in owned.output
    finally:
        server.kill()


def graph_files(store: Path) -> set[str]:
    return {file.name for file in (store / "segments").glob("*.graph")}


def test_graphs_are_built_anew_and_answers_stay(store: Path) -> None:
    at, env = ("--path", str(store)), {"CHROMA_ASYNC_FLAT_ROWS": "500"}
    said("compact", *at, env=env)
    before = graph_files(store)
    assert len(before) == 2
    assert said("hnsw", "rebuild", "films", *at, env=env).split() == ["COLLECTION", "GRAPHS", "films", "1"]
    after = graph_files(store)
    assert (len(after), len(after & before)) == (2, 1)
    assert said("hnsw", "rebuild", *at, env=env).split() == ["COLLECTION", "GRAPHS", "books", "1", "films", "1"]
    assert not graph_files(store) & before
    missing = call("hnsw", "rebuild", "music", *at)
    assert (missing.exit_code, missing.output) == (1, "Error: Collection [music] does not exist\n")
    assert call("check", *at).exit_code == 0


def test_the_log_says_what_it_holds_and_is_emptied(tmp_path: Path) -> None:
    path, at = tmp_path / "data", ("--path", str(tmp_path / "data"))
    asyncio.run(fill(path, "films", rows=20))
    status = said("wal", "status", *at).splitlines()
    assert re.fullmatch(r"log: \d+\.\d MiB", status[0])
    assert status[2].split() == ["films", "20"]
    assert said("wal", "clean", *at).startswith("flushed 1 collections; log: ")
    assert len(said("wal", "status", *at).splitlines()) == 2
    assert said("wal", "clean", *at).startswith("flushed 0 collections")


def test_statistics_name_what_a_store_holds_and_how_vectors_are_compared(store: Path) -> None:
    lines = said("stats", "--path", str(store)).splitlines()
    assert lines[0].startswith("collections: 2, damaged: 0, log: ")
    assert re.fullmatch(r"vectors are compared with: \w+", lines[2])
    assert [line.split()[:3] for line in lines[4:]] == [["books", str(ROWS), "0"], ["films", str(ROWS), "0"]]


def test_files_that_nothing_names_are_deleted_and_foreign_ones_stay(store: Path) -> None:
    orphan, foreign = store / "segments" / f"{'0' * 32}.vectors", store / "segments" / "notes.txt"
    for file in (orphan, foreign):
        file.write_text("x")
    # The opening sweeps as well, so that there is nothing left to do is the rule.
    assert re.fullmatch(r"deleted \d+ files that nothing names\n", said("db", "clean", "--path", str(store)))
    assert (orphan.exists(), foreign.exists()) == (False, True)


def test_vacuum_gives_the_space_of_deleted_records_back(store: Path) -> None:
    async def delete_most() -> None:
        async with chroma_async.AsyncPersistentClient(store) as client:
            for collection in await client.list_collections():
                await collection.delete(ids=[str(row) for row in range(ROWS - 10)])

    def size() -> int:
        return sum(file.stat().st_size for file in (store / "segments").iterdir())

    before = size()
    asyncio.run(delete_most())
    assert "compacted" in said("vacuum", "--path", str(store))
    assert size() < before / 4


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_installed_once(shell: str, tmp_path: Path) -> None:
    env = {"HOME": str(tmp_path)}
    assert "_CHROMA_ASYNC_COMPLETE" in said("completion", shell, env=env)
    assert "counts in the next shell" in said("completion", shell, "--install", env=env)
    assert "has it already" in said("completion", shell, "--install", env=env)


def test_the_shell_is_told_the_commands() -> None:
    env = {"_CHROMA_ASYNC_COMPLETE": "bash_complete", "COMP_WORDS": "chroma-async co", "COMP_CWORD": "1"}
    command = [str(Path(sys.executable).with_name("chroma-async"))]
    ended = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert {"plain,compact", "plain,config", "plain,collections", "plain,completion"} == set(ended.stdout.split())


def test_help_shows_how_to_write_a_command() -> None:
    assert "chroma-async collections show films --url" in said("collections", "--help")
