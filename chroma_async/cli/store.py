"""The store that a command works on, opened and closed around it; its refusals become messages, not tracebacks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chroma_async.config.settings import Settings
from chroma_async.errors import ChromaError

if TYPE_CHECKING:
    from chroma_async.service.local import LocalAPI


@asynccontextmanager
async def opened(settings: Settings, *, serving: bool = False) -> AsyncIterator[LocalAPI]:
    """The engine on ``settings.path``. For ``serving``, a missing directory is made, and full queues refuse writes instead of delaying.

    :raises click.ClickException: no such directory (unless ``serving``), it is not a store, or another process owns it (exit code 1).
    """
    from chroma_async.service.local import open_local

    path = settings.path if settings.is_persistent else None
    if path is not None and not serving and not _exists(path):
        raise click.ClickException(f"there is no data directory {path}")
    try:
        api = await open_local(path, settings, refuse_when_full=serving)
    except (ChromaError, OSError) as error:
        raise click.ClickException(f"cannot open {path}: {error}") from error
    try:
        yield api
    finally:
        await api.aclose()


@contextmanager
def refusals_as_messages() -> Iterator[None]:
    """:raises click.ClickException: what was done in the block was refused (exit code 1)."""
    try:
        yield
    except (ChromaError, ValueError) as error:
        raise click.ClickException(error.message() if isinstance(error, ChromaError) else str(error)) from error


def _exists(path: str) -> bool:
    return Path(path).is_dir()
