"""Where a server is, and what a client shows it: the arguments of the HTTP factory and Chroma's settings made into URL, headers and TLS."""

from __future__ import annotations

import base64
import re
import ssl as tls
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any

from yarl import URL

from chroma_async.config.settings import ClientSettings, Settings
from chroma_async.errors import ValidationError, ValidationTypeError
from chroma_async.plain import shown

API_PATH = "/api/v2"
TOKEN_HEADER = "x-chroma-token"
#: Where a token is sent, by the names that settings have for it.
_TOKEN_HEADERS = {"": "Authorization", "authorization": "Authorization", "x-chroma-token": "X-Chroma-Token"}
#: What a header is made of: RFC 9110, 5.1 and 5.5.
_HEADER_NAME, _CONTROL = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"), re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
#: What the factory's port is when nobody gives one.
_DEFAULT_PORT = 8000


@dataclass(frozen=True, slots=True)
class Address:
    """All that a connection needs to know. ``url`` ends with the API's path and holds no credentials."""

    url: URL
    headers: dict[str, str]
    verify: bool | tls.SSLContext
    settings: ClientSettings


def resolve_address(
    host: str,
    port: int,
    *,
    ssl: bool = False,
    headers: Mapping[str, str] | None = None,
    token: str | None = None,
    ssl_verify: bool | str | Path | None = None,
    settings: Any = None,
    client_settings: ClientSettings | None = None,
) -> Address:
    """From arguments and ``settings`` (chromadb's, read by attribute), which may say the same thing twice but not two things.

    Certificates are verified unless ``ssl_verify`` (or ``chroma_server_ssl_verify``) is ``False``; a path names the authorities to trust.

    :raises ValidationError: no URL can be made of host and port; or two places contradict each other, as when TLS is asked for and the URL
        says http: nothing is sent in clear text that was to be encrypted, or with another credential than was meant.
    :raises ValidationTypeError: ``settings`` are none of a client.
    """
    _check_settings(settings, client_settings)
    _check_agreement("host", host, getattr(settings, "chroma_server_host", None))
    _check_agreement("port", port, getattr(settings, "chroma_server_http_port", None))
    secure = ssl or bool(getattr(settings, "chroma_server_ssl_enabled", False))
    url = _url(host, port, secure, _api_path(settings))
    _check_labels(url)
    if secure and url.scheme != "https":
        raise ValidationError(f"ssl is asked for and the host {host!r} begins with http://; write https://, or leave ssl out")
    if url.port != port != _DEFAULT_PORT and "://" in host:
        raise ValidationError(f"the host {host!r} says port {url.port} and port {port} is given; write the port into the URL")
    sent = _Headers()
    sent.add("chroma_server_headers in settings", getattr(settings, "chroma_server_headers", None) or {})
    sent.add("chroma_client_auth_credentials in settings", _credentials(settings))
    if url.user is not None:
        sent.add("the user in the URL", {"Authorization": _basic(f"{url.user}:{url.password or ''}")})
        url = url.with_user(None)
    sent.add("headers", headers or {})
    if token is not None:
        sent.add("token", {TOKEN_HEADER: token})
    in_settings = getattr(settings, "chroma_server_ssl_verify", None)
    if ssl_verify is not None and in_settings is not None and str(ssl_verify) != str(in_settings):
        raise ValidationError(f"ssl_verify is {ssl_verify!r} as argument and {in_settings!r} in settings; give it once")
    verify = in_settings if ssl_verify is None else ssl_verify
    if url.scheme == "http" and verify is not None and not isinstance(verify, bool):
        raise ValidationError(f"ssl_verify names certificates, {str(verify)!r}, and the connection would not be encrypted; pass ssl=True")
    return Address(url, sent.values, _verification(verify), _limits(settings, client_settings))


class _Headers:
    """Headers from several places: the same one may come twice, but not with two values. Case does not tell names apart."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        #: Lower-case name -> the name as it is sent, and the place that it came from.
        self._places: dict[str, tuple[str, str]] = {}

    def add(self, place: str, headers: Mapping[Any, Any]) -> None:
        """:raises ValidationError: it is no header, or another place, or this one, gave it another value. No value is shown."""
        for name, value in headers.items():
            if not _HEADER_NAME.fullmatch(str(name)) or _CONTROL.search(str(value)):
                raise ValidationError(
                    f"{place}: the header {str(name)!r} cannot be sent: its name or value has characters that none may have"
                )
            known, earlier = self._places.setdefault(str(name).lower(), (str(name), place))
            if self.values.setdefault(known, str(value)) != str(value):
                raise ValidationError(f"{earlier} and {place} give the header {known} two values; give it once")


def _check_settings(settings: Any, client_settings: ClientSettings | None) -> None:
    if client_settings is not None and not isinstance(client_settings, ClientSettings):
        raise ValidationTypeError(f"client_settings: expected ClientSettings, got {shown(client_settings)}")
    if isinstance(settings, Mapping | Settings):
        kind = "a dict" if isinstance(settings, Mapping) else "the Settings of a store"
        raise ValidationTypeError(f"settings: expected ClientSettings, or chromadb's Settings, got {kind}")
    if isinstance(settings, ClientSettings) and client_settings is not None and settings != client_settings:
        raise ValidationError("settings and client_settings are two different ClientSettings; give one")


def _check_agreement(name: str, argument: object, setting: object) -> None:
    if setting is not None and str(setting) != str(argument):
        raise ValidationError(f"{name} is {argument!r} as argument and {setting!r} in settings; give it once")


def _api_path(settings: Any) -> str:
    path = getattr(settings, "chroma_server_api_default_path", None) or API_PATH
    return str(path.value if isinstance(path, Enum) else path)


def _url(host: str, port: int, secure: bool, path: str) -> URL:
    if "://" in host:
        try:
            url = URL(host)
        except ValueError as error:
            raise ValidationError(f"Invalid URL {host!r}: {error}") from None
        if url.scheme not in ("http", "https") or not url.host:
            raise ValidationError(f"Invalid URL {host!r}: expected http or https and a host")
        prefix = url.raw_path.rstrip("/")
        return url.with_path(prefix if prefix.endswith(path) else prefix + path, encoded=True).with_query(None).with_fragment(None)
    if "/" in host or not host:
        raise ValidationError(f"Invalid URL {host!r}: a host with a path needs http:// or https:// before it")
    try:
        number = int(port)
        if not 0 <= number <= 65535 or isinstance(port, float):
            raise ValueError("a port is a whole number from 0 to 65535")
        return URL.build(scheme="https" if secure else "http", host=host.strip("[]"), port=number, path=path)
    except (ValueError, TypeError) as error:
        raise ValidationError(f"Invalid URL of host {host!r} and port {port!r}: {error}") from None


def _check_labels(url: URL) -> None:
    """:raises ValidationError: no name server could be asked for the host. The system says so by an error that is none of its own."""
    try:
        (url.raw_host or "").encode("idna")
    except UnicodeError as error:
        raise ValidationError(
            f"Invalid URL of host {url.host!r}: a part of the name is empty, or has more than 63 characters: {error}"
        ) from None


def _credentials(settings: Any) -> dict[str, str]:
    """What chromadb's settings say about credentials."""
    provider = str(getattr(settings, "chroma_client_auth_provider", None) or "")
    secret = getattr(settings, "chroma_client_auth_credentials", None)
    # A pydantic secret shows itself only when asked by this name.
    reveal = getattr(secret, "get_secret_value", None)
    credentials = str(reveal() if callable(reveal) else secret or "")
    if not provider and not credentials:
        return {}
    if not provider or not credentials:
        given, missing = ("provider", "credentials") if provider else ("credentials", "provider")
        raise ValidationError(f"settings have chroma_client_auth_{given} and no chroma_client_auth_{missing}, so nothing would be sent")
    header = getattr(settings, "chroma_auth_token_transport_header", None)
    return auth_headers(provider, credentials, str(header.value if isinstance(header, Enum) else header or ""))


def auth_headers(provider: str, credentials: str, token_header: str) -> dict[str, str]:
    """The header that shows credentials, as Chroma's client provider of that name does; nothing is imported by name.

    :param provider: a class path, of which the last part counts. :param token_header: ``""`` is Chroma's default, ``Authorization``.
    :raises ValidationError: provider or header are unknown, or the credentials cannot be sent; no part of them is shown.
    """
    kind = provider.rsplit(".", 1)[-1]
    if kind == "BasicAuthClientProvider":
        if ":" not in credentials:
            raise ValidationError("the credentials for BasicAuthClientProvider are user:password; there is no colon in these")
        return {"Authorization": _basic(credentials)}
    if kind != "TokenAuthClientProvider":
        raise ValidationError(f"chroma_client_auth_provider {kind!r} is not known here; pass headers or token")
    name = _TOKEN_HEADERS.get(token_header.lower().replace("_", "-"))
    if name is None:
        raise ValidationError(f"chroma_auth_token_transport_header: Authorization or X-Chroma-Token is expected, got {token_header!r:.80}")
    if re.fullmatch(r"[!-~]+", credentials) is None:
        raise ValidationError("a token has ASCII letters, digits and punctuation, and no spaces; these credentials have others")
    return {name: f"Bearer {credentials}" if name == "Authorization" else credentials}


def _basic(credentials: str) -> str:
    return "Basic " + base64.b64encode(credentials.encode()).decode("ascii")


def _verification(verify: object) -> bool | tls.SSLContext:
    if verify is None or isinstance(verify, bool):
        return verify is not False
    place = Path(str(verify))
    try:
        return tls.create_default_context(capath=place) if place.is_dir() else tls.create_default_context(cafile=place)
    except (OSError, tls.SSLError, ValueError) as error:
        raise ValidationError(f"ssl_verify: no certificates can be read from {str(place)!r}: {error}") from None


def _limits(settings: Any, client_settings: ClientSettings | None) -> ClientSettings:
    if client_settings is not None:
        return client_settings
    if isinstance(settings, ClientSettings):
        return settings
    found: dict[str, Any] = {}
    for field, name in (("keepalive_s", "chroma_http_keepalive_secs"), ("max_connections", "chroma_http_max_connections")):
        value = getattr(settings, name, None)
        if value is not None:
            found[field] = value
    return replace(ClientSettings(), **found)
