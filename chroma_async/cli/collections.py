"""``chroma-async collections``: which there are, what one is, and taking one away."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import click

from chroma_async.cli import options
from chroma_async.cli.table import show_table
from chroma_async.cli.target import client_of, scope_options, url_option
from chroma_async.client.client import AsyncClient

_HEAD = ("NAME", "RECORDS", "DIMENSION", "SPACE", "INDEXED", "ID")


@click.group()
def collections() -> None:
    """Collections: list, look at and delete them.

    \b
    chroma-async collections list --path ./chroma
    chroma-async collections show films --url http://localhost:8000
    """


@collections.command("list")
@scope_options
@url_option
@options.flags("path")
@options.config_file
@click.option("--json", "as_json", is_flag=True, help="As JSON, a line each.")
def list_(as_json: bool, **target: Any) -> None:
    """Print the collections of a database by their names."""

    async def found(client: AsyncClient) -> list[dict[str, Any]]:
        infos = [await _described(client, each.name) for each in await client.list_collections()]
        return sorted(infos, key=lambda info: str(info["name"]))

    infos = _asked(found, **target)
    if as_json:
        for info in infos:
            click.echo(json.dumps(info, ensure_ascii=False))
        return
    rows = [(info["name"], str(info["records"]), _shown(info["dimension"]), info["space"], info["indexed"], info["id"]) for info in infos]
    show_table(_HEAD, rows)


@collections.command("show")
@click.argument("name")
@scope_options
@url_option
@options.flags("path")
@options.config_file
def show(name: str, **target: Any) -> None:
    """Print all there is to know of the collection NAME, as JSON."""
    click.echo(json.dumps(_asked(lambda client: _described(client, name, whole=True), **target), indent=2, ensure_ascii=False))


@collections.command("delete")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@scope_options
@url_option
@options.flags("path")
@options.config_file
def delete(name: str, yes: bool, **target: Any) -> None:
    """Delete the collection NAME with its records. It cannot be brought back."""
    if not yes:
        click.confirm(f"delete the collection {name!r} and all its records?", abort=True)
    _asked(lambda client: client.delete_collection(name), **target)
    click.echo(f"collection {name} is deleted")


async def _described(client: AsyncClient, name: str, *, whole: bool = False) -> dict[str, Any]:
    collection = await client.get_collection(name)
    info, status = collection.get_model(), await collection.get_indexing_status()
    described = {
        "name": info.name,
        "id": str(info.id),
        "records": await collection.count(),
        "dimension": info.dimension,
        "space": (info.configuration.get("hnsw") or {}).get("space", "l2"),
        "indexed": f"{status.op_indexing_progress:.0%}",
    }
    if whole:
        described |= {"tenant": info.tenant, "database": info.database, "forks": await collection.fork_count()}
        described |= {"metadata": info.metadata, "configuration": info.configuration, "schema": info.schema}
    return described


def _shown(dimension: int | None) -> str:
    return "-" if dimension is None else str(dimension)


def _asked(
    ask: Callable[[AsyncClient], Awaitable[Any]], url: str | None, path: str | None, config_path: Path | None, tenant: str, database: str
) -> Any:
    async def asking() -> Any:
        async with client_of(options.settings_from({"path": path}, config_path), url, tenant, database) as client:
            return await ask(client)

    return asyncio.run(asking())
