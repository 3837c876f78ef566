"""Random operations on a real store and on the dict, which must agree at every step."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, ClassVar, TypeVar
from uuid import UUID

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from chroma_async.engine.admin.check_store import check_store
from chroma_async.engine.collection import Collection
from chroma_async.errors import ChromaError, InvalidArgumentError
from chroma_async.types import DeleteRequest, Floats, GetRequest, IncludeField, QueryRequest, RecordBatch, Rows, Scope, Space, WriteKind
from tests.model import strategies as given
from tests.model.reference import Reference, Row
from tests.model.ways import Way

T = TypeVar("T")

SCOPE = Scope()
MOST_COLLECTIONS = 3
#: Share of the true nearest rows that approximate answers must hold, over all queries of a run.
RECALL_FLOOR = 0.99
WHOLE: tuple[IncludeField, ...] = ("documents", "metadatas", "embeddings", "uris")


def batch(rows: Sequence[Row], *, whole: bool) -> RecordBatch:
    """A request of these rows. ``whole``: every row carries an embedding."""
    present = np.array([row.embedding is not None for row in rows])
    zeros = np.zeros(given.DIMENSION, np.float32)
    embeddings = np.stack([zeros if row.embedding is None else row.embedding for row in rows])
    return RecordBatch(
        ids=[row.id for row in rows],
        embeddings=embeddings if whole or present.any() else None,
        present=None if whole or present.all() or not present.any() else present,
        documents=[row.document for row in rows],
        uris=[row.uri for row in rows],
        metadatas=[row.metadata for row in rows],
    )


class Machine(RuleBasedStateMachine):
    """One store with a collection and its forks, one of them in use; subclasses say which way leads to it."""

    make_way: ClassVar[type[Way]]

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.way = self.make_way()
        self.beside: list[asyncio.Task[None]] = []
        self.hits = self.asked = 0
        self.made = 0

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(asyncio.wait_for(work, 60))

    @initialize(space=st.sampled_from(list(Space)), eager=st.booleans())
    def begin(self, space: Space, eager: bool) -> None:
        self.eager = eager
        self.run(self.way.open(eager=eager))
        info = self.run(self.way.api.create_collection(SCOPE, "model", configuration={"hnsw": {"space": space.value}}))
        self.id, self.name = info.id, "model"
        self.reference = Reference(space)
        self.forks = 0
        #: The collections that are not in use now.
        self.others: list[tuple[UUID, str, Reference]] = []

    async def collection(self) -> Collection:
        async with self.way.engine.registry.using(SCOPE, self.id) as collection:
            return collection

    # ------------------------------------------------------------------------------------------------------------------------- writes

    def write(self, kind: WriteKind, rows: Sequence[Row]) -> None:
        self.run(self.way.api.write(SCOPE, self.id, kind, batch(rows, whole=kind is not WriteKind.UPDATE)))
        {WriteKind.ADD: self.reference.add, WriteKind.UPSERT: self.reference.upsert, WriteKind.UPDATE: self.reference.update}[kind](rows)
        self.reference.learn_keys()

    @rule(rows=given.added)
    def add(self, rows: list[Row]) -> None:
        self.write(WriteKind.ADD, rows)

    @rule(rows=given.upserted)
    def upsert(self, rows: list[Row]) -> None:
        self.write(WriteKind.UPSERT, rows)

    @rule(rows=given.updated)
    def update(self, rows: list[Row]) -> None:
        self.write(WriteKind.UPDATE, rows)

    @rule(seed=st.integers(0, 99), count=st.integers(5, 40), kind=st.sampled_from([WriteKind.ADD, WriteKind.ADD, WriteKind.UPSERT]))
    def write_many(self, seed: int, count: int, kind: WriteKind) -> None:
        self.write(kind, given.many(seed, count, self.made))
        self.made += count

    @rule(seed=st.integers(0, 9))
    def write_at_once(self, seed: int) -> None:
        """Requests that wait together are resolved in the order in which they came."""
        rows = given.many(seed, 12, self.made)
        parts = [rows[:5], rows[3:8], rows[6:]]

        async def all_of_them() -> None:
            writes = [self.way.api.write(SCOPE, self.id, WriteKind.UPSERT, batch(part, whole=True)) for part in parts]
            if self.way.in_order:
                await asyncio.gather(*writes)
            else:
                for each in writes:
                    await each

        self.run(all_of_them())
        for part in parts:
            self.reference.upsert(part)
        self.reference.learn_keys()
        self.made += 12

    @rule(ids=st.lists(given.ids | given.absent_ids, min_size=1, max_size=5))
    def delete_by_ids(self, ids: list[str]) -> None:
        assert self.run(self.way.api.delete(SCOPE, self.id, DeleteRequest(ids))) == len(ids)
        self.reference.delete(ids)

    @rule(filter=given.filters, ids=st.none() | st.lists(given.ids, min_size=1), limit=st.none() | st.integers(0, 8))
    def delete_by_filter(self, filter: tuple[Any, Any], ids: list[str] | None, limit: int | None) -> None:
        doomed = self.reference.matching(*filter, ids)[:limit]
        assert self.run(self.way.api.delete(SCOPE, self.id, DeleteRequest(ids, *filter, limit))) == len(doomed)
        self.reference.delete(doomed)

    @rule(start=st.integers(0, 96), count=st.integers(1, 60))
    def delete_many(self, start: int, count: int) -> None:
        ids = [f"r{number % 97}" for number in range(start, start + count)]
        self.run(self.way.api.delete(SCOPE, self.id, DeleteRequest(ids)))
        self.reference.delete(ids)

    @rule(rows=given.added, kind=st.sampled_from(list(WriteKind)), wrong=st.sampled_from(["dimension", "nan", "key"]))
    def be_refused(self, rows: list[Row], kind: WriteKind, wrong: str) -> None:
        """A refused batch changes nothing: neither rows, nor dimension, nor keys."""
        request = batch(rows, whole=True)
        embeddings = request.embeddings
        assert embeddings is not None
        assert request.metadatas is not None
        if wrong == "nan":
            embeddings[-1, 0] = np.nan
        elif wrong == "key":
            request.metadatas[-1] = {"fresh": 1, "$bad": 1}
        elif self.reference.dimension is None:
            return
        else:
            request = RecordBatch(request.ids, np.zeros((len(rows), given.DIMENSION + 1), np.float32))
        with pytest.raises(ChromaError):
            self.run(self.way.api.write(SCOPE, self.id, kind, request))

    # -------------------------------------------------------------------------------------------------------------------------- reads

    @rule(
        ids=st.none() | st.lists(given.ids | given.absent_ids),
        filter=given.any_filter,
        limit=given.limits,
        offset=given.offsets,
        include=given.includes,
    )
    def get(
        self, ids: list[str] | None, filter: tuple[Any, Any], limit: int | None, offset: int, include: tuple[IncludeField, ...]
    ) -> None:
        answer = self.run(self.way.api.get(SCOPE, self.id, GetRequest(ids, *filter, limit, offset, include)))
        wanted = self.reference.matching(*filter, ids)[offset:][:limit]
        assert answer.rows.ids == wanted
        self.compare(answer.rows, include)

    @rule()
    def read_everything(self) -> None:
        rows = self.run(self.way.api.get(SCOPE, self.id, GetRequest(include=WHOLE))).rows
        assert rows.ids == list(self.reference.records)
        self.compare(rows, WHOLE)

    @rule()
    def count(self) -> None:
        assert self.run(self.way.api.count(SCOPE, self.id)) == len(self.reference.records)

    @rule()
    def describe(self) -> None:
        """Dimension and keys show at once, also while they are in the log alone and the collection is not loaded."""
        info = self.run(self.way.api.get_collection(SCOPE, self.name))
        assert info.dimension == self.reference.dimension
        keys = {key: set(types) for key, types in info.schema["keys"].items() if not key.startswith("#")}
        assert keys == self.reference.keys

    @rule(
        queries=st.lists(given.embeddings, max_size=3),
        n_results=st.sampled_from([0, 1, 3, 10, 200]),
        ids=st.none() | st.none() | st.lists(given.ids),
        filter=given.any_filter,
        include=given.includes,
    )
    def query(
        self, queries: list[Floats], n_results: int, ids: list[str] | None, filter: tuple[Any, Any], include: tuple[IncludeField, ...]
    ) -> None:
        embeddings = np.stack(queries) if queries else np.zeros((0, 0), np.float32)
        request = QueryRequest(embeddings, n_results, ids, *filter, (*include, "distances"))
        unknown = ids is not None and filter == (None, None) and any(id not in self.reference.records for id in ids)
        if unknown and self.reference.dimension is not None:
            with pytest.raises(InvalidArgumentError, match="Error finding id"):
                self.run(self.way.api.query(SCOPE, self.id, request))
            return
        answer = self.run(self.way.api.query(SCOPE, self.id, request))
        assert len(answer.queries) == len(queries)
        matching = self.reference.matching(*filter, ids)
        for query, rows in zip(queries, answer.queries, strict=True):
            self.compare(rows, include)
            self.compare_neighbours(rows, self.reference.nearest(query, matching), n_results)

    @precondition(lambda self: self.reference.dimension is not None)
    @rule()
    def query_of_another_length(self) -> None:
        with pytest.raises(InvalidArgumentError):
            self.run(self.way.api.query(SCOPE, self.id, QueryRequest(np.zeros((1, given.DIMENSION + 2), np.float32))))

    def compare(self, rows: Rows, include: tuple[IncludeField, ...]) -> None:
        """Each column, for the rows that were answered."""
        records = [self.reference.records[id] for id in rows.ids]
        assert rows.documents == ([record.document for record in records] if "documents" in include else None)
        assert rows.uris == ([record.uri for record in records] if "uris" in include else None)
        if "metadatas" in include:
            assert rows.metadatas is not None
            assert typed(rows.metadatas) == typed([record.shown() for record in records])
        else:
            assert rows.metadatas is None
        if "embeddings" in include:
            assert rows.embeddings is not None
            assert rows.embeddings.tolist() == [record.embedding.tolist() for record in records]
        else:
            assert rows.embeddings is None

    def compare_neighbours(self, rows: Rows, nearest: list[tuple[float, str]], n_results: int) -> None:
        """As many as there can be, each with its exact distance, ascending; the very nearest where nothing is approximate."""
        wanted = nearest[:n_results]
        assert rows.distances is not None
        assert len(rows.ids) == len(set(rows.ids)) == len(wanted)
        truth = {id: distance for distance, id in nearest}
        assert np.allclose(rows.distances, [truth[id] for id in rows.ids], rtol=1e-5, atol=1e-5)
        assert (np.diff(rows.distances) >= 0).all()
        if not wanted:
            return
        if not self.eager and self.reference.space is not Space.COSINE:
            assert rows.ids == [id for _, id in wanted]
        elif not self.eager:
            assert np.allclose(rows.distances, [distance for distance, _ in wanted], rtol=1e-5, atol=1e-5)
        self.hits += int((rows.distances <= wanted[-1][0] + 1e-5).sum())
        self.asked += len(wanted)

    # -------------------------------------------------------------------------------------------------------------------------- forks

    @precondition(lambda self: len(self.others) < MOST_COLLECTIONS - 1)
    @rule()
    def fork(self) -> None:
        """Go on with a copy; what is written from here on shows on one side only."""
        self.forks += 1
        name = f"fork{self.forks}"
        info = self.run(self.way.api.fork_collection(SCOPE, self.id, name))
        self.others.append((self.id, self.name, self.reference))
        self.id, self.name, self.reference = info.id, name, self.reference.copy()

    @precondition(lambda self: self.others)
    @rule()
    def turn_to_another(self) -> None:
        self.others.append((self.id, self.name, self.reference))
        self.id, self.name, self.reference = self.others.pop(0)

    @precondition(lambda self: self.others)
    @rule()
    def delete_collection(self) -> None:
        """The others live on, also on files and log entries that began with this one."""
        self.wait()
        self.run(self.way.api.delete_collection(SCOPE, self.name))
        self.id, self.name, self.reference = self.others.pop()

    # ---------------------------------------------------------------------------------------------------------------------- machinery

    @rule()
    def flush(self) -> None:
        self.run(self._flush())

    async def _flush(self) -> None:
        await (await self.collection()).flush()

    @rule()
    def finish(self) -> None:
        self.run(self._finish())

    async def _finish(self) -> None:
        await (await self.collection()).finish()

    @rule(everything=st.booleans())
    def compact_beside(self, everything: bool) -> None:
        """Flush or compact while the next operations go on."""

        async def start() -> None:
            self.beside.append(asyncio.get_running_loop().create_task(self._finish() if everything else self._flush()))

        self.run(start())

    @rule()
    def wait(self) -> None:
        """Until what runs beside is done."""

        async def all_done() -> None:
            while self.beside:
                await self.beside.pop()

        self.run(all_done())

    @rule()
    def sweep(self) -> None:
        self.run(self.way.engine.ticker.sweep())

    @rule()
    def pass_time(self) -> None:
        """A long pause: what is idle is flushed, indexed, and on disk unloaded."""
        self.wait()
        self.flush()

        async def ticks() -> None:
            self.way.clock.now += 1000
            await self.way.engine.ticker.tick()
            lanes = [task for task in asyncio.all_tasks() if task.get_name().startswith(("flush of", "maintenance of"))]
            if lanes:
                await asyncio.wait(lanes)
            self.way.clock.now += 1000
            await self.way.engine.ticker.tick()

        self.run(ticks())

    @precondition(lambda self: self.way.reopens)
    @rule(flush=st.booleans())
    def reopen(self, flush: bool) -> None:
        self.wait()
        self.run(self.way.close(flush=flush))
        self.run(self.way.open(eager=self.eager))
        self.describe()

    def teardown(self) -> None:
        try:
            if hasattr(self, "reference"):
                self.wait()
                for _ in range(len(self.others) + 1):
                    self.read_everything()
                    self.run(self._check())
                    if self.others:
                        self.turn_to_another()
                assert self.hits >= RECALL_FLOOR * self.asked, f"recall {self.hits / self.asked:.3f}"
                self.run(self.way.close(flush=False))
        finally:
            self.runner.close()
            self.way.remove()

    async def _check(self) -> None:
        await self._flush()
        damage = [finding async for finding in check_store(self.way.engine) if finding.level == "error"]
        assert damage == []


def typed(metadatas: Sequence[Any]) -> list[Any]:
    """With types beside values: Python says that ``1 == 1.0 == True``."""

    def one(value: Any) -> Any:
        return [one(element) for element in value] if isinstance(value, list) else (type(value).__name__, value)

    return [None if metadata is None else {key: one(value) for key, value in metadata.items()} for metadata in metadatas]
