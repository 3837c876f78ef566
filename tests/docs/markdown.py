"""Reading Markdown as far as the project's own papers go: sections, tables, links and the anchors of headings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]

_HEADING = re.compile(r"^(#{1,6}) (.+?)\s*$", re.M)
_FENCE = re.compile(r"^```.*?^```\s*$", re.M | re.S)
_LINK = re.compile(r"(?<!!)\[[^\]\[]*\]\(([^()\s]+)\)")


def papers() -> list[Path]:
    """Every Markdown file of the project."""
    hidden = {"node_modules", "dist", "build"}
    return [
        file
        for file in sorted(ROOT.rglob("*.md"))
        if not any(part.startswith(".") or part in hidden for part in file.relative_to(ROOT).parts)
    ]


def without_code(text: str) -> str:
    """The text with its fenced blocks blanked out, line for line."""
    return _FENCE.sub(lambda match: "\n" * match.group().count("\n"), text)


def anchors(text: str) -> list[str]:
    """The anchor of each heading, in order, as GitHub makes them: equal headings are numbered."""
    found: list[str] = []
    for match in _HEADING.finditer(without_code(text)):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", match[2]).lower()
        slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        found.append(slug)
    seen: dict[str, int] = {}
    numbered = []
    for slug in found:
        numbered.append(f"{slug}-{seen[slug]}" if slug in seen else slug)
        seen[slug] = seen.get(slug, 0) + 1
    return numbered


def links(text: str) -> Iterator[tuple[int, str]]:
    """(line, target) of every link outside of code."""
    plain = without_code(text)
    for match in _LINK.finditer(plain):
        yield plain.count("\n", 0, match.start()) + 1, match[1]


def section(text: str, title: str) -> str:
    """What stands under a heading, with the sections below it. :raises KeyError: there is no such heading, or several."""
    headings = list(_HEADING.finditer(text))
    starts = [number for number, match in enumerate(headings) if match[2].strip() == title]
    if len(starts) != 1:
        raise KeyError(f"{len(starts)} headings {title!r}")
    heading = headings[starts[0]]
    level = len(heading[1])
    ends = [match.start() for match in headings[starts[0] + 1 :] if len(match[1]) <= level]
    return text[heading.end() : ends[0] if ends else len(text)]


def tables(text: str) -> list[list[list[str]]]:
    """Each table as rows of cells; the first row is its head. ``\\|`` is a bar inside of a cell."""
    found: list[list[list[str]]] = []
    rows: list[list[str]] = []
    for line in [*text.splitlines(), ""]:
        if line.startswith("|"):
            rows.append([cell.strip().replace("\0", "|") for cell in line.replace("\\|", "\0").strip().strip("|").split("|")])
        elif rows:
            found.append([row for row in rows if not all(set(cell) <= set("-: ") for cell in row)])
            rows = []
    return found


def table(text: str, *head: str) -> list[list[str]]:
    """The rows of the one table whose head begins with these cells. :raises KeyError: there is none, or there are several."""
    found = [rows[1:] for rows in tables(text) if rows[0][: len(head)] == list(head)]
    if len(found) != 1:
        raise KeyError(f"{len(found)} tables headed {head}")
    return found[0]


def code(cell: str) -> list[str]:
    """What stands in backquotes."""
    return re.findall(r"`([^`]*)`", cell)
