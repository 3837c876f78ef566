"""``chroma-async check``: read every stored byte and say what is wrong with it."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click

from chroma_async.cli import options, store
from chroma_async.config.settings import Settings

COLOURS = {"ok": "green", "warning": "yellow", "error": "red"}


@click.command()
@options.flags("path")
@options.config_file
@click.option("--quiet", "-q", is_flag=True, help="Print warnings and errors only.")
def check(path: str | None, config_path: Path | None, quiet: bool) -> None:
    """Verify the data directory: checksums, invariants, graphs. Exit with 1 if anything is wrong. No server may be running on it."""
    settings = options.settings_from({"path": path}, config_path)
    sys.exit(1 if asyncio.run(_check(settings, quiet)) else 0)


async def _check(settings: Settings, quiet: bool) -> int:
    """Print the findings; how many of them are errors."""
    counts = {"ok": 0, "warning": 0, "error": 0}
    async with store.opened(settings) as api:
        async for finding in api.check():
            counts[finding.level] += 1
            if finding.level != "ok" or not quiet:
                level = click.style(f"{finding.level:7}", fg=COLOURS[finding.level])
                click.echo(f"{level} {finding.subject}: {finding.message}")
    click.echo(f"{counts['ok']} ok, {counts['warning']} warnings, {counts['error']} errors")
    return counts["error"]
