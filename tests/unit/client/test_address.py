"""Where a server is and what it is shown: two places may say the same, never two things."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

import chroma_async
from chroma_async.client.address import resolve_address
from chroma_async.config.settings import ClientSettings, Settings
from chroma_async.errors import ValidationError, ValidationTypeError

BASIC = "chromadb.auth.basic_authn.BasicAuthClientProvider"
TOKEN = "chromadb.auth.token_authn.TokenAuthClientProvider"


def credentials(provider: str | None, secret: str | None, **more: Any) -> SimpleNamespace:
    return SimpleNamespace(chroma_client_auth_provider=provider, chroma_client_auth_credentials=secret, **more)


@pytest.mark.parametrize(
    ("host", "port", "arguments", "refusal"),
    [
        ("http://h:9000", 9001, {}, "says port 9000 and port 9001 is given"),
        ("http://h", 9000, {}, "says port 80 and port 9000 is given"),
        ("https://h", 80, {}, "says port 443 and port 80 is given"),
        ("http://h", 8000, {"ssl": True}, "ssl is asked for"),
        ("h", 1, {"settings": SimpleNamespace(chroma_server_host="g")}, "host is 'h' as argument and 'g' in settings"),
        ("h", 1, {"settings": SimpleNamespace(chroma_server_http_port=2)}, "port is 1 as argument and 2 in settings"),
        (
            "h",
            1,
            {"headers": {"X-Chroma-Token": "a", "x-chroma-token": "b"}},
            "headers and headers give the header X-Chroma-Token two values",
        ),
        ("h", 1, {"headers": {"X-Chroma-Token": "a"}, "token": "b"}, "headers and token give the header X-Chroma-Token two values"),
        ("http://u:p@h", 8000, {"headers": {"authorization": "Bearer t"}}, "the user in the URL and headers give the header Authorization"),
        ("http://u:p@h", 8000, {"settings": credentials(TOKEN, "t")}, "give the header Authorization two values"),
        ("h", 1, {"settings": SimpleNamespace(chroma_server_headers={"A": "1"}), "headers": {"a": "2"}}, "give the header A two values"),
        ("h", 1, {"settings": credentials(BASIC, "u:p"), "headers": {"Authorization": "Bearer t"}}, "give the header Authorization"),
        ("h", 1, {"settings": credentials(TOKEN, None)}, "have chroma_client_auth_provider and no chroma_client_auth_credentials"),
        ("h", 1, {"settings": credentials(None, "secret")}, "have chroma_client_auth_credentials and no chroma_client_auth_provider"),
        ("h", 1, {"ssl": True, "ssl_verify": True, "settings": SimpleNamespace(chroma_server_ssl_verify=False)}, "ssl_verify is True"),
        ("h", 1, {"ssl_verify": "ca.pem"}, "the connection would not be encrypted"),
        ("h", 1, {"settings": ClientSettings(max_retries=1), "client_settings": ClientSettings()}, "two different ClientSettings"),
    ],
)
def test_two_places_that_contradict_each_other_are_refused_by_name(host: str, port: int, arguments: dict[str, Any], refusal: str) -> None:
    with pytest.raises(ValidationError) as refused:
        resolve_address(host, port, **arguments)
    assert refusal in str(refused.value)
    assert not {"secret", "u:p", "Bearer t"} & set(str(refused.value).split()), "no credential is shown"


@pytest.mark.parametrize(
    ("host", "port", "arguments", "url"),
    [
        ("http://h:9000", 9000, {}, "http://h:9000/api/v2"),
        ("http://h:9000", 8000, {}, "http://h:9000/api/v2"),
        ("https://h", 443, {}, "https://h/api/v2"),
        ("https://h/prefix", 8000, {"ssl": True}, "https://h/prefix/api/v2"),
        ("h", 1, {"settings": SimpleNamespace(chroma_server_host="h", chroma_server_http_port="1")}, "http://h:1/api/v2"),
        ("h", 1, {"headers": {"x-chroma-token": "a"}, "token": "a"}, "http://h:1/api/v2"),
        ("h", 1, {"settings": ClientSettings(), "client_settings": ClientSettings()}, "http://h:1/api/v2"),
        ("::1", 1, {}, "http://[::1]:1/api/v2"),
        ("[::1]", 1, {}, "http://[::1]:1/api/v2"),
    ],
)
def test_the_same_said_twice_is_taken(host: str, port: int, arguments: dict[str, Any], url: str) -> None:
    assert str(resolve_address(host, port, **arguments).url) == url


def test_a_header_is_sent_once_however_its_name_is_spelt() -> None:
    settings = SimpleNamespace(chroma_server_headers={"X-Chroma-Token": "a"})
    assert resolve_address("h", 1, settings=settings, headers={"x-chroma-token": "a"}, token="a").headers == {"X-Chroma-Token": "a"}


@pytest.mark.parametrize("settings", [{"allow_reset": True}, ClientSettings()], ids=["a dict", "of an HTTP client"])
@pytest.mark.parametrize("factory", [chroma_async.AsyncEphemeralClient, chroma_async.AsyncPersistentClient])
def test_settings_that_a_store_would_ignore_are_refused(factory: Any, settings: Any) -> None:
    with pytest.raises(ValidationTypeError, match="settings: expected Settings"):
        factory(settings=settings)


@pytest.mark.parametrize("settings", [{"chroma_server_host": "h"}, Settings()], ids=["a dict", "of a store"])
def test_settings_that_an_http_client_would_ignore_are_refused(settings: Any) -> None:
    with pytest.raises(ValidationTypeError, match="settings: expected ClientSettings"):
        chroma_async.AsyncHttpClient(settings=settings)


@pytest.mark.parametrize("host", ["a..b", "x" * 64, "http://a..b:8000"])
def test_a_host_that_no_name_server_can_be_asked_for_is_refused(host: str) -> None:
    with pytest.raises(ValidationError, match=r"a part of the name is empty, or has more than 63 characters"):
        resolve_address(host, 8000)


@pytest.mark.parametrize("port", [-1, 65536, 2**70, 1.5, "x", None])
def test_a_port_that_is_none_is_refused(port: Any) -> None:
    with pytest.raises(ValidationError, match=f"port {port!r}"):
        resolve_address("localhost", port)


@pytest.mark.parametrize("header", [{"a\nb": "x"}, {"a": "x\r\ny"}, {"a": "secret\0"}, {"": "x"}, {"a b": "x"}, {"\xe9": "x"}])
def test_a_header_that_cannot_be_sent_is_refused_without_its_value(header: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match=r"headers: the header .* cannot be sent") as refusal:
        resolve_address("localhost", 8000, headers=header)
    assert "secret" not in str(refusal.value)
    with pytest.raises(ValidationError, match="token: the header 'x-chroma-token' cannot be sent"):
        resolve_address("localhost", 8000, token="a\nb")
