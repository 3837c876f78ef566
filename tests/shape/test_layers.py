"""Arrows point down only, and the few doors to the outside stay few."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

from tests.shape.source import Module, modules

#: Part -> the parts of the package that it may import. A part may always import itself.
BOTTOM = {"types", "errors", "config"}
FORMAT = {"schema", "filter", "format", "threads", "distance", *BOTTOM}
ENGINE = {"index", "storage", "search", *FORMAT}
MAY_IMPORT: dict[str, set[str]] = {
    "types": set(),
    "errors": {"types"},
    "chroma_names": set(),
    "config": {"types", "errors", "chroma_names"},
    "distance": BOTTOM,
    "threads": BOTTOM,
    "format": {"threads", "distance", "storage", *BOTTOM},
    "filter": {"format", "distance", *BOTTOM},
    "schema": {"filter", "format", *BOTTOM},
    "search": {"filter", "schema", *BOTTOM},
    "index": FORMAT | {"storage"},
    "storage": FORMAT,
    "engine": ENGINE,
    "embedding": {"threads", *BOTTOM},
    "api": {"engine", "embedding", *ENGINE},
    "wire": {"api", "schema", "filter", *BOTTOM},
    "server": {"wire", "api", "schema", "threads", *BOTTOM},
    "client": {"wire", "api", "embedding", "schema", "filter", "threads", *BOTTOM},
    "cli": {"server", "client", "api", "embedding", "threads", *BOTTOM},
    "__main__": {"cli"},
}


def name_of(module: Module) -> str:
    return module.name


@pytest.mark.parametrize("module", [module for module in modules() if module.part], ids=name_of)
def test_a_module_imports_only_what_lies_below_it(module: Module) -> None:
    allowed = MAY_IMPORT[module.part] | {module.part}
    upward = [
        f"{module.file.name}:{item.line} imports {item.target}"
        for item in module.imports()
        if item.target.startswith("chroma_async.") and item.target.split(".")[1] not in allowed
    ]
    assert not upward


def test_index_and_storage_share_nothing_but_the_seam_protocols() -> None:
    shared = [
        f"{module.name} imports {item.target}"
        for module in modules()
        for item in module.imports()
        if (
            module.part in ("index", "format")
            and item.target.startswith("chroma_async.storage")
            and item.target != "chroma_async.storage.base"
        )
        or (module.part == "storage" and item.target.startswith("chroma_async.index"))
    ]
    assert not shared


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {
        module.name: {item.target for item in module.imports() if item.at_load and item.target.startswith("chroma_async.")}
        for module in modules()
        if module.part
    }
    done: set[str] = set()

    def walk(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join((*trail[trail.index(name) :], name))
        if name in done:
            return
        for target in sorted(graph.get(name, ())):
            if target != name:
                walk(target, (*trail, name))
        done.add(name)

    for name in graph:
        walk(name, ())


def test_faiss_is_imported_in_three_modules_only() -> None:
    doors = {module.name for module in modules() for item in module.imports() if item.target.split(".")[0] == "faiss"}
    assert doors == {"chroma_async.index.hnsw", "chroma_async.index.kernels", "chroma_async.index.codes"}


def test_threads_are_made_behind_one_door_only() -> None:
    makers = {"ThreadPoolExecutor", "ProcessPoolExecutor", "Thread", "Timer", "to_thread", "run_in_executor", "set_default_executor"}
    elsewhere = [
        f"{module.file.name}:{node.lineno} {name}"
        for module in modules()
        if module.name != "chroma_async.threads"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call)
        for name in [node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id if isinstance(node.func, ast.Name) else None]
        if name in makers
    ]
    assert not elsewhere


def loaded_by(statement: str) -> set[str]:
    """The top-level modules that a fresh interpreter holds after a statement."""
    code = f"{statement}; import sys; print(' '.join({{name.split('.')[0] for name in sys.modules}}))"
    return set(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split())


def test_the_http_client_loads_neither_faiss_nor_sqlite() -> None:
    assert not loaded_by("import chroma_async.client.http") & {"faiss", "sqlite3", "aiosqlite", "yaml", "click"}


def test_the_package_root_loads_neither_faiss_nor_sqlite_before_an_embedded_client_is_made() -> None:
    assert not loaded_by("import chroma_async; chroma_async.AsyncHttpClient") & {"faiss", "sqlite3", "aiosqlite", "yaml", "click"}


def test_the_server_and_the_engine_know_no_embedding_function() -> None:
    code = (
        "import chroma_async.server.app, chroma_async.api.local, sys; print([n for n in sys.modules if n.startswith('chroma_async.embed')])"
    )
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip() == "[]"


def test_the_health_check_loads_no_engine_and_no_third_party_library_but_click() -> None:
    assert not loaded_by("import chroma_async.cli.healthcheck") & {"faiss", "sqlite3", "aiosqlite", "aiohttp", "numpy", "yaml", "uvloop"}
