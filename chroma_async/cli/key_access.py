"""The keys of a server: of one that runs, through its API, or of a data directory that no server uses."""

from __future__ import annotations

import os
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from chroma_async.auth.attempts import attempts_from
from chroma_async.auth.authentication import authentication_from
from chroma_async.auth.caller import Caller
from chroma_async.auth.guard import Guard
from chroma_async.auth.key_file import read_keys
from chroma_async.auth.key_store import KeyStore
from chroma_async.auth.keys import Keys
from chroma_async.auth.policy import policy_from
from chroma_async.cli import store
from chroma_async.client.address import resolve_address
from chroma_async.client.environment import connection_from
from chroma_async.client.transport import Transport
from chroma_async.config.settings import Settings
from chroma_async.server.routes_keys import key_info
from chroma_async.threads import Lane
from chroma_async.wire.keys import CreateKey, KeyInfo, decode_keys, decode_made_key, encode_create_key

_PATH = "/auth/keys"


class KeyAccess(Protocol):
    """Keys, wherever they are."""

    async def create(self, wanted: CreateKey) -> tuple[KeyInfo, str]:
        """A new key, and its text. :raises ChromaError: it cannot be made."""

    async def list(self) -> Sequence[KeyInfo]:
        """All keys. :raises ChromaError: they cannot be had."""

    async def revoke(self, id: str) -> None:
        """:raises NotFoundError: there is none of that id. :raises ChromaError: it cannot be revoked."""


@asynccontextmanager
async def key_access(settings: Settings, url: str | None) -> AsyncIterator[KeyAccess]:
    """The keys of the server at ``url``, or those of ``settings.path``.

    :raises click.ClickException: they cannot be had, or what was done with them was refused.
    """
    with store.refusals_as_messages():
        async with _remote(url) if url is not None else _offline(settings) as access:
            yield access


class _Offline:
    def __init__(self, keys: KeyStore) -> None:
        self._keys = keys

    async def create(self, wanted: CreateKey) -> tuple[KeyInfo, str]:
        key, text = await self._keys.create(Caller(wanted.user, wanted.role, wanted.tenant, wanted.databases), wanted.expires_at)
        return key_info(key), text

    async def list(self) -> Sequence[KeyInfo]:
        return [key_info(key) for key in self._keys.listed()]

    async def revoke(self, id: str) -> None:
        await self._keys.revoke(id)


class _Remote:
    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def create(self, wanted: CreateKey) -> tuple[KeyInfo, str]:
        return decode_made_key(await self._transport.send("POST", _PATH, encode_create_key(wanted), writes=True))

    async def list(self) -> Sequence[KeyInfo]:
        return decode_keys(await self._transport.send("GET", _PATH, idempotent=True))

    async def revoke(self, id: str) -> None:
        await self._transport.send("DELETE", f"{_PATH}/{quote(id, safe='')}", writes=True)


@asynccontextmanager
async def _offline(settings: Settings) -> AsyncIterator[KeyAccess]:
    """The directory is owned meanwhile, so that no server writes its keys too."""
    lane = Lane("keys", 1)
    try:
        # A directory that is new gets its first key before its first server.
        async with store.opened(settings, serving=True):
            directory = Path(settings.path)
            authentication = authentication_from(settings, Keys(await lane.run(read_keys, directory), time.time), lane.run)
            yield _Offline(KeyStore(Guard(authentication, policy_from(settings), attempts_from(settings)), directory, lane.run))
    finally:
        await lane.aclose()


@asynccontextmanager
async def _remote(url: str) -> AsyncIterator[KeyAccess]:
    """With the credential of the environment."""
    found = connection_from(os.environ)
    address = resolve_address(url, 8000, headers=found.get("headers"), client_settings=found["client_settings"])
    transport = Transport(address, rng=random.Random())  # nosec B311 # for the wait before a retry
    try:
        yield _Remote(transport)
    finally:
        await transport.aclose()
