from __future__ import annotations

import sys

import pytest

from chroma_async.auth.provider import CREDENTIALS_PROVIDERS, PROVIDERS, Provider, provider_named
from chroma_async.config.setting import SettingsError


@pytest.mark.parametrize(
    ("name", "provider"),
    [
        ("token", Provider.TOKEN),
        ("chromadb.auth.token_authn.TokenAuthenticationServerProvider", Provider.TOKEN),
        ("chromadb.auth.token.TokenAuthServerProvider", Provider.TOKEN),
        ("basic", Provider.BASIC),
        ("chromadb.auth.basic_authn.BasicAuthenticationServerProvider", Provider.BASIC),
        ("chromadb.auth.basic.BasicAuthServerProvider", Provider.BASIC),
    ],
)
def test_a_provider_is_known_by_its_own_name_and_by_those_of_chroma(name: str, provider: Provider) -> None:
    assert provider_named(name, "") is provider


@pytest.mark.parametrize(("name", "provider"), CREDENTIALS_PROVIDERS.items())
def test_what_older_servers_read_credentials_with_names_the_provider_too(name: str, provider: Provider) -> None:
    assert provider_named("", name) is provider
    assert provider_named(provider, name) is provider


def test_without_a_name_there_is_no_provider() -> None:
    assert provider_named("", "") is None


def test_an_unknown_name_is_refused_and_the_nearest_suggested_without_an_import() -> None:
    before = set(sys.modules)
    with pytest.raises(
        SettingsError, match=r"auth_provider = 'chromadb\.auth\.token\.TokenAuth'.*did you mean chromadb\.auth\.token\.TokenAuth"
    ):
        provider_named("chromadb.auth.token.TokenAuth", "")
    with pytest.raises(SettingsError, match=r"auth_credentials_provider = 'os\.system' .*unknown provider$"):
        provider_named("", "os.system")
    assert set(sys.modules) == before


def test_a_provider_that_reads_other_credentials_than_are_asked_for_is_refused() -> None:
    with pytest.raises(SettingsError, match="of the kind basic, and auth_provider asks for token"):
        provider_named("token", "chromadb.auth.providers.HtpasswdFileServerAuthCredentialsProvider")


def test_every_name_stands_for_one_provider() -> None:
    assert not PROVIDERS.keys() & CREDENTIALS_PROVIDERS.keys()
