"""A store inside this process: AsyncPersistentClient on a directory, AsyncEphemeralClient in memory.

Clients of one event loop share the engine of a directory; the last to close ends it. A second process, or a second loop, is refused with an
error that says why. A store in memory belongs to the one client that was made with it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chroma_async.client.client import AsyncClient
from chroma_async.client.opening import Opening
from chroma_async.config.settings import ClientSettings, Settings
from chroma_async.errors import ValidationTypeError
from chroma_async.plain import shown
from chroma_async.refusing import guarded
from chroma_async.service.local import open_local
from chroma_async.types import DEFAULT_DATABASE, DEFAULT_TENANT

if TYPE_CHECKING:
    from chroma_async.encryption.encryption import Encryption


@guarded
def AsyncPersistentClient(  # noqa: N802 - chromadb's name
    path: str | Path = "./chroma",
    settings: Any = None,
    tenant: str = DEFAULT_TENANT,
    database: str = DEFAULT_DATABASE,
    *,
    encryption: Encryption | None = None,
) -> Opening:
    """A client of the store in the directory ``path``, which is made when missing: ``await`` it, or enter it with ``async with``.

    ``settings`` is :class:`~chroma_async.config.settings.Settings`, or chromadb's, of which ``allow_reset`` is read. With an ``encryption``
    (:class:`~chroma_async.encryption.encryption.Encryption`), its collections write encrypted what that names.

    On opening: :class:`~chroma_async.errors.LockedError` when another process owns it, :class:`~chroma_async.errors.ForeignDirectoryError`
    when it holds another program's files, ValidationError when it is open here with other settings.
    """
    place = os.fspath(path)
    if not isinstance(place, str):
        raise ValidationTypeError(f"path: expected a str or a Path, got {shown(path)}")
    return _opening(place, settings, tenant, database, encryption)


@guarded
def AsyncEphemeralClient(  # noqa: N802 - chromadb's name
    settings: Any = None, tenant: str = DEFAULT_TENANT, database: str = DEFAULT_DATABASE, *, encryption: Encryption | None = None
) -> Opening:
    """A client of a new store in memory: ``await`` it, or enter it with ``async with``. Its data ends with it."""
    return _opening(None, settings, tenant, database, encryption)


def _opening(path: str | None, settings: Any, tenant: str, database: str, encryption: Encryption | None) -> Opening:
    own = _own_settings(path, settings)
    told = own if settings is None else settings

    async def make() -> AsyncClient:
        api = await open_local(path, own)
        try:
            return AsyncClient(api, tenant=tenant, database=database, settings=told, encryption=encryption)
        except BaseException:
            await api.aclose()
            raise

    return Opening(make)


def _own_settings(path: str | None, settings: Any) -> Settings:
    """:raises ValidationTypeError: they are none of a store: what they say would have no effect."""
    if isinstance(settings, Mapping):
        raise ValidationTypeError("settings: expected Settings, this package's or chromadb's, got a dict; write Settings(**settings)")
    if isinstance(settings, ClientSettings):
        raise ValidationTypeError(
            "settings: expected Settings, this package's or chromadb's, got ClientSettings, which are of an HTTP client"
        )
    base = settings if isinstance(settings, Settings) else Settings(allow_reset=bool(getattr(settings, "allow_reset", False)))
    # One directory has one spelling here: clients that name it differently still ask for the same settings.
    return replace(base, is_persistent=path is not None, path=os.path.realpath(path) if path is not None else base.path)
