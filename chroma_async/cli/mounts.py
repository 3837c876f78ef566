"""What the kernel says of mounted file systems: whether data outlives a container shows there."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

#: One line of mountinfo: three fields, the path inside of the file system, the mount point, more fields, a dash, the type and the source.
_LINE = re.compile(r"(?:\S+ ){3}(\S+) (\S+) .*? - (\S+) (\S+)")
#: Where container runtimes keep a volume that an image asks for and nobody named.
_NAMELESS = re.compile(r"/[0-9a-f]{64}(/_data)?$")
_ESCAPE = re.compile(r"\\(\d{3})")


@dataclass(frozen=True)
class Mount:
    """A mounted file system: where, of what type, from what device or server, and which directory of it."""

    point: Path
    kind: str
    source: str
    directory: str = "/"

    @property
    def is_nameless(self) -> bool:
        """Whether it is a volume that a container's runtime made because an image asks for one and nobody gave it one."""
        return _NAMELESS.search(self.directory) is not None


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
        directory, point, kind, source = (_ESCAPE.sub(lambda code: chr(int(code[1], 8)), field) for field in match.groups())
        # Of mounts at one point the last hides the others.
        if real.is_relative_to(point) and (found is None or len(point) >= len(str(found.point))):
            found = Mount(Path(point), kind, source, directory)
    return found
