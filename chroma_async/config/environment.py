"""What the environment gives: settings by all their names; what belongs to others, and what nobody knows, is told apart."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches

from chroma_async.config.chroma_names import CLIENT_VARIABLES, VARIABLES_WITHOUT_EFFECT, is_switched_off
from chroma_async.config.setting import Setting, SettingsError
from chroma_async.config.values import Given, Layer

PREFIX, CLIENT_PREFIX = "CHROMA_ASYNC_", "CHROMA_ASYNC_CLIENT_"
#: Begins variables that change a default: they give way to a file. Made for container images.
DEFAULT_PREFIX = "CHROMA_ASYNC_DEFAULT_"
#: Names the configuration file, where no flag does.
CONFIG_VARIABLE = "CHROMA_ASYNC_CONFIG"
_SOURCE = "environment"
#: What the variable ``<SERVICE>_PORT`` begins with that Kubernetes makes.
_SERVICE_ADDRESS = re.compile(r"(tcp|udp|sctp)://")


def environment_layer(env: Mapping[str, str], table: Mapping[str, Setting]) -> Layer:
    """Own names first, then Chroma's file keys, then the names of its older images. An empty value counts as unset."""
    layer = Layer()
    injected = service_links(env)
    given = {key: value for key, value in env.items() if value.strip() and key not in injected}
    for row in table.values():
        layer.given += _values_of(row, given, layer)
    if injected:
        more = f" and {len(injected) - 1} more" if len(injected) > 1 else ""
        layer.notices.append(
            f"{injected[0]}{more} are ignored: Kubernetes puts the addresses of services there (enableServiceLinks: false leaves them out)"
        )
    _judge_names(given, table, layer)
    return layer


def default_layer(env: Mapping[str, str], table: Mapping[str, Setting]) -> Layer:
    """The defaults that ``CHROMA_ASYNC_DEFAULT_<NAME>`` changes."""
    layer = Layer()
    for key, value in env.items():
        row = table.get(key.removeprefix(DEFAULT_PREFIX).lower())
        if not key.startswith(DEFAULT_PREFIX) or not value.strip():
            continue
        if row is None:
            layer.faults.append(SettingsError(key, value, _SOURCE, "unknown setting"))
        else:
            layer.given.append(Given(row, key, value, _SOURCE))
    return layer


def service_links(env: Mapping[str, str]) -> list[str]:
    """The variables under ``CHROMA_`` that Kubernetes made of services, such as ``CHROMA_PORT=tcp://10.0.0.1:8000``."""
    services = [
        re.escape(key.removesuffix("_PORT"))
        for key, value in env.items()
        if key.startswith("CHROMA_") and key.endswith("_PORT") and _SERVICE_ADDRESS.match(value)
    ]
    if not services:
        return []
    parts = r"PORT(_\d+_(TCP|UDP|SCTP)(_(ADDR|PORT|PROTO))?)?|SERVICE_HOST|SERVICE_PORT(_\w+)?"
    name = re.compile(f"({'|'.join(services)})_({parts})")
    return sorted((key for key in env if name.fullmatch(key)), key=lambda key: (not _SERVICE_ADDRESS.match(env[key]), key))


def nearest(name: str, known: Collection[str]) -> str:
    """``; did you mean …?`` for the known name that is most like this one, or nothing."""
    found = get_close_matches(name, known, 1, 0.7)
    return f"; did you mean {found[0]}?" if found else ""


def _values_of(row: Setting, given: Mapping[str, str], layer: Layer) -> Iterator[Given]:
    """The values that the environment has for one setting, the name that counts first."""
    for name in row.variables:
        by_file = f"{name}_FILE" if row.by_file else name
        if name in given and by_file in given and name != by_file:
            layer.faults.append(SettingsError(by_file, given[by_file], _SOURCE, f"{name} is set too; only one of them may be"))
        if name in given and not is_switched_off(row.name, given[name]):
            yield Given(row, name, given[name], _SOURCE)
        if name != by_file and by_file in given:
            yield Given(row, by_file, given[by_file], _SOURCE, names_file=True)


def _judge_names(given: Mapping[str, str], table: Mapping[str, Setting], layer: Layer) -> None:
    """Refuse unknown own names; say which of Chroma's have no effect, and which nobody knows."""
    known = {name for row in table.values() for name in row.environment} | {CONFIG_VARIABLE}
    without_effect = []
    for key in sorted(given.keys() - known):
        if key.split("__")[0] in VARIABLES_WITHOUT_EFFECT:
            without_effect.append(key)
        elif CLIENT_VARIABLES.fullmatch(key) or key.startswith(DEFAULT_PREFIX):
            continue
        elif key.startswith(PREFIX):
            layer.faults.append(SettingsError(key, given[key], _SOURCE, f"unknown setting{nearest(key, known)}"))
        elif key.startswith("CHROMA_"):
            own = f"{PREFIX}{key.removeprefix('CHROMA_')}"
            meant = f"; did you mean {own}?" if own in known else nearest(key, known)
            layer.notices.append(f"{key} is no setting of this server, and has no effect{meant}")
    if without_effect:
        layer.notices.append(f"{', '.join(without_effect)} {'has' if len(without_effect) == 1 else 'have'} no effect here")
