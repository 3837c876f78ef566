"""Reads settings: command-line flags win over the environment, the environment over a file, a file over the default.

A value that cannot be used is refused by name, with the place it came from; so is a name that nobody knows.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from chroma_async.config.chroma_names import CHROMA_IGNORED, CHROMA_KEYS, LEGACY_CLIENT_ENVIRONMENT, LEGACY_ENVIRONMENT
from chroma_async.config.settings import ClientSettings, Settings, SettingsError, fault

logger = logging.getLogger(__name__)

_PREFIX, _CLIENT_PREFIX = "CHROMA_ASYNC_", "CHROMA_ASYNC_CLIENT_"
_S = TypeVar("_S", Settings, ClientSettings)


def resolve_settings(flags: Mapping[str, Any], env: Mapping[str, str], file: Path | None) -> tuple[Settings, dict[str, str]]:
    """The settings of a store and its server, and where each field's value came from.

    :param flags: field name to value; ``None`` stands for a flag that was not given.
    :param env: the environment: ``CHROMA_ASYNC_<FIELD>``, Chroma's ``CHROMA_<KEY>``, and the names of its older images.
    :param file: TOML (``.toml``) or YAML (``.yaml``, ``.yml``) with field names or Chroma's own keys.
    :raises SettingsError: an unknown name, or a value that cannot be used; names key, value and source.
    """
    sources = [
        *((name, name, value, f"flag --{name.replace('_', '-')}") for name, value in flags.items() if value is not None),
        *_from_environment(env),
        *(_from_file(file) if file is not None else ()),
    ]
    return _resolve(Settings, sources)


def load_client_settings(env: Mapping[str, str]) -> ClientSettings:
    """The settings of an HTTP client: ``CHROMA_ASYNC_CLIENT_<FIELD>``, or Chroma's own names.

    :raises SettingsError: an unknown name, or a value that cannot be used.
    """
    own = ((key, key.removeprefix(_CLIENT_PREFIX).lower(), value) for key, value in env.items() if key.startswith(_CLIENT_PREFIX))
    legacy = ((key, name, env[key]) for key, name in LEGACY_CLIENT_ENVIRONMENT.items() if key in env)
    return _resolve(ClientSettings, [(key, name, value, "environment") for key, name, value in (*own, *legacy)])[0]


def _resolve(kind: type[_S], sources: list[tuple[str, str, Any, str]]) -> tuple[_S, dict[str, str]]:
    """Build ``kind`` from (key as written, field name, value, source), the first of a name winning."""
    types = get_type_hints(kind)
    values: dict[str, Any] = {}
    written: dict[str, tuple[str, Any, str]] = {}
    for key, name, value, source in sources:
        if name not in types:
            raise SettingsError(key, value, source, "unknown setting")
        if name in values:
            continue
        values[name] = _convert(types[name], value, key, source)
        written[name] = (key, value, source)
    for name, value in values.items():
        if reason := fault(name, value):
            raise SettingsError(*written[name], reason)
    origins = {name: f"{written[name][2]}, {written[name][0]}" if name in written else "default" for name in types}
    return kind(**values), origins


def _from_environment(env: Mapping[str, str]) -> Iterator[tuple[str, str, Any, str]]:
    """Own names first, then Chroma's file keys, then the older images' names. An empty value counts as unset."""
    given = {key: value for key, value in env.items() if value.strip()}
    for key, value in given.items():
        if key.startswith(_PREFIX) and not key.startswith(_CLIENT_PREFIX):
            yield key, key.removeprefix(_PREFIX).lower(), value, "environment"
    for chroma_key, name in CHROMA_KEYS.items():
        key = "CHROMA_" + chroma_key.upper().replace(".", "__")
        if key in given and not _switched_off(chroma_key, given[key]):
            yield key, name, given[key], "environment"
    for key, name in LEGACY_ENVIRONMENT.items():
        if key in given:
            yield key, name, given[key], "environment"


def _from_file(file: Path) -> Iterator[tuple[str, str, Any, str]]:
    names = {item.name for item in fields(Settings)}
    for key, value in _flatten(_read(file)):
        if key in names:
            yield key, key, value, str(file)
        elif key in CHROMA_KEYS:
            if not _switched_off(key, value):
                yield key, CHROMA_KEYS[key], value, str(file)
        elif key.split(".")[0] in CHROMA_IGNORED:
            logger.warning("%s: %s has no effect here", file, key)
        else:
            raise SettingsError(key, value, str(file), "unknown setting")


def _switched_off(chroma_key: str, value: object) -> bool:
    """Chroma writes 0 for a circuit breaker that is off; here requests in flight always have a bound, the default."""
    return chroma_key == "circuit_breaker.requests" and str(value).strip() == "0"


def _read(file: Path) -> Mapping[str, Any]:
    """The mapping at the top of a TOML or YAML file."""
    try:
        text = file.read_text("utf-8")
        if file.suffix == ".toml":
            import tomllib

            return tomllib.loads(text)
        if file.suffix in (".yaml", ".yml"):
            # Only a server that is given such a file needs a YAML parser.
            import yaml

            try:
                content = yaml.safe_load(text)
            except yaml.YAMLError as error:
                raise ValueError(str(error)) from error
            if content is None or isinstance(content, dict):
                return {str(key): value for key, value in (content or {}).items()}
            raise ValueError("a mapping of names to values is expected")
        raise ValueError("its name must end in .toml, .yaml or .yml")
    except FileNotFoundError:
        raise SettingsError("config file", str(file), "command line", f"config file {file} does not exist") from None
    except (OSError, ValueError) as error:
        raise SettingsError("config file", str(file), "command line", str(error)) from error


def _flatten(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested names joined by dots."""
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _convert(kind: Any, value: Any, key: str, source: str) -> Any:
    """``value`` (text, or what a parser made of it) as a field of type ``kind``.

    :raises SettingsError: it is none.
    """
    optional = type(None) in get_args(kind)
    if optional and isinstance(value, str) and value.strip().lower() == "none":
        return None
    plain_kind = next(each for each in get_args(kind) if each is not type(None)) if optional else get_origin(kind) or kind
    return _CONVERTERS[plain_kind](value, key, source)


def _flag(value: Any, key: str, source: str) -> bool:
    if isinstance(value, bool):
        return value
    word = value.strip().lower() if isinstance(value, str) else ""
    if word in _FLAG_WORDS:
        return _FLAG_WORDS[word]
    raise SettingsError(key, value, source, "true or false is expected")


def _whole_number(value: Any, key: str, source: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    try:
        return int(value.strip())
    except (AttributeError, ValueError):
        raise SettingsError(key, value, source, "a whole number is expected") from None


def _number(value: Any, key: str, source: str) -> float:
    try:
        if isinstance(value, bool):
            raise TypeError
        return float(value)
    except (TypeError, ValueError):
        raise SettingsError(key, value, source, "a number is expected") from None


def _text(value: Any, key: str, source: str) -> str:
    if isinstance(value, str):
        return value
    raise SettingsError(key, value, source, "a text is expected")


def _strings(value: Any, key: str, source: str) -> tuple[str, ...]:
    """A list of strings: a list, a JSON list as text, or text with commas."""
    parts = value
    if isinstance(value, str):
        if value.strip().startswith("["):
            try:
                parts = json.loads(value)
            except ValueError:
                parts = None
        else:
            parts = [part.strip() for part in value.split(",") if part.strip()]
    if isinstance(parts, list | tuple) and all(isinstance(part, str) for part in parts):
        return tuple(parts)
    raise SettingsError(key, value, source, "a list of strings is expected")


_FLAG_WORDS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
#: Type of a field -> what makes a value of it.
_CONVERTERS: dict[Any, Callable[[Any, str, str], Any]] = {
    bool: _flag,
    int: _whole_number,
    float: _number,
    str: _text,
    tuple: _strings,
}
