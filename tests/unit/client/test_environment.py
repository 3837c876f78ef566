from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import chroma_async
from chroma_async.client.environment import connection_from
from chroma_async.config.settings import ClientSettings
from chroma_async.errors import ValidationError

TOKEN = "secret-token"


def without_limits(env: dict[str, str]) -> dict[str, Any]:
    found = connection_from(env)
    del found["client_settings"]
    return found


def test_an_empty_environment_gives_the_defaults() -> None:
    assert connection_from({}) == {"client_settings": ClientSettings()}
    assert without_limits({"CHROMA_HOST": "", "CHROMA_PORT": " ", "CHROMA_SSL": ""}) == {}


def test_place_and_tls_and_scope_are_read() -> None:
    env = {"CHROMA_HOST": "db.example", "CHROMA_PORT": "8443", "CHROMA_SSL": "TRUE", "CHROMA_TENANT": "acme", "CHROMA_DATABASE": "prod"}
    assert without_limits(env) == {"host": "db.example", "port": 8443, "ssl": True, "tenant": "acme", "database": "prod"}


def test_limits_are_read_by_their_own_names() -> None:
    assert connection_from({"CHROMA_ASYNC_CLIENT_READ_TIMEOUT_S": "7"})["client_settings"] == ClientSettings(read_timeout_s=7.0)


def test_what_kubernetes_puts_there_for_a_service_named_chroma_is_no_port() -> None:
    env = {"CHROMA_PORT": "tcp://10.0.0.7:8000", "CHROMA_PORT_8000_TCP": "tcp://10.0.0.7:8000", "CHROMA_SERVICE_HOST": "10.0.0.7"}
    assert without_limits({"CHROMA_HOST": "chroma", **env}) == {"host": "chroma"}


@pytest.mark.parametrize(
    ("more", "headers"),
    [
        ({}, {"Authorization": f"Bearer {TOKEN}"}),
        ({"CHROMA_AUTH_TOKEN_TRANSPORT_HEADER": "Authorization"}, {"Authorization": f"Bearer {TOKEN}"}),
        ({"CHROMA_AUTH_TOKEN_TRANSPORT_HEADER": "X-Chroma-Token"}, {"X-Chroma-Token": TOKEN}),
        ({"CHROMA_AUTH_TOKEN_TRANSPORT_HEADER": "X_CHROMA_TOKEN"}, {"X-Chroma-Token": TOKEN}),
        ({"CHROMA_CLIENT_AUTH_PROVIDER": "chromadb.auth.token_authn.TokenAuthClientProvider"}, {"Authorization": f"Bearer {TOKEN}"}),
        ({"CHROMA_CLIENT_AUTH_PROVIDER": "chromadb.auth.token.TokenAuthClientProvider"}, {"Authorization": f"Bearer {TOKEN}"}),
    ],
)
def test_a_token_is_sent_in_the_header_that_is_named(more: dict[str, str], headers: dict[str, str]) -> None:
    assert without_limits({"CHROMA_CLIENT_AUTH_CREDENTIALS": TOKEN, **more}) == {"headers": headers}


def test_a_password_is_sent_where_the_provider_says_so() -> None:
    for provider in ("chromadb.auth.basic_authn.BasicAuthClientProvider", "chromadb.auth.basic.BasicAuthClientProvider"):
        env = {"CHROMA_CLIENT_AUTH_PROVIDER": provider, "CHROMA_CLIENT_AUTH_CREDENTIALS": "user:pass"}
        assert without_limits(env) == {"headers": {"Authorization": "Basic dXNlcjpwYXNz"}}


def test_credentials_may_be_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    env = {"CHROMA_CLIENT_AUTH_CREDENTIALS_FILE": str(tmp_path / "token"), "CHROMA_AUTH_TOKEN_TRANSPORT_HEADER": "X-Chroma-Token"}
    assert without_limits(env) == {"headers": {"X-Chroma-Token": TOKEN}}


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"CHROMA_PORT": "http"}, r"CHROMA_PORT = 'http' \(environment\): a number from 1 to 65535"),
        ({"CHROMA_PORT": "0"}, "CHROMA_PORT = '0'"),
        ({"CHROMA_PORT": "65536"}, "CHROMA_PORT = '65536'"),
        ({"CHROMA_SSL": "maybe"}, "CHROMA_SSL = 'maybe' .*true or false"),
        ({"CHROMA_CLIENT_AUTH_PROVIDER": "x"}, "there is no CHROMA_CLIENT_AUTH_CREDENTIALS for it"),
        ({"CHROMA_CLIENT_AUTH_CREDENTIALS": "two words of secret"}, "a token has ASCII letters"),
        ({"CHROMA_CLIENT_AUTH_CREDENTIALS": "secret", "CHROMA_CLIENT_AUTH_PROVIDER": "my.Provider"}, "'Provider' is not known"),
        ({"CHROMA_CLIENT_AUTH_CREDENTIALS": "secret", "CHROMA_CLIENT_AUTH_PROVIDER": "x.BasicAuthClientProvider"}, "no colon"),
        ({"CHROMA_CLIENT_AUTH_CREDENTIALS": "secret", "CHROMA_AUTH_TOKEN_TRANSPORT_HEADER": "Cookie"}, "got 'Cookie'"),
        ({"CHROMA_CLIENT_AUTH_CREDENTIALS": "secret", "CHROMA_CLIENT_AUTH_CREDENTIALS_FILE": "/x"}, "only one of them"),
        ({"CHROMA_CLIENT_AUTH_CREDENTIALS_FILE": "/nonexistent/token"}, "the file cannot be read: No such file"),
    ],
)
def test_what_cannot_be_used_is_refused_by_its_name_and_no_credential_is_shown(env: dict[str, str], said: str) -> None:
    with pytest.raises(ValidationError, match=said) as refused:
        connection_from(env)
    assert "secret" not in refused.value.message()


def test_a_client_from_the_environment_takes_arguments_that_win(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHROMA_HOST", "ftp://nonsense")
    with pytest.raises(ValidationError, match="Invalid URL 'ftp://nonsense'"):
        chroma_async.AsyncHttpClient.from_env()
    assert isinstance(chroma_async.AsyncHttpClient.from_env(host="db.example"), chroma_async.AsyncHttpClient)
    with pytest.raises(ValidationError, match="Authorization two values"):
        chroma_async.AsyncHttpClient.from_env(
            {"CHROMA_CLIENT_AUTH_CREDENTIALS": "secret", "CHROMA_HOST": "http://user:pass@db.example"},
        )
