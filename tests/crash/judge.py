"""Opens what a stopped store left behind, and says whether it is what was acknowledged."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from chroma_async.engine.admin.check_store import check_store
from chroma_async.engine.engine import Engine
from chroma_async.index.distance import exact_top_k
from chroma_async.service.local import LocalAPI
from chroma_async.service.sharing import Lease
from chroma_async.storage.filesystem import FileSystem
from chroma_async.storage.open import SEGMENTS_DIRECTORY
from chroma_async.types import CollectionInfo, Floats, GetRequest, QueryRequest, RecordBatch, Rows, Space, WriteKind
from tests.crash.history import SETTINGS
from tests.crash.images import Image
from tests.crash.model import SCOPE, Row, Session, Shelf, State, embeddings

#: Keys that every schema has.
STANDARD_KEYS = {"#document", "#embedding"}


@asynccontextmanager
async def opened(directory: Path, files: FileSystem | None = None, wrap: Any = None) -> AsyncIterator[Session]:
    """A store for the length of a block; nothing is flushed at its end."""
    engine = await Engine.open(str(directory), SETTINGS, automatic=False, files=files, wrap=wrap)
    try:
        yield Session(LocalAPI(Lease(engine, None)))
    finally:
        await engine.aclose(flush=False)


@dataclass(frozen=True)
class Point:
    """One stop: where, what is on the disk, and which states that may be."""

    where: str
    step: str
    image: Image
    allowed: tuple[State, ...]


class WrongState(AssertionError):
    """The store holds something that it should not, or lacks something."""


async def judge(directory: Path, allowed: Sequence[State], *, usable: bool = True) -> State:
    """The state that the store at ``directory`` has. Whatever else is wrong is an AssertionError.

    :param allowed: the states that it may have.
    :param usable: also write to it, flush, and look again.
    """
    async with opened(directory) as session:
        state = await found_state(session)
        if state not in allowed:
            raise WrongState(
                "\n".join(
                    f"not allowed state {number}: {line}" for number, other in enumerate(allowed) for line in difference(other, state)
                )
            )
        await agrees(session, state)
        await sound(session, directory)
        if usable and state:
            key = sorted(state)[0]
            await goes_on(session, key, state[key])
    if usable and state:
        async with opened(directory) as session:
            assert (await found_state(session))[key] == more_rows(state[key])
            await sound(session, directory)
    return state


def difference(expected: State, found: State) -> list[str]:
    """What is wrong with ``found``, in words."""
    lines = []
    for key in sorted(expected.keys() | found.keys()):
        left, right = expected.get(key), found.get(key)
        if left is None or right is None:
            lines.append(f"{key}: {'not expected' if left is None else 'missing'}")
        elif left != right:
            lines.append(f"{key}: {replace(left, rows={})} against {replace(right, rows={})}")
            lines.append(
                f"  missing {[id for id in left.rows if id not in right.rows]}, extra {[id for id in right.rows if id not in left.rows]}"
            )
            lines.append(f"  different {[id for id in left.rows if id in right.rows and left.rows[id] != right.rows[id]]}")
            lines.append(f"  same order {list(left.rows) == list(right.rows)}")
    return lines


async def found_state(session: Session) -> State:
    """Everything that a store holds, read through the API."""
    state: State = {}
    for info in await session.api.list_collections(SCOPE):
        records = await session.api.get(SCOPE, info.id, GetRequest(include=("documents", "metadatas", "embeddings", "uris")))
        shelf = shelf_of(info, records.rows)
        assert len(shelf.rows) == len(records.rows.ids), "an id came twice"
        assert await session.api.count(SCOPE, info.id) == len(shelf.rows)
        state[info.name.split("-")[0]] = shelf
    return state


def shelf_of(info: CollectionInfo, rows: Rows) -> Shelf:
    assert rows.embeddings is not None
    assert rows.documents is not None
    assert rows.metadatas is not None
    assert rows.uris is not None
    options = info.configuration["hnsw"]
    assert info.schema["keys"]["#embedding"]["float_list"]["vector_index"]["config"]["hnsw"]["ef_search"] == options["ef_search"]
    return Shelf(
        name=info.name,
        space=Space(options["space"]),
        metadata=info.metadata,
        dimension=info.dimension,
        ef_search=options["ef_search"],
        keys=frozenset(info.schema["keys"]) - STANDARD_KEYS,
        rows={
            id: Row(embedding.tobytes(), document, metadata, uri)
            for id, embedding, document, metadata, uri in zip(
                rows.ids, rows.embeddings, rows.documents, rows.metadatas, rows.uris, strict=True
            )
        },
    )


async def agrees(session: Session, state: State) -> None:
    """Pages, filters and queries give what the rows say."""
    for key, shelf in state.items():
        id = await session.id(key)
        order = list(shelf.rows)
        page = await session.api.get(SCOPE, id, GetRequest(limit=7, offset=5))
        assert page.rows.ids == order[5:12]
        red = await session.api.get(SCOPE, id, GetRequest(where={"colour": "red"}))
        assert red.rows.ids == [other for other, row in shelf.rows.items() if (row.metadata or {}).get("colour") == "red"]
        foxes = await session.api.get(SCOPE, id, GetRequest(where_document={"$contains": "quick fox"}))
        assert foxes.rows.ids == [other for other, row in shelf.rows.items() if "quick fox" in (row.document or "")]
        some = [*order[::3], "nobody"]
        assert (await session.api.get(SCOPE, id, GetRequest(ids=some))).rows.ids == order[::3]
        if shelf.dimension is not None:
            await nearest_agree(session, key, shelf, None, order)
            await nearest_agree(session, key, shelf, {"colour": "red"}, red.rows.ids)


async def nearest_agree(session: Session, key: str, shelf: Shelf, where: Mapping[str, Any] | None, allowed: Sequence[str]) -> None:
    queries: Floats = np.random.default_rng(7).standard_normal((2, shelf.dimension or 0)).astype(np.float32)
    answer = await session.api.query(SCOPE, await session.id(key), QueryRequest(queries, 5, where=where))
    chosen = replace(shelf, rows={id: shelf.rows[id] for id in allowed})
    rows, distances = exact_top_k(shelf.space, queries, embeddings(chosen), 5)
    for got, best, values in zip(answer.queries, rows, distances, strict=True):
        assert got.ids == [allowed[row] for row in best]
        assert got.distances is not None
        np.testing.assert_allclose(got.distances, values, rtol=1e-4, atol=1e-5)


async def sound(session: Session, directory: Path) -> None:
    """Every stored byte is as it was written, and no file lies about that nothing names."""
    engine = session.api.engine
    faults = [finding for finding in [finding async for finding in check_store(engine)] if finding.level != "ok"]
    assert not faults, faults
    assert await engine.ticker.sweep() == 0
    named = await engine.context.backends.catalog.named_files()
    assert {path.name for path in (directory / SEGMENTS_DIRECTORY).iterdir()} == named


async def judge_all(points: Sequence[Point], directory: Path, *, usable_every: int = 4) -> None:
    """Judge each point; one of so many is also written to."""
    for number, point in enumerate(points):
        place = point.image.write(directory / str(number))
        try:
            await judge(place, point.allowed, usable=number % usable_every == 0)
        except Exception as error:
            raise AssertionError(f"stopped {point.where}, in step {point.step!r}: {error!r}") from error
        shutil.rmtree(place)


MORE = ("last1", "last2")


def more_rows(shelf: Shelf) -> Shelf:
    """The shelf after :func:`goes_on`."""
    dimension = shelf.dimension or 2
    row = Row(np.ones(dimension, dtype=np.float32).tobytes(), "a late fox", {"late": True}, None)
    return replace(shelf, dimension=dimension, keys=shelf.keys | {"late"}, rows={**shelf.rows, **dict.fromkeys(MORE, row)})


async def goes_on(session: Session, key: str, shelf: Shelf) -> None:
    """The store takes writes, and flushes them."""
    id = await session.id(key)
    for at, name in enumerate(MORE):
        batch = RecordBatch(
            [name], np.ones((1, shelf.dimension or 2), dtype=np.float32), documents=["a late fox"], metadatas=[{"late": True}]
        )
        await session.api.write(SCOPE, id, WriteKind.ADD, batch)
        if at == 0:
            await (await session.collection(key)).flush()
    assert (await found_state(session))[key] == more_rows(shelf)
