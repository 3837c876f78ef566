"""The names of authentication providers: own ones, and the class paths of Chroma's Python server. They are looked up, never imported."""

from __future__ import annotations

from difflib import get_close_matches
from enum import StrEnum

from chroma_async.config.setting import SettingsError


class Provider(StrEnum):
    """How the configured credentials are meant."""

    TOKEN = "token"
    BASIC = "basic"


#: Name -> what it stands for, of what is configured as a provider.
PROVIDERS = {
    "token": Provider.TOKEN,
    "basic": Provider.BASIC,
    "chromadb.auth.token_authn.TokenAuthenticationServerProvider": Provider.TOKEN,
    "chromadb.auth.basic_authn.BasicAuthenticationServerProvider": Provider.BASIC,
    "chromadb.auth.token.TokenAuthServerProvider": Provider.TOKEN,
    "chromadb.auth.basic.BasicAuthServerProvider": Provider.BASIC,
}
#: The same of what older servers read credentials with. Here ``…_FILE`` says that they are in a file.
CREDENTIALS_PROVIDERS = {
    "chromadb.auth.token.TokenConfigServerAuthCredentialsProvider": Provider.TOKEN,
    "chromadb.auth.token.UserTokenConfigServerAuthCredentialsProvider": Provider.TOKEN,
    "chromadb.auth.basic.HtpasswdFileServerAuthCredentialsProvider": Provider.BASIC,
    "chromadb.auth.basic.HtpasswdConfigurationServerAuthCredentialsProvider": Provider.BASIC,
    "chromadb.auth.providers.HtpasswdFileServerAuthCredentialsProvider": Provider.BASIC,
    "chromadb.auth.providers.HtpasswdConfigurationServerAuthCredentialsProvider": Provider.BASIC,
}


def provider_named(name: str, credentials_provider: str) -> Provider | None:
    """The provider that two settings name; ``None`` if they are both empty.

    :raises SettingsError: one of them is unknown, or they contradict each other.
    """
    named = _known("auth_provider", name, PROVIDERS)
    reader = _known("auth_credentials_provider", credentials_provider, CREDENTIALS_PROVIDERS)
    if named is not None and reader is not None and named is not reader:
        reason = f"it reads credentials of the kind {reader}, and auth_provider asks for {named}"
        raise SettingsError("auth_credentials_provider", credentials_provider, "settings", reason)
    return named or reader


def _known(setting: str, name: str, names: dict[str, Provider]) -> Provider | None:
    if not name:
        return None
    if name not in names:
        near = get_close_matches(name, names, 1, 0.6)
        raise SettingsError(setting, name, "settings", f"unknown provider; did you mean {near[0]}?" if near else "unknown provider")
    return names[name]
