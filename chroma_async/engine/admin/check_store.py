"""Verification of a store: every stored byte, every invariant, every graph against exact search on a sample."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from chroma_async.engine.collection import Collection
from chroma_async.engine.engine import Engine
from chroma_async.engine.read.nearest import Searchable, nearest
from chroma_async.engine.recovery import entries_behind
from chroma_async.engine.snapshot.file_pins import PinningStore
from chroma_async.engine.snapshot.segment import Segment
from chroma_async.engine.snapshot.version import SegmentView
from chroma_async.errors import ChromaError, CorruptionError, NotFoundError, UnavailableError
from chroma_async.format.database import ReadableDatabase
from chroma_async.format.files import FileRef
from chroma_async.format.logbatch import decode
from chroma_async.format.manifest import Manifest, SegmentEntry
from chroma_async.format.names import DATABASE_KINDS, parse
from chroma_async.index.hnsw import Graph
from chroma_async.storage.base.collections import CollectionRow
from chroma_async.storage.base.log import LogEntry

#: Stored rows that each graph is asked for.
SAMPLE_ROWS = 100
#: Neighbours compared for each of them.
NEIGHBOURS = 10


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. An error is damage; a warning is something that mends itself or costs only speed."""

    level: Literal["ok", "warning", "error"]
    subject: str
    message: str


async def check_store(engine: Engine) -> AsyncIterator[Finding]:
    """Look at everything; a damaged part does not keep the others from being looked at, and what is deleted meanwhile is passed over."""
    catalog, threads, store = engine.context.backends.catalog, engine.context.threads, engine.context.store
    for id in await catalog.collection_ids():
        try:
            row = await catalog.find_collection(id)
            findings = await _stored(engine, row)
        except NotFoundError:
            continue
        except (CorruptionError, UnavailableError) as error:
            findings = [Finding("error", str(id), error.message())]
        for finding in findings:
            yield finding
        if not any(finding.level == "error" for finding in findings):
            async for finding in _contents(engine, row):
                yield finding
    listed = await threads.run(store.list)
    unnamed = set(listed) - store.pinned() - await catalog.named_files()
    if unnamed:
        yield Finding("warning", "segments", f"{len(unnamed)} files that nothing names; the next sweep deletes them")


async def _stored(engine: Engine, row: CollectionRow) -> list[Finding]:
    """Manifest, files and log of a collection. What compaction replaced meanwhile is no damage: then all is looked at again.

    :raises NotFoundError: it was deleted meanwhile.
    """
    catalog = engine.context.backends.catalog
    while True:
        stored = await catalog.load_manifest(row.id)
        try:
            manifest = Manifest.from_bytes(stored.body, row.id) if stored.version else Manifest(row.id)
        except CorruptionError as error:
            return [Finding("error", row.name, error.message())]
        findings: list[Finding] = []
        for segment in manifest.segments:
            findings += await engine.context.threads.run(_files, engine.context.store, row.name, segment)
        findings += await _log(engine, row, manifest)
        if not any(finding.level == "error" for finding in findings):
            return findings
        await catalog.find_collection(row.id)
        if (await catalog.load_manifest(row.id)).version == stored.version:
            return findings


def _files(store: PinningStore, collection: str, segment: SegmentEntry) -> list[Finding]:
    """Size and checksum of each file. Graph and trigram files are derived: their damage costs speed until they are rebuilt."""
    derived = {trigram.file.name for trigram in segment.trigrams}
    if segment.graph is not None:
        derived.add(segment.graph.file.name)
    return [_file(store, collection, file, file.name in derived) for file in segment.files()]


def _file(store: PinningStore, collection: str, file: FileRef, derived: bool) -> Finding:
    try:
        blob = store.open(file)
        blob.verify()
        if _is_database(file):
            with blob.database() as database:
                _check_database(database, file.name)
    except CorruptionError as error:
        if derived:
            return Finding("warning", collection, f"{error}; it is rebuilt, exact search serves")
        return Finding("error", collection, str(error))
    except UnavailableError as error:
        return Finding("error", collection, error.message())
    return Finding("ok", collection, f"{file.name}: {file.bytes} bytes")


def _is_database(file: FileRef) -> bool:
    name = parse(file.name)
    return name is not None and name.kind in DATABASE_KINDS


def _check_database(database: ReadableDatabase, file: str) -> None:
    (answer,) = database.execute("PRAGMA integrity_check").fetchone()
    if answer != "ok":
        raise CorruptionError(f"{file}: {answer}", file)


async def _log(engine: Engine, row: CollectionRow, manifest: Manifest) -> list[Finding]:
    try:
        entries = await entries_behind(manifest, engine.context.backends.log)
        await engine.context.threads.run(_decode, entries)
    except (CorruptionError, UnavailableError) as error:
        return [Finding("error", row.name, error.message())]
    return [Finding("ok", row.name, f"log: {len(entries)} entries after seq {manifest.flushed_seq}")] if entries else []


def _decode(entries: Sequence[LogEntry]) -> None:
    for entry in entries:
        decode(entry.body, f"log entry {entry.first} of collection {entry.collection}")


async def _contents(engine: Engine, row: CollectionRow) -> AsyncIterator[Finding]:
    """What only shows when the collection is open: ids, counts, postings, graphs."""
    try:
        async with engine.registry.holding(row.id) as collection:
            findings = await collection.read(lambda version: [*_ids(collection), *_sparse(collection), *_graphs(collection)])
    except NotFoundError:
        return  # deleted since
    except ChromaError as error:
        findings = [Finding("error", row.name, error.message())]
    for finding in findings:
        yield finding


def _ids(collection: Collection) -> Iterator[Finding]:
    version, name = collection.version, collection.row.name
    seen: set[str] = set()
    twice = 0
    for part in version.parts:
        for id in part.ids(part.alive.positions()):
            twice += id in seen
            seen.add(id)
    if twice:
        yield Finding("error", name, f"{twice} ids are alive twice")
    elif len(seen) != version.count:
        yield Finding("error", name, f"{len(seen)} ids for {version.count} rows")
    else:
        yield Finding("ok", name, f"{version.count} rows, each id once")


def _sparse(collection: Collection) -> Iterator[Finding]:
    name, keys, damaged = collection.row.name, set[str](), False
    for view in collection.version.segments:
        for chunk in view.segment.chunks:
            keys.update(chunk.postings.keys)
            for key in chunk.postings.disordered():
                damaged = True
                file = chunk.entry.postings.name if chunk.entry.postings is not None else "postings"
                yield Finding("error", name, f"{file}: the sparse vectors of key {key!r} are out of order")
    if keys and not damaged:
        yield Finding("ok", name, f"sparse vectors of {len(keys)} keys, in order")


def _graphs(collection: Collection) -> Iterator[Finding]:
    for view in collection.version.segments:
        if view.segment.entry.graph is None:
            continue
        if view.segment.graph is None:
            yield Finding("warning", collection.row.name, f"graph {view.segment.entry.graph.file.name} cannot be used; it is rebuilt")
            continue
        recall = _recall(collection, view, view.segment, view.segment.graph)
        floor = collection.settings.recall_floor
        message = f"graph over {view.segment.graph.rows} rows: recall {recall:.3f} on {SAMPLE_ROWS} stored rows"
        yield Finding("ok" if recall >= floor else "warning", collection.row.name, message)


def _recall(collection: Collection, view: SegmentView, segment: Segment, graph: Graph) -> float:
    """The share of the exact nearest neighbours of stored rows that the graph finds too, by distance."""
    positions = view.alive.positions()
    if not positions.size:
        return 1.0
    chosen = positions[np.linspace(0, len(positions) - 1, min(SAMPLE_ROWS, len(positions)), dtype=np.int64)]
    # As its own ef finds them, whatever a user asked for.
    request = replace(collection.nearest_request(segment.embeddings(chosen), NEIGHBOURS), ef_search=0)
    rows = Searchable(segment.vectors, graph, order=segment.tie_order)
    exact = nearest(replace(request, exact=True), rows, view.alive)
    found = nearest(request, rows, view.alive)
    hits = total = 0
    for (_, wanted), (_, got) in zip(exact, found, strict=True):
        if len(wanted):
            hits += int((got <= wanted[-1]).sum())
            total += len(wanted)
    return hits / max(1, total)
