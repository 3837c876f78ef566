"""The server as a process: how it starts, refuses to start, and stops."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import chromadb
import pytest

from tests.compat.conftest import close
from tests.compat.servers import Server, answers, start_ours


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Server]:
    server = start_ours(tmp_path / "data")
    yield server
    server.kill()


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "chroma_async", *arguments], capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_with_code_0_and_what_was_written_is_there_again(running: Server, tmp_path: Path, number: signal.Signals) -> None:
    client = chromadb.HttpClient(host=running.host, port=running.port)
    collection = client.create_collection("kept", embedding_function=None, metadata={"a": 1})
    collection.add(ids=["x"], embeddings=[[1.0, 2.0]], documents=["a document"])
    close(client)
    running.process.send_signal(number)
    assert running.process.wait(60) == 0
    assert not answers(running.host, running.port)

    again = start_ours(tmp_path / "data")
    client = chromadb.HttpClient(host=again.host, port=again.port)
    found = client.get_collection("kept", embedding_function=None)
    assert (found.id, found.metadata) == (collection.id, {"a": 1})
    assert found.get()["documents"] == ["a document"]
    close(client)
    assert again.stop() == 0


def test_a_port_that_is_taken_is_named_and_the_exit_code_is_1(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        ended = command("run", "--path", str(tmp_path / "data"), "--port", str(port))
    assert ended.returncode == 1
    assert f"127.0.0.1:{port}: another program uses this port" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "data").exists()


def test_a_host_that_is_not_this_machine_is_named_and_leaves_no_directory(tmp_path: Path) -> None:
    ended = command("run", "--path", str(tmp_path / "data"), "--host", "192.0.2.1", "--port", "0")
    assert ended.returncode == 1
    assert "192.0.2.1:0: Cannot assign requested address" in ended.stderr
    assert not (tmp_path / "data").exists()


def test_a_second_server_on_one_directory_is_told_who_owns_it(running: Server, tmp_path: Path) -> None:
    ended = command("run", "--path", str(tmp_path / "data"), "--port", "0")
    assert ended.returncode == 1
    assert str(running.process.pid) in ended.stderr
    assert "Traceback" not in ended.stderr
    assert answers(running.host, running.port)


def test_a_directory_of_chromas_own_server_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "chroma.sqlite3").write_bytes(b"SQLite format 3\0")
    ended = command("run", "--path", str(tmp_path / "data"), "--port", "0")
    assert ended.returncode == 1
    assert str(tmp_path / "data") in ended.stderr
    assert "Traceback" not in ended.stderr
    assert [file.name for file in (tmp_path / "data").iterdir()] == ["chroma.sqlite3"]


def test_the_health_check_command_says_whether_it_serves(running: Server) -> None:
    healthy = command("healthcheck", "--port", str(running.port))
    assert (healthy.returncode, healthy.stdout) == (0, "healthy\n")
    assert running.stop() == 0
    assert command("healthcheck", "--port", str(running.port)).returncode == 1


def test_a_configuration_file_of_chroma_starts_it(tmp_path: Path) -> None:
    file = tmp_path / "chroma.yaml"
    file.write_text("allow_reset: true\nmax_payload_size_bytes: 2000\ncors_allow_origins: ['*']\n")
    server = start_ours(tmp_path / "data", arguments=[str(file)])
    try:
        client = chromadb.HttpClient(host=server.host, port=server.port)
        assert client.reset() is True
        collection = client.create_collection("small", embedding_function=None)
        with pytest.raises(Exception, match="2000 bytes"):
            collection.add(ids=["a"], embeddings=[[0.5] * 5000])
        close(client)
        assert server.stop() == 0
    finally:
        server.kill()


def test_in_memory_nothing_is_written_to_disk(tmp_path: Path) -> None:
    server = start_ours(tmp_path / "data", env={"IS_PERSISTENT": "false"})
    try:
        client = chromadb.HttpClient(host=server.host, port=server.port)
        client.create_collection("gone", embedding_function=None).add(ids=["a"], embeddings=[[1.0]])
        close(client)
        assert server.stop() == 0
    finally:
        server.kill()
    assert not (tmp_path / "data").exists()


def test_check_finds_nothing_wrong_with_what_a_server_left_and_compact_leaves_it_right(running: Server, tmp_path: Path) -> None:
    client = chromadb.HttpClient(host=running.host, port=running.port)
    collection = client.create_collection("checked", embedding_function=None)
    collection.add(ids=[str(n) for n in range(500)], embeddings=[[float(n), 1.0] for n in range(500)], documents=["word"] * 500)
    collection.delete(ids=[str(n) for n in range(0, 500, 2)])
    close(client)
    assert running.stop() == 0
    path = str(tmp_path / "data")
    for arguments in (("check", "--path", path), ("compact", "--path", path), ("check", "--path", path)):
        ended = command(*arguments)
        assert (ended.returncode, ended.stderr) == (0, ""), ended
    again = start_ours(tmp_path / "data")
    client = chromadb.HttpClient(host=again.host, port=again.port)
    assert client.get_collection("checked", embedding_function=None).count() == 250
    close(client)
    assert again.stop() == 0


def test_at_debug_each_line_of_the_log_is_an_object_of_this_packages_own(tmp_path: Path) -> None:
    server = start_ours(tmp_path / "data", env={"CHROMA_ASYNC_LOG_LEVEL": "debug", "CHROMA_ASYNC_ACCESS_LOG": "true"})
    try:
        client = chromadb.HttpClient(host=server.host, port=server.port)
        client.create_collection("small", embedding_function=None).add(ids=["a"], embeddings=[[1.0]], documents=["a secret"])
        close(client)
        assert server.stop() == 0
    finally:
        server.kill()
    text = server.log.read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert {line["logger"].partition(".")[0] for line in lines} == {"chroma_async"}
    routes = [line["route"].rpartition("/")[2] for line in lines if line["logger"] == "chroma_async.server.access"]
    assert routes[-1] == "add"
    assert "secret" not in text
