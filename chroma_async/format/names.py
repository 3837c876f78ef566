"""Every name in ``segments/``: built here, parsed here, and nowhere else. What does not parse is not ours, and nobody deletes it.

``<32 hex>.<kind>`` is a committed file. ``<32 hex>.<kind>.<epoch>.tmp`` is one under construction, with the epoch of the writer lease that
makes it; nobody opens it, and after a crash it is garbage.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, cast, get_args

Kind: TypeAlias = Literal["vectors", "columns", "documents", "postings", "alive", "graph", "trigrams"]

KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
#: Those that are SQLite databases; the others are frames.
DATABASE_KINDS: Final[tuple[Kind, ...]] = ("documents", "trigrams")
TEMP_SUFFIX: Final = ".tmp"

_KEY = re.compile(r"[0-9a-f]{32}")
_NAME = re.compile(rf"([0-9a-f]{{32}})\.({'|'.join(KINDS)})")
_TEMP = re.compile(rf"({_NAME.pattern})\.(0|[1-9][0-9]*){re.escape(TEMP_SUFFIX)}")


@dataclass(frozen=True, slots=True, order=True)
class StoredName:
    """A committed file. ``key`` is 32 lower-case hexadecimal digits, chosen at random by the caller; files of one chunk share it.

    :raises ValueError: kind or key is not of that form.
    """

    kind: Kind
    key: str

    def __post_init__(self) -> None:
        if self.kind not in KINDS or not _KEY.fullmatch(self.key):
            raise ValueError(f"{self.key!r}.{self.kind!r} is no stored name")

    def __str__(self) -> str:
        return f"{self.key}.{self.kind}"


def parse(name: str) -> StoredName | None:
    """What a committed file's name says; None for every other name."""
    match = _NAME.fullmatch(name)
    return StoredName(cast(Kind, match[2]), match[1]) if match else None


def temp_name(name: StoredName | str, epoch: int) -> str:
    """What the file is called until it is whole."""
    if epoch < 0:
        raise ValueError("an epoch is not negative")
    return f"{name}.{epoch}{TEMP_SUFFIX}"


def parse_temp(name: str) -> tuple[StoredName, int] | None:
    """The name that a file under construction will get, and its maker's epoch; None for every other name."""
    match = _TEMP.fullmatch(name)
    return (StoredName(cast(Kind, match[3]), match[2]), int(match[4])) if match else None


def is_ours(name: str) -> bool:
    """Whether a file of this name may be judged, and deleted, at all: it is a committed one, or one under construction."""
    return parse(name) is not None or parse_temp(name) is not None
