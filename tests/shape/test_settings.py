"""Settings are documented, bounded by name, and each of them is used."""

from __future__ import annotations

import ast
import re
from collections import Counter
from dataclasses import fields
from functools import cache

import pytest

from chroma_async.config.setting import Setting
from chroma_async.config.settings import CLIENT_TABLE, TABLE, ClientSettings, Settings
from tests.shape.source import modules

KINDS = {"Settings": Settings, "ClientSettings": ClientSettings}
NAMES = [(kind, item.name) for kind, cls in KINDS.items() for item in fields(cls)]


ROWS = [*TABLE.values(), *CLIENT_TABLE.values()]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.variables[0])
def test_every_setting_is_described_in_sentences(row: Setting) -> None:
    assert re.match(r"[A-Z`].*\.$", row.doc)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.variables[0])
def test_every_default_may_be_given_too(row: Setting) -> None:
    assert row.fault(row.default) is None


def test_no_name_stands_for_two_settings() -> None:
    assert [name for name, count in Counter(name for row in ROWS for name in row.environment).items() if count > 1] == []
    assert [key for key, count in Counter(key for row in TABLE.values() for key in row.keys).items() if count > 1] == []


def test_settings_hold_plain_values_only() -> None:
    plain = (str, int, float, bool, tuple, type(None))
    assert all(isinstance(getattr(settings, item.name), plain) for settings in (Settings(), ClientSettings()) for item in fields(settings))


@cache
def names_read() -> frozenset[str | None]:
    """Every attribute, argument and variable that a module beside the configuration names."""
    read: set[str | None] = set()
    for module in modules():
        if module.name == "chroma_async.config.settings":
            continue
        for node in ast.walk(module.tree):
            match node:
                case ast.Attribute(attr=name) | ast.arg(arg=name) | ast.keyword(arg=name) | ast.Name(id=name):
                    read.add(name)
    return frozenset(read)


@pytest.mark.parametrize(("kind", "name"), NAMES)
def test_every_setting_is_read_somewhere(kind: str, name: str) -> None:
    assert name in names_read(), f"{kind}.{name} changes nothing"
