"""``chroma-async config``: the settings a server started here would have, and what is wrong with them."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import click

from chroma_async.auth.authentication import authentication_from
from chroma_async.auth.keys import Keys
from chroma_async.auth.policy import policy_from
from chroma_async.cli import options
from chroma_async.config.loading import Examination, examine
from chroma_async.config.page import configuration_page
from chroma_async.config.settings import TABLE, Settings, SettingsError
from chroma_async.threads import Lane


@click.group()
def config() -> None:
    """Settings: what they are and where they come from."""


@config.command()
@click.option("--origin", is_flag=True, help="Say where each value comes from.")
@options.config_file
def show(origin: bool, config_path: Path | None) -> None:
    """Print every setting as it would be used by "run" with this file and environment, in the form of a TOML file. Secrets are masked."""
    found = options.resolution({}, config_path)
    for name, row in TABLE.items():
        value = getattr(found.settings, name)
        # What is masked must not be taken for the value by those who use the output as a file; and such a file knows no value for none.
        said = "" if value is None else _toml(row.masked(value))
        line = f"{'# ' if value is None or row.masked(value) is not value else ''}{name} = {said}"
        click.echo(f"{line}  # {found.origins[name]}" if origin else line)


@config.command()
@options.config_file
def check(config_path: Path | None) -> None:
    """Say everything that is wrong with this file and environment, and what has no effect. Exit with 1 if "run" would refuse them."""
    found = examine({}, os.environ, config_path)
    for line in found.notices:
        click.echo(f"{click.style('warning', fg='yellow')}: {line}")
    faults = [*found.faults, *_credential_faults(found)]
    for fault in faults:
        click.echo(f"{click.style('error', fg='red')}: {fault.message()}")
    given = sum(origin != "default" for origin in found.origins.values())
    click.echo(f"{given} settings given, {len(found.notices)} warnings, {len(faults)} errors")
    sys.exit(1 if faults else 0)


@config.command()
def docs() -> None:
    """Print the page that documents every setting, in Markdown."""
    click.echo(configuration_page(), nl=False)


def _credential_faults(found: Examination) -> list[SettingsError]:
    """What is wrong with the credentials, which takes more than one setting to see."""
    try:
        settings = Settings(**found.values)
        authentication_from(settings, Keys((), time.time), Lane("password", 1).run)
        policy_from(settings)
    except SettingsError as error:
        return [error]
    return []


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
