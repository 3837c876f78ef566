"""A collection of mixture rows in a real store with default settings, and what an exact search of the same rows would answer."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import numpy.typing as npt

from chroma_async.config.settings import Settings
from chroma_async.service.local import LocalAPI, open_local
from chroma_async.types import Bools, DeleteRequest, Floats, Ints, QueryRequest, RecordBatch, Scope, Space, WriteKind
from tests.recall.mixture import Mixture

SCOPE = Scope()
BATCH = 1000
K = 10


@dataclass(frozen=True)
class Recipe:
    """What is put into a store: row ``i`` has id ``str(i)``, its topic, and its rank by nearness to row 17 as metadata."""

    space: Space
    vectors: Floats
    topics: Ints
    queries: Floats

    @classmethod
    def of(cls, space: Space, data: Mixture, vectors: Floats | None = None) -> Recipe:
        return cls(space, data.vectors if vectors is None else vectors, data.topics, data.queries)

    @property
    def ranks(self) -> Ints:
        """0 for the row nearest to row 17, and so on: what a filter on it leaves goes with the vectors."""
        order = np.argsort(self.distances(self.vectors[17:18])[0], kind="stable")
        ranks = np.empty(len(order), np.int64)
        ranks[order] = np.arange(len(order))
        return ranks

    def distances(self, queries: Floats) -> npt.NDArray[np.float64]:
        """``(queries, rows)`` in float64."""
        rows, asked = self.vectors.astype(np.float64), queries.astype(np.float64)
        products: npt.NDArray[np.float64] = asked @ rows.T
        if self.space is Space.IP:
            return 1.0 - products
        if self.space is Space.COSINE:
            return np.asarray(1.0 - products / np.linalg.norm(asked, axis=1)[:, None] / np.linalg.norm(rows, axis=1))
        return np.asarray((asked**2).sum(axis=1)[:, None] + (rows**2).sum(axis=1) - 2 * products)


class Stored:
    """An opened store that was filled by a recipe. ``alive`` says which rows it still has."""

    def __init__(self, api: LocalAPI, id: UUID, recipe: Recipe) -> None:
        self.api = api
        self.id = id
        self.recipe = recipe
        self.alive: Bools = np.ones(len(recipe.vectors), np.bool_)

    async def fill(self) -> None:
        recipe, ranks = self.recipe, self.recipe.ranks.tolist()
        for start in range(0, len(recipe.vectors), BATCH):
            rows = range(start, min(start + BATCH, len(recipe.vectors)))
            metadatas = [{"topic": int(recipe.topics[row]), "rank": ranks[row]} for row in rows]
            batch = RecordBatch([str(row) for row in rows], recipe.vectors[start : start + BATCH], metadatas=list(metadatas))
            await self.api.write(SCOPE, self.id, WriteKind.ADD, batch)

    async def delete_at_random(self, share: float) -> None:
        gone = np.random.default_rng(1).random(len(self.alive)) < share
        await self.api.delete(SCOPE, self.id, DeleteRequest(ids=[str(row) for row in np.flatnonzero(gone & self.alive)]))
        self.alive &= ~gone

    async def delete_topics(self, topics: Ints) -> None:
        await self.api.delete(SCOPE, self.id, DeleteRequest(where={"topic": {"$in": topics.tolist()}}))
        self.alive &= ~np.isin(self.recipe.topics, topics)

    async def compact(self) -> None:
        """Flush, merge, vacuum, index: all that can be done."""
        async for _ in self.api.compact():
            pass

    async def in_graph(self) -> tuple[int, int]:
        """(rows that a graph covers, rows in chunks)."""
        async with self.api.engine.registry.holding(self.id) as collection:
            segments = [view.segment for view in collection.version.segments]
        return sum(segment.covers for segment in segments), sum(segment.rows for segment in segments)

    async def recall(self, *, rank_below: int | None = None, queries: Floats | None = None, k: int = K) -> float:
        """Share of the true ``k`` nearest of the rows it has, among those with a rank below ``rank_below``.

        A row that is as near as the ``k``-th counts. Every answer must be of full length, of different rows, and of allowed ones.
        """
        queries = self.recipe.queries if queries is None else queries
        where: Any = None if rank_below is None else {"rank": {"$lt": rank_below}}
        answer = await self.api.query(SCOPE, self.id, QueryRequest(queries, k, where=where, include=()))
        allowed = self.alive if rank_below is None else self.alive & (self.recipe.ranks < rank_below)
        exact = np.where(allowed, self.recipe.distances(queries), np.inf)
        wanted = min(k, int(np.count_nonzero(allowed)))
        hits = 0
        for distances, rows in zip(exact, answer.queries, strict=True):
            found = np.array(list(map(int, rows.ids)))
            assert len(np.unique(found)) == len(found) == wanted
            assert allowed[found].all()
            last = np.partition(distances, wanted - 1)[wanted - 1]
            hits += int(np.count_nonzero(distances[found] <= last + 1e-6 * (1 + abs(last))))
        return hits / (wanted * len(queries))


@asynccontextmanager
async def opened(place: Path, recipe: Recipe) -> AsyncIterator[Stored]:
    """The store in a directory, with the settings that a user gets who sets none."""
    api = await open_local(str(place), Settings())
    try:
        info = await api.create_collection(SCOPE, "docs", configuration={"hnsw": {"space": recipe.space.value}}, get_or_create=True)
        yield Stored(api, info.id, recipe)
    finally:
        await api.aclose()


async def make(place: Path, recipe: Recipe) -> float:
    """Fill a new store, have everything indexed, and close it. Its recall meanwhile."""
    async with opened(place, recipe) as stored:
        await stored.fill()
        await stored.compact()
        covered, rows = await stored.in_graph()
        assert covered == rows == len(recipe.vectors)
        return await stored.recall()


@asynccontextmanager
async def copied(made: Path, place: Path, recipe: Recipe) -> AsyncIterator[Stored]:
    """A copy of a store that was made, to be spoiled by one test."""
    shutil.copytree(made, place)
    async with opened(place, recipe) as stored:
        yield stored
