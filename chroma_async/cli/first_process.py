"""How the server of a container was started. Its health check is another process, which sees the variables and not the flags."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from chroma_async.config.settings import TABLE

_COMMAND_LINE = Path("/proc/1/cmdline")
_PROGRAMS = ("chroma-async", "chroma_async")


@dataclass
class Started:
    """The flags after ``run``, by the names of their settings, and the configuration file."""

    flags: dict[str, object] = field(default_factory=dict)
    config: Path | None = None


def first_process(command_line: Path = _COMMAND_LINE) -> Started:
    """What the first process of this container was started with; nothing if it is no server, or cannot be seen."""
    try:
        words = command_line.read_bytes().decode("utf-8", "surrogateescape").split("\0")[:-1]
    except OSError:
        return Started()
    for number, word in enumerate(words[:-1]):
        if Path(word).name in _PROGRAMS and words[number + 1] == "run":
            return started_with(words[number + 2 :])
    return Started()


def started_with(words: Sequence[str]) -> Started:
    """The words after ``run`` as :mod:`chroma_async.cli.run` takes them. It took them, so none is wrong here."""
    found, rest = Started(), list(words)
    options = {row.option: row for row in TABLE.values() if row.flag}
    while rest:
        option, equals, value = rest.pop(0).partition("=")
        row = options.get(option)
        if row is not None and row.kind is bool:
            found.flags[row.name] = True
        elif option.startswith("--no-"):
            continue
        elif row is not None or option == "--config":
            given = value if equals else (rest.pop(0) if rest else "")
            if row is None:
                found.config = Path(given)
            else:
                found.flags[row.name] = given
        elif not option.startswith("-"):
            found.config = Path(option + equals + value)
    return found
