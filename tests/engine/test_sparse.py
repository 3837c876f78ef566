"""Sparse search finds what a plain dot product over all living rows finds, whatever became of the rows since they were written."""

from __future__ import annotations

import math
import random
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest

from chroma_async.engine.admin.check_store import check_store
from chroma_async.engine.read.get import allowed_parts
from chroma_async.engine.read.sparse import sparse_knn
from chroma_async.engine.snapshot.version import Version
from chroma_async.query_language.filter_parse import parse
from tests.engine.store import Store

KEY = "body"


def sparse(vector: dict[int, float]) -> dict[str, Any]:
    """JSON of a vector with values that float32 holds exactly."""
    return {"#type": "sparse_vector", "indices": sorted(vector), "values": [vector[index] for index in sorted(vector)]}


def dot_products(
    rows: dict[str, dict[int, float]], query: dict[int, float], limit: int, allowed: Callable[[str], bool], bm25: bool
) -> list[tuple[str, float]]:
    """The same answer from ``rows`` (id -> vector, in order of birth), record by record."""
    factors = {}
    for term, weight in query.items():
        count = sum(term in vector for vector in rows.values())
        factors[term] = weight * (math.log((len(rows) - count + 0.5) / (count + 0.5) + 1) if bm25 else 1.0)
    found = []
    for id, vector in rows.items():
        shared = sorted(vector.keys() & query.keys())
        if shared and allowed(id):
            product = 0.0
            for term in shared:
                product += vector[term] * factors[term]
            found.append((id, float(np.float32(1.0 - product))))
    return sorted(found, key=lambda entry: entry[1])[:limit]


class World:
    """A store, and what it should hold: every third record has no vector under the key."""

    def __init__(self, store: Store, seed: int) -> None:
        self.store = store
        self.random = random.Random(seed)
        self.vectors: dict[str, dict[int, float]] = {}
        self.plain: set[str] = set()
        self.born = 0

    def vector(self) -> dict[int, float]:
        terms = [int(self.random.paretovariate(0.6)) for _ in range(self.random.randint(0, 8))]
        # Few different weights, so that many distances are equal and births decide.
        return {min(term, 4_000_000_000): self.random.choice([0.5, 1.0, -0.25]) for term in terms}

    async def add(self, count: int) -> None:
        ids = [f"r{self.born + n}" for n in range(count)]
        self.born += count
        metadatas: list[Any] = []
        for number, id in enumerate(ids):
            parity = number % 2
            if self.random.random() < 0.3:
                self.plain.add(id)
                metadatas.append({"parity": parity} if number % 4 else None)
            else:
                self.vectors[id] = self.vector()
                metadatas.append({KEY: sparse(self.vectors[id]), "other": sparse({1: 9.0}), "parity": parity})
        await self.store.add(ids, metadatas=metadatas)

    async def update(self, count: int) -> None:
        """Some vectors change, some go, some records get their first."""
        ids = self.random.sample(sorted(self.vectors), count) + self.random.sample(sorted(self.plain), min(count, len(self.plain)))
        patches: list[Any] = []
        for number, id in enumerate(ids):
            if number % 3 == 0 and id in self.vectors:
                del self.vectors[id]
                self.plain.add(id)
                patches.append({KEY: None})
            else:
                self.plain.discard(id)
                self.vectors[id] = self.vector()
                patches.append({KEY: sparse(self.vectors[id])})
        await self.store.update(ids, metadatas=patches)
        order = {id: int(id[1:]) for id in self.vectors}
        self.vectors = {id: self.vectors[id] for id in sorted(order, key=order.__getitem__)}

    async def delete(self, count: int) -> None:
        ids = self.random.sample(sorted(self.vectors), count)
        for id in ids:
            del self.vectors[id]
        await self.store.delete(ids)

    async def agrees(self) -> None:
        collection = await self.store.collection()
        for _ in range(6):
            query = self.vector() | {1: 1.0}
            limit = self.random.choice([1, 3, 10, 1000])
            for where in (None, {"parity": 1}):
                for bm25 in (False, True):
                    await collection.read(self._compare, query, limit, where, bm25)

    def _compare(self, version: Version, query: dict[int, float], limit: int, where: Any, bm25: bool) -> None:
        filter = parse(where, None)
        allowed = allowed_parts(version, filter, None)
        odd = None if filter is None else set(version.ids_at(self._matching(version, where)))
        expected = dot_products(self.vectors, query, limit, lambda id: odd is None or id in odd, bm25)
        places, scores = sparse_knn(version, KEY, sorted(query), [query[term] for term in sorted(query)], limit, allowed, bm25)
        assert scores.dtype == np.float32
        assert list(zip(version.ids_at(places), scores.tolist(), strict=True)) == expected

    @staticmethod
    def _matching(version: Version, where: Any) -> Any:
        from chroma_async.engine.read.get import choose

        return choose(version, parse(where, None), None, None, 0)


async def test_a_search_agrees_with_dot_products_from_memtable_to_vacuum(store: Store) -> None:
    world = World(store, 1)
    await world.add(10)
    await world.agrees()
    for _ in range(4):
        await world.add(70)
        await world.update(8)
        await world.delete(5)
        await world.agrees()
        await store.flush()
        await world.agrees()
    await world.delete(60)
    await world.agrees()
    collection = await store.collection()
    chunks = [chunk for segment in collection.manifest.segments for chunk in segment.chunks]
    await store.finish()
    finished = [chunk for segment in collection.manifest.segments for chunk in segment.chunks]
    assert {chunk.postings for chunk in chunks}.isdisjoint({chunk.postings for chunk in finished}), "merged or vacuumed"
    assert all(chunk.postings is not None for chunk in finished)
    await world.agrees()
    await world.add(300)
    await world.agrees()


async def test_a_search_agrees_with_dot_products_after_reopening(open_store: Callable[..., Awaitable[Store]]) -> None:
    first = await open_store()
    world = World(first, 2)
    await world.add(100)
    await first.flush()
    await world.add(40)
    await world.delete(20)
    await world.update(6)
    await first.engine.aclose(flush=False)
    world.store = await open_store()
    await world.agrees()
    await world.store.finish()
    await world.agrees()
    findings = [finding async for finding in check_store(world.store.engine)]
    assert not [finding for finding in findings if finding.level == "error"]
    assert any(".postings" in finding.message for finding in findings)
    assert any("sparse vectors of 2 keys" in finding.message for finding in findings)


async def test_equal_distances_come_in_order_of_birth_also_when_rows_were_rewritten(store: Store) -> None:
    ids = [f"r{n:02}" for n in range(20)]
    await store.add(ids, metadatas=[{KEY: sparse({5: 1.0})} for _ in ids])
    await store.flush()
    await store.update(["r03", "r11"], metadatas=[{"note": "moved behind all others"}] * 2)
    for _ in range(2):
        version = (await store.collection()).version
        for limit in (1, 4, 12, 20):
            places, _ = sparse_knn(version, KEY, [5], [2.0], limit, allowed_parts(version, None, None), False)
            assert version.ids_at(places) == ids[:limit]
        await store.finish()


async def test_nothing_is_found_without_a_shared_term_without_the_key_or_without_room(disk: Store) -> None:
    version = (await disk.collection()).version
    assert len(sparse_knn(version, KEY, [1], [1.0], 5, allowed_parts(version, None, None), True)[0]) == 0
    await disk.add(["a", "b"], metadatas=[{KEY: sparse({1: 1.0})}, {"n": 1}])
    for _ in range(2):
        version = (await disk.collection()).version
        for key, indices, limit in ((KEY, [2], 5), ("n", [1], 5), ("absent", [1], 5), (KEY, [1], 0), (KEY, [], 5)):
            places, scores = sparse_knn(version, key, indices, [1.0] * len(indices), limit, allowed_parts(version, None, None), True)
            assert (len(places), len(scores)) == (0, 0)
        await disk.flush()


async def test_a_search_within_ids_finds_those_alone(store: Store) -> None:
    await store.add(["a", "b", "c"], metadatas=[{KEY: sparse({1: weight})} for weight in (1.0, 2.0, 3.0)])
    await store.flush()
    version = (await store.collection()).version
    places, scores = sparse_knn(version, KEY, [1], [1.0], 5, allowed_parts(version, None, ["a", "b", "x"]), False)
    assert version.ids_at(places) == ["b", "a"]
    assert scores.tolist() == [-1.0, 0.0]


async def test_chunks_without_sparse_vectors_have_no_postings_file(disk: Store) -> None:
    await disk.add(["a"], metadatas=[{"n": 1}])
    await disk.flush()
    await disk.add(["b"], metadatas=[{KEY: sparse({})}])
    await disk.flush()
    (segment,) = (await disk.collection()).manifest.segments
    assert [chunk.postings is None for chunk in segment.chunks] == [True, False]
    assert [len(chunk.files) for chunk in segment.chunks] == [3, 4]


async def test_sparse_vectors_count_towards_the_bytes_of_a_memtable(store: Store) -> None:
    await store.add(["a"], metadatas=[{KEY: sparse({1: 1.0})}])
    before = (await store.collection()).bytes
    await store.add(["b"], metadatas=[{KEY: sparse(dict.fromkeys(range(1000), 1.0))}])
    assert (await store.collection()).bytes - before > 50_000


@pytest.mark.parametrize("damage", [b"\xff", b""])
async def test_a_damaged_postings_file_is_named_by_the_check(disk: Store, damage: bytes, tmp_path: Any) -> None:
    await disk.add(["a", "b"], metadatas=[{KEY: sparse({1: 1.0})}, {KEY: sparse({1: 2.0, 7: 1.0})}])
    await disk.flush()
    (file,) = (tmp_path / "data" / "segments").glob("*.postings")
    await disk.engine.aclose(flush=False)
    raw = file.read_bytes()
    file.chmod(0o600)
    file.write_bytes(damage + raw[1:] if damage else raw[:-1])
    reopened = await Store.open(tmp_path / "data", disk.engine.context.monotonic)  # type: ignore[arg-type]
    try:
        errors = [finding for finding in [one async for one in check_store(reopened.engine)] if finding.level == "error"]
        assert any(file.name in finding.message for finding in errors)
    finally:
        await reopened.engine.aclose(flush=False)
