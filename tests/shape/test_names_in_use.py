"""No name is dead: what a module defines, the package uses, exports, or is called by from outside under that name."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from functools import cache

import pytest

from tests.shape.source import Module, modules

#: What the package itself never calls, and why it is kept.
KEPT = {
    "chroma_async.index.distance.exact_top_k": "the slow obvious version of a search, which is its oracle",
    "chroma_async.engine.snapshot.segment.Segment.held": "nobody reads it: that a segment refers to the files is what it is for",
}


def name_of(module: Module) -> str:
    return module.name


@cache
def imported() -> frozenset[str]:
    """The full name of everything that a module takes from another by name."""
    return frozenset(
        f"{node.module}.{alias.name}"
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    )


@cache
def asked_of_objects() -> frozenset[str]:
    """Every attribute that is read of something, and every word in quotes that could be one."""
    found = set()
    for module in modules():
        for node in ast.walk(module.tree):
            match node:
                case ast.Attribute(attr=name, ctx=ast.Load()):
                    found.add(name)
                case ast.Constant(value=str() as name) if name.isidentifier():
                    found.add(name)
    return frozenset(found)


@cache
def exported() -> tuple[type, ...]:
    """The classes that applications are given: those that ``chroma_async`` and its rooms export."""
    found = []
    for module in modules():
        loaded = importlib.import_module(module.name)
        found += [getattr(loaded, name) for name in getattr(loaded, "__all__", ())]
    return tuple(item for item in found if isinstance(item, type))


@cache
def asked_of_modules() -> frozenset[tuple[str, str]]:
    """(module, name) of what is read by those that import the module as a whole."""
    return frozenset(
        (found.target, node.attr)
        for module in modules()
        for found in module.imports()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute)
    )


@cache
def taken_apart() -> frozenset[str]:
    """The classes whose fields are read by place, in patterns."""
    patterns = (node for module in modules() for node in ast.walk(module.tree) if isinstance(node, ast.MatchClass) and node.patterns)
    return frozenset(ast.unparse(node.cls) for node in patterns)


def defined(module: Module) -> Iterator[tuple[str, ast.stmt]]:
    """Every name at the top of a module, with the statement that gives it its value."""
    for node in module.tree.body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name, node
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name, node
            case ast.Assign(targets=targets):
                yield from ((target.id, node) for target in targets if isinstance(target, ast.Name))


def is_command(node: ast.stmt) -> bool:
    """Whether the command line calls it, by the name that a decorator gives it."""
    decorators = node.decorator_list if isinstance(node, ast.FunctionDef) else []
    return any(isinstance(each, ast.Call) and ast.unparse(each.func).endswith(".command") for each in decorators)


def read_here(module: Module) -> set[str]:
    return {node.id for node in ast.walk(module.tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}


@pytest.mark.parametrize("module", modules(), ids=name_of)
def test_what_stands_at_the_top_of_a_module_is_used(module: Module) -> None:
    read = read_here(module)
    dead = [
        name
        for name, node in defined(module)
        if not name.startswith("__")
        and name not in read
        and (module.name, name) not in asked_of_modules()
        and f"{module.name}.{name}" not in imported() | KEPT.keys()
        and not is_command(node)
    ]
    assert not dead


def members(owner: ast.ClassDef) -> Iterator[str]:
    """The methods and fields that a class gives its instances, those for Python itself left out."""
    for node in owner.body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.AnnAssign(target=ast.Name(id=name)):
                if not name.startswith("__"):
                    yield name


def is_called_from_outside(found: type, name: str) -> bool:
    """Whether an application holds it, or a library that the class stands in for asks for it."""
    if any(issubclass(each, found) for each in exported()):
        return not name.startswith("_")
    return any(name in vars(base) for base in found.__mro__ if not base.__module__.startswith("chroma_async"))


@pytest.mark.parametrize("module", modules(), ids=name_of)
def test_what_a_class_has_is_used(module: Module) -> None:
    loaded = importlib.import_module(module.name)
    dead = []
    for owner in module.tree.body:
        if isinstance(owner, ast.ClassDef) and owner.name not in taken_apart():
            found = getattr(loaded, owner.name)
            unasked = [name for name in members(owner) if name not in asked_of_objects() and not is_called_from_outside(found, name)]
            dead += [f"{module.name}.{owner.name}.{name}" for name in unasked]
    assert set(dead) <= KEPT.keys()


def test_what_is_kept_though_unused_exists() -> None:
    found = {f"{module.name}.{name}" for module in modules() for name, _ in defined(module)}
    for module in modules():
        for owner in module.tree.body:
            if isinstance(owner, ast.ClassDef):
                found |= {f"{module.name}.{owner.name}.{name}" for name in members(owner)}
    assert KEPT.keys() <= found
