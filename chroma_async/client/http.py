"""The client of a server that programs hold."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from chroma_async.client.address import resolve_address
from chroma_async.client.client import WORKERS, AsyncClient
from chroma_async.client.environment import connection_from
from chroma_async.client.http_api import HttpAPI
from chroma_async.client.opening import Opening
from chroma_async.config.settings import ClientSettings
from chroma_async.refusing import guarded_class
from chroma_async.threads import Lane
from chroma_async.types import DEFAULT_DATABASE, DEFAULT_TENANT

if TYPE_CHECKING:
    from chroma_async.encryption.encryption import Encryption


@guarded_class
class AsyncHttpClient(Opening):
    """A client of a server: ``await`` it, or enter it with ``async with``."""

    def __init__(
        self,
        host: str = "localhost",
        port: int = 8000,
        ssl: bool = False,
        headers: Mapping[str, str] | None = None,
        settings: Any = None,
        tenant: str = DEFAULT_TENANT,
        database: str = DEFAULT_DATABASE,
        *,
        token: str | None = None,
        ssl_verify: bool | str | Path | None = None,
        client_settings: ClientSettings | None = None,
        connect: bool = True,
        encryption: Encryption | None = None,
    ) -> None:
        """
        :param host: a name or address, or a URL (``https://h/prefix``), which then also says port and TLS.
        :param settings: chromadb's Settings, or :class:`~chroma_async.config.settings.ClientSettings`.
        :param token: sent as ``x-chroma-token``.
        :param ssl_verify: ``False`` trusts anyone; a path names certificates to trust, a file or a folder. Default: the system's.
        :param client_settings: timeouts, pool and retries; ``None`` for a timeout there waits for ever.
        :param connect: ask at once who the caller is and whether tenant and database exist.
        :param encryption: its collections write encrypted what that names (:class:`~chroma_async.encryption.encryption.Encryption`).
        :raises ValidationError: no URL can be made of the arguments.
        """
        address = resolve_address(
            host,
            port,
            ssl=ssl,
            headers=headers,
            token=token,
            ssl_verify=ssl_verify,
            settings=settings,
            client_settings=client_settings,
        )

        async def make() -> AsyncClient:
            lane = Lane("client", WORKERS)
            api = HttpAPI(address, lane=lane)
            shown = address.settings if settings is None else settings
            try:
                return AsyncClient(api, tenant=tenant, database=database, settings=shown, lane=lane, encryption=encryption)
            except BaseException:
                await api.aclose()
                await lane.aclose()
                raise

        super().__init__(make, connect=bool(connect))

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None, **arguments: Any) -> Self:
        """The client that the environment describes.

        ``CHROMA_HOST``, ``CHROMA_PORT``, ``CHROMA_SSL``, ``CHROMA_CLIENT_AUTH_CREDENTIALS`` and the others of
        :func:`chroma_async.client.environment.connection_from`.

        :param env: read in place of the process's environment. :param arguments: win over it.
        :raises ValidationError: a variable cannot be used; names it, and no credential.
        """
        return cls(**{**connection_from(os.environ if env is None else env), **arguments})
