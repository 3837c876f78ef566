"""Reads settings: command-line flags win over the environment, the environment over a file, a file over the default.

A value that cannot be used is refused by name, with the place it came from; so is a name that nobody knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chroma_async.config.config_file import file_layer
from chroma_async.config.environment import CLIENT_PREFIX, CONFIG_VARIABLE, default_layer, environment_layer, nearest
from chroma_async.config.setting import Setting, SettingsError
from chroma_async.config.settings import CLIENT_TABLE, TABLE, ClientSettings, Settings
from chroma_async.config.values import Given, Layer


@dataclass(frozen=True)
class Resolution:
    """Settings as they are used; for each name where its value came from; and lines that whoever starts a server should read."""

    settings: Settings
    origins: Mapping[str, str]
    notices: tuple[str, ...]


@dataclass(frozen=True)
class Examination:
    """All that flags, environment and file say: usable values by name, where each stood, notices, and everything that is refused."""

    values: Mapping[str, Any]
    origins: Mapping[str, str]
    notices: tuple[str, ...]
    faults: tuple[SettingsError, ...]


def resolve_settings(flags: Mapping[str, Any], env: Mapping[str, str], file: Path | None) -> Resolution:
    """The settings of a store and its server.

    :param flags: name to value; ``None`` stands for a flag that was not given.
    :param env: the environment: ``CHROMA_ASYNC_<NAME>``, Chroma's ``CHROMA_<KEY>``, and the names of its older images.
    :param file: TOML (``.toml``) or YAML (``.yaml``, ``.yml``) with own names or Chroma's keys; ``CHROMA_ASYNC_CONFIG`` names one too.
    :raises SettingsError: an unknown name, or a value that cannot be used; names key, value and source. The first, if there are several.
    """
    found = examine(flags, env, file)
    if found.faults:
        raise found.faults[0]
    return Resolution(Settings(**found.values), found.origins, found.notices)


def examine(flags: Mapping[str, Any], env: Mapping[str, str], file: Path | None) -> Examination:
    """The same without an end at the first fault."""
    named = env.get(CONFIG_VARIABLE, "").strip()
    layers = [Layer([Given(TABLE[name], name, value, f"flag {TABLE[name].option}") for name, value in flags.items() if value is not None])]
    layers.append(environment_layer(env, TABLE))
    if file is not None:
        layers.append(file_layer(file, "command line", TABLE))
    elif named:
        layers.append(file_layer(Path(named), f"environment, {CONFIG_VARIABLE}", TABLE))
    layers.append(default_layer(env, TABLE))
    return _merged(layers, TABLE)


def load_client_settings(env: Mapping[str, str]) -> ClientSettings:
    """The settings of an HTTP client: ``CHROMA_ASYNC_CLIENT_<NAME>``, or Chroma's own names.

    :raises SettingsError: an unknown name, or a value that cannot be used.
    """
    known = {name for row in CLIENT_TABLE.values() for name in row.variables}
    for key, value in env.items():
        if key.startswith(CLIENT_PREFIX) and key not in known:
            raise SettingsError(key, value, "environment", f"unknown setting{nearest(key, known)}")
    layer = Layer(
        [Given(row, key, env[key], "environment") for row in CLIENT_TABLE.values() for key in row.variables if env.get(key, "").strip()]
    )
    found = _merged([layer], CLIENT_TABLE)
    if found.faults:
        raise found.faults[0]
    return ClientSettings(**found.values)


def _merged(layers: list[Layer], table: Mapping[str, Setting]) -> Examination:
    """Of each setting the value of the first layer that has one; within a layer the first."""
    values: dict[str, Any] = {}
    origins = dict.fromkeys(table, "default")
    notices = [line for layer in layers for line in layer.notices]
    faults = [fault for layer in layers for fault in layer.faults]
    for layer in layers:
        for name, given in _winners(layer, notices).items():
            if origins[name] != "default":
                continue
            origins[name] = given.origin
            try:
                values[name] = given.parsed()
            except SettingsError as error:
                faults.append(error)
    return Examination(values, origins, tuple(notices), tuple(faults))


def _winners(layer: Layer, notices: list[str]) -> dict[str, Given]:
    """What a layer says of each setting first; what it says later and otherwise is a line of ``notices``."""
    winners: dict[str, Given] = {}
    for given in layer.given:
        first = winners.setdefault(given.row.name, given)
        if first is not given and str(first.value) != str(given.value):
            notices.append(f"{given.key} ({given.source}) has no effect: {first.key} says otherwise, and counts more")
    return winners
