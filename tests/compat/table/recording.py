"""What Chroma's server answers to every probe, kept in a file: one line per probe.

``python -m tests.compat.table.recording`` asks both servers and writes the file anew. Where this project differs on purpose, the line holds
both answers; any other difference ends it.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.compat.raw import Raw
from tests.compat.servers import start_ours, start_reference
from tests.compat.table import PROBES
from tests.compat.table.differences import reason
from tests.compat.table.probe import Stage

FILE = Path(__file__).parents[2] / "data" / "reference" / "probes.jsonl"


def recorded() -> dict[str, dict[str, Any]]:
    """Per probe ``{"name", "theirs"}``, and ``"ours"`` where that differs."""
    lines = map(json.loads, FILE.read_text("utf-8").splitlines())
    return {line["name"]: line for line in lines}


def main() -> int:
    """Write the file. The exit code is 1 when there is a difference that nobody intends."""
    with tempfile.TemporaryDirectory() as place:
        servers = [start_ours(Path(place) / "ours"), start_reference(Path(place) / "theirs")]
        try:
            lines, odd = _ask([Stage(Raw(server.host, server.port)) for server in servers])
        finally:
            for server in servers:
                server.stop()
    FILE.write_text("".join(json.dumps(line, ensure_ascii=False, sort_keys=True) + "\n" for line in lines), "utf-8")
    for name in odd:
        sys.stderr.write(f"not intended: {name}\n")
    return 1 if odd else 0


def _ask(stages: list[Stage]) -> tuple[list[dict[str, Any]], list[str]]:
    lines, odd = [], []
    for number, probe in enumerate(PROBES):
        ours, theirs = (stage.play(probe, number) for stage in stages)
        line: dict[str, Any] = {"name": probe.name, "theirs": theirs}
        if ours != theirs:
            line["ours"] = ours
            if reason(probe.name) is None:
                odd.append(probe.name)
        lines.append(line)
    return lines, odd


if __name__ == "__main__":
    sys.exit(main())
