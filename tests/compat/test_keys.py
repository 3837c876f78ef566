"""Keys from the command line, of a server that runs and of a directory that waits for one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import chroma_async
from chroma_async.errors import AuthorizationError
from tests.compat.servers import Server, start_ours

ADMIN = "the-admins-token"
ROLES = "roles_mapping: {anonymous: {actions: ['*']}, reader: {actions: ['tenant:get_tenant', 'db:get_database', 'db:count_collections']}}"


def keys(*arguments: str, token: str = ADMIN, **env: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CHROMA_")}
    command = [sys.executable, "-m", "chroma_async", "keys", *arguments]
    environment = {**inherited, "CHROMA_CLIENT_AUTH_CREDENTIALS": token, **env}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    env = {"CHROMA_SERVER_AUTHN_CREDENTIALS": ADMIN, "CHROMA_SERVER_AUTHZ_CONFIG": ROLES}
    running = start_ours(tmp_path / "data", env=env)
    yield running
    running.stop()


def made(*arguments: str, **env: str) -> tuple[str, str]:
    """The id and the text of a new key."""
    ended = keys("create", *arguments, **env)
    assert ended.returncode == 0, ended.stderr
    found = re.fullmatch(r"(chroma_(\w+?)_\S+)\n", ended.stdout)
    assert found is not None, ended.stdout
    return found[2], found[1]


async def count(server: Server, token: str) -> int:
    async with chroma_async.AsyncHttpClient(server.host, server.port, token=token) as client:
        return await client.count_collections()


async def test_a_key_of_a_running_server_is_made_listed_used_and_revoked(server: Server) -> None:
    id, text = made("ann", "--role", "reader", "--days", "30", "--url", server.url)
    assert await count(server, text) == 0
    listed = keys("list", "--url", server.url)
    assert re.search(rf"^{id} +ann +reader +\* +\* +\d{{4}}-\S+ \S+ +\d{{4}}-", listed.stdout, re.MULTILINE)
    assert text not in listed.stdout
    assert keys("list", "--url", server.url, token=text).stderr == "Error: 'ann' may not do system:manage_keys\n"
    assert keys("revoke", id, "--url", server.url).stdout == f"key {id} is revoked\n"
    with pytest.raises(AuthorizationError):
        await count(server, text)
    again = keys("revoke", id, "--url", server.url)
    assert (again.returncode, again.stderr) == (1, f"Error: Key [{id}] does not exist\n")
    assert text not in server.log.read_text()


def test_a_directory_that_a_server_uses_is_left_to_it(server: Server, tmp_path: Path) -> None:
    ended = keys("create", "ann", "--path", str(tmp_path / "data"))
    assert ended.returncode == 1
    assert str(server.process.pid) in ended.stderr
    assert "Traceback" not in ended.stderr


async def test_a_key_can_be_made_before_the_first_start_and_asks_everybody_else_for_one(tmp_path: Path) -> None:
    id, text = made("ann", "--tenant", "default_tenant", "--database", "default_database", "--path", str(tmp_path / "data"))
    server = start_ours(tmp_path / "data", arguments=["--host", "0.0.0.0"])
    try:
        async with chroma_async.AsyncHttpClient("127.0.0.1", server.port, token=text) as client:
            identity = await client.get_user_identity()
            assert (identity.user_id, identity.tenant, identity.databases) == ("ann", "default_tenant", ["default_database"])
        with pytest.raises(AuthorizationError):
            await chroma_async.AsyncHttpClient("127.0.0.1", server.port)
    finally:
        server.stop()
    assert keys("revoke", id, "--path", str(tmp_path / "data")).returncode == 0
    assert keys("list", "--path", str(tmp_path / "data")).stdout.split() == ["ID", "USER", "ROLE", "TENANT", "DATABASES", "MADE", "EXPIRES"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["ann", "--role", "nobody"], "role: there is no role 'nobody'"),
        (["ann", "--days", "0"], "--days"),
        ([""], "user: texts of 1 to 512"),
    ],
)
def test_what_is_no_key_is_refused_with_a_sentence(server: Server, arguments: list[str], said: str) -> None:
    ended = keys("create", *arguments, "--url", server.url)
    assert ended.returncode != 0
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_server_that_asks_nobody_has_no_keys(tmp_path: Path) -> None:
    server = start_ours(tmp_path / "data")
    try:
        ended = keys("create", "ann", "--url", server.url)
    finally:
        server.stop()
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "there are no keys" in ended.stderr
