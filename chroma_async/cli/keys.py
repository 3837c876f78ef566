"""``chroma-async keys``: API keys, made, listed and revoked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import click

from chroma_async.cli import options
from chroma_async.cli.key_access import KeyAccess, key_access
from chroma_async.cli.table import show_table
from chroma_async.cli.target import url_option
from chroma_async.config.settings import Settings
from chroma_async.wire.keys import CreateKey, KeyInfo

T = TypeVar("T")
DAY_S = 86_400
_HEAD = ("ID", "USER", "ROLE", "TENANT", "DATABASES", "MADE", "EXPIRES")


@click.group()
def keys() -> None:
    """API keys: tokens that are made for a user, and that can be revoked."""


@keys.command("create")
@click.argument("user")
@click.option("--role", metavar="NAME", help="A role of authz_config. [default: the one that it gives the user]")
@click.option("--tenant", default="*", show_default=True, metavar="GLOB", help="Where the key may be used.")
@click.option("--database", "databases", multiple=True, metavar="GLOB", help="May be given several times. [default: *]")
@click.option("--days", type=click.FloatRange(min=0, min_open=True), metavar="NUMBER", help="Days until it expires. [default: never]")
@url_option
@options.flags("path")
@options.config_file
def create(
    user: str,
    role: str | None,
    tenant: str,
    databases: tuple[str, ...],
    days: float | None,
    url: str | None,
    path: str | None,
    config_path: Path | None,
) -> None:
    """Make a key for USER and print it, once: nobody can read it again."""
    expires_at = None if days is None else time.time() + days * DAY_S
    wanted = CreateKey(user, role, tenant, databases or ("*",), expires_at)
    info, text = _asked(options.settings_from({"path": path}, config_path), url, lambda access: access.create(wanted))
    click.echo(f"key {info.id} for {info.user}, {_until(info)}; it is shown this once", err=True)
    click.echo(text)


@keys.command("list")
@url_option
@options.flags("path")
@options.config_file
def list_(url: str | None, path: str | None, config_path: Path | None) -> None:
    """Print all keys by their ids, but for the keys themselves."""
    found = _asked(options.settings_from({"path": path}, config_path), url, lambda access: access.list())
    show_table(_HEAD, map(_row, found))


@keys.command("revoke")
@click.argument("id")
@url_option
@options.flags("path")
@options.config_file
def revoke(id: str, url: str | None, path: str | None, config_path: Path | None) -> None:
    """Let the key of that ID count no more."""
    _asked(options.settings_from({"path": path}, config_path), url, lambda access: access.revoke(id))
    click.echo(f"key {id} is revoked")


def _asked(settings: Settings, url: str | None, ask: Callable[[KeyAccess], Awaitable[T]]) -> T:
    async def asking() -> T:
        async with key_access(settings, url) as access:
            return await ask(access)

    return asyncio.run(asking())


def _row(info: KeyInfo) -> tuple[str, ...]:
    until = "never" if info.expires_at is None else _day(info.expires_at)
    return info.id, info.user, info.role or "-", info.tenant, ",".join(info.databases), _day(info.created_at), until


def _until(info: KeyInfo) -> str:
    return "which does not expire" if info.expires_at is None else f"which expires {_day(info.expires_at)}"


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")
