"""What the kernel says of mounted file systems: whether data outlives a container shows there."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

#: One line of mountinfo: four fields, the mount point, more fields, a dash, the type and the source.
_LINE = re.compile(r"(?:\S+ ){4}(\S+) .*? - (\S+) (\S+)")
_ESCAPE = re.compile(r"\\(\d{3})")


@dataclass(frozen=True)
class Mount:
    """A mounted file system: where, of what type, and from what device or server."""

    point: Path
    kind: str
    source: str


def mountinfo() -> str:
    """The kernel's table, or ``""`` on systems without one."""
    try:
        return Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape")
    except OSError:
        return ""


def mount_of(path: Path, table: str) -> Mount | None:
    """The file system that a path lies on, whether it exists or not; ``None`` if the table does not say.

    :param table: as :func:`mountinfo` returns it.
    """
    real = Path(os.path.realpath(path))
    found: Mount | None = None
    for match in _LINE.finditer(table):
        point, kind, source = (_ESCAPE.sub(lambda code: chr(int(code[1], 8)), field) for field in match.groups())
        # Of mounts at one point the last hides the others.
        if real.is_relative_to(point) and (found is None or len(point) >= len(str(found.point))):
            found = Mount(Path(point), kind, source)
    return found
