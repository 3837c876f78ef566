"""The records of decisions have their form, are all in the index, and name classes that exist."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path

import pytest

from tests.docs.markdown import ROOT, code, links, section
from tests.shape.source import modules

DIRECTORY = ROOT / "docs" / "decisions"
RECORDS = sorted(DIRECTORY.glob("[0-9]*.md"))
PARTS = ["Context", "Decision", "Consequences", "The number", "Held by"]
#: Words in quotes that name a class or a constant of the package.
NAMED = re.compile(r"[A-Z]\w*[a-z]\w*(\.\w+)?|[A-Z_]{6,}")
#: Classes of FAISS and Chroma's statuses, which look alike.
FOREIGN = {"IndexHNSWSQ", "IndexHNSWFlat", "Retry-After"}
OF_THE_TESTS = {"DIFFERENCES"}


def name_of(record: Path) -> str:
    return record.stem


@pytest.mark.parametrize("record", RECORDS, ids=name_of)
def test_a_record_has_its_parts_and_a_number(record: Path) -> None:
    text = record.read_text("utf-8")
    assert re.match(rf"# {int(record.name[:4])}\. \S", text)
    assert re.findall(r"^## (.+)$", text, re.M) == PARTS
    assert all(section(text, part).strip() for part in PARTS)
    assert re.search(r"\d", section(text, "The number"))
    assert text.count("\n") <= 45, "half a page"


@pytest.mark.parametrize("record", RECORDS, ids=name_of)
def test_the_classes_that_a_record_names_exist(record: Path) -> None:
    names = {name for name in code(record.read_text("utf-8")) if NAMED.fullmatch(name)} - FOREIGN - OF_THE_TESTS
    found = {}
    for module in modules():
        loaded = importlib.import_module(module.name)
        found |= {name: value for name, value in vars(loaded).items() if name[:1].isupper()}
    for name in names:
        owner, _, member = name.partition(".")
        assert owner in found, name
        assert not member or hasattr(found[owner], member), name


def test_records_are_numbered_without_a_gap_and_listed_in_the_index() -> None:
    assert [int(record.name[:4]) for record in RECORDS] == list(range(1, len(RECORDS) + 1))
    index = (DIRECTORY / "README.md").read_text("utf-8")
    listed = [target for _, target in links(index) if re.match(r"\d{4}-", target)]
    assert listed == [record.name for record in RECORDS]
    for record in RECORDS:
        title = record.read_text("utf-8").splitlines()[0].partition(". ")[2]
        assert f"| {int(record.name[:4])} | [{title}]({record.name}) |" in index


@pytest.mark.parametrize("record", RECORDS, ids=name_of)
def test_numbers_in_links_between_records_are_those_of_their_files(record: Path) -> None:
    for number, target in re.findall(r"\[(\d+)\]\((\d{4})-", record.read_text("utf-8")):
        assert int(number) == int(target)


@pytest.mark.parametrize("record", RECORDS, ids=name_of)
def test_what_holds_a_decision_is_there(record: Path) -> None:
    held = section(record.read_text("utf-8"), "Held by")
    for path in [name for name in code(held) if "/" in name]:
        assert (ROOT / path).exists(), path


def moved() -> list[str]:
    """The new names, with a module in front, that the table of moved names gives."""
    table = (DIRECTORY / "moved-names.md").read_text("utf-8")
    rows = [line.split(" | ") for line in table.splitlines() if line.startswith("| `")]
    return sorted({name for row in rows for name in code(row[-1]) if re.fullmatch(r"[a-z_]+(\.\w+)+(\(\))?", name)})


def test_the_new_names_are_found() -> None:
    assert len(moved()) > 140


@pytest.mark.parametrize("name", moved())
def test_a_name_that_moved_is_where_the_table_says(name: str) -> None:
    steps = name.removesuffix("()").split(".")
    known = {module.name for module in modules()}
    place = next(count for count in range(len(steps), 0, -1) if ".".join(("chroma_async", *steps[:count])) in known)
    found = importlib.import_module(".".join(("chroma_async", *steps[:place])))
    for member in steps[place:]:
        found = getattr(found, member)


def bare() -> list[str]:
    """The new names without a module in front, as ``Name``, ``Name.member`` or ``name()``."""
    table = (DIRECTORY / "moved-names.md").read_text("utf-8")
    cells = [line.split(" | ")[-1] for line in table.splitlines() if line.startswith("| `")]
    names = set()
    for said in (name for cell in cells for name in code(cell)):
        owner = ""
        for part in said.split(", "):
            name = part if part[0] != "." else owner + part
            owner = name.partition(".")[0]
            if re.fullmatch(r"[A-Z]\w+(\.\w+)?|[a-z_]+\(\)", name):
                names.add(name)
    return sorted(names)


def members(cls: ast.ClassDef) -> set[str]:
    """What instances of a class have: methods, annotated names, and what a method sets on ``self``."""
    found = {node.name for node in cls.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))}
    for node in ast.walk(cls):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.ctx, ast.Store)
            and isinstance(node.value, ast.Name)
            and node.value.id == "self"
        ):
            found.add(node.attr)
    return found


def test_a_name_without_its_module_is_one_of_the_package() -> None:
    functions, classes = set(), dict[str, set[str]]()
    for module in modules():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ClassDef):
                classes.setdefault(node.name, set()).update(members(node))
            elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                functions.add(f"{node.name}()")
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                classes.setdefault(node.target.id, set())  # an alias of a type
    assert len(bare()) > 60
    for name in bare():
        owner, _, member = name.partition(".")
        assert owner in classes or name in functions, name
        assert not member or member in classes[owner], name
