"""Stored names: built and parsed in one place."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chroma_async.format.names import KINDS, TEMP_SUFFIX, StoredName, is_ours, parse, parse_temp, temp_name
from tests.shape.source import modules

keys = st.text("0123456789abcdef", min_size=32, max_size=32)
names = st.builds(StoredName, st.sampled_from(KINDS), keys)


@settings(deadline=None, derandomize=True)
@given(names, st.integers(0, 2**63))
def test_every_name_parses_to_what_it_was_built_from(name: StoredName, epoch: int) -> None:
    assert parse(str(name)) == name
    assert parse_temp(temp_name(name, epoch)) == (name, epoch)
    assert parse_temp(str(name)) is None
    assert parse(temp_name(name, epoch)) is None
    assert is_ours(str(name))
    assert is_ours(temp_name(name, epoch))


@settings(deadline=None, derandomize=True, max_examples=300)
@given(st.text(max_size=60) | st.from_regex(r"[0-9a-f]{30,34}\.[a-z]{3,10}(\.[0-9]{1,3}\.tmp)?", fullmatch=True))
def test_what_parses_is_spelled_exactly_as_it_would_be_built(text: str) -> None:
    name, temp = parse(text), parse_temp(text)
    assert name is None or str(name) == text
    assert temp is None or temp_name(*temp) == text
    assert is_ours(text) == (name is not None or temp is not None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "catalog.sqlite3",
        "a" * 32,
        "a" * 32 + ".vector",
        "A" * 32 + ".vectors",
        "a" * 31 + ".vectors",
        "a" * 33 + ".vectors",
        "../" + "a" * 32 + ".vectors",
        "a" * 32 + ".vectors\n",
        "a" * 32 + ".vectors.tmp",
        "a" * 32 + ".vectors.01.tmp",
        "a" * 32 + ".vectors.1.tmp\n",
    ],
)
def test_other_names_are_not_ours(text: str) -> None:
    assert not is_ours(text)


def test_a_malformed_name_cannot_be_built() -> None:
    with pytest.raises(ValueError, match="no stored name"):
        StoredName("vectors", "../../etc/passwd")
    with pytest.raises(ValueError, match="no stored name"):
        StoredName("passwords", "a" * 32)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="epoch"):
        temp_name(StoredName("graph", "0" * 32), -1)


def test_names_of_stored_files_are_spelled_in_one_module_only() -> None:
    endings = {f".{kind}" for kind in KINDS} | {TEMP_SUFFIX}
    spelled = {
        (module.name, node.value)
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.endswith(tuple(endings)) and " " not in node.value
    }
    assert spelled == {("chroma_async.format.names", TEMP_SUFFIX)}
