"""``$exists``, ``$regex`` and ``$like`` on metadata: beyond Chroma's grammar, by columns as by records."""

from __future__ import annotations

import fnmatch
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chroma_async.errors import InvalidArgumentError
from chroma_async.format.columns import Columns
from chroma_async.index.mask import evaluate_mask
from chroma_async.query_language.filter_ast import Filter, HasKey, Not, TextLike, TextMatches
from chroma_async.query_language.filter_evaluate import predicate
from chroma_async.query_language.filter_parse import parse
from chroma_async.query_language.like import compile_like

LETTERS = st.text(alphabet="ab%_\\.\n", max_size=8)
VALUES = st.one_of(LETTERS, st.integers(-3, 3), st.booleans(), st.floats(-2, 2), st.lists(LETTERS, min_size=1, max_size=3))
METADATAS = st.lists(st.one_of(st.none(), st.dictionaries(st.sampled_from(["k", "l"]), VALUES, max_size=2)), max_size=20)
LEAVES = st.one_of(
    st.just(HasKey("k")),
    LETTERS.map(lambda text: TextLike("k", text)),
    st.sampled_from(["a", "^b", "a.*b$", "(?s)a.b", "[%_]"]).map(lambda p: TextMatches("k", p)),
)
FILTERS = st.one_of(LEAVES, LEAVES.map(Not))


class Part:
    """Rows with metadata only."""

    def __init__(self, columns: Columns) -> None:
        self.columns, self.rows = columns, columns.rows


@given(METADATAS, FILTERS, st.sampled_from([1024, 0]))
@settings(deadline=None, derandomize=True, max_examples=300)
def test_columns_and_records_agree(metadatas: list[dict[str, object] | None], filter: Filter, limit: int) -> None:
    columns = Columns.build(metadatas, limit=limit)  # type: ignore[arg-type]
    expected = [predicate(filter)("", metadata, None) for metadata in metadatas]  # type: ignore[arg-type]
    assert evaluate_mask(filter, Part(columns), None).tolist() == expected  # type: ignore[arg-type]


@given(LETTERS, LETTERS)
@settings(deadline=None, derandomize=True, max_examples=1000)
def test_like_is_the_glob_of_the_same_shape(pattern: str, text: str) -> None:
    translated, rest = "", iter(pattern)
    for sign in rest:
        sign = next(rest, "\\") if sign == "\\" else {"%": "*", "_": "?"}.get(sign, sign) if sign in "%_" else sign
        translated += sign
    # fnmatch knows no escapes: compare only where none was used.
    if "\\" not in pattern:
        assert compile_like(pattern)(text) == (re.compile(fnmatch.translate(translated)).match(text) is not None)


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("abc", "abc", True),
        ("abc", "abcd", False),
        ("a%", "a", True),
        ("%b%", "abc", True),
        ("_", "é", True),
        ("_", "", False),
        ("a_c%e", "abcde", True),
        ("100\\%", "100%", True),
        ("100\\%", "1000", False),
        ("a\\_b", "axb", False),
        ("A%", "abc", False),
        ("%", "", True),
        ("ab%ba", "aba", False),
        ("a\\", "a\\", True),
    ],
)
def test_like_means_what_sql_says(pattern: str, text: str, expected: bool) -> None:
    assert compile_like(pattern)(text) is expected


def test_a_hostile_like_pattern_takes_no_time() -> None:
    assert compile_like("%a_" * 300 + "b")("a" * 5000) is False


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({"k": {"$exists": True}}, HasKey("k")),
        ({"k": {"$exists": False}}, Not(HasKey("k"))),
        ({"k": {"$regex": "a+"}}, TextMatches("k", "a+")),
        ({"k": {"$not_regex": "a+"}}, Not(TextMatches("k", "a+"))),
        ({"k": {"$like": "a%"}}, TextLike("k", "a%")),
        ({"k": {"$not_like": "a%"}}, Not(TextLike("k", "a%"))),
    ],
)
def test_the_operators_parse(where: dict[str, object], expected: Filter) -> None:
    assert parse(where, None) == expected


@pytest.mark.parametrize(
    ("condition", "named"),
    [
        ({"$exists": 1}, "exists"),
        ({"$exists": None}, "exists"),
        ({"$regex": 5}, "regex"),
        ({"$regex": "("}, "regex"),
        ({"$like": None}, "like"),
        ({"$like": "a" * 20_000}, "like"),
    ],
)
def test_a_wrong_operand_is_refused_by_name(condition: dict[str, object], named: str) -> None:
    with pytest.raises(InvalidArgumentError, match=named):
        parse({"k": condition}, None)


def test_masks_are_bools_of_the_part() -> None:
    columns = Columns.build([{"k": "apple"}, {"k": 3}, None, {"k": ["apple"]}])
    assert evaluate_mask(TextLike("k", "a%"), Part(columns), None).tolist() == [True, False, False, False]  # type: ignore[arg-type]
    assert evaluate_mask(HasKey("k"), Part(columns), np.array([True, False, True, True])).tolist() == [True, False, False, True]  # type: ignore[arg-type]
