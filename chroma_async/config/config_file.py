"""A configuration file: TOML or YAML, with own names or Chroma's keys, each at most once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from chroma_async.config.chroma_names import KEYS_WITHOUT_EFFECT, is_switched_off
from chroma_async.config.environment import nearest
from chroma_async.config.setting import Setting, SettingsError
from chroma_async.config.values import Given, Layer


def file_layer(file: Path, source: str, table: Mapping[str, Setting]) -> Layer:
    """What a file gives. A key without a value counts as left out.

    :param source: where the name of the file came from.
    """
    layer = Layer()
    try:
        content = _read(file)
    except (OSError, ValueError) as error:
        layer.faults.append(SettingsError("config file", str(file), source, _reason(file, error)))
        return layer
    names = {key: row for row in table.values() for key in row.keys}
    files = {f"{key}_file": row for key, row in names.items() if row.by_file}
    seen: dict[str, str] = {}
    without_effect = []
    for key, value in _flatten(content, names.keys() | files.keys()):
        row = names.get(key) or files.get(key)
        if row is None:
            if key.split(".")[0] in KEYS_WITHOUT_EFFECT:
                without_effect.append(key)
            else:
                reason = f"unknown setting{nearest(key, [*names, *files, *KEYS_WITHOUT_EFFECT])}"
                layer.faults.append(SettingsError(key, value, str(file), reason))
        elif row.name in seen:
            layer.faults.append(SettingsError(key, row.masked(value), str(file), f"the same setting is given as {seen[row.name]} too"))
        elif value is not None and not is_switched_off(row.name, value):
            seen[row.name] = key
            layer.given.append(Given(row, key, value, str(file), names_file=key in files))
    if without_effect:
        layer.notices.append(f"{file}: {', '.join(without_effect)} {'has' if len(without_effect) == 1 else 'have'} no effect here")
    return layer


def _reason(file: Path, error: OSError | ValueError) -> str:
    if isinstance(error, FileNotFoundError):
        return f"config file {file} does not exist"
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return "it is no text in UTF-8" if isinstance(error, UnicodeError) else str(error)


def _read(file: Path) -> Mapping[str, Any]:
    """The mapping at the top of the file. :raises OSError, ValueError: there is none."""
    text = file.read_text("utf-8")
    if file.suffix == ".toml":
        import tomllib

        try:
            return tomllib.loads(text)
        except RecursionError:
            raise ValueError("it nests too deep") from None
    if file.suffix in (".yaml", ".yml"):
        return read_yaml(text)
    raise ValueError("its name must end in .toml, .yaml or .yml")


def read_yaml(text: str) -> Mapping[str, Any]:
    """The mapping that a text in YAML is. :raises ValueError: it is none, or has a key twice; quotes the text."""
    # Only a server that is given such a file needs a YAML parser.
    import yaml

    class UniqueKeys(yaml.SafeLoader):
        """YAML without its silence about a key that stands twice in a mapping."""

        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
            seen: dict[str, int] = {}
            for key, _value in node.value:
                name, line = str(key.value), key.start_mark.line + 1
                if name in seen and name != "<<":
                    raise ValueError(f"{name} stands twice, in line {seen[name]} and in line {line}")
                seen[name] = line
            return super().construct_mapping(node, deep)

    try:
        content = yaml.load(text, UniqueKeys)  # nosec B506 # a SafeLoader
    except yaml.YAMLError as error:
        raise ValueError(f"it is not YAML: {error}") from error
    except RecursionError:
        raise ValueError("it nests too deep") from None
    if content is None or isinstance(content, dict):
        return content or {}
    raise ValueError(f"a mapping of names to values is expected, not a {type(content).__name__}")


def _flatten(content: Mapping[Any, Any], leaves: set[str], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested names joined by dots, down to those that are settings."""
    for key, value in content.items():
        path = f"{prefix}{key}"
        if isinstance(value, Mapping) and path not in leaves:
            yield from _flatten(value, leaves, f"{path}.")
        else:
            yield path, value
