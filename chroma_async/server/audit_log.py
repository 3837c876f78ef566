"""The audit log: who did what, where, and what came of it. A line of JSON for each request that needs a credential; no bodies, no headers.

Lines are written by a thread, in the order of the answers. What cannot be written is counted, and the count is the next line that can be.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, NoReturn, cast

from chroma_async.threads import Run
from chroma_async.wire.body import dump_json

logger = logging.getLogger(__name__)

#: Lines that may wait for the disk; more are counted as lost. Some 20 MB.
MOST_WAITING = 65_536


def _private(path: str, flags: int) -> int:
    """Open it; a new one is for its owner alone."""
    return os.open(path, flags, 0o600)


class AuditFile(RotatingFileHandler):
    """A file that only the server's user may read, and the files before it. Blocking."""

    def __init__(self, path: Path, rotate_bytes: int, kept_files: int) -> None:
        """:raises OSError: it cannot be opened."""
        super().__init__(path, maxBytes=rotate_bytes, backupCount=kept_files, encoding="utf-8")
        self.setFormatter(logging.Formatter("%(message)s"))

    def _open(self) -> TextIOWrapper:
        return cast("TextIOWrapper", open(self.baseFilename, self.mode, encoding="utf-8", opener=_private))

    def handleError(self, record: logging.LogRecord) -> NoReturn:  # noqa: N802 - logging's name
        """Called by logging where a line could not be written; says so to whoever wrote it."""
        raise

    def write(self, lines: list[str]) -> None:
        """:raises OSError: some were not written."""
        for line in lines:
            self.handle(logging.LogRecord("audit", logging.INFO, "", 0, line, None, None))


class AuditLog:
    """Takes lines on the event loop."""

    def __init__(self, file: AuditFile, run: Run, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """:param run: a way to a thread; one at a time is used."""
        self._file = file
        self._run = run
        self._now = now
        self._waiting: deque[str] = deque()
        self._writing: asyncio.Task[None] | None = None
        self._lost = 0

    def add(self, fields: dict[str, Any]) -> None:
        """Have a line of the fields written, with the time in front. Costs some 10 microseconds."""
        if len(self._waiting) >= MOST_WAITING:
            self._lost += 1
            return
        self._waiting.append(self._line(fields))
        if self._writing is None:
            self._writing = asyncio.get_running_loop().create_task(self._write(), name="audit log")

    async def aclose(self) -> None:
        """Write what waits, then close the file."""
        if self._writing is not None:
            await self._writing
        await self._run(self._file.close)

    async def _write(self) -> None:
        while self._waiting:
            lines = list(self._waiting)
            self._waiting.clear()
            lost, self._lost = self._lost, 0
            if lost:
                lines.insert(0, self._line({"lost_lines": lost}))
            try:
                await self._run(self._file.write, lines)
            except OSError as error:
                self._lost += lost + len(lines) - bool(lost)
                logger.error("the audit log cannot be written, %d lines are lost: %s", self._lost, error.strerror or error)
        self._writing = None

    def _line(self, fields: dict[str, Any]) -> str:
        return dump_json({"time": self._now().isoformat(timespec="milliseconds"), **fields}).decode()
