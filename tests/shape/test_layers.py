"""Arrows point down only, and the few doors to the outside stay few."""

from __future__ import annotations

import ast
import subprocess
import sys

from tests.shape.source import modules

#: Room -> the rooms that it imports from, lowest first. Exactly these: an arrow that is gone is taken out of the table.
IMPORTS: dict[str, set[str]] = {
    "errors": set(),
    "measures": set(),
    "refusing": {"errors"},
    "release": set(),
    "types": set(),
    "sparse_vector": {"types", "errors", "refusing"},
    "statistics": {"types", "measures"},
    "config": {"errors"},
    "observation": set(),
    "spans": {"errors", "config", "observation"},
    "threads": {"errors", "measures", "statistics"},
    "costs": {"threads"},
    "embedding": {"types", "errors", "refusing", "sparse_vector", "threads"},
    "api": {"types", "statistics"},
    "wire": {"costs", "types", "errors"},
    "limits": {"types", "errors", "config", "api"},
    "auth": {"limits", "statistics", "costs", "threads", "types", "errors", "config", "api"},
    "server": {
        "release",
        "limits",
        "measures",
        "statistics",
        "costs",
        "threads",
        "types",
        "errors",
        "config",
        "auth",
        "api",
        "wire",
        "observation",
    },
    "format": {"types", "errors"},
    "plain": {"costs", "types", "errors"},
    "rust_regex": {"types", "errors"},
    "schema": {"types", "errors"},
    "query_language": {"types", "errors", "plain", "rust_regex", "schema"},
    "index": {"types", "errors", "format", "rust_regex", "query_language"},
    "storage.poison": {"errors"},
    "storage.base": {"types", "format", "storage.poison", "measures"},
    "engine.snapshot": {"costs", "types", "errors", "format", "schema", "query_language", "index", "storage.base"},
    "engine.read": {"types", "errors", "threads", "format", "schema", "query_language", "index", "engine.snapshot", "observation"},
    "engine.tasks": {"errors"},
    "engine.write": {
        "costs",
        "types",
        "errors",
        "config",
        "threads",
        "format",
        "rust_regex",
        "schema",
        "query_language",
        "storage.poison",
        "storage.base",
        "engine.snapshot",
        "engine.read",
        "engine.tasks",
        "measures",
        "observation",
    },
    "engine.context": {
        "config",
        "threads",
        "storage.base",
        "engine.snapshot",
        "engine.read",
        "engine.tasks",
        "engine.write",
        "measures",
        "spans",
    },
    "engine.compaction": {
        "types",
        "errors",
        "config",
        "threads",
        "format",
        "query_language",
        "index",
        "storage.base",
        "engine.snapshot",
        "engine.tasks",
        "engine.write",
        "engine.context",
    },
    "engine.recovery": {"types", "errors", "format", "storage.base", "engine.snapshot", "engine.write"},
    "storage.refusals": {"types", "errors"},
    "storage.filesystem": {"storage.base"},
    "engine.collection": {
        "types",
        "errors",
        "config",
        "threads",
        "format",
        "rust_regex",
        "storage.base",
        "engine.snapshot",
        "engine.read",
        "engine.write",
        "engine.context",
        "engine.compaction",
        "engine.recovery",
        "statistics",
        "observation",
    },
    "engine.functions": {
        "types",
        "errors",
        "format",
        "schema",
        "storage.base",
        "engine.snapshot",
        "engine.write",
        "engine.context",
        "storage.refusals",
        "engine.collection",
    },
    "engine.unloading": {"costs", "config", "engine.collection"},
    "storage.sqlite": {"costs", "types", "errors", "threads", "format", "storage.poison", "storage.base", "storage.refusals", "measures"},
    "storage.local": {
        "errors",
        "threads",
        "format",
        "storage.poison",
        "storage.base",
        "storage.refusals",
        "storage.filesystem",
        "storage.sqlite",
    },
    "storage.memory": {"costs", "types", "errors", "format", "storage.base", "storage.refusals", "storage.sqlite", "measures"},
    "storage.open": {
        "errors",
        "threads",
        "storage.poison",
        "storage.base",
        "storage.filesystem",
        "storage.sqlite",
        "storage.local",
        "storage.memory",
    },
    "engine.guard": {"errors", "storage.base"},
    "engine.registry": {
        "types",
        "errors",
        "format",
        "storage.base",
        "engine.write",
        "engine.context",
        "storage.refusals",
        "engine.collection",
        "engine.guard",
    },
    "engine.removal": {
        "types",
        "errors",
        "engine.context",
        "engine.compaction",
        "storage.refusals",
        "engine.functions",
        "engine.guard",
        "engine.registry",
    },
    "engine.forking": {
        "types",
        "errors",
        "schema",
        "storage.base",
        "engine.context",
        "engine.recovery",
        "engine.collection",
        "engine.registry",
    },
    "engine.ticker": {
        "costs",
        "errors",
        "engine.context",
        "engine.compaction",
        "engine.collection",
        "engine.functions",
        "engine.unloading",
        "engine.registry",
        "engine.removal",
    },
    "engine.engine": {
        "types",
        "errors",
        "config",
        "threads",
        "format",
        "index",
        "storage.base",
        "engine.snapshot",
        "engine.read",
        "engine.tasks",
        "engine.write",
        "engine.context",
        "engine.compaction",
        "engine.recovery",
        "engine.functions",
        "storage.filesystem",
        "storage.open",
        "engine.guard",
        "engine.registry",
        "engine.removal",
        "engine.forking",
        "engine.ticker",
        "spans",
    },
    "engine.admin": {
        "errors",
        "format",
        "index",
        "storage.base",
        "engine.snapshot",
        "engine.read",
        "engine.recovery",
        "engine.collection",
        "engine.engine",
    },
    "engine.inspection": {"index", "costs", "statistics", "storage.base", "engine.engine"},
    "service": {
        "costs",
        "types",
        "errors",
        "config",
        "threads",
        "schema",
        "query_language",
        "storage.base",
        "engine.read",
        "engine.write",
        "engine.engine",
        "engine.admin",
        "statistics",
        "engine.inspection",
        "observation",
        "spans",
    },
    "builders": {"types", "errors", "refusing", "embedding", "plain"},
    "encryption": {"costs", "types", "errors", "refusing", "threads", "api"},
    "client": {
        "costs",
        "release",
        "sparse_vector",
        "types",
        "errors",
        "refusing",
        "config",
        "threads",
        "embedding",
        "api",
        "wire",
        "plain",
        "schema",
        "service",
        "builders",
        "encryption",
    },
    "cli": {"release", "limits", "client", "wire", "errors", "config", "auth", "threads", "embedding", "server", "service"},
    "__main__": {"cli"},
    "embedding.services": {"costs", "types", "errors", "refusing", "threads", "embedding"},
    "engine": set(),
    "storage": set(),
}


def arrows() -> dict[str, set[str]]:
    """Room -> the rooms that its modules import from, type checking left out, imports inside functions not."""
    rooms = {module.name: module.room for module in modules()}
    found: dict[str, set[str]] = {room: set() for room in rooms.values() if room}
    for module in modules():
        if module.room:
            found[module.room] |= {rooms[item.target] for item in module.imports() if item.target in rooms} - {module.room}
    return found


def test_the_arrows_between_rooms_are_the_table_exactly() -> None:
    assert arrows() == IMPORTS


def test_every_arrow_points_down() -> None:
    floors = list(IMPORTS)
    upward = [f"{room} -> {target}" for room, targets in IMPORTS.items() for target in targets if floors.index(target) > floors.index(room)]
    assert not upward


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {
        module.name: {item.target for item in module.imports() if item.at_load and item.target.startswith("chroma_async.")}
        for module in modules()
        if module.room
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


def importers(library: str) -> set[str]:
    """The modules that import a library, whatever part of it."""
    return {module.name for module in modules() for item in module.imports() if item.target.split(".")[0] == library}


def test_formats_of_metrics_and_traces_are_known_where_they_are_written_and_nowhere_else() -> None:
    assert importers("prometheus_client") == {"chroma_async.server.metrics"}
    traced = ("spans", "server.tracing", "client.client_span", "cli.telemetry")
    assert importers("opentelemetry") == {f"chroma_async.{name}" for name in traced}


def test_sqlite_is_the_storages_matter() -> None:
    assert {name for name in importers("sqlite3") if not name.startswith("chroma_async.storage.")} == set()


def test_the_engine_knows_no_backend() -> None:
    backends = {f"chroma_async.storage.{room}" for room in ("local", "memory", "sqlite")}
    imported = {
        (module.name, item.target)
        for module in modules()
        if module.name.startswith(("chroma_async.engine", "chroma_async.service", "chroma_async.format", "chroma_async.index"))
        for item in module.imports()
        if any(item.target == backend or item.target.startswith(f"{backend}.") for backend in backends)
    }
    assert imported == set()


def test_no_sqlite_and_no_path_leaks_through_the_seams() -> None:
    seams = {module.name for module in modules() if module.name.startswith("chroma_async.storage.base")}
    assert not seams & (importers("sqlite3") | importers("pathlib"))


def test_no_seam_has_more_than_a_dozen_methods_of_its_own() -> None:
    protocols = {
        node.name: [member.name for member in node.body if isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef)]
        for module in modules()
        if module.room == "storage.base"
        for node in module.tree.body
        if isinstance(node, ast.ClassDef) and "Protocol" in {ast.unparse(base) for base in node.bases}
    }
    assert len(protocols) > 10
    assert {name: len(methods) for name, methods in protocols.items() if len(methods) > 12} == {}


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


def test_aiosqlite_is_used_by_one_module_in_a_daemon_and_through_its_public_interface() -> None:
    (door,) = {module.name for module in modules() for item in module.imports() if item.target.split(".")[0] == "aiosqlite"}
    (tree,) = [module.tree for module in modules() if module.name == door]
    private = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr.startswith("_")
        and not (isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"})
    ]
    by_name = [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id in {"getattr", "setattr", "vars"}]
    daemons = [
        node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "as_daemon"
    ]
    assert door == "chroma_async.storage.sqlite.connection"
    assert not private + by_name
    assert [ast.unparse(node.func) for each in daemons for node in ast.walk(each) if isinstance(node, ast.Call)][1:] == [
        "aiosqlite.connect"
    ]


def loaded_by(statement: str) -> set[str]:
    """The top-level modules that a fresh interpreter holds after a statement."""
    code = f"{statement}; import sys; print(' '.join({{name.split('.')[0] for name in sys.modules}}))"
    return set(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split())


def test_the_http_client_loads_neither_faiss_nor_sqlite() -> None:
    assert not loaded_by("import chroma_async.client.http") & {"faiss", "sqlite3", "aiosqlite", "yaml", "click"}


def test_the_package_root_loads_neither_faiss_nor_sqlite_before_an_embedded_client_is_made() -> None:
    assert not loaded_by("import chroma_async; chroma_async.AsyncHttpClient") & {"faiss", "sqlite3", "aiosqlite", "yaml", "click"}


def test_the_server_and_the_engine_know_no_embedding_function() -> None:
    shown = "[name for name in sys.modules if name.startswith('chroma_async.embedding')]"
    code = f"import chroma_async.server.app, chroma_async.service.local, sys; print({shown})"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip() == "[]"


def test_the_health_check_loads_no_engine_and_no_third_party_library_but_click() -> None:
    assert not loaded_by("import chroma_async.cli.healthcheck") & {"faiss", "sqlite3", "aiosqlite", "aiohttp", "numpy", "yaml", "uvloop"}
