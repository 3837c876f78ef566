"""TLS as the server itself speaks it: real clients, client certificates, files that are replaced, and files that cannot be used."""

from __future__ import annotations

import asyncio
import shutil
import signal
import socket
import ssl
from pathlib import Path
from typing import Any

import chromadb
import httpx
import pytest
from chromadb.config import Settings as TheirSettings

import chroma_async
from chroma_async.errors import ChromaError, TransportError
from tests.api.conftest import forget_official
from tests.compat.conftest import close
from tests.compat.servers import Server, start_ours
from tests.fakes.authority import Authority, Issued

HEARTBEAT = "/api/v2/heartbeat"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def started(tmp_path: Path, issued: Issued, *arguments: str, env: dict[str, str] | None = None) -> Server:
    tls = ("--tls-cert", str(issued.certificate), "--tls-key", str(issued.key))
    return start_ours(tmp_path / "data", arguments=(*tls, *arguments), env=env)


def trusting(authority: Authority, client: Issued | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=authority.file)
    if client is not None:
        context.load_cert_chain(client.certificate, client.key)
    return context


def heartbeat(server: Server, context: ssl.SSLContext) -> int:
    return httpx.get(server.url + HEARTBEAT, verify=context).status_code


async def test_clients_reach_the_server_over_tls_with_a_token_and_not_without_tls(tmp_path: Path, authority: Authority) -> None:
    server = started(tmp_path, authority.issue("server"), env={"CHROMA_SERVER_AUTHN_CREDENTIALS": "a-token"})
    try:
        assert server.scheme == "https"
        ours: Any = {"host": server.host, "port": server.port, "token": "a-token"}
        async with chroma_async.AsyncHttpClient(ssl=True, ssl_verify=authority.file, **ours) as client:
            docs = await client.create_collection("docs", embedding_function=None)
            await docs.add(ids=["a"], embeddings=[[1.0, 2.0]])
        settings = TheirSettings(chroma_server_ssl_verify=str(authority.file))
        headers = {"X-Chroma-Token": "a-token"}
        theirs = await chromadb.AsyncHttpClient(server.host, server.port, ssl=True, headers=headers, settings=settings)
        assert await (await theirs.get_collection("docs")).count() == 1
        await forget_official()

        def sync() -> int:
            blocking = chromadb.HttpClient(server.host, server.port, ssl=True, headers=headers, settings=settings)
            try:
                return blocking.get_collection("docs").count()
            finally:
                close(blocking)

        assert await asyncio.to_thread(sync) == 1
        with pytest.raises(TransportError):
            async with chroma_async.AsyncHttpClient(**ours):
                pass
        with pytest.raises(ChromaError, match="certificate"):
            async with chroma_async.AsyncHttpClient(ssl=True, **ours):
                pass
        assert server.stop() == 0
    finally:
        server.kill()


def test_a_client_needs_a_certificate_of_the_authority_that_is_asked_for(tmp_path: Path, authority: Authority) -> None:
    clients = Authority(tmp_path, "clients")
    server = started(tmp_path, authority.issue("server"), "--tls-client-ca", str(clients.file))
    try:
        assert heartbeat(server, trusting(authority, clients.issue("client"))) == 200
        for context in (trusting(authority), trusting(authority, authority.issue("stranger"))):
            with pytest.raises(httpx.TransportError):
                heartbeat(server, context)
    finally:
        server.kill()


def shown(server: Server, context: ssl.SSLContext) -> str:
    """The name in the certificate that the server shows now."""
    with socket.create_connection((server.host, server.port)) as plain, context.wrap_socket(plain, server_hostname=server.host) as secured:
        subject: Any = (secured.getpeercert() or {})["subject"]
        return str(subject[0][0][1])


def test_a_certificate_is_replaced_at_sighup_and_a_bad_one_is_not_taken(tmp_path: Path, authority: Authority) -> None:
    used = authority.issue("server")
    server = started(tmp_path, used)
    try:
        other = authority.issue("other")
        shutil.copy(other.certificate, used.certificate)
        server.process.send_signal(signal.SIGHUP)
        server.wait_for_log("certificates stay as they are: tls_key")
        assert shown(server, trusting(authority)) == "server"
        shutil.copy(other.key, used.key)
        server.process.send_signal(signal.SIGHUP)
        server.wait_for_log("certificates were read again")
        assert shown(server, trusting(authority)) == "other"
        assert server.stop() == 0
    finally:
        server.kill()


def test_versions_of_tls_with_known_weaknesses_are_refused(tmp_path: Path, authority: Authority) -> None:
    server = started(tmp_path, authority.issue("server"))
    try:
        old = trusting(authority)
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises(httpx.TransportError):
            heartbeat(server, old)
    finally:
        server.kill()


MISUSED = {
    "a missing certificate": (["--tls-cert", "none.pem"], "tls_cert = 'none.pem' (file): No such file or directory"),
    "a missing key": (["--tls-cert", "server.pem", "--tls-key", "none.key"], "tls_key = 'none.key' (file): No such file or directory"),
    "another's key": (["--tls-cert", "server.pem", "--tls-key", "other.key"], "the key is not that of the certificate"),
    "a key with a password": (["--tls-cert", "locked.pem", "--tls-key", "locked.key"], "it is encrypted; a server's key has no password"),
    "no PEM": (["--tls-cert", "data.txt"], "tls_cert = 'data.txt' (file): it is no PEM file of that kind"),
    "a key alone": (["--tls-key", "server.key"], "tls_key = 'server.key' (settings): needs tls_cert"),
    "an authority alone": (["--tls-client-ca", "authority.pem"], "tls_client_ca = 'authority.pem' (settings): needs tls_cert"),
    "no authority": (
        ["--tls-cert", "server.pem", "--tls-key", "server.key", "--tls-client-ca", "data.txt"],
        "tls_client_ca = 'data.txt' (file): it is no PEM file of that kind",
    ),
}


@pytest.mark.parametrize("case", MISUSED)
def test_files_that_cannot_be_used_keep_the_server_from_starting(
    tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(chroma_async.__file__).parents[1]))
    authority.issue("server")
    authority.issue("other")
    authority.issue("locked", password=b"secret")
    (tmp_path / "data.txt").write_text("no certificate")
    arguments, words = MISUSED[case]
    with pytest.raises(RuntimeError) as refusal:
        start_ours(tmp_path / "data", arguments=arguments)
    assert words in str(refusal.value)
    assert "Traceback" not in str(refusal.value)
    assert not (tmp_path / "data").exists()
