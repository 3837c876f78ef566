"""Options that several commands share, and how they become settings."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from chroma_async.config.loading import resolve_settings
from chroma_async.config.settings import LOG_LEVELS, Settings, SettingsError

Command = TypeVar("Command", bound=Callable[..., Any])


def config_file(command: Command) -> Command:
    """``--config FILE``."""
    kind = click.Path(path_type=Path)
    return click.option(
        "--config", "config_path", type=kind, metavar="FILE", help="TOML or YAML file of settings; Chroma's keys work too."
    )(command)


def data_path(command: Command) -> Command:
    """``--path DIRECTORY``."""
    return click.option("--path", metavar="DIRECTORY", help="Data directory. [default: ./chroma]")(command)


def listen(command: Command) -> Command:
    """``--host`` and ``--port``."""
    command = click.option("--port", type=click.IntRange(0, 65535), help="Port; 0 takes a free one. [default: 8000]")(command)
    return click.option("--host", help="Address. [default: 127.0.0.1]")(command)


def log_level(command: Command) -> Command:
    """``--log-level``."""
    choice = click.Choice(LOG_LEVELS, case_sensitive=False)
    return click.option("--log-level", type=choice, help="Least severe line written to standard error. [default: info]")(command)


def settings_with_origins(flags: Mapping[str, object], config_path: Path | None) -> tuple[Settings, dict[str, str]]:
    """Settings from flags, the process's environment and a file. :raises click.ClickException: one cannot be used (exit code 1)."""
    try:
        return resolve_settings(flags, os.environ, config_path)
    except SettingsError as error:
        raise click.ClickException(error.message()) from error
