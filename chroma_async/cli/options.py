"""Options that several commands share, and how they become settings."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from chroma_async.cli.mounts import mountinfo
from chroma_async.cli.older_volume import with_older_volume
from chroma_async.config.loading import Resolution, resolve_settings
from chroma_async.config.setting import Setting, SettingsError
from chroma_async.config.settings import TABLE, Settings

Command = TypeVar("Command", bound=Callable[..., Any])


def config_file(command: Command) -> Command:
    """``--config FILE``."""
    kind = click.Path(path_type=Path)
    return click.option(
        "--config", "config_path", type=kind, metavar="FILE", help="TOML or YAML file of settings; Chroma's keys work too."
    )(command)


def flags(*names: str) -> Callable[[Command], Command]:
    """The flags of these settings, of all that have one without any name. Each is an argument of the command by the setting's name."""

    def with_flags(command: Command) -> Command:
        for name in reversed(names or [row.name for row in TABLE.values() if row.flag]):
            command = _flag(TABLE[name])(command)
        return command

    return with_flags


def _flag(row: Setting) -> Callable[[Command], Command]:
    """One flag. Values are read where those of the environment and of files are, and refused in the same words."""
    default = f" [default: {row.default}]" if row.default not in ("", False, ()) else ""
    text = row.doc.replace("``", "") + default
    if row.kind is bool:
        return click.option(f"{row.option}/--no-{row.option[2:]}", default=None, help=text)
    kind = click.Choice(row.choices, case_sensitive=False) if row.choices else click.STRING
    return click.option(row.option, type=kind, metavar=None if row.choices else row.flag, help=text)


def resolution(flags: Mapping[str, object], config_path: Path | None) -> Resolution:
    """Settings from flags, the process's environment and a file. :raises click.ClickException: one cannot be used (exit code 1)."""
    try:
        return with_older_volume(resolve_settings(flags, os.environ, config_path), mountinfo())
    except SettingsError as error:
        raise click.ClickException(error.message()) from error


def settings_from(flags: Mapping[str, object], config_path: Path | None) -> Settings:
    """The same for a command that leaves notices to ``run`` and ``config check``."""
    return resolution(flags, config_path).settings
