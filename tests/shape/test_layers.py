"""Arrows point down only, and the few doors to the outside stay few."""

from __future__ import annotations

import ast
import subprocess
import sys

from tests.shape.source import modules

#: Room -> the rooms that it imports from, lowest first. Exactly these: an arrow that is gone is taken out of the table.
IMPORTS: dict[str, set[str]] = {
    "types": set(),
    "errors": set(),
    "chroma_names": set(),
    "config": {"errors", "chroma_names"},
    "threads": {"errors"},
    "embedding": {"types", "errors", "threads"},
    "api": {"types"},
    "wire": {"types", "errors"},
    "server": {"types", "errors", "config", "api", "wire"},
    "format": {"types", "errors"},
    "storage.doubt": {"errors"},
    "storage.base": {"types", "format", "storage.doubt"},
    "engine.connections": {"storage.base"},
    "engine.tasks": {"errors"},
    "engine.log_writer": {"errors", "storage.doubt", "storage.base", "engine.tasks"},
    "engine.pins": {"format", "storage.base"},
    "engine.plan": set(),
    "engine.retention": {"types", "storage.base"},
    "filter": {"types", "errors"},
    "schema": {"types", "errors", "filter"},
    "engine.endings": {"types", "format", "schema"},
    "engine.masks": {"format", "filter"},
    "index": {"types", "errors", "format", "filter"},
    "engine.chunk": {
        "types",
        "errors",
        "format",
        "storage.base",
        "engine.connections",
        "engine.pins",
        "engine.endings",
        "engine.masks",
        "index",
    },
    "engine.owners": {"types"},
    "engine.segment": {
        "types",
        "errors",
        "format",
        "storage.base",
        "engine.connections",
        "engine.pins",
        "filter",
        "engine.masks",
        "index",
        "engine.chunk",
        "engine.owners",
    },
    "engine.context": {
        "config",
        "threads",
        "storage.base",
        "engine.connections",
        "engine.tasks",
        "engine.log_writer",
        "engine.pins",
        "engine.plan",
        "engine.retention",
        "engine.segment",
    },
    "engine.sizes": set(),
    "engine.memtable": {"types", "format", "filter", "schema", "engine.endings", "index", "engine.sizes"},
    "engine.version": {"types", "format", "filter", "engine.owners", "engine.segment", "engine.memtable"},
    "engine.expiry": {"types", "engine.endings", "engine.version"},
    "engine.ordering": {"types", "format", "engine.version"},
    "engine.get": {"types", "format", "filter", "schema", "engine.version", "engine.ordering"},
    "engine.resolve": {"types", "errors", "format", "filter", "schema", "engine.sizes", "engine.version", "engine.get"},
    "engine.chunk_writer": {"types", "format", "storage.base", "engine.pins"},
    "engine.flush": {"types", "format", "engine.pins", "engine.memtable", "engine.chunk_writer"},
    "engine.vacuum": {"types", "format", "engine.pins", "engine.segment", "engine.chunk_writer"},
    "engine.tip": {"types", "format", "engine.segment", "engine.memtable", "engine.version", "engine.flush", "engine.vacuum"},
    "engine.transaction": {"types", "errors", "schema", "engine.version", "engine.resolve"},
    "engine.commit_queue": {
        "types",
        "errors",
        "format",
        "storage.base",
        "filter",
        "schema",
        "engine.context",
        "engine.version",
        "engine.expiry",
        "engine.resolve",
        "engine.tip",
        "engine.transaction",
    },
    "engine.failures": set(),
    "engine.indexing": {"types", "errors", "format", "storage.base", "engine.pins", "index", "engine.segment"},
    "engine.merge": {"format", "engine.pins", "engine.segment", "engine.chunk_writer"},
    "engine.policy": {"config"},
    "engine.jobs": {
        "types",
        "format",
        "engine.pins",
        "index",
        "engine.segment",
        "engine.context",
        "engine.flush",
        "engine.vacuum",
        "engine.tip",
        "engine.indexing",
        "engine.merge",
        "engine.policy",
    },
    "engine.compactor": {
        "types",
        "errors",
        "format",
        "engine.segment",
        "engine.context",
        "engine.flush",
        "engine.tip",
        "engine.failures",
        "engine.indexing",
        "engine.policy",
        "engine.jobs",
    },
    "engine.recovery": {"types", "errors", "format", "storage.base", "engine.segment", "engine.version", "engine.tip"},
    "storage.refusals": {"types", "errors"},
    "storage.slices": set(),
    "storage.sqlite": {"types", "errors", "threads", "storage.doubt", "storage.base", "storage.refusals", "storage.slices"},
    "storage.local": {"errors", "threads", "format", "storage.doubt", "storage.base", "storage.refusals", "storage.sqlite"},
    "engine.collection": {
        "types",
        "errors",
        "config",
        "threads",
        "format",
        "storage.base",
        "engine.plan",
        "filter",
        "schema",
        "index",
        "engine.context",
        "engine.version",
        "engine.expiry",
        "engine.resolve",
        "engine.tip",
        "engine.transaction",
        "engine.commit_queue",
        "engine.jobs",
        "engine.compactor",
        "engine.recovery",
        "storage.local",
    },
    "engine.folds": {"types", "format", "schema", "engine.version"},
    "engine.functions": {
        "types",
        "errors",
        "format",
        "storage.base",
        "schema",
        "engine.context",
        "engine.version",
        "engine.resolve",
        "storage.refusals",
        "engine.collection",
        "engine.folds",
    },
    "engine.janitor": {"threads", "storage.base", "engine.pins"},
    "engine.unloading": {"config", "engine.collection"},
    "storage.memory": {"types", "errors", "format", "storage.base", "storage.refusals"},
    "storage.open": {"errors", "threads", "storage.doubt", "storage.base", "storage.sqlite", "storage.local", "storage.memory"},
    "engine.engine": {
        "types",
        "errors",
        "config",
        "threads",
        "format",
        "storage.base",
        "engine.connections",
        "engine.tasks",
        "engine.log_writer",
        "engine.pins",
        "engine.plan",
        "engine.retention",
        "schema",
        "engine.masks",
        "index",
        "engine.segment",
        "engine.context",
        "engine.commit_queue",
        "engine.recovery",
        "storage.sqlite",
        "storage.local",
        "engine.collection",
        "engine.functions",
        "engine.janitor",
        "engine.unloading",
        "storage.open",
    },
    "distance": {"types"},
    "engine.nearest": {"types", "format", "engine.plan", "index", "distance"},
    "engine.checking": {
        "errors",
        "format",
        "storage.base",
        "engine.pins",
        "index",
        "engine.segment",
        "engine.version",
        "engine.recovery",
        "engine.collection",
        "engine.engine",
        "engine.nearest",
    },
    "engine.compacting": {"errors", "engine.collection", "engine.engine"},
    "engine.likely": {"types", "filter", "engine.version"},
    "engine.query": {
        "types",
        "errors",
        "format",
        "engine.plan",
        "filter",
        "index",
        "engine.memtable",
        "engine.version",
        "engine.get",
        "engine.nearest",
        "engine.likely",
    },
    "search": {"types", "errors", "filter", "schema"},
    "engine.grouping": {"types", "search"},
    "engine.rank": {"types", "search"},
    "engine.sparse": {"types", "format", "index", "engine.memtable", "engine.version"},
    "engine.search": {
        "types",
        "errors",
        "threads",
        "format",
        "engine.plan",
        "engine.version",
        "engine.get",
        "engine.query",
        "search",
        "engine.grouping",
        "engine.rank",
        "engine.sparse",
    },
    "service": {
        "types",
        "errors",
        "config",
        "threads",
        "storage.base",
        "filter",
        "schema",
        "engine.ordering",
        "engine.get",
        "engine.resolve",
        "engine.transaction",
        "storage.slices",
        "engine.engine",
        "engine.checking",
        "engine.compacting",
        "engine.query",
        "search",
        "engine.search",
    },
    "cli": {"errors", "config", "threads", "embedding", "server", "service"},
    "__main__": {"cli"},
    "builders": {"types", "errors", "embedding"},
    "client": {"types", "errors", "config", "threads", "embedding", "api", "wire", "service", "builders"},
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
    shown = "[name for name in sys.modules if name.startswith('chroma_async.embedding')]"
    code = f"import chroma_async.server.app, chroma_async.service.local, sys; print({shown})"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip() == "[]"


def test_the_health_check_loads_no_engine_and_no_third_party_library_but_click() -> None:
    assert not loaded_by("import chroma_async.cli.healthcheck") & {"faiss", "sqlite3", "aiosqlite", "aiohttp", "numpy", "yaml", "uvloop"}
