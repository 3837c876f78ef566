"""Regular expressions: Rust's syntax and semantics, as the real server showed them, in bounded time."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chroma_async.errors import InvalidArgumentError
from chroma_async.rust_regex.patterns import compile_pattern, required_literal

_RECORDED = json.loads((Path(__file__).parents[2] / "data/reference/rust_regex.json").read_text())
TEXTS: list[str] = _RECORDED["texts"]
FACTS: dict[str, str | None] = _RECORDED["facts"]


def refusal(work: Callable[[], object]) -> str | None:
    """Why the work was refused, or ``None`` when it was done."""
    try:
        work()
    except InvalidArgumentError as error:
        return error.message()
    return None


def test_every_pattern_matches_the_texts_that_it_matches_on_the_real_server() -> None:
    wrong = []
    for source, bits in FACTS.items():
        if bits is None:
            continue
        search = compile_pattern(source).search
        found = sum(1 << place for place, text in enumerate(TEXTS) if search(text))
        if found != int(bits, 16):
            wrong.append((source, [text for place, text in enumerate(TEXTS) if (found ^ int(bits, 16)) >> place & 1]))
    assert not wrong


def test_every_pattern_that_the_real_server_refuses_is_refused() -> None:
    refused = {source: refusal(lambda source=source: compile_pattern(source)) for source, bits in FACTS.items() if bits is None}  # type: ignore[misc]
    assert len(refused) > 100
    assert [source for source, reason in refused.items() if reason is None or "regex" not in reason] == []


def test_the_required_literal_lies_in_every_text_that_matches() -> None:
    proposed = 0
    for source, bits in FACTS.items():
        literal = None if bits is None else required_literal(source)
        if bits is not None and literal is not None:
            proposed += 1
            assert all(literal in text for place, text in enumerate(TEXTS) if int(bits, 16) >> place & 1), source
    assert proposed > 100


@pytest.mark.parametrize(
    ("source", "literal"),
    [
        ("hello", "hello"),
        ("foo.*barbaz", "barbaz"),
        ("foo(bar)baz", "foobarbaz"),
        ("foo(?P<n>bar|qux)ba", "foo"),
        (r"\bfoo\b", "foo"),
        ("^foo$", "foo"),
        ("(?:ab){3}", "ababab"),
        ("(?:ab){3,}", "ababab"),
        ("a+bc", "bc"),
        ("x?abc", "abc"),
        (r"a\.b\x41", "a.bA"),
        ("(?x) a b # c", "ab"),
        ("foo|bar", None),
        ("(?i)foo", None),
        ("(?i)12:34", "12:34"),
        ("(?:foo)?", None),
        ("(?:foo){0}", None),
        ("[a]", None),
        (".*", None),
        ("", None),
    ],
)
def test_the_required_literal_is(source: str, literal: str | None) -> None:
    assert required_literal(source) == literal


@pytest.mark.parametrize("source", ["(?:a|aa)+$", "(?:a|a?)+b", "^(?:(?:a|ab)(?:a|ba)?)*c", "(?:.*a){30}b"])
def test_a_hostile_pattern_is_answered_or_refused_within_its_budget(source: str) -> None:
    pattern = compile_pattern(source, budget_s=0.2)
    reason = refusal(lambda: pattern.search("a" * 60 + "!"))
    assert reason is None or ("regex" in reason and "0.2 s" in reason)


def test_the_budget_is_spent_over_all_texts_of_a_pattern() -> None:
    now = iter([0.0, 0.6, 0.6, 1.2, 1.2, 1.2])
    pattern = compile_pattern("a.*b", budget_s=1.0, clock=lambda: next(now))
    assert pattern.search("a-b")
    assert pattern.search("a-b")
    with pytest.raises(InvalidArgumentError, match="regex"):
        pattern.search("a-b")


@pytest.mark.parametrize(
    "source",
    ["(" * 251 + ")" * 251, "(?:a{1000}){1000}", "[" * 251 + "a" + "]" * 251, "a" + "*" * 251, "(a" * 126 + ")" * 126]
    + ["(?:" * 200 + "a" + "){2}" * 200, "[a" + "~~b" * 200 + "]", "a{99999999999999999999999999}"],
    ids=lambda source: source[:20],
)
def test_patterns_beyond_the_limits_are_refused(source: str) -> None:
    with pytest.raises(InvalidArgumentError, match="regex"):
        compile_pattern(source)


def test_a_pattern_over_the_length_bound_is_refused() -> None:
    assert compile_pattern("aaa", max_chars=3).search("aaaa")
    with pytest.raises(InvalidArgumentError, match="at most 3"):
        compile_pattern("aaaa", max_chars=3)


def test_deep_nesting_within_the_limits_works() -> None:
    assert compile_pattern("(" * 250 + "a" + ")" * 250).search("xax")
    assert compile_pattern("(?:a" * 80 + ")*" * 80).search("a" * 200)


@settings(deadline=None, derandomize=True, max_examples=300)
@given(st.text(max_size=12), st.text(max_size=5), st.text(max_size=5))
def test_an_escaped_text_matches_exactly_where_it_is_contained(needle: str, before: str, after: str) -> None:
    escaped = "".join(f"\\x{{{ord(char):x}}}" for char in needle)
    search = compile_pattern(escaped).search
    assert search(before + needle + after)
    assert search(before + after) == (needle in before + after)
    assert required_literal(escaped) == (needle or None)


@settings(deadline=None, derandomize=True, max_examples=500)
@given(st.text(alphabet="ab[]()^$.|*+?{}\\-&~1,:<>!=#PpiLuxwdsWDSbBAz \n", max_size=20))
def test_any_source_compiles_or_is_refused_by_name(source: str) -> None:
    reason = refusal(lambda: compile_pattern(source, budget_s=5.0).search("ab1 \nAB"))
    assert reason is None or "regex" in reason
