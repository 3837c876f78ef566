"""What every file of the package has in common."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess

import pytest

from tests.shape.source import PACKAGE, ROOT, Module, modules

DRAWERS = re.compile(r"^(utils?|helpers?|common|misc|managers?|tools?|stuff)$")
LOOSE_ENDS = re.compile(r"#.*\b(TODO|FIXME|XXX)\b|raise NotImplementedError\b|pytest\.mark\.(skip|xfail)|pytest\.(skip|xfail)\(")


def name_of(module: Module) -> str:
    return module.name


def test_no_module_is_longer_than_four_hundred_and_fifty_lines() -> None:
    assert {module.name: module.lines for module in modules() if module.lines > 450} == {}


def test_no_module_is_a_drawer_without_a_name() -> None:
    assert [module.name for module in modules() if DRAWERS.match(module.name.rsplit(".", 1)[-1])] == []


@pytest.mark.parametrize("module", [module for module in modules() if module.tree.body], ids=name_of)
def test_a_module_says_what_it_is_for(module: Module) -> None:
    assert ast.get_docstring(module.tree), module.file


@pytest.mark.parametrize("module", modules(), ids=name_of)
def test_no_exception_is_swallowed_unseen(module: Module) -> None:
    broad = (None, "Exception", "BaseException")
    silent = [
        node.lineno
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or (isinstance(node.type, ast.Name) and node.type.id in broad))
        and all(isinstance(statement, ast.Pass | ast.Continue) for statement in node.body)
    ]
    assert not silent


def test_a_checked_batch_is_made_where_it_is_checked_and_nowhere_else() -> None:
    kinds = {"CheckedBatch", "Insert", "Add", "Upsert", "Update"}
    makers = {
        module.name
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in kinds
    }
    assert makers <= {"chroma_async.engine.write.request"}


def test_no_layer_of_the_engine_asserts_what_another_has_promised() -> None:
    """What is promised across a door is a type, or an error with a name."""
    asserting = [
        f"{module.name}:{node.lineno}"
        for module in modules()
        if module.name.startswith("chroma_async.engine")
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Assert)
    ]
    assert asserting == []


def test_no_loose_ends_are_left_in_the_source_or_the_tests() -> None:
    here = {ROOT / "tests" / "shape" / "test_source.py"}
    files = {*PACKAGE.rglob("*.py"), *(ROOT / "tests").rglob("*.py")} - here
    loose = [
        f"{file.relative_to(ROOT)}:{number}"
        for file in sorted(files)
        for number, line in enumerate(file.read_text("utf-8").splitlines(), 1)
        if LOOSE_ENDS.search(line)
    ]
    assert not loose


def test_no_file_names_the_machine_it_was_written_on() -> None:
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=False, capture_output=True, text=True)
    files = [ROOT / name for name in listing.stdout.split("\0") if name] or list(PACKAGE.rglob("*.py"))
    own = re.compile(rf"(?<![\w.])(/home/\w+/|/Users/\w+/|{re.escape(str(ROOT))}\b)")
    found = []
    for file in files:
        if file.suffix in {".py", ".md", ".toml", ".yaml", ".yml", ""} and file.is_file() and file.name != "test_source.py":
            text = file.read_bytes().decode("utf-8", "ignore")
            found += [f"{file.relative_to(ROOT)}: {match.group()}" for match in own.finditer(text)]
    assert not found


@pytest.mark.parametrize("module", [module for module in modules() if "__all__" in module.file.read_text("utf-8")], ids=name_of)
def test_what_a_module_says_it_exports_exists_once(module: Module) -> None:
    loaded = importlib.import_module(module.name)
    names = list(loaded.__all__)
    assert len(set(names)) == len(names)
    assert [name for name in names if not hasattr(loaded, name)] == []


def test_the_package_exports_its_clients_and_its_errors() -> None:
    package = importlib.import_module("chroma_async")
    assert {"AsyncHttpClient", "AsyncPersistentClient", "AsyncEphemeralClient"} <= set(package.__all__)
    assert (PACKAGE / "py.typed").exists()
