"""What operators know from other stores' maintenance: ``hnsw rebuild``, ``wal status`` and ``clean``, ``db clean``, ``vacuum``, ``stats``.

All of it on a data directory that no server uses; a server does the same by itself, in quiet moments.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from chroma_async.cli import options, store
from chroma_async.cli.table import show_table

if TYPE_CHECKING:
    from chroma_async.service.local import LocalAPI

T = TypeVar("T")

_MIB = 1 << 20


@click.group()
def hnsw() -> None:
    """Graphs, by which queries find near vectors."""


@hnsw.command("rebuild")
@click.argument("collection", required=False)
@options.flags("path")
@options.config_file
def rebuild(collection: str | None, path: str | None, config_path: Path | None) -> None:
    """Build the graphs of COLLECTION anew, or of all: every graph is checked against exact search before it counts."""
    rebuilt = _done(path, config_path, lambda api: api.rebuild_graphs(collection))
    show_table(("COLLECTION", "GRAPHS"), [(name, str(graphs)) for name, graphs in rebuilt])


@click.group()
def wal() -> None:
    """The write-ahead log, which makes writes durable."""


@wal.command("status")
@options.flags("path")
@options.config_file
def wal_status(path: str | None, config_path: Path | None) -> None:
    """Print how large the log is, and which collections have rows in it alone."""
    lags, size_bytes = _done(path, config_path, lambda api: api.log_lags())
    click.echo(f"log: {_size(size_bytes)}")
    show_table(("COLLECTION", "ROWS IN THE LOG ALONE"), [(name, str(rows)) for name, rows in lags])


@wal.command("clean")
@options.flags("path")
@options.config_file
def wal_clean(path: str | None, config_path: Path | None) -> None:
    """Flush every collection, so that the log need not be read at the next start, and give its space back."""
    flushed, size_bytes = _done(path, config_path, lambda api: api.flush_all())
    click.echo(f"flushed {flushed} collections; log: {_size(size_bytes)}")


@click.group()
def db() -> None:
    """The files of the store."""


@db.command("clean")
@options.flags("path")
@options.config_file
def db_clean(path: str | None, config_path: Path | None) -> None:
    """Delete files that nothing names, such as a crash leaves; what this store did not make stays."""
    deleted = _done(path, config_path, lambda api: api.sweep())
    click.echo(f"deleted {deleted} files that nothing names")


@click.command()
@options.flags("path")
@options.config_file
def stats(path: str | None, config_path: Path | None) -> None:
    """Print what the store and its collections hold, and by which instructions vectors are compared."""

    async def found(api: LocalAPI) -> list[tuple[str, ...]]:
        await api.load_all()
        held = await api.statistics()
        click.echo(f"collections: {held.total_collections}, damaged: {held.damaged}, log: {_size(held.log.size_bytes)}")
        if held.disk is not None:
            click.echo(f"disk: {_size(held.disk.free_bytes)} free of {_size(held.disk.total_bytes)}")
        click.echo(f"vectors are compared with: {held.simd}")
        return [
            (
                each.name,
                str(each.rows),
                str(each.dead_rows),
                str(each.unindexed_rows),
                str(each.lag_rows),
                _size(each.file_bytes),
                _size(each.memory_bytes),
            )
            for each in sorted(held.collections, key=lambda each: each.name)
        ]

    show_table(("COLLECTION", "RECORDS", "DEAD", "UNINDEXED", "IN LOG", "FILES", "MEMORY"), _done(path, config_path, found))


def _done(path: str | None, config_path: Path | None, work: Callable[[LocalAPI], Awaitable[T]]) -> T:
    async def doing() -> T:
        async with store.opened(options.settings_from({"path": path}, config_path)) as api:
            with store.refusals_as_messages():
                return await work(api)

    return asyncio.run(doing())


def _size(count: int) -> str:
    return f"{count / _MIB:.1f} MiB"
