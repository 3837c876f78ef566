"""The tests of single nouns stand where the nouns stand in the package."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.shape.source import PACKAGE, ROOT

UNIT = ROOT / "tests" / "unit"
FILES = sorted(file.relative_to(UNIT) for file in UNIT.rglob("*.py") if file.name != "__init__.py")


def test_the_tests_of_single_nouns_are_found() -> None:
    assert len(FILES) > 40


@pytest.mark.parametrize("file", FILES, ids=str)
def test_a_test_of_one_noun_lies_in_the_nouns_room_and_begins_with_its_name(file: Path) -> None:
    room = PACKAGE / file.parent
    # The longest name first: test_filter_parse.py is about filter_parse.py, not about a filter.py.
    words = file.stem.removeprefix("test_").split("_")
    nouns = ["_".join(words[:count]) for count in range(len(words), 0, -1)]
    assert file.stem.startswith("test_"), "what is no test does not lie among the tests of nouns"
    assert any((room / f"{noun}.py").is_file() or (room / noun).is_dir() for noun in nouns), f"no module of {room.name}/ is tested here"
