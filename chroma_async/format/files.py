"""How a stored file is named and proven whole."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FileRef:
    """A stored file as a manifest names it: enough to fetch it and to prove that it is whole."""

    name: str
    bytes: int
    crc32: int
