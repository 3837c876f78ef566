"""What a command works on: a data directory that no server uses, or a server that runs."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import click

from chroma_async.cli import store
from chroma_async.client.client import AsyncClient
from chroma_async.client.environment import connection_from
from chroma_async.client.http import AsyncHttpClient
from chroma_async.config.settings import Settings

Command = TypeVar("Command", bound=Callable[..., Any])

url_option = click.option(
    "--url",
    metavar="URL",
    help="A server that runs; CHROMA_CLIENT_AUTH_CREDENTIALS is the credential. Without it: a data directory that no server uses.",
)


def scope_options(command: Command) -> Command:
    """``--tenant`` and ``--database``."""
    database = click.option("--database", default="default_database", show_default=True, metavar="NAME", help="Where the collections are.")
    tenant = click.option("--tenant", default="default_tenant", show_default=True, metavar="NAME", help="Whose they are.")
    return tenant(database(command))


@asynccontextmanager
async def client_of(settings: Settings, url: str | None, tenant: str, database: str) -> AsyncIterator[AsyncClient]:
    """A client of the server at ``url``, or of the directory ``settings.path``, which is owned meanwhile.

    :raises click.ClickException: it cannot be had, or what was done with it was refused (exit code 1).
    """
    with store.refusals_as_messages():
        if url is not None:
            found = connection_from(os.environ)
            async with AsyncHttpClient(
                url, headers=found.get("headers"), tenant=tenant, database=database, client_settings=found["client_settings"]
            ) as client:
                yield client
            return
        async with store.opened(settings) as api, AsyncClient(api, tenant=tenant, database=database) as client:
            await client.connect()
            yield client
