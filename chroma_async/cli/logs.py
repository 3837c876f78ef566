"""How the log is written: JSON for programs, plain lines for people. Only this package's own loggers speak below warnings."""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Any

import orjson

from chroma_async.config.settings import Settings

#: The logger above all of this package's.
PACKAGE = "chroma_async"
_ACCESS = "chroma_async.server.access"


def write_logs(settings: Settings) -> None:
    """Have the process write its log to stderr, as ``log_level``, ``log_format`` and ``access_log`` say.

    Other packages are heard from warnings on: what they say below that is about themselves, and may hold what passes through them.
    """
    handler = logging.StreamHandler(sys.stderr)
    as_json = settings.log_format == "json" or (settings.log_format == "auto" and not sys.stderr.isatty())
    handler.setFormatter(JsonLines() if as_json else PlainLines())
    root, package = logging.getLogger(), logging.getLogger(PACKAGE)
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    package.setLevel(settings.log_level.upper())
    logging.getLogger(_ACCESS).setLevel(logging.NOTSET if settings.access_log else logging.WARNING)


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    """What a line has besides its text: the ``fields`` that it was logged with."""
    found = getattr(record, "fields", None)
    return found if isinstance(found, dict) else {}


class JsonLines(logging.Formatter):
    """``{"time": …, "level": …, "logger": …, "message": …}``, then the line's own fields, then a traceback if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": f"{_utc(record)}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        try:
            return orjson.dumps(line, default=str).decode()
        except TypeError:
            # Paths of requests and files may hold bytes that are no text; orjson refuses them, escaped they are harmless.
            return json.dumps(line, default=str)


class PlainLines(logging.Formatter):
    """``time LEVEL logger: message key=value …``, a traceback on lines of its own."""

    def __init__(self) -> None:
        super().__init__("%(message)s")

    def format(self, record: logging.LogRecord) -> str:
        values = "".join(f" {name}={value}" for name, value in _fields(record).items() if value is not None)
        line = f"{_utc(record)} {record.levelname} {record.name}: {record.getMessage()}{values}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _utc(record: logging.LogRecord) -> str:
    """``2026-11-28T09:20:00.123``."""
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))}.{int(record.msecs):03d}"
