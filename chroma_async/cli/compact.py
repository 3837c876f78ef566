"""``chroma-async compact``: do now what the store would do in quiet hours, and show how far it is."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from chroma_async.cli import options, store
from chroma_async.config.settings import Settings


@click.command()
@options.flags("path")
@options.config_file
def compact(path: str | None, config_path: Path | None) -> None:
    """Flush, merge, vacuum and index every collection, then give disk space back. No server may be running on it."""
    settings = options.settings_from({"path": path}, config_path)
    asyncio.run(_compact(settings))


async def _compact(settings: Settings) -> None:
    seen, note = 0, ""

    def shown(_item: int | None) -> str:
        return note

    async with store.opened(settings) as api:
        with click.progressbar(length=1, label="compacting", item_show_func=shown) as bar:
            async for step in api.compact():
                # How much there is to do shows only as it is done, so the bar follows what the last step says.
                bar.length, bar.pos = max(step.total, 1), step.done
                note = f"{step.collection}: {step.phase}"
                bar.render_progress()
                seen += 1
    click.echo(f"compacted {settings.path} in {seen} steps" if seen else f"{settings.path} was compact already")


@click.command()
@options.flags("path")
@options.config_file
def vacuum(path: str | None, config_path: Path | None) -> None:
    """Give the space of deleted and replaced records back: as `compact`, by the name that other stores have for it."""
    asyncio.run(_compact(options.settings_from({"path": path}, config_path)))
