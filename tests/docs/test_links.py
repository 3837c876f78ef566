"""What one paper says of another is there: every link of every Markdown file, and every mention of a section in source and tests."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.markdown import ROOT, anchors, links, papers

#: A section of a paper, as comments, docstrings and tests name it.
MENTION = re.compile(r"\b(docs/[\w/-]+\.md|[A-Z]{4,}\.md)(#[\w-]+)?")
SOURCES = [file for folder in ("chroma_async", "tests", "examples") for file in sorted((ROOT / folder).rglob("*.py"))]
PLACES = {"FORMAT.md": ROOT / "chroma_async" / "format" / "FORMAT.md", "CONTRACT.md": ROOT / "docs" / "CONTRACT.md"}


def name_of(file: Path) -> str:
    return str(file.relative_to(ROOT))


def problem(file: Path, anchor: str) -> str | None:
    """Why a target is none."""
    if not file.exists():
        return "no such file"
    if anchor and anchor not in anchors(file.read_text("utf-8")):
        return f"no heading makes the anchor #{anchor}"
    return None


@pytest.mark.parametrize("paper", papers(), ids=name_of)
def test_every_link_of_a_paper_leads_somewhere(paper: Path) -> None:
    broken = []
    for line, target in links(paper.read_text("utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (paper.parent / path).resolve() if path else paper
        if (why := problem(file, anchor if file.suffix == ".md" else "")) is not None:
            broken.append(f"{name_of(paper)}:{line}: {target}: {why}")
    assert not broken


@pytest.mark.parametrize("paper", papers(), ids=name_of)
def test_headings_of_a_paper_differ_so_that_their_anchors_last(paper: Path) -> None:
    if paper.name != "CHANGELOG.md":
        found = anchors(paper.read_text("utf-8"))
        assert len(found) == len(set(found))
        assert [anchor for anchor in found if re.search(r"-\d+$", anchor) and anchor.rpartition("-")[0] in found] == []


def test_every_paper_and_section_that_source_and_tests_mention_is_there() -> None:
    mentions = [(file, match) for file in SOURCES for match in MENTION.finditer(file.read_text("utf-8"))]
    broken = []
    for file, match in mentions:
        target = PLACES.get(match[1], ROOT / match[1])
        if (why := problem(target, (match[2] or "")[1:])) is not None:
            broken.append(f"{name_of(file)}: {match[0]}: {why}")
    assert not broken
    assert sum(match[1] == "docs/CONTRACT.md" for _, match in mentions) >= 7


def test_the_contract_is_never_mentioned_without_the_section_that_is_meant() -> None:
    bare = re.compile(r"\bCONTRACT\b(?!\.md#)")
    loose = [
        f"{name_of(file)}:{number}"
        for file in SOURCES
        if file.parent != ROOT / "tests" / "docs"
        for number, line in enumerate(file.read_text("utf-8").splitlines(), 1)
        if bare.search(line)
    ]
    assert not loose


def test_anchors_are_made_as_they_are_on_the_web() -> None:
    text = "# One: two\n## A `code` word\n```\n# not a heading\n```\n## It's, well (so)\n## A [link](x.md)\n## Again\n## Again\n"
    assert anchors(text) == ["one-two", "a-code-word", "its-well-so", "a-link", "again", "again-1"]
    assert list(links("[a](b.md#c)\n```\n[no](x)\n```\n[d](e)")) == [(1, "b.md#c"), (5, "e")]
