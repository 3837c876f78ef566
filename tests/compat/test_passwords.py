"""Passwords through the official client, guesses that are slowed down, and secrets that change while the server runs."""

from __future__ import annotations

import http.client
import signal
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import bcrypt
import chromadb
import pytest

import chroma_async
from chroma_async.errors import AuthorizationError, RateLimitError
from tests.compat.conftest import close
from tests.compat.servers import Server, start_ours

BASIC = {"CHROMA_SERVER_AUTHN_PROVIDER": "chromadb.auth.basic_authn.BasicAuthenticationServerProvider"}
OLD_BASIC = {
    "CHROMA_SERVER_AUTH_PROVIDER": "chromadb.auth.basic.BasicAuthServerProvider",
    "CHROMA_SERVER_AUTH_CREDENTIALS_PROVIDER": "chromadb.auth.providers.HtpasswdFileServerAuthCredentialsProvider",
}


def line_of(user: str, password: str) -> str:
    return f"{user}:{bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()}\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "server.htpasswd"
    file.write_text(line_of("ann", "pass:wörd") + line_of("bob", "other"))
    return file


@pytest.fixture
def server(tmp_path: Path, file: Path) -> Iterator[Server]:
    running = start_ours(tmp_path / "data", env={**BASIC, "CHROMA_SERVER_AUTHN_CREDENTIALS_FILE": str(file)})
    yield running
    running.stop()
    assert "pass:w" not in running.log.read_text()


def asked(server: Server, credential: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(server.host, server.port, timeout=30)
    headers = {"Authorization": "Basic " + b64encode(credential.encode()).decode()} if credential else {}
    try:
        connection.request("GET", "/api/v2/auth/identity", headers=headers)
        answer = connection.getresponse()
        answer.read()
    finally:
        connection.close()
    return answer


def test_the_official_client_works_with_a_password(server: Server) -> None:
    settings = chromadb.Settings(
        chroma_client_auth_provider="chromadb.auth.basic_authn.BasicAuthClientProvider",
        chroma_client_auth_credentials="ann:pass:wörd",
    )
    client = chromadb.HttpClient(host=server.host, port=server.port, settings=settings)
    collection = client.get_or_create_collection("guarded", embedding_function=None)
    collection.upsert(ids=["a"], embeddings=[[1.0, 2.0]])
    assert collection.count() == 1
    assert client.get_user_identity().user_id == "ann"
    close(client)


def test_a_browser_is_told_to_ask_for_a_password(server: Server) -> None:
    answer = asked(server, "")
    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, 'Basic realm="chroma-async", charset="UTF-8"')


def test_the_names_of_older_servers_read_the_same_file(tmp_path: Path, file: Path) -> None:
    old = start_ours(tmp_path / "data", env={**OLD_BASIC, "CHROMA_SERVER_AUTH_CREDENTIALS_FILE": str(file)})
    try:
        assert [asked(old, shown).status for shown in ("ann:pass:wörd", "ann:other", "bob:other")] == [200, 401, 200]
    finally:
        old.stop()


def test_guesses_are_slowed_down_and_who_was_in_goes_on(server: Server) -> None:
    assert asked(server, "ann:pass:wörd").status == 200
    statuses = [asked(server, f"ann:guess{number}").status for number in range(15)]
    assert statuses == sorted(statuses)
    assert statuses[:10] == [401] * 10
    assert statuses[-1] == 429
    late = asked(server, "bob:other")
    assert (late.status, 1 <= int(late.headers["Retry-After"]) <= 5) == (429, True)
    assert asked(server, "ann:pass:wörd").status == 200


async def test_secrets_are_read_again_at_a_hangup_without_a_restart(tmp_path: Path) -> None:
    file, roles = tmp_path / "token", tmp_path / "roles.yaml"
    file.write_text("old-token\n")
    roles.write_text("roles_mapping: {anonymous: {actions: ['*']}}")
    env = {"CHROMA_SERVER_AUTHN_CREDENTIALS_FILE": str(file), "CHROMA_SERVER_AUTHZ_CONFIG_FILE": str(roles)}
    server = start_ours(tmp_path / "data", env=env)

    async def reread(done: int, text: str = "read again") -> None:
        server.process.send_signal(signal.SIGHUP)
        async with chroma_async.AsyncHttpClient(server.host, server.port, connect=False) as client:
            while server.log.read_text().count(text) < done:
                await client.heartbeat()

    async def count(token: str) -> int:
        async with chroma_async.AsyncHttpClient(server.host, server.port, token=token, connect=False) as client:
            return await client.count_collections()

    try:
        async with chroma_async.AsyncHttpClient(server.host, server.port, token="old-token") as client:
            file.write_text("new-token\n")
            await reread(1)
            assert await count("new-token") == 0
            with pytest.raises(AuthorizationError):
                await client.count_collections()
        file.write_text("two words\n")
        await reread(1, "stay as they are")
        roles.write_text("roles_mapping: {anonymous: {actions: ['nothing']}}")
        file.write_text("newest-token\n")
        await reread(2, "stay as they are")
        file.unlink()
        await reread(3, "stay as they are")
        assert await count("new-token") == 0
        roles.write_text("roles_mapping: {anonymous: {actions: ['collection:get']}}")
        file.write_text("new-token\n")
        await reread(2)
        with pytest.raises(chroma_async.ChromaError, match="may not do db:count_collections"):
            await count("new-token")
    finally:
        assert server.stop() == 0
    log = server.log.read_text()
    assert "'nothing' is no action" in log
    assert "token\n" not in log.replace("_token", "")


async def test_a_client_that_has_to_wait_is_told_so_by_name(server: Server) -> None:
    for number in range(12):
        asked(server, f"ann:guess{number}")
    settings = chroma_async.ClientSettings(max_retries=0)
    with pytest.raises(RateLimitError) as refused:
        await chroma_async.AsyncHttpClient(f"http://bob:other@{server.host}:{server.port}", client_settings=settings)
    assert refused.value.retry_after_s is not None
