"""Settings are documented, bounded by name, and each of them is used."""

from __future__ import annotations

import ast
import re
from dataclasses import fields
from functools import cache

import pytest

from chroma_async.config.settings import ClientSettings, Settings
from tests.shape.source import PACKAGE, modules

CONFIG = (PACKAGE / "config" / "settings.py").read_text("utf-8").splitlines()
KINDS = {"Settings": Settings, "ClientSettings": ClientSettings}
NAMES = [(kind, item.name) for kind, cls in KINDS.items() for item in fields(cls)]


@pytest.mark.parametrize(("kind", "name"), NAMES)
def test_every_setting_is_described_in_the_line_above_it(kind: str, name: str) -> None:
    start = next(n for n, line in enumerate(CONFIG) if line.startswith(f"class {kind}"))
    at = next(n for n in range(start, len(CONFIG)) if re.match(rf"    {name}: ", CONFIG[n]))
    assert CONFIG[at - 1].strip().startswith("#: ")


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
