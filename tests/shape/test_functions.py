"""Every function can be read at one look: its length, and how deep it is nested."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.shape.source import Module, modules

NESTING = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.TryStar, ast.Match)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def blocks(statement: ast.stmt) -> Iterator[tuple[list[ast.stmt], int]]:
    """The blocks of a compound statement, and by how much deeper each stands; ``elif`` stands beside its ``if``."""
    for name in ("body", "orelse", "finalbody"):
        block = getattr(statement, name, [])
        beside = name == "orelse" and isinstance(statement, ast.If) and len(block) == 1 and isinstance(block[0], ast.If)
        yield block, 0 if beside else 1
    for part in (*getattr(statement, "handlers", ()), *getattr(statement, "cases", ())):
        yield part.body, 1


def depth(body: list[ast.stmt]) -> int:
    """How deep statements are nested; what a function inside of it does is its own."""
    compound = [statement for statement in body if isinstance(statement, NESTING)]
    return max((step + depth(block) for statement in compound for block, step in blocks(statement) if block), default=0)


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of the body, without the docstring and without functions inside of it."""
    body = function.body[1:] if ast.get_docstring(function, clean=False) is not None else function.body
    inner = [node for statement in body for node in ast.walk(statement) if isinstance(node, FUNCTIONS)]
    lines = {line for statement in body for line in range(statement.lineno, (statement.end_lineno or 0) + 1)}
    return len(lines - {line for node in inner for line in range(node.lineno, (node.end_lineno or 0) + 1)})


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.name)
def test_a_function_has_at_most_forty_lines_nested_at_most_three_deep(module: Module) -> None:
    for node in ast.walk(module.tree):
        if isinstance(node, FUNCTIONS):
            assert length(node) <= 40, f"{node.name}: {length(node)} lines"
            assert depth(node.body) <= 3, f"{node.name}: nested {depth(node.body)} deep"


def test_length_and_nesting_are_seen() -> None:
    source = '''
def outer():
    """Docstring."""
    def inner():
        pass
    for each in ():
        if each:
            pass
        elif not each:
            with each:
                try:
                    pass
                finally:
                    pass
'''
    function = ast.parse(source).body[0]
    assert isinstance(function, ast.FunctionDef)
    assert (length(function), depth(function.body)) == (9, 4)
