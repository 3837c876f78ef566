"""How log lines are written, and whose."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator

import pytest

from chroma_async.cli.logs import JsonLines, PlainLines, write_logs
from chroma_async.config.settings import Settings


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """The loggers of the process as they were."""
    loggers = [logging.getLogger(name) for name in ("", "chroma_async", "chroma_async.server.access")]
    before = [(logger, logger.level, logger.handlers) for logger in loggers]
    yield
    for logger, level, handlers in before:
        logger.setLevel(level)
        logger.handlers = handlers


def record(message: str = "said %s", *args: object, fields: object = None, failed: bool = False) -> logging.LogRecord:
    made = logging.LogRecord("chroma_async.x", logging.INFO, "x.py", 1, message, args or ("so",), sys.exc_info() if failed else None)
    made.created, made.msecs = 1_795_857_600.123, 123.0
    made.fields = fields
    return made


def test_a_json_line_is_one_object_with_the_lines_own_fields() -> None:
    line = JsonLines().format(record(fields={"status": 200, "odd": ValueError("x")}))
    assert "\n" not in line
    assert json.loads(line) == {
        "time": "2026-11-28T09:20:00.123Z",
        "level": "info",
        "logger": "chroma_async.x",
        "message": "said so",
        "status": 200,
        "odd": "x",
    }


def test_a_traceback_is_in_the_same_json_line() -> None:
    try:
        raise ZeroDivisionError("what failed")
    except ZeroDivisionError:
        line = JsonLines().format(record(failed=True))
    assert "\n" not in line
    assert json.loads(line)["exception"].endswith("ZeroDivisionError: what failed")


def test_text_that_is_no_unicode_and_line_breaks_stay_one_line_of_json() -> None:
    line = JsonLines().format(record("%s", "a\nb\udc80"))
    assert "\n" not in line
    assert json.loads(line)["message"].startswith("a\nb")


def test_a_plain_line_has_its_fields_behind_it() -> None:
    line = PlainLines().format(record(fields={"status": 200, "path": None}))
    assert line == "2026-11-28T09:20:00.123 INFO chroma_async.x: said so status=200"


@pytest.mark.parametrize(
    ("log_format", "terminal", "kind"), [("auto", True, PlainLines), ("auto", False, JsonLines), ("json", True, JsonLines)]
)
def test_lines_are_json_unless_a_person_looks_at_them(
    monkeypatch: pytest.MonkeyPatch, log_format: str, terminal: bool, kind: type[logging.Formatter]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
    write_logs(Settings(log_format=log_format))
    assert type(logging.getLogger().handlers[0].formatter) is kind


def test_at_debug_only_this_packages_own_loggers_speak() -> None:
    write_logs(Settings(log_level="debug"))
    assert logging.getLogger("chroma_async.engine.collection").isEnabledFor(logging.DEBUG)
    assert not logging.getLogger("aiosqlite").isEnabledFor(logging.INFO)
    assert logging.getLogger("asyncio").isEnabledFor(logging.WARNING)


def test_the_access_log_is_off_until_it_is_asked_for() -> None:
    access = logging.getLogger("chroma_async.server.access")
    for asked in (False, True):
        write_logs(Settings(access_log=asked))
        assert access.isEnabledFor(logging.INFO) is asked
