"""The official clients with a token, against a server that was started with Chroma's own variables."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import chromadb
import pytest

import chroma_async
from chroma_async.errors import AuthorizationError, ChromaAuthError
from tests.api.conftest import forget_official
from tests.compat.conftest import close
from tests.compat.servers import Server, start_ours
from tests.fakes.issuer import AUDIENCE, Issuer, jwks

TOKEN = "test-token-of-ours"
PROVIDER = {"CHROMA_SERVER_AUTHN_PROVIDER": "chromadb.auth.token_authn.TokenAuthenticationServerProvider"}
OLD_PROVIDER = {
    "CHROMA_SERVER_AUTH_PROVIDER": "chromadb.auth.token.TokenAuthServerProvider",
    "CHROMA_SERVER_AUTH_CREDENTIALS_PROVIDER": "chromadb.auth.token.TokenConfigServerAuthCredentialsProvider",
    "CHROMA_SERVER_AUTH_CREDENTIALS": TOKEN,
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp("with-token")
    (directory / "token").write_text(f"{TOKEN}\n")
    running = start_ours(directory / "data", env={**PROVIDER, "CHROMA_SERVER_AUTHN_CREDENTIALS_FILE": str(directory / "token")})
    yield running
    assert running.stop() == 0
    assert TOKEN not in running.log.read_text()


@pytest.fixture
async def forgetting() -> AsyncIterator[None]:
    """chromadb keeps a pool of connections for each loop, and every client that was made, also when it failed to be."""
    yield
    await forget_official()


def settings_of(header: str) -> chromadb.Settings:
    return chromadb.Settings(
        chroma_client_auth_provider="chromadb.auth.token_authn.TokenAuthClientProvider",
        chroma_client_auth_credentials=TOKEN,
        chroma_auth_token_transport_header=header,
    )


@pytest.mark.parametrize(
    "arguments",
    [
        {"headers": {"X-Chroma-Token": TOKEN}},
        {"headers": {"Authorization": f"Bearer {TOKEN}"}},
        {"settings": settings_of("Authorization")},
        {"settings": settings_of("X-Chroma-Token")},
    ],
    ids=["headers x-chroma-token", "headers authorization", "settings authorization", "settings x-chroma-token"],
)
def test_the_sync_client_works_with_a_token(server: Server, arguments: dict[str, Any]) -> None:
    client = chromadb.HttpClient(host=server.host, port=server.port, **arguments)
    collection = client.get_or_create_collection("guarded", embedding_function=None)
    collection.upsert(ids=["a"], embeddings=[[1.0, 2.0]])
    assert collection.query(query_embeddings=[[1.0, 2.0]])["ids"] == [["a"]]
    assert client.get_user_identity().user_id == "anonymous"
    close(client)


@pytest.mark.usefixtures("forgetting")
async def test_the_async_client_works_with_a_token_in_its_headers(server: Server) -> None:
    client = await chromadb.AsyncHttpClient(server.host, server.port, headers={"Authorization": f"Bearer {TOKEN}"})
    collection = await client.get_or_create_collection("guarded-async", embedding_function=None)
    await collection.upsert(ids=["a"], embeddings=[[1.0, 2.0]])
    assert await collection.count() == 1


@pytest.mark.usefixtures("forgetting")
@pytest.mark.parametrize("headers", [{}, {"X-Chroma-Token": "wrong"}])
async def test_the_official_clients_say_why_they_are_refused(server: Server, headers: dict[str, str]) -> None:
    said = "a credential is needed" if not headers else "not one that is known here"
    with pytest.raises(Exception, match=said):
        await chromadb.AsyncHttpClient(server.host, server.port, headers=headers)


async def test_our_client_works_with_a_token_and_names_its_refusal(server: Server) -> None:
    async with chroma_async.AsyncHttpClient(server.host, server.port, token=TOKEN) as client:
        assert (await client.get_user_identity()).user_id == "anonymous"
    with pytest.raises(AuthorizationError, match="a credential is needed"):
        await chroma_async.AsyncHttpClient(server.host, server.port)


async def test_our_client_finds_server_and_token_in_its_environment(server: Server) -> None:
    env = {"CHROMA_HOST": server.host, "CHROMA_PORT": str(server.port), "CHROMA_CLIENT_AUTH_CREDENTIALS": TOKEN}
    for header in ("", "Authorization", "X-Chroma-Token"):
        async with chroma_async.AsyncHttpClient.from_env({**env, "CHROMA_AUTH_TOKEN_TRANSPORT_HEADER": header}) as client:
            assert (await client.get_user_identity()).user_id == "anonymous"
    with pytest.raises(AuthorizationError):
        await chroma_async.AsyncHttpClient.from_env({**env, "CHROMA_CLIENT_AUTH_CREDENTIALS": "wrong"})


async def test_two_clients_with_two_tokens_in_one_event_loop_keep_them_apart(tmp_path: Path) -> None:
    server = start_ours(tmp_path / "data", env={"CHROMA_SERVER_AUTHN_CREDENTIALS": USERS})
    try:
        async with AsyncExitStack() as stack:
            users = ("root", "walt", "rita")
            clients = [
                await stack.enter_async_context(
                    chroma_async.AsyncHttpClient(server.host, server.port, token=f"{user}s-token", connect=False)
                )
                for user in users
            ]
            assert "they may do everything" not in server.log.read_text()
            for _ in range(20):
                found = await asyncio.gather(*(client.get_user_identity() for client in clients))
                assert [identity.user_id for identity in found] == list(users)
    finally:
        server.stop()


ROLES = """
roles_mapping:
  writer: {actions: ["tenant:get_tenant", "db:get_database", "db:get_or_create_collection", "collection:*"]}
  reader: {actions: ["tenant:get_tenant", "db:get_database", "collection:get_collection", "collection:query"]}
users: [{id: walt, role: writer}, {id: rita, role: reader}, {id: root, role: admin}]
"""
USERS = """
users:
  - {id: walt, tokens: [walts-token], tenant: acme, databases: [prod]}
  - {id: rita, tokens: [ritas-token], tenant: acme, databases: [prod]}
  - {id: root, tokens: [roots-token]}
"""


@pytest.mark.usefixtures("forgetting")
async def test_users_with_roles_work_through_the_official_clients_where_they_belong(tmp_path: Path) -> None:
    (tmp_path / "users.yaml").write_text(USERS)
    (tmp_path / "roles.yaml").write_text(ROLES.replace("mapping:", "mapping:\n  admin: {actions: ['*']}"))
    env = {
        **PROVIDER,
        "CHROMA_SERVER_AUTHN_CREDENTIALS_FILE": str(tmp_path / "users.yaml"),
        "CHROMA_SERVER_AUTHZ_PROVIDER": "chromadb.auth.simple_rbac_authz.SimpleRBACAuthorizationProvider",
        "CHROMA_SERVER_AUTHZ_CONFIG_FILE": str(tmp_path / "roles.yaml"),
    }
    server = start_ours(tmp_path / "data", env=env)

    async def connect(user: str) -> Any:
        await forget_official()
        return await chromadb.AsyncHttpClient(server.host, server.port, headers={"X-Chroma-Token": f"{user}s-token"})

    try:
        async with chroma_async.AsyncHttpClient(server.host, server.port, token="roots-token") as root:
            await root.admin.create_tenant("acme")
            await root.admin.create_database("prod", "acme")
            walt = await connect("walt")
            mine = await walt.get_or_create_collection("mine", embedding_function=None)
            await mine.add(ids=["a"], embeddings=[[1.0, 2.0]])
            with pytest.raises(chromadb.errors.ChromaError, match="'walt' may not do system:reset"):
                await walt.reset()
            rita = await connect("rita")
            theirs = await rita.get_collection("mine", embedding_function=None)
            assert (await theirs.query(query_embeddings=[[1.0, 2.0]]))["ids"] == [["a"]]
            with pytest.raises(chromadb.errors.ChromaError, match="'rita' may not do collection:add"):
                await theirs.add(ids=["b"], embeddings=[[1.0, 2.0]])
            identity = await rita.get_user_identity()
            assert (identity.user_id, identity.tenant, list(identity.databases)) == ("rita", "acme", ["prod"])
            assert await root.count_collections() == 0
            await root.set_tenant("acme", "prod")
            assert [collection.name for collection in await root.list_collections()] == ["mine"]
    finally:
        server.stop()


async def test_a_token_of_an_identity_provider_is_let_in_with_the_role_that_it_claims(tmp_path: Path) -> None:
    issuer, stranger = Issuer("ES256"), Issuer("ES256")
    (tmp_path / "jwks.json").write_text(jwks(issuer.jwk()))
    env = {
        "CHROMA_ASYNC_JWT_JWKS": str(tmp_path / "jwks.json"),
        "CHROMA_ASYNC_JWT_AUDIENCE": AUDIENCE,
        "CHROMA_ASYNC_JWT_ROLE_CLAIM": "role",
        "CHROMA_SERVER_AUTHZ_CONFIG": "roles_mapping: {reader: {actions: ['db:count_collections']}}",
    }
    server = start_ours(tmp_path / "data", arguments=["--host", "0.0.0.0"], env=env)
    shown = issuer.token(exp=4e9, role="reader")

    def client(token: str) -> Any:
        return chroma_async.AsyncHttpClient("127.0.0.1", server.port, headers={"Authorization": f"Bearer {token}"}, connect=False)

    try:
        async with client(shown) as ann:
            assert (await ann.get_user_identity()).user_id == "ann"
            assert await ann.count_collections() == 0
            with pytest.raises(ChromaAuthError, match="'ann' may not do db:list_collections"):
                await ann.list_collections()
        for token in (stranger.token(exp=4e9, role="reader"), issuer.token(exp=5.0, role="reader"), issuer.token(exp=4e9)):
            async with client(token) as nobody:
                with pytest.raises(AuthorizationError, match="not one that is known here"):
                    await nobody.count_collections()
    finally:
        server.stop()
    assert shown not in server.log.read_text()


def test_roles_that_nothing_is_said_of_are_worth_a_warning(tmp_path: Path) -> None:
    server = start_ours(tmp_path / "data", env={"CHROMA_SERVER_AUTHN_CREDENTIALS": USERS.replace("walt,", "walt, role: writer,")})
    assert server.stop() == 0
    assert "users have roles, and no authz_config says what these may do" in server.log.read_text()


async def test_the_variables_of_older_servers_mean_what_they_meant(tmp_path: Path) -> None:
    old = start_ours(tmp_path / "data", env={**OLD_PROVIDER, "CHROMA_SERVER_AUTH_TOKEN_TRANSPORT_HEADER": "X_CHROMA_TOKEN"})
    try:
        async with chroma_async.AsyncHttpClient(old.host, old.port, token=TOKEN) as client:
            assert await client.count_collections() == 0
        with pytest.raises(AuthorizationError, match="send X-Chroma-Token"):
            await chroma_async.AsyncHttpClient(old.host, old.port, headers={"Authorization": f"Bearer {TOKEN}"})
    finally:
        old.stop()


@pytest.mark.parametrize(
    ("env", "said"),
    [
        (PROVIDER, "there are no credentials for it"),
        ({"CHROMA_SERVER_AUTHN_PROVIDER": "my.module.Provider", "CHROMA_SERVER_AUTHN_CREDENTIALS": TOKEN}, "unknown provider"),
        ({"CHROMA_SERVER_AUTHN_CREDENTIALS": f"users: [{{id: ann, tokens: [{TOKEN}], rôle: x}}]"}, "'rôle' is unknown"),
        ({"CHROMA_SERVER_AUTHN_CREDENTIALS_FILE": "/nonexistent/token"}, "the file that it names cannot be read"),
        ({"CHROMA_SERVER_AUTHZ_CONFIG": "roles_mapping: {a: {actions: ['*']}}"}, "there are no credentials by which their users"),
        (
            {"CHROMA_SERVER_AUTHN_CREDENTIALS": TOKEN, "CHROMA_SERVER_AUTHZ_CONFIG": f"roles_mapping: {{a: {{actions: [gett]}}}} #{TOKEN}"},
            "'gett' is no action",
        ),
    ],
    ids=["no credentials", "unknown provider", "unknown member", "no file", "roles alone", "unknown action"],
)
def test_what_cannot_be_meant_is_refused_at_start_before_a_directory_is_made(tmp_path: Path, env: dict[str, str], said: str) -> None:
    command = [sys.executable, "-m", "chroma_async", "run", "--path", str(tmp_path / "data"), "--port", "0"]
    ended = subprocess.run(command, env={"PATH": "/usr/bin", **env}, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert said in ended.stderr
    assert TOKEN not in ended.stderr + ended.stdout
    assert not (tmp_path / "data").exists()
