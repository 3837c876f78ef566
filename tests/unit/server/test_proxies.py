"""Where a request comes from: what trusted proxies say, and nobody else."""

from __future__ import annotations

import pytest

from chroma_async.config.settings import SettingsError
from chroma_async.server.proxies import TrustedProxies

#: Who is connected, what X-Forwarded-For says, and who the client is.
CHAINS = [
    ("10.0.0.1", [], "10.0.0.1"),
    ("10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
    ("10.0.0.1", ["198.51.100.7, 203.0.113.9"], "203.0.113.9"),
    ("10.0.0.1", ["203.0.113.9, 10.0.0.2"], "203.0.113.9"),
    ("10.0.0.1", ["203.0.113.9", "10.0.0.2"], "203.0.113.9"),
    ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
    ("10.0.0.1", ["spoofed, 203.0.113.9"], "203.0.113.9"),
    ("10.0.0.1", ["203.0.113.9, spoofed"], "10.0.0.1"),
    ("192.0.2.5", ["203.0.113.9"], "192.0.2.5"),
    ("::1", ["2001:db8::9"], "2001:db8::9"),
    ("", ["203.0.113.9"], ""),
]


@pytest.mark.parametrize(("remote", "forwarded", "client"), CHAINS)
def test_the_client_is_the_last_of_the_chain_that_is_no_trusted_proxy(remote: str, forwarded: list[str], client: str) -> None:
    assert TrustedProxies(["10.0.0.0/8", "::1"]).client(remote, forwarded) == client


def test_without_trusted_proxies_nobody_is_listened_to() -> None:
    nobody = TrustedProxies([])
    assert not nobody
    assert nobody.client("10.0.0.1", ["203.0.113.9"]) == "10.0.0.1"


@pytest.mark.parametrize("text", ["", "proxy.example", "10.0.0.0/33"])
def test_what_is_no_network_is_refused_by_name(text: str) -> None:
    with pytest.raises(SettingsError, match=r"trusted_proxies = .*: expected an address, or a network such as 10\.0\.0\.0/8"):
        TrustedProxies([text])
