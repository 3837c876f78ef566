"""Settings are documented, bounded by name, and each of them is used."""

from __future__ import annotations

import ast
import re
from dataclasses import fields

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


@pytest.mark.parametrize(("kind", "name"), NAMES)
def test_every_setting_is_read_somewhere(kind: str, name: str) -> None:
    readers = [
        module.name
        for module in modules()
        if module.name != "chroma_async.config.settings"
        and any(
            (isinstance(node, ast.Attribute) and node.attr == name)
            or (isinstance(node, ast.arg | ast.keyword) and node.arg == name)
            or (isinstance(node, ast.Name) and node.id == name)
            for node in ast.walk(module.tree)
        )
    ]
    assert readers, f"{kind}.{name} changes nothing"
