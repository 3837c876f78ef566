"""What docstrings and comments refer to exists: a reader who follows ``:class:`` or ``:meth:`` arrives somewhere.

So do the errors that ``:raises:`` names and the parameters that ``:param:`` describes.
"""

from __future__ import annotations

import ast
import builtins
import importlib
import re
from collections.abc import Iterator
from functools import cache
from types import ModuleType
from typing import Any, TypeAlias

import pytest

from tests.shape.source import Module, modules

REFERENCE = re.compile(r":(?P<role>class|meth|func|mod|attr|data|exc):`(?:[^`<]*<)?~?(?P<target>[^`<>]*)>?`")
RAISES = re.compile(r":raises ([A-Za-z_., ]+):")
PARAM = re.compile(r":param \*{0,2}(\w+):")
Documented: TypeAlias = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef

_ABSENT = object()


def name_of(module: Module) -> str:
    return module.name


def references(module: Module) -> Iterator[tuple[int, str, str]]:
    """(line, role, target) of every reference in the file, in docstrings and in comments alike."""
    text = module.file.read_text("utf-8")
    for match in REFERENCE.finditer(text):
        yield text.count("\n", 0, match.start()) + 1, match["role"], match["target"]


def enclosing_class(module: Module, line: int) -> str | None:
    """The innermost class whose body holds the line."""
    classes = [
        node for node in ast.walk(module.tree) if isinstance(node, ast.ClassDef) and node.lineno <= line <= (node.end_lineno or node.lineno)
    ]
    return max(classes, key=lambda node: node.lineno).name if classes else None


@cache
def instance_attributes() -> frozenset[tuple[str, str, str]]:
    """(module, class, name) of every attribute that a method of the class assigns, or that its body annotates."""
    found = set()
    for module in modules():
        for owner in (node for node in ast.walk(module.tree) if isinstance(node, ast.ClassDef)):
            for node in ast.walk(owner):
                if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and ast.unparse(node.value) == "self":
                    found.add((module.name, owner.name, node.attr))
                elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                    found.add((module.name, owner.name, node.target.id))
    return frozenset(found)


def member(owner: Any, name: str) -> Any:
    """An attribute, a submodule, or an attribute that only instances have."""
    found = getattr(owner, name, _ABSENT)
    if found is _ABSENT and isinstance(owner, ModuleType):
        try:
            return importlib.import_module(f"{owner.__name__}.{name}")
        except ModuleNotFoundError:
            return _ABSENT
    if found is _ABSENT and isinstance(owner, type):
        held = any((base.__module__, base.__name__, name) in instance_attributes() for base in owner.__mro__)
        return object() if held else _ABSENT
    return found


def followed(start: Any, names: list[str]) -> Any:
    """What is reached from ``start`` by one name after the other."""
    for name in names:
        start = member(start, name)
        if start is _ABSENT:
            return _ABSENT
    return start


def resolved(module: Module, line: int, target: str) -> Any:
    """What a target names: in the class it stands in, in its module, beside it, by its full name, or among Python's own."""
    here = importlib.import_module(module.name)
    if target.startswith("."):
        package = module.name if module.file.name == "__init__.py" else module.name.rpartition(".")[0]
        return followed(importlib.import_module(package), target[1:].split("."))
    names = target.split(".")
    owner = enclosing_class(module, line)
    starts: list[Any] = [here, builtins]
    if owner is not None and hasattr(here, owner):
        starts.insert(0, getattr(here, owner))
    for start in starts:
        found = followed(start, names)
        if found is not _ABSENT:
            return found
    if len(names) == 1:
        return _ABSENT
    try:
        return followed(importlib.import_module(names[0]), names[1:])
    except ModuleNotFoundError:
        return _ABSENT


def fits(role: str, found: Any) -> bool:
    """Whether it is of the kind that the role says."""
    if role in ("class", "exc"):
        return isinstance(found, type) or (callable(found) and not isinstance(found, ModuleType))
    if role == "mod":
        return isinstance(found, ModuleType)
    if role in ("meth", "func"):
        return callable(found)
    return True


@pytest.mark.parametrize("module", modules(), ids=name_of)
def test_every_reference_in_a_docstring_leads_to_something_of_its_kind(module: Module) -> None:
    dangling = [
        f"{module.file.name}:{line}: :{role}:`{target}`"
        for line, role, target in references(module)
        if (found := resolved(module, line, target)) is _ABSENT or not fits(role, found)
    ]
    assert not dangling


def documented(module: Module) -> Iterator[tuple[Documented, str]]:
    """Every class and function that has a docstring, with it."""
    for node in ast.walk(module.tree):
        if isinstance(node, Documented) and (text := ast.get_docstring(node)):
            yield node, text


@pytest.mark.parametrize("module", modules(), ids=name_of)
def test_every_error_that_a_docstring_says_is_raised_is_an_exception(module: Module) -> None:
    unknown = [
        f"{module.file.name}:{node.lineno}: {name}"
        for node, text in documented(module)
        for names in RAISES.findall(text)
        for name in re.split(r"[, ]+(?:or )?", names.strip())
        if not is_error(resolved_error(module, node.lineno, name))
    ]
    assert not unknown


def resolved_error(module: Module, line: int, name: str) -> Any:
    """An error by the name that its users know: the package has one of that name, or the module, Python or a library has."""
    return own_classes().get(name) or resolved(module, line, name)


@cache
def own_classes() -> dict[str, Any]:
    """Every class at the top of a module of the package, by its name."""
    found = {}
    for module in modules():
        for node in module.tree.body:
            if isinstance(node, ast.ClassDef):
                found[node.name] = getattr(importlib.import_module(module.name), node.name)
    return found


def is_error(found: Any) -> bool:
    return isinstance(found, type) and issubclass(found, BaseException)


@pytest.mark.parametrize("module", modules(), ids=name_of)
def test_every_parameter_that_a_docstring_describes_is_one(module: Module) -> None:
    unknown = []
    for node, text in documented(module):
        described = PARAM.findall(text)
        if described:
            names = parameters(node)
            unknown += [f"{module.file.name}:{node.lineno}: {node.name}({name})" for name in described if name not in names]
    assert not unknown


def parameters(node: Documented) -> set[str]:
    """Of a function; of a class, those of its ``__init__`` and its fields."""
    if isinstance(node, ast.ClassDef):
        inner = [part for part in node.body if isinstance(part, ast.FunctionDef) and part.name == "__init__"]
        fields = {part.target.id for part in node.body if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name)}
        return fields.union(*map(parameters, inner))
    arguments = node.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    return {argument.arg for argument in every if argument is not None}


def test_references_are_found_and_the_dangling_ones_are_told_apart() -> None:
    every = [reference for module in modules() for reference in references(module)]
    assert len(every) > 200
    (types,) = (module for module in modules() if module.name == "chroma_async.types")
    assert resolved(types, 1, "Rows") is not _ABSENT
    assert resolved(types, 1, "Rows.nothing") is _ABSENT
    assert resolved(types, 1, "chroma_async.types.Nothing") is _ABSENT
    assert resolved(types, 1, "chroma_async.nothing.Rows") is _ABSENT
    assert not fits("mod", resolved(types, 1, "Rows"))
