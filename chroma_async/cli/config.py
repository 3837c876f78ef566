"""``chroma-async config show``: the settings a server started here would have."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import click

from chroma_async.cli import options


@click.group()
def config() -> None:
    """Settings: what they are and where they come from."""


@config.command()
@click.option("--origin", is_flag=True, help="Say where each value comes from.")
@options.config_file
def show(origin: bool, config_path: Path | None) -> None:
    """Print every setting as it would be used by "run" with this file and environment, in the form of a TOML file."""
    settings, origins = options.settings_with_origins({}, config_path)
    for item in fields(settings):
        line = f"{item.name} = {_toml(getattr(settings, item.name))}"
        click.echo(f"{line}  # {origins[item.name]}" if origin else line)


def _toml(value: object) -> str:
    """A setting as TOML writes it: strings, numbers, truth values, lists of strings."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return '"' + "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in escaped) + '"'
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(part) for part in value) + "]"
    return str(value)
