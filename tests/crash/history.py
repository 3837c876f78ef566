"""The life of a small store: everything that can happen to one, in some fifty steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chroma_async.config.settings import Settings
from chroma_async.types import DeleteOperation, RecordBatch, Space, WriteKind, WriteOperation
from tests.crash.model import (
    Act,
    Step,
    create,
    delete,
    delete_containing,
    delete_where,
    drop,
    finish,
    flush,
    fork,
    modify,
    sweep,
    together,
    write,
)

DIMENSION = 6
COLOURS = ("red", "green", "blue")
ANIMALS = ("quick fox", "lazy dog", "small owl", "grey wolf")

#: So small that everything happens within a hundred rows.
SETTINGS = Settings(
    query_threads=2,
    index_threads=1,
    memtable_rows=16,
    merge_fan_in=2,
    merge_rows=64,
    segment_rows=100,
    flat_rows=24,
    trigram_rows=8,
    log_checkpoint_bytes=96 * 1024,
)


def batch(ids: Sequence[str], version: int, *, dimension: int = DIMENSION, extra: dict[str, Any] | None = None) -> RecordBatch:
    """Rows made from their ids and a version number."""
    numbers = [int(id[1:]) for id in ids]
    embeddings = np.stack([np.random.default_rng([number, version, dimension]).standard_normal(dimension) for number in numbers])
    return RecordBatch(
        ids=list(ids),
        embeddings=embeddings.astype(np.float32),
        documents=[None if n % 7 == 3 else f"the {ANIMALS[n % 4]} number {n} of version {version}" for n in numbers],
        uris=[f"file:///{n}" if n % 5 == 0 else None for n in numbers],
        metadatas=[
            {"colour": COLOURS[n % 3], "n": n, "version": version, **({} if n % 4 else {"bag": bag(n, version)}), **(extra or {})}
            for n in numbers
        ],
    )


def bag(number: int, version: int) -> dict[str, Any]:
    """A sparse vector."""
    return {"#type": "sparse_vector", "indices": [number % 11, 20 + version, 100 + number], "values": [0.5, 1.0 + version, 0.25]}


def patch(ids: Sequence[str], version: int) -> RecordBatch:
    """A change of metadata and documents that leaves the embeddings alone, and removes a key."""
    return RecordBatch(
        ids=list(ids),
        embeddings=None,
        documents=[f"patched {id} at {version}" for id in ids],
        metadatas=[{"version": version, "colour": None} for _ in ids],
    )


def ids(start: int, stop: int) -> list[str]:
    return [f"r{number}" for number in range(start, stop)]


def add(key: str, start: int, stop: int, version: int, **more: Any) -> Act:
    return write(key, WriteKind.ADD, batch(ids(start, stop), version, **more))


def upsert(key: str, start: int, stop: int, version: int, **more: Any) -> Act:
    return write(key, WriteKind.UPSERT, batch(ids(start, stop), version, **more))


def update(key: str, start: int, stop: int, version: int) -> Act:
    return write(key, WriteKind.UPDATE, patch(ids(start, stop), version))


def transaction(key: str, start: int, version: int) -> Act:
    """Changes four rows, deletes two, and deletes another that it adds again; then it adds four."""
    return together(
        key,
        WriteOperation(WriteKind.UPSERT, batch(ids(start, start + 4), version)),
        DeleteOperation((f"r{start + 4}", f"r{start + 5}", f"r{start + 6}")),
        WriteOperation(WriteKind.ADD, batch([f"r{start + 6}", *ids(start + 400, start + 404)], version, extra={"together": True})),
        WriteOperation(WriteKind.UPDATE, patch(ids(start + 2, start + 5), version)),
    )


def step(name: str, *acts: Act) -> Step:
    return Step(name, acts)


STEPS: tuple[Step, ...] = (
    step("create a", create("a", "a-first", Space.L2, {"made": 1})),
    step("add to a", add("a", 0, 12, 1)),
    step("add keys to a", add("a", 12, 15, 1, extra={"weight": 0.5, "new": True})),
    step("upsert into a", upsert("a", 10, 20, 2)),
    step("create b", create("b", "b-first", Space.COSINE, {"made": 2})),
    step("write to both at once", add("b", 0, 9, 1), add("a", 20, 24, 1), update("a", 0, 3, 3), update("b", 2, 4, 2)),
    step("fork a while all is in the log", fork("a", "d", "d-first")),
    step("write to the fork and to its source", upsert("d", 0, 3, 7), add("a", 24, 26, 1), delete("d", ["r9"])),
    step("fork the fork", fork("d", "e", "e-first")),
    step("delete from a by id", delete("a", ["r4", "r21", "nobody"])),
    step("change a together", transaction("a", 12, 11)),
    step("flush a", flush("a")),
    step("write to the forks behind the flush of a", upsert("d", 18, 28, 8), update("e", 1, 4, 8)),
    step("flush the fork", flush("d")),
    step("delete the fork that was forked", drop("d")),
    step("flush the fork of the fork", flush("e")),
    step("update flushed rows", update("a", 5, 8, 4)),
    step("delete from a by filter", delete_where("a", {"n": {"$gte": 22}}, lambda row: (row.metadata or {}).get("n", 0) >= 22)),
    step("change flushed rows together", transaction("a", 9, 12)),
    step("fill two memtables", add("a", 30, 47, 1), upsert("a", 40, 52, 2), delete("a", ["r31", "r8"])),
    step("flush two memtables", flush("a")),
    step("modify a", modify("a", "a-second", {"made": 1, "renamed": True}, None)),
    step("flush nothing", flush("a")),
    step("add to a and flush", add("a", 60, 70, 1)),
    step("flush the third chunk", flush("a")),
    step("vacuum, merge and index a", finish("a")),
    step("add behind the graph", add("a", 70, 75, 1)),
    step("flush behind the graph", flush("a")),
    step("add more behind the graph", add("a", 75, 80, 1)),
    step("merge and absorb", finish("a")),
    step("delete and add again", delete("a", ["r60", "r61"]), add("a", 60, 62, 5)),
    step("configure a", modify("a", None, None, 77)),
    step("flush b", flush("b")),
    step("delete from b by document", delete_containing("b", "lazy dog")),
    step("create c", create("c", "c-first", Space.IP, {"made": 3})),
    step("fix the dimension of c by an update of nobody", write("c", WriteKind.UPDATE, batch(["r1"], 1, dimension=3))),
    step("add to c", add("c", 0, 17, 1, dimension=3)),
    step("flush c", flush("c")),
    step("add to c and leave it in the log", add("c", 20, 23, 1, dimension=3)),
    step("delete c", drop("c")),
    step("fork a with its chunks", fork("a", "f", "f-first")),
    step("sweep", sweep()),
    step("index b and add to a", finish("b"), upsert("a", 12, 18, 6)),
    step("delete a third of a", delete_where("a", {"colour": "blue"}, lambda row: (row.metadata or {}).get("colour") == "blue")),
    step("vacuum a with its graph", finish("a")),
    step("delete from the fork what its source has vacuumed", delete("f", ["r0", "r62"])),
    step("finish the fork", finish("f")),
    step("delete the fork with chunks", drop("f")),
    step("delete the fork of the fork", drop("e")),
    step("begin a second segment", add("a", 100, 140, 1)),
    step("flush the second segment", flush("a")),
    step("add the rest", upsert("a", 130, 145, 2), delete("a", ids(100, 104))),
    step("finish a", finish("a")),
    step("empty b", delete("b", ids(0, 9))),
    step("vacuum all of b", finish("b")),
    step("write a last time", upsert("b", 3, 6, 9), delete("a", ["r1", "r140"]), update("a", 141, 143, 9)),
    step("sweep again", sweep()),
)

#: Without forks: what a fork holds may be in another collection's log.
STEPS_WITHOUT_FORKS = tuple(step for step in STEPS if not any(act.key in ("d", "e", "f") for act in step.acts))
