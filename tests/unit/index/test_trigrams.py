"""The trigram index never proposes too little."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chroma_async.index import trigrams


def built(documents: list[tuple[int, str]]) -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    trigrams.build(connection, iter(documents))
    return connection


def proposed(connection: sqlite3.Connection, needle: str) -> list[int]:
    positions = trigrams.propose(connection, needle)
    assert positions is not None
    assert positions.dtype == "int64"
    return [int(position) for position in positions]


@pytest.mark.parametrize("needle", ["", "a", "ab", "😀😀"])
def test_a_needle_under_three_characters_cannot_be_helped(needle: str) -> None:
    assert trigrams.propose(built([(0, "abc")]), needle) is None


def test_proposals_are_precise_for_a_text_of_three_characters() -> None:
    connection = built([(3, "abc"), (7, "ABC"), (9, "xabcx"), (12, "ab c"), (40, "ab")])
    assert proposed(connection, "abc") == [3, 9]
    assert proposed(connection, "zzz") == []


@pytest.mark.parametrize(
    "needle",
    [
        '"""',
        'a"b',
        "a'b",
        "a*b",
        "AND",
        "a OR b",
        "NEAR(",
        "   ",
        "\n\t ",
        "^ab",
        "-ab",
        "a:b",
        "(ab",
        "\x00\x00\x00",
        "a\x00b",
        "\ufffda\ufffd",
    ],
)
def test_characters_with_a_meaning_elsewhere_have_none_here(needle: str) -> None:
    connection = built([(0, "nothing"), (1, f"x{needle}y"), (2, needle)])
    assert proposed(connection, needle) == [1, 2]


def test_what_stands_behind_a_nul_is_found() -> None:
    assert proposed(built([(0, "head\x00tail"), (1, "head")]), "tail") == [0]


def test_a_long_needle_asks_a_bounded_number_of_trigrams() -> None:
    text = "".join(chr(0x4E00 + place) for place in range(5000))
    connection = built([(0, text), (1, text[:2500]), (2, text[2500:])])
    asked: list[str] = []
    connection.set_trace_callback(asked.append)
    assert proposed(connection, text) == [0]
    assert asked[0].count(" AND ") == trigrams.MAX_TRIGRAMS - 1


def test_the_index_works_from_an_immutable_file(tmp_path: Path) -> None:
    path = tmp_path / "trigrams"
    writer = sqlite3.connect(path)
    trigrams.build(writer, [(position, f"document number {position}") for position in range(3000)])
    writer.commit()
    writer.close()
    reader = sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)
    assert proposed(reader, "number 299") == [299, *range(2990, 3000)]
    reader.close()


alphabet = st.sampled_from("abAB\"\x00' %\ufffd\ufffe\uffffé日😀𝒳\u0301ßİ")
texts = st.text(alphabet=st.one_of(alphabet, st.characters(exclude_categories=["Cs"])), max_size=30)


@settings(deadline=None, derandomize=True, max_examples=400)
@given(st.lists(texts, min_size=1, max_size=6), st.data())
def test_proposals_are_ascending_and_a_superset_of_the_documents_that_contain_the_needle(documents: list[str], data: st.DataObject) -> None:
    source = data.draw(st.sampled_from(documents))
    start = data.draw(st.integers(0, len(source)))
    needle = data.draw(st.one_of(st.just(source[start : start + data.draw(st.integers(3, 40))]), texts))
    connection = built([(position * 3, document) for position, document in enumerate(documents)])
    positions = trigrams.propose(connection, needle)
    if len(needle) < 3:
        assert positions is None
    else:
        assert positions is not None
        found = [int(position) for position in positions]
        assert found == sorted(set(found))
        assert {place * 3 for place, document in enumerate(documents) if needle in document} <= set(found)
    connection.close()
