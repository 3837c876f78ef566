"""The pages about deployment name settings, commands and files that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chroma_async.cli.commands import COMMANDS
from chroma_async.config.environment import DEFAULT_PREFIX
from chroma_async.config.settings import TABLE
from tests.docs.markdown import ROOT

PAGES = sorted((ROOT / "docs" / "deployment").glob("*.md"))
VARIABLES = {variable for row in TABLE.values() for variable in row.variables} | {f"{DEFAULT_PREFIX}{name.upper()}" for name in TABLE}
#: What the compose file takes from the shell.
VARIABLES |= set(re.findall(r"\$\{(\w+)", (ROOT / "deploy" / "compose.yaml").read_text("utf-8")))


def unknown_variables(text: str) -> set[str]:
    """Variables of ours, or of Chroma's, that a text names and no setting has."""
    return {name.removesuffix("_FILE") for name in re.findall(r"\bCHROMA_[A-Z_]+\b", text)} - VARIABLES


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_variable_that_a_page_names_is_one_of_a_setting(page: Path) -> None:
    assert unknown_variables(page.read_text("utf-8")) == set()


def test_a_variable_that_no_setting_has_is_found() -> None:
    assert unknown_variables("`CHROMA_ASYNC_PORT`, `CHROMA_ASYNC_PROT`, `CHROMA_ASYNC_PORT_FILE`") == {"CHROMA_ASYNC_PROT"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_that_a_page_calls_exists(page: Path) -> None:
    text = page.read_text("utf-8")
    called = set(re.findall(r"\bchroma-async ([a-z]+)\b", "\n".join(re.findall(r"`[^`]*`|^```.*?^```", text, re.M | re.S))))
    assert called <= set(COMMANDS) | {"run"}
    assert set(re.findall(r"`make ([a-z]+)", text)) <= set(re.findall(r"^([a-z]+):(?!=)", (ROOT / "Makefile").read_text("utf-8"), re.M))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_file_of_the_tree_that_a_page_names_is_there(page: Path) -> None:
    named = re.findall(r"\b(?<!/)deploy/[\w./-]*[\w/]", page.read_text("utf-8"))
    assert [path for path in named if not (ROOT / path).exists()] == []
