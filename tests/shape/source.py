"""The package's source, parsed: what each module imports and calls."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "chroma_async"
#: Folders whose own files stand above or below their rooms, so that each of these files is judged by itself.
OPEN_PLAN = {"engine", "storage"}


@dataclass(frozen=True)
class Import:
    """One import: the module imported, the line, and whether it runs when the importing module is loaded."""

    target: str
    line: int
    at_load: bool


@dataclass(frozen=True)
class Module:
    """One file of the package."""

    name: str
    file: Path
    tree: ast.Module
    lines: int

    @property
    def room(self) -> str:
        """The folder that it lies in, dotted and without the package; a file at the top of the package, of ``engine`` or of ``storage``
        is a room of its own. The package's root, which only names what is public, is ``""``."""
        below = self.name.split(".")[1:]
        if self.file.name == "__init__.py" or len(below) == 1 or (len(below) == 2 and below[0] in OPEN_PLAN):
            return ".".join(below)
        return ".".join(below[:-1])

    def imports(self) -> Iterator[Import]:
        """Every import, those for the type checker alone left out."""
        yield from _imports(self.tree.body, self, True)


@cache
def modules() -> tuple[Module, ...]:
    """All modules of the package."""
    found = []
    for file in sorted(PACKAGE.rglob("*.py")):
        dotted = ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        text = file.read_text("utf-8")
        found.append(Module(dotted, file, ast.parse(text, str(file)), text.count("\n")))
    return tuple(found)


def _imports(body: list[ast.stmt], module: Module, at_load: bool) -> Iterator[Import]:
    names = _names()
    for node in body:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, node.lineno, at_load)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module.file}:{node.lineno}: relative import"
            base = node.module or ""
            for alias in node.names:
                full = f"{base}.{alias.name}"
                yield Import(full if full in names else base, node.lineno, at_load)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            yield from _imports(node.orelse, module, at_load)
        else:
            inside = at_load and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            for block in ("body", "orelse", "finalbody"):
                yield from _imports(getattr(node, block, []) or [], module, inside)
            for handler in getattr(node, "handlers", []):
                yield from _imports(handler.body, module, inside)
            for case in getattr(node, "cases", []):
                yield from _imports(case.body, module, inside)


@cache
def _names() -> frozenset[str]:
    """The dotted name of every module, without parsing it."""
    return frozenset(".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for file in PACKAGE.rglob("*.py"))
