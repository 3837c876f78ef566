"""SQL is put together of constants, and values go into it as parameters only. Stricter than the linter's rule, which is off for it."""

from __future__ import annotations

import ast
import re

from tests.shape.source import ROOT, modules

SQL = re.compile(
    r"\b(SELECT .* FROM|INSERT INTO|DELETE FROM|UPDATE \w+ SET|UPDATE \w+ \{\}|BEGIN|PRAGMA|ATTACH|CREATE TABLE|CREATE INDEX|WHERE)\b"
)
CONSTANT = re.compile(r"_?[A-Z][A-Z_]*")
#: What else stands in a statement, and what it is: never anything that a caller said.
ELSEWHERE = {
    ("format/documents.py", "columns"): "names of columns of this file",
    ("format/documents.py", "statement"): "a statement of this file",
    ("storage/local/staged.py", "pragma"): "a pragma of this file",
    ("storage/sqlite/catalog.py", "table"): "a table of this file",
    ("storage/sqlite/collections.py", "column"): "the name of a column",
    ("storage/sqlite/collections.py", "assignments"): "columns and placeholders",
    ("storage/sqlite/manifests.py", "assignments"): "columns and placeholders",
    ("storage/sqlite/connection.py", "migrations[number - 1]"): "a step of the migrations",
    ("storage/sqlite/connection.py", "number"): "the step's number",
    ("storage/sqlite/connection.py", "wal_bytes"): "a setting, and a number",
    ("storage/sqlite/log_file.py", "max(1, SLICE_BYTES // page)"): "a number",
}


def insertions(tree: ast.AST) -> list[str]:
    """The expressions that stand in f-strings of SQL and are no constants."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            text = "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
            inserted = [ast.unparse(part.value) for part in node.values if isinstance(part, ast.FormattedValue)]
            found += [expression for expression in inserted if SQL.search(text) and not CONSTANT.fullmatch(expression)]
    return found


def test_what_is_put_into_a_statement_is_a_constant_or_known() -> None:
    found = {
        (str(module.file.relative_to(ROOT / "chroma_async")), expression) for module in modules() for expression in insertions(module.tree)
    }
    assert found == set(ELSEWHERE)


def test_a_value_in_a_statement_is_found() -> None:
    assert insertions(ast.parse('f"SELECT a FROM b WHERE {SCOPED} AND c = {name}"')) == ["name"]
    assert insertions(ast.parse('f"the row of {name}"')) == []
