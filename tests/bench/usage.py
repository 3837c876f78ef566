"""What a server costs: processor time, memory, disk. Read from the kernel, not from the server."""

from __future__ import annotations

import os
import time
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def _processes(session: int) -> list[Path]:
    """The processes of a session: a server, and whatever it started."""
    found = []
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            fields = _stat(place)
            if fields and int(fields[3]) == session:
                found.append(place)
    return found


def _stat(place: Path) -> list[str]:
    """Fields of /proc/<pid>/stat from the third (state) on; empty when the process is gone. See proc_pid_stat(5)."""
    try:
        return (place / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def cpu_s(session: int) -> float:
    """Processor time, user and system, of a session's processes so far."""
    stats = [_stat(place) for place in _processes(session)]
    return sum(int(fields[11]) + int(fields[12]) for fields in stats if fields) / TICKS_PER_S


def memory_bytes(session: int) -> dict[str, int]:
    """``anonymous`` memory, which only this server needs, and ``resident``, which counts mapped files too that the system may drop."""
    sums = {"anonymous": 0, "resident": 0}
    for place in _processes(session):
        for line in (place / "status").read_text().splitlines():
            for name, key in (("RssAnon:", "anonymous"), ("VmRSS:", "resident")):
                if line.startswith(name):
                    sums[key] += int(line.split()[1]) * 1024
    return sums


def disk_bytes(directory: Path) -> int:
    """Blocks that a directory's files hold on disk; a file with several names counts once."""
    blocks = {}
    for file in directory.rglob("*"):
        if file.is_file():
            stat = file.stat()
            blocks[stat.st_ino] = stat.st_blocks * 512
    return sum(blocks.values())


def settle(session: int, limit_s: float) -> float:
    """Wait until the server has used less than a twentieth of a core for three seconds (background work is done); how long that took."""
    begun = time.monotonic()
    quiet_since, last = begun, cpu_s(session)
    while time.monotonic() - begun < limit_s:
        time.sleep(0.5)
        now = cpu_s(session)
        if now - last > 0.025:
            quiet_since = time.monotonic()
        last = now
        if time.monotonic() - quiet_since >= 3:
            break
    return max(0.0, quiet_since - begun)
