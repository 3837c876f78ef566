"""What a store should hold, worked out without it: dictionaries, and the acts that change them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias
from uuid import UUID

import numpy as np

from chroma_async.engine.collection import Collection
from chroma_async.service.local import LocalAPI
from chroma_async.types import (
    ConditionalCommit,
    DeleteOperation,
    DeleteRequest,
    Floats,
    GetRequest,
    Operation,
    RecordBatch,
    Scope,
    Space,
    WriteKind,
)

SCOPE = Scope()


@dataclass(frozen=True)
class Row:
    """One record. The embedding is its float32 bytes: what was stored comes back to the bit."""

    embedding: bytes
    document: str | None
    metadata: Mapping[str, Any] | None
    uri: str | None


@dataclass(frozen=True)
class Shelf:
    """One collection. Rows stand in the order in which their ids were first inserted."""

    name: str
    space: Space
    metadata: Mapping[str, Any] | None
    dimension: int | None = None
    ef_search: int = 100
    keys: frozenset[str] = frozenset()
    rows: Mapping[str, Row] = field(default_factory=dict)


#: A shelf before an act -> after it; ``None`` for a collection that does not exist.
Change: TypeAlias = Callable[["Shelf | None"], "Shelf | None"]


@dataclass
class Session:
    """An opened store as an act sees it."""

    api: LocalAPI

    async def id(self, key: str) -> UUID:
        """Collections are called ``<key>-<anything>``, so that one is known by its key after a renaming."""
        for info in await self.api.list_collections(SCOPE):
            if info.name.split("-")[0] == key:
                return info.id
        raise LookupError(key)

    async def name(self, key: str) -> str:
        id = await self.id(key)
        return next(info.name for info in await self.api.list_collections(SCOPE) if info.id == id)

    async def collection(self, key: str) -> Collection:
        async with self.api.engine.registry.using(SCOPE, await self.id(key)) as collection:
            return collection


@dataclass(frozen=True)
class Act:
    """Something that is asked of a store, of one collection or (``key`` empty) of none, and what it means."""

    key: str
    run: Callable[[Session], Awaitable[object]]
    change: Change = lambda shelf: shelf
    #: The collection that the change begins with, when it is another one.
    source: str | None = None


@dataclass(frozen=True)
class Step:
    """Acts that are asked for at the same moment."""

    name: str
    acts: tuple[Act, ...]


# ---------------------------------------------------------------------------------------------------------------------------- acts


def create(key: str, name: str, space: Space, metadata: dict[str, Any]) -> Act:
    async def run(session: Session) -> None:
        await session.api.create_collection(SCOPE, name, metadata=metadata, configuration={"hnsw": {"space": str(space)}})

    return Act(key, run, lambda shelf: Shelf(name, space, metadata))


def fork(source: str, key: str, name: str) -> Act:
    async def run(session: Session) -> None:
        await session.api.fork_collection(SCOPE, await session.id(source), name)

    def change(shelf: Shelf | None) -> Shelf:
        assert shelf is not None
        return replace(shelf, name=name)

    return Act(key, run, change, source)


def drop(key: str) -> Act:
    async def run(session: Session) -> None:
        await session.api.delete_collection(SCOPE, await session.name(key))

    return Act(key, run, lambda shelf: None)


def modify(key: str, name: str | None, metadata: dict[str, Any] | None, ef_search: int | None) -> Act:
    async def run(session: Session) -> None:
        configuration = None if ef_search is None else {"hnsw": {"ef_search": ef_search}}
        await session.api.modify_collection(
            SCOPE, await session.id(key), new_name=name, new_metadata=metadata, new_configuration=configuration
        )

    def change(shelf: Shelf | None) -> Shelf | None:
        assert shelf is not None
        return replace(
            shelf,
            name=name or shelf.name,
            metadata=shelf.metadata if metadata is None else metadata,
            ef_search=ef_search or shelf.ef_search,
        )

    return Act(key, run, change)


def write(key: str, kind: WriteKind, batch: RecordBatch) -> Act:
    async def run(session: Session) -> None:
        await session.api.write(SCOPE, await session.id(key), kind, batch)

    return Act(key, run, lambda shelf: written(shelf, kind, batch))


def written(shelf: Shelf | None, kind: WriteKind, batch: RecordBatch) -> Shelf:
    """A shelf after an add, update or upsert."""
    assert shelf is not None
    rows = dict(shelf.rows)
    dimension = shelf.dimension
    if batch.embeddings is not None and dimension is None:
        dimension = batch.embeddings.shape[1]
    keys = set(shelf.keys)
    for at, id in enumerate(batch.ids):
        old = rows.get(id)
        if (kind is WriteKind.ADD and old is not None) or (kind is WriteKind.UPDATE and old is None):
            continue
        patch = (batch.metadatas[at] if batch.metadatas else None) or {}
        metadata = {**((old.metadata or {}) if old else {}), **patch}
        metadata = {name: value for name, value in metadata.items() if value is not None}
        keys |= metadata.keys()
        document = batch.documents[at] if batch.documents else None
        uri = batch.uris[at] if batch.uris else None
        embedding = None if batch.embeddings is None else batch.embeddings[at].tobytes()
        rows[id] = Row(
            embedding=embedding if embedding is not None else old.embedding if old else b"",
            document=document if document is not None or old is None else old.document,
            metadata=metadata or None,
            uri=uri if uri is not None or old is None else old.uri,
        )
    return replace(shelf, rows=rows, dimension=dimension, keys=frozenset(keys))


def delete(key: str, ids: Sequence[str]) -> Act:
    async def run(session: Session) -> None:
        await session.api.delete(SCOPE, await session.id(key), DeleteRequest(ids=list(ids)))

    return _deletion(key, run, lambda id, row: id in ids)


def together(key: str, *operations: Operation) -> Act:
    """A transaction."""

    async def run(session: Session) -> None:
        id = await session.id(key)
        _, token = await session.api.conditional_get(SCOPE, id, GetRequest(ids=["r1"]))
        await session.api.conditional_commit(SCOPE, id, ConditionalCommit(token, ["r1"], list(operations)))

    def change(shelf: Shelf | None) -> Shelf | None:
        assert shelf is not None
        for operation in operations:
            if isinstance(operation, DeleteOperation):
                shelf = replace(shelf, rows={id: row for id, row in shelf.rows.items() if id not in operation.ids})
            else:
                shelf = written(shelf, operation.kind, operation.batch)
        return shelf

    return Act(key, run, change)


def delete_where(key: str, where: dict[str, Any], matches: Callable[[Row], bool]) -> Act:
    async def run(session: Session) -> None:
        await session.api.delete(SCOPE, await session.id(key), DeleteRequest(where=where))

    return _deletion(key, run, lambda id, row: matches(row))


def delete_containing(key: str, needle: str) -> Act:
    async def run(session: Session) -> None:
        await session.api.delete(SCOPE, await session.id(key), DeleteRequest(where_document={"$contains": needle}))

    return _deletion(key, run, lambda id, row: needle in (row.document or ""))


def _deletion(key: str, run: Callable[[Session], Awaitable[object]], dies: Callable[[str, Row], bool]) -> Act:
    def change(shelf: Shelf | None) -> Shelf | None:
        assert shelf is not None
        return replace(shelf, rows={id: row for id, row in shelf.rows.items() if not dies(id, row)})

    return Act(key, run, change)


def flush(key: str) -> Act:
    async def run(session: Session) -> None:
        await (await session.collection(key)).flush()

    return Act(key, run)


def finish(key: str) -> Act:
    async def run(session: Session) -> None:
        await (await session.collection(key)).finish()

    return Act(key, run)


def sweep() -> Act:
    async def run(session: Session) -> None:
        await session.api.engine.ticker.sweep()

    return Act("", run)


# --------------------------------------------------------------------------------------------------------------------------- states

State: TypeAlias = dict[str, Shelf]


def after(state: State, acts: Sequence[Act]) -> State:
    """The state that acts lead to."""
    changed = dict(state)
    for act in acts:
        if act.key:
            shelf = act.change(changed.get(act.source or act.key))
            changed.pop(act.key, None)
            if shelf is not None:
                changed[act.key] = shelf
    return changed


def allowed_states(before: State, acts: Sequence[Act], acknowledged: Sequence[bool]) -> list[State]:
    """States that a stop may leave while ``acts`` are under way: of each collection, all that is acknowledged and maybe what follows.

    Acts on one collection take effect in the order in which they were asked for.
    """
    states: list[State] = [before]
    for key in dict.fromkeys(act.key for act in acts):
        chain = [(act, done) for act, done in zip(acts, acknowledged, strict=True) if act.key == key]
        least = max((number + 1 for number, (_, done) in enumerate(chain) if done), default=0)
        states = [after(state, [act for act, _ in chain[:count]]) for state in states for count in range(least, len(chain) + 1)]
    unique: list[State] = []
    for state in states:
        if state not in unique:
            unique.append(state)
    return unique


def embeddings(shelf: Shelf) -> Floats:
    """``(rows, dimension)``, in order."""
    packed = b"".join(row.embedding for row in shelf.rows.values())
    return np.frombuffer(packed, dtype=np.float32).reshape(len(shelf.rows), shelf.dimension or 0)
