"""What a program's environment says about its server, under Chroma's own names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chroma_async.client.address import auth_headers
from chroma_async.config.environment import service_links
from chroma_async.config.loading import load_client_settings
from chroma_async.config.setting import MASK, SettingsError
from chroma_async.config.values import FLAG_WORDS

_CREDENTIALS = "CHROMA_CLIENT_AUTH_CREDENTIALS"


def connection_from(env: Mapping[str, str]) -> dict[str, Any]:
    """The arguments of a client of HTTP that the environment gives. An empty variable is none.

    ``CHROMA_HOST``, ``CHROMA_PORT`` (but for what Kubernetes puts there for a Service of that name), ``CHROMA_SSL``, ``CHROMA_TENANT``,
    ``CHROMA_DATABASE``; ``CHROMA_CLIENT_AUTH_CREDENTIALS`` or ``…_FILE``, a token unless ``CHROMA_CLIENT_AUTH_PROVIDER`` says otherwise,
    sent as ``CHROMA_AUTH_TOKEN_TRANSPORT_HEADER`` says; and the limits of :func:`~chroma_async.config.loading.load_client_settings`.

    :raises SettingsError: a value that cannot be used. :raises ValidationError: credentials that cannot be sent.
    """
    linked = set(service_links(env))
    given = {key: value.strip() for key, value in env.items() if key not in linked and value.strip()}
    found: dict[str, Any] = {"client_settings": load_client_settings(env)}
    for name in ("host", "tenant", "database"):
        if value := given.get(f"CHROMA_{name.upper()}"):
            found[name] = value
    if port := given.get("CHROMA_PORT"):
        if not port.isascii() or not port.isdecimal() or not 0 < int(port) < 65536:
            raise SettingsError("CHROMA_PORT", port, "environment", "a number from 1 to 65535 is expected")
        found["port"] = int(port)
    if ssl := given.get("CHROMA_SSL"):
        if ssl.lower() not in FLAG_WORDS:
            raise SettingsError("CHROMA_SSL", ssl, "environment", "true or false is expected")
        found["ssl"] = FLAG_WORDS[ssl.lower()]
    provider = given.get("CHROMA_CLIENT_AUTH_PROVIDER", "")
    if credentials := _credentials(given):
        found["headers"] = auth_headers(
            provider or "TokenAuthClientProvider", credentials, given.get("CHROMA_AUTH_TOKEN_TRANSPORT_HEADER", "")
        )
    elif provider:
        raise SettingsError("CHROMA_CLIENT_AUTH_PROVIDER", provider, "environment", f"there is no {_CREDENTIALS} for it")
    return found


def _credentials(given: Mapping[str, str]) -> str:
    here, file = given.get(_CREDENTIALS, ""), given.get(f"{_CREDENTIALS}_FILE", "")
    if here and file:
        raise SettingsError(f"{_CREDENTIALS}_FILE", file, "environment", f"{_CREDENTIALS} is set too; only one of them may be")
    if not file:
        return here
    try:
        content = Path(file).read_text("utf-8").strip()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
        raise SettingsError(f"{_CREDENTIALS}_FILE", file, "environment", f"the file cannot be read: {reason}") from None
    if not content:
        raise SettingsError(_CREDENTIALS, MASK, file, "the file is empty")
    return content
