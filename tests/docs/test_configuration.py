"""docs/configuration.md says what the table says, and what it says is so."""

from __future__ import annotations

from pathlib import Path

import pytest

from chroma_async.config.loading import examine
from chroma_async.config.page import configuration_page
from chroma_async.config.setting import Setting
from chroma_async.config.settings import CLIENT_TABLE, TABLE
from tests.docs.markdown import ROOT

PAGE = (ROOT / "docs" / "configuration.md").read_text("utf-8")
ROWS = [*TABLE.values(), *CLIENT_TABLE.values()]


def test_the_page_is_the_one_that_the_table_makes() -> None:
    assert configuration_page() == PAGE, "chroma-async config docs > docs/configuration.md"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.variables[0])
def test_each_setting_stands_there_by_all_its_names(row: Setting) -> None:
    (line,) = [line for line in PAGE.splitlines() if f"`{row.variables[0]}`" in line]
    assert line.startswith(f"| `{row.name}` |")
    assert all(f"`{name}`" in line for name in (*row.keys, *row.variables))


def text_of(row: Setting) -> str:
    """A value that is not the default, as text."""
    if row.kind is bool:
        return "false" if row.default else "true"
    if row.choices:
        return next(choice for choice in row.choices if choice != row.default)
    return {int: "7", float: "0.125", str: "else", tuple: "a,b"}[row.kind]


@pytest.mark.parametrize("row", TABLE.values(), ids=lambda row: row.name)
def test_each_name_that_the_page_gives_to_a_setting_sets_it(row: Setting, tmp_path: Path) -> None:
    text = text_of(row)
    sources = [examine({}, {name: text}, None) for name in row.variables]
    if row.flag:
        sources.append(examine({row.name: text}, {}, None))
    for key in row.keys:
        file = tmp_path / f"{key}.yaml"
        file.write_text(f'{key}: "{text}"\n')
        sources.append(examine({}, {}, file))
    sources.append(examine({}, {f"CHROMA_ASYNC_DEFAULT_{row.name.upper()}": text}, None))
    assert [found.faults for found in sources] == [()] * len(sources)
    values = {repr(found.values[row.name]) for found in sources}
    assert len(values) == 1
    assert values != {repr(row.default)}
