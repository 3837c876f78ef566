"""A server that all could reach asks for a credential, or says that it does not; a first start that must can make one."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import chroma_async
from chroma_async.errors import AuthorizationError
from tests.compat.servers import start_ours

PUBLIC = ("--host", "0.0.0.0")
#: As the image sets it.
IMAGE = {"CHROMA_ASYNC_DEFAULT_MAKE_INITIAL_TOKEN": "true"}


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_a_public_address_without_a_credential_is_refused_with_three_ways_on(tmp_path: Path, host: str) -> None:
    command = [sys.executable, "-m", "chroma_async", "run", "--path", str(tmp_path / "data"), "--host", host, "--port", "0"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CHROMA_")}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    for way in ("CHROMA_SERVER_AUTHN_CREDENTIALS=<token>", "--host 127.0.0.1", "--allow-unauthenticated (CHROMA_ALLOW_UNAUTHENTICATED=1)"):
        assert way in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("arguments", "env"),
    [
        (["--allow-unauthenticated"], {}),
        ([], {"CHROMA_ALLOW_UNAUTHENTICATED": "1"}),
        ([], {"CHROMA_ALLOW_UNAUTHENTICATED": "1", **IMAGE}),
    ],
    ids=["flag", "variable", "in the image"],
)
async def test_who_says_that_it_is_meant_gets_a_server_for_all(tmp_path: Path, arguments: list[str], env: dict[str, str]) -> None:
    server = start_ours(tmp_path / "data", arguments=[*PUBLIC, *arguments], env=env)
    try:
        async with chroma_async.AsyncHttpClient("127.0.0.1", server.port) as client:
            assert await client.count_collections() == 0
    finally:
        server.stop()
    assert not (tmp_path / "data" / "initial-token").exists()


async def test_a_token_opens_a_public_server(tmp_path: Path) -> None:
    server = start_ours(tmp_path / "data", arguments=PUBLIC, env={"CHROMA_SERVER_AUTHN_CREDENTIALS": "good", **IMAGE})
    try:
        async with chroma_async.AsyncHttpClient("127.0.0.1", server.port, token="good") as client:
            assert await client.count_collections() == 0
    finally:
        server.stop()
    assert not (tmp_path / "data" / "keys.json").exists()


async def test_a_first_start_makes_a_token_that_lasts_and_says_where_it_is(tmp_path: Path) -> None:
    file = tmp_path / "data" / "initial-token"
    server = start_ours(tmp_path / "data", arguments=PUBLIC, env=IMAGE)
    try:
        token = file.read_text().strip()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        with pytest.raises(AuthorizationError, match="initial-token in the server's data directory"):
            await chroma_async.AsyncHttpClient("127.0.0.1", server.port)
        async with chroma_async.AsyncHttpClient("127.0.0.1", server.port, token=token) as client:
            await client.create_collection("kept", embedding_function=None)
            assert (await client.get_user_identity()).user_id == "initial"
    finally:
        server.stop()
    said = server.log.read_text()
    assert str(file) in said
    assert token not in said
    # People take it away once they have it; it goes on to count.
    file.unlink()
    again = start_ours(tmp_path / "data", arguments=PUBLIC, env=IMAGE)
    try:
        async with chroma_async.AsyncHttpClient("127.0.0.1", again.port, token=token) as client:
            assert await client.count_collections() == 1
        with pytest.raises(AuthorizationError):
            await chroma_async.AsyncHttpClient("127.0.0.1", again.port)
    finally:
        again.stop()
    assert not file.exists()


async def test_a_directory_that_once_made_a_token_can_be_opened_to_all_again_by_saying_so(tmp_path: Path) -> None:
    start_ours(tmp_path / "data", arguments=PUBLIC, env=IMAGE).stop()
    server = start_ours(tmp_path / "data", arguments=PUBLIC, env={"CHROMA_ALLOW_UNAUTHENTICATED": "1", **IMAGE})
    try:
        async with chroma_async.AsyncHttpClient("127.0.0.1", server.port) as client:
            assert await client.count_collections() == 0
    finally:
        server.stop()


def test_keys_that_cannot_be_read_keep_the_server_from_starting(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "keys.json").write_text("{")
    with pytest.raises(RuntimeError, match=r"keys\.json cannot be read"):
        start_ours(tmp_path / "data")


def test_a_server_in_memory_has_nowhere_to_keep_a_token_and_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="Three ways on"):
        start_ours(tmp_path / "data", arguments=PUBLIC, env={"IS_PERSISTENT": "false", **IMAGE})
