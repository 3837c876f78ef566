"""Where a request comes from when proxies that are trusted hand it on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import TypeAlias

from chroma_async.config.settings import SettingsError

Network: TypeAlias = IPv4Network | IPv6Network


class TrustedProxies:
    """Addresses that say the truth in ``X-Forwarded-For``. Others could write there what they like, so they are not listened to."""

    def __init__(self, networks: Iterable[str]) -> None:
        """:param networks: addresses, or networks such as ``10.0.0.0/8``. :raises SettingsError: one is neither."""
        self._networks = tuple(map(_network, networks))

    def __bool__(self) -> bool:
        return bool(self._networks)

    def client(self, remote: str, forwarded: Sequence[str]) -> str:
        """The address behind the proxies: the last one in the chain that is not a trusted proxy itself.

        :param remote: who is connected. :param forwarded: the values of ``X-Forwarded-For``, in order.
        """
        chain = [step.strip() for value in forwarded for step in value.split(",")]
        client = remote
        while chain and self._trusts(client):
            claimed = chain.pop()
            if not _is_address(claimed):
                break
            client = claimed
        return client

    def _trusts(self, address: str) -> bool:
        if not _is_address(address):
            return False
        found = ip_address(address)
        return any(found in network for network in self._networks)


def _network(text: str) -> Network:
    try:
        return ip_network(text.strip(), strict=False)
    except ValueError:
        raise SettingsError("trusted_proxies", text, "settings", "expected an address, or a network such as 10.0.0.0/8") from None


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
