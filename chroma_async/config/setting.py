"""One setting: its row in the table from which flags, environment, file and the documentation come.

A row is declared where its value lives, as a field of a dataclass: ``port: int = setting(8000, "Port to listen on.", at_least=0)``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from functools import cache
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from chroma_async.errors import ValidationError

T = TypeVar("T")

#: What is shown in the place of a secret.
MASK = "********"
#: Characters of a refused value that a message shows at the most.
_SHOWN_CHARS = 200
#: What no number of any setting exceeds: the system takes no larger one.
_LARGEST = (1 << 63) - 1


class SettingsError(ValidationError):
    """A setting that cannot be used: ``key`` as it was written, its ``value`` (masked, for a secret), the ``source`` it came from."""

    def __init__(self, key: str, value: object, source: str, reason: str) -> None:
        try:
            shown = repr(value)
        except Exception:  # the value is whatever a caller wrote, and may fail at this too
            shown = f"<{type(value).__name__}>"
        if len(shown) > _SHOWN_CHARS:
            shown = f"{shown[:_SHOWN_CHARS]}…"
        super().__init__(f"{key} = {shown} ({source}): {reason}")
        self.key, self.value, self.source = key, value, source


@dataclass(frozen=True)
class Setting:
    """A row of the table. ``keys`` are its names in a file, ``variables`` its names in the environment, the first that is given wins."""

    name: str
    group: str
    doc: str
    kind: type
    optional: bool
    default: object
    default_shown: str
    flag: str
    keys: tuple[str, ...]
    variables: tuple[str, ...]
    secret: bool
    by_file: bool
    above: float | None
    at_least: float | None
    at_most: float | None
    choices: tuple[str, ...]

    @property
    def option(self) -> str:
        """The flag of the command line, or ``""`` for none."""
        return f"--{self.name.replace('_', '-')}" if self.flag else ""

    @property
    def environment(self) -> tuple[str, ...]:
        """Every variable that gives the value, those that name a file with it included."""
        return (*self.variables, *(f"{name}_FILE" for name in self.variables if self.by_file))

    def expected(self) -> str:
        """What a value must be, for people: ``a whole number above 0``."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        or_none = " or none" if self.optional else ""
        least = (
            f" above {self.above:g}" if self.above is not None else f" of at least {self.at_least:g}" if self.at_least is not None else ""
        )
        most = f"{' and' if least else ' of'} at most {self.at_most:g}" if self.at_most is not None else ""
        return f"{_KINDS[self.kind]}{least}{most}{or_none}"

    def fault(self, value: object) -> str | None:
        """Why a value cannot be used, or None."""
        if value is None and self.optional:
            return None
        if type(value) is not self.kind and not (self.kind is float and type(value) is int):
            return f"{self.expected()} is expected"
        if isinstance(value, str):
            return self._fault_of_text(value)
        if isinstance(value, tuple):
            return None if all(isinstance(part, str) for part in value) else f"{self.expected()} is expected"
        return None if isinstance(value, int | float) and self._is_within_bounds(value) else f"{self.expected()} is expected"

    def _is_within_bounds(self, value: float) -> bool:
        return (
            -_LARGEST <= value <= _LARGEST
            and (self.above is None or value > self.above)
            and (self.at_least is None or value >= self.at_least)
            and (self.at_most is None or value <= self.at_most)
        )

    def _fault_of_text(self, value: str) -> str | None:
        if self.choices and value not in self.choices:
            return f"{self.expected()} is expected"
        if "\0" in value:
            return "a text without NUL characters is expected"
        return "a text that is not empty is expected" if self.default and not value.strip() else None

    def masked(self, value: object) -> object:
        """``value`` as it may be shown to people."""
        return MASK if self.secret and value is not None and (type(value) is not str or value) else value


def setting(
    default: T,
    doc: str,
    *,
    flag: str = "",
    key: str = "",
    variables: tuple[str, ...] = (),
    secret: bool = False,
    by_file: bool = False,
    at_least: float | None = None,
    at_most: float | None = None,
    choices: tuple[str, ...] = (),
) -> T:
    """A field that is a row of the table.

    :param doc: what it does, in sentences.
    :param flag: what stands for its value in the help of the command line; ``""`` for a setting without a flag.
    :param key: its name in Chroma's configuration file; as ``CHROMA_<KEY>`` it is a variable too.
    :param variables: further variables, the newest first.
    :param secret: its value is shown nowhere.
    :param by_file: each variable and key also takes ``_FILE``: the name of a file with the value. Secrets have this anyway.
    :param at_least: least number; without it, numbers must be above zero.
    :param at_most: largest number.
    :param choices: the texts that it may be.
    """
    row = {
        "doc": doc, "flag": flag, "key": key, "variables": variables, "secret": secret, "by_file": by_file or secret,
        "at_least": at_least, "at_most": at_most, "choices": choices, "default_shown": "",
    }  # fmt: skip
    made: T = field(default=default, metadata=row)
    return made


def measured_setting(default: Callable[[], T], shown: str, doc: str) -> T:
    """A field whose default depends on the machine; ``shown`` says how, in the documentation."""
    row = {
        "doc": doc, "flag": "", "key": "", "variables": (), "secret": False, "by_file": False,
        "at_least": None, "at_most": None, "choices": (), "default_shown": shown,
    }  # fmt: skip
    made: T = field(default_factory=default, metadata=row)
    return made


@cache
def table(settings: type, prefix: str) -> Mapping[str, Setting]:
    """Name -> row, of a dataclass and those it is composed of, group by group in the order of its bases.

    :param prefix: what the variables of these settings begin with.
    """
    items, types = {item.name: item for item in fields(settings)}, get_type_hints(settings)
    return {
        name: _row(items[name], types[name], _title(group), prefix)
        for group in settings.__mro__
        for name in inspect.get_annotations(group)
        if name in items
    }


def _title(group: type) -> str:
    """What a group of settings is called: its docstring up to the colon."""
    return (group.__doc__ or "").split(":")[0].split(".")[0]


def _row(item: Field[Any], hint: Any, group: str, prefix: str) -> Setting:
    given = dict(item.metadata)
    optional = type(None) in get_args(hint)
    kind = next(each for each in get_args(hint) if each is not type(None)) if optional else get_origin(hint) or hint
    key = given.pop("key")
    chroma_variable = (f"CHROMA_{key.upper().replace('.', '__')}",) if key else ()
    return Setting(
        name=item.name,
        group=group,
        kind=kind,
        optional=optional,
        default=item.default if item.default_factory is MISSING else item.default_factory(),
        keys=(item.name, *((key,) if key and key != item.name else ())),
        variables=(f"{prefix}{item.name.upper()}", *chroma_variable, *given.pop("variables")),
        above=0 if kind in (int, float) and given["at_least"] is None else None,
        **given,
    )


#: Type of a setting -> what it is called.
_KINDS: dict[Any, str] = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", tuple: "a list of texts"}
