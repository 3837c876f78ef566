"""Answers to filters are remembered, within their bound, and are never out of date."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

import numpy as np
import pytest

from chroma_async.engine.snapshot.filter_cache import CachedFilter, FilterCache
from chroma_async.engine.snapshot.version import SegmentView
from chroma_async.format.bitmap import Bitmap
from chroma_async.query_language.filter_ast import And, Equals, Filter, IdIn, OneOf
from chroma_async.query_language.filter_parse import parse
from tests.engine.store import TINY, Store

OpenStore = Callable[..., Awaitable[Store]]


def kept(size: int) -> CachedFilter:
    return CachedFilter(Bitmap.ones(size))


def test_what_was_not_asked_for_longest_goes_first() -> None:
    cache = FilterCache(5000)
    filters = [Equals("number", number) for number in range(50)]
    for filter in filters:
        cache.put(1, filter, False, kept(800))
        assert cache.get(1, filters[0], False) is not None
        assert cache.bytes <= 5000
    held = [filter for filter in filters if cache.get(1, filter, False)]
    assert 3 <= len(held) < 10
    assert held[1:] == filters[-len(held) + 1 :]


def test_an_answer_belongs_to_one_owner_one_filter_and_one_kind_of_value() -> None:
    cache = FilterCache(10_000)
    cache.put(1, Equals("a", 1), False, kept(8))
    assert cache.get(1, Equals("a", 1), False) is not None
    for owner, filter, approximate in ((2, Equals("a", 1), False), (1, Equals("a", True), False), (1, Equals("a", 1), True)):
        assert cache.get(owner, filter, approximate) is None


def test_putting_again_replaces_and_counts_once() -> None:
    cache = FilterCache(10_000)
    cache.put(1, Equals("a", 1), False, kept(80))
    before = cache.bytes
    cache.put(1, Equals("a", 1), False, kept(80))
    assert cache.bytes == before


@pytest.mark.parametrize("filter", [IdIn(tuple(map(str, range(1000)))), And((Equals("a", 1), OneOf("b", tuple(range(1000)))))])
def test_a_filter_as_large_as_its_answer_is_not_kept(filter: Filter) -> None:
    cache = FilterCache(1 << 20)
    cache.put(1, filter, False, kept(8))
    assert (cache.get(1, filter, False), cache.bytes) == (None, 0)


def test_a_bound_of_nothing_keeps_nothing() -> None:
    cache = FilterCache(0)
    cache.put(1, Equals("a", 1), False, kept(8))
    assert (cache.get(1, Equals("a", 1), False), cache.bytes) == (None, 0)


async def test_the_same_question_gets_the_same_object_until_a_row_dies(disk: Store) -> None:
    await disk.add([f"a{n}" for n in range(40)], metadatas=[{"n": n} for n in range(40)])
    await disk.flush()
    filter = parse({"n": {"$lt": 10}}, None)
    assert filter is not None

    async def mask() -> Bitmap:
        (view,) = [part for part in (await disk.collection()).version.parts if isinstance(part, SegmentView)]
        return view.mask(filter)

    first = await mask()
    assert await mask() is first
    await disk.add(["late"])
    assert await mask() is first
    await disk.delete(["a3"])
    assert (await mask()).positions().tolist() == [0, 1, 2, 4, 5, 6, 7, 8, 9]


@pytest.mark.parametrize("filter_cache_bytes", [0, 2000, 1 << 20])
async def test_answers_are_the_same_whatever_is_remembered_and_whatever_happens(open_store: OpenStore, filter_cache_bytes: int) -> None:
    store = await open_store(settings=replace(TINY, filter_cache_bytes=filter_cache_bytes))
    random = np.random.default_rng(5)
    truth: dict[str, int] = {}
    wheres = [{"n": {"$lt": 30}}, {"n": {"$gte": 70}}, {"n": 5}, {"$or": [{"n": 6}, {"n": {"$ne": 6}}]}]
    for step in range(60):
        ids = [f"id{number}" for number in random.choice(200, 20, replace=False)]
        match step % 6:
            case 0 | 1 | 2:
                numbers = random.integers(0, 100, 20).tolist()
                await store.upsert(ids, metadatas=[{"n": number} for number in numbers])
                truth |= dict(zip(ids, numbers, strict=True))
            case 3:
                await store.delete(ids[:10])
                for id in ids[:10]:
                    truth.pop(id, None)
            case 4:
                await store.flush()
            case 5:
                await store.finish()
        for where, holds in zip(wheres, (lambda n: n < 30, lambda n: n >= 70, lambda n: n == 5, lambda n: True), strict=True):
            expected = {id for id, number in truth.items() if holds(number)}
            assert set(await store.ids(where=where)) == expected
            assert set((await store.query([0.0] * 4, 500, where=where)).ids) == expected
