"""A value as somebody gave it: where it stood, and what it means as a setting of its type."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chroma_async.config.setting import Setting, SettingsError

#: Largest file that a value is read from.
_FILE_BYTES = 1 << 20


@dataclass(frozen=True)
class Given:
    """One value: ``key`` as it was written, ``source`` the place. ``names_file``: the value is in the file that is named."""

    row: Setting
    key: str
    value: object
    source: str
    names_file: bool = False

    def parsed(self) -> object:
        """The value as the setting has it.

        :raises SettingsError: it cannot be one.
        """
        try:
            value = parse(self.row, _content(self.value) if self.names_file else self.value)
        except ValueError as error:
            raise self.refused(str(error)) from None
        if reason := self.row.fault(value):
            raise self.refused(reason)
        return value

    def refused(self, reason: str) -> SettingsError:
        """The error that says why the value is not taken. A secret is masked, the name of its file is not."""
        return SettingsError(self.key, self.value if self.names_file else self.row.masked(self.value), self.source, reason)

    @property
    def origin(self) -> str:
        """Where the value came from, for people."""
        return f"{self.source}, {self.key}" if not self.source.startswith("flag ") else self.source


@dataclass
class Layer:
    """What one place gives: values, lines for people, and what it must be refused for."""

    given: list[Given] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    faults: list[SettingsError] = field(default_factory=list)


def parse(row: Setting, value: object) -> object:
    """``value`` (text, or what a parser made of it) in the type of the setting; its bounds are not judged.

    :raises ValueError: it is none; says what is expected.
    """
    if row.optional and isinstance(value, str) and value.strip().lower() == "none":
        return None
    try:
        made = _PARSERS[row.kind](value)
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
        raise ValueError(f"{row.expected()} is expected") from None
    return made.lower() if row.choices and made.lower() in row.choices else made


def _content(name: object) -> str:
    """What stands in the file, without the end of its last line. :raises ValueError: it cannot be read, or is empty."""
    try:
        with Path(str(name)).open("rb") as file:
            content = file.read(_FILE_BYTES + 1)
        text = content.decode("utf-8").rstrip("\r\n")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
        raise ValueError(f"the file that it names cannot be read: {reason}") from None
    if not text.strip() or len(content) > _FILE_BYTES:
        raise ValueError("the file that it names is empty" if not text.strip() else f"the file that it names has over {_FILE_BYTES} bytes")
    return text


def _flag(value: Any) -> bool:
    return value if isinstance(value, bool) else FLAG_WORDS[value.strip().lower()]


def _whole_number(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else int(value.strip())


def _number(value: Any) -> float:
    if isinstance(value, bool):
        raise TypeError
    return float(value)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise TypeError


def _texts(value: Any) -> tuple[str, ...]:
    """A list, a JSON list as text, or text with commas."""
    parts = value
    if isinstance(value, str):
        parts = json.loads(value) if value.strip().startswith("[") else [part.strip() for part in value.split(",") if part.strip()]
    if isinstance(parts, list | tuple) and all(isinstance(part, str) for part in parts):
        return tuple(parts)
    raise TypeError


#: Words for true and false.
FLAG_WORDS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
#: Type of a setting -> what makes a value of it.
_PARSERS: dict[Any, Callable[[Any], Any]] = {bool: _flag, int: _whole_number, float: _number, str: _text, tuple: _texts}
