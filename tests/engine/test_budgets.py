"""What a filter may cost is bounded for the whole request, and judging it holds nobody up."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from chroma_async.engine.snapshot.filter_cache import CachedFilter, FilterCache
from chroma_async.errors import InvalidArgumentError, UnprocessableError
from chroma_async.format.bitmap import Bitmap
from chroma_async.query_language.filter_ast import DocumentContains, Equals
from chroma_async.query_language.filter_evaluate import predicate
from chroma_async.query_language.filter_parse import parse
from chroma_async.rust_regex.patterns import Budget
from chroma_async.types import DeleteRequest, SearchRequest
from tests.engine.store import SCOPE, TINY, Store, vectors

Open = Callable[..., Awaitable[Store]]

REGEX = {"$regex": "x+"}


def test_one_budget_is_spent_by_all_patterns_and_parts_that_are_asked_within_it() -> None:
    now = iter(0.3 * tick for tick in range(100))
    budget = Budget(1.0, lambda: next(now))
    filter = parse(None, {"$or": [{"$regex": "a"}, {"$regex": "b"}]})
    assert filter is not None
    with budget:
        first, second = predicate(filter), predicate(filter)
    assert not first("id", None, "xx")  # two searches
    assert not second("id", None, "xx")  # and two more
    with pytest.raises(InvalidArgumentError, match="1 s"):
        first("id", None, "xx")


def test_budgets_of_other_threads_are_their_own() -> None:
    budget = Budget(1e-9)
    filter = parse(None, REGEX)
    assert filter is not None
    found: list[bool] = []
    with budget:
        thread = threading.Thread(target=lambda: found.extend(predicate(filter)("id", None, "x") for _ in range(3)))
        thread.start()
        thread.join()
    assert found == [True] * 3


@pytest.mark.parametrize("flushed", [False, True])
async def test_every_verb_that_takes_a_filter_keeps_to_the_budget(open_store: Open, flushed: bool) -> None:
    store = await open_store(settings=replace(TINY, regex_budget_s=1e-9))
    ids = [f"a{n}" for n in range(30)]
    await store.add(ids, vectors(range(30)), documents=["x"] * 30, metadatas=[{"k": "x"}] * 30)
    if flushed:
        await store.flush()
    calls: list[Callable[[], Awaitable[Any]]] = [
        lambda: store.get(where_document=REGEX),
        lambda: store.api.count(SCOPE, store.id, where_document=REGEX),
        lambda: store.query([1.0] * 4, where_document=REGEX),
        lambda: store.api.delete(SCOPE, store.id, DeleteRequest(where_document=REGEX)),
        lambda: store.api.search(SCOPE, store.id, SearchRequest([{"filter": {"#document": REGEX}}])),
    ]
    for call in calls:
        with pytest.raises(InvalidArgumentError, match="1e-09 s"):
            await call()
    assert await store.count() == 30


async def test_patterns_have_a_longest_length(open_store: Open) -> None:
    store = await open_store(settings=replace(TINY, max_pattern_chars=10))
    assert await store.ids(where_document={"$regex": "a" * 10}) == []
    with pytest.raises(InvalidArgumentError, match="10"):
        await store.ids(where_document={"$regex": "a" * 11})
    with pytest.raises(UnprocessableError, match="10"):
        await store.api.search(SCOPE, store.id, SearchRequest([{"filter": {"#document": {"$regex": "a" * 11}}}]))


HEAVY: list[dict[str, Any]] = [
    {"where": {"k": {"$in": [f"v{n}" for n in range(2000)]}}},
    {"where": {"$or": [{"k": n} for n in range(300)]}},
    {"where_document": {"$regex": r"(?i)\p{Lu}"}},
    {"where_document": {"$regex": "a" * 201}},
    {"where": {"$and": [{"k": 1}, {"#document": {"$not_regex": r"\w"}}]}},
]


@pytest.mark.parametrize("request_", HEAVY, ids=["list", "clauses", "classes", "length", "nested"])
async def test_heavy_filters_are_parsed_in_a_thread(store: Store, request_: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []

    def noted(*arguments: Any, **named: Any) -> Any:
        threads.append(threading.get_ident())
        return parse(*arguments, **named)

    monkeypatch.setattr("chroma_async.service.filters.parse", noted)
    await store.ids(**request_)
    await store.ids(where={"k": 1}, where_document={"$contains": "x"})
    assert threads[0] != threading.get_ident()
    assert threads[1] == threading.get_ident()


def test_remembered_masks_count_the_text_of_their_filters() -> None:
    masks = FilterCache(500_000)
    for number in range(100):
        masks.put(number, DocumentContains("x" * 7000 + str(number)), False, CachedFilter(Bitmap.ones(8)))
    assert len(masks._entries) < 100
    masks.put(1, Equals("k", "x" * 10_000), False, CachedFilter(Bitmap.ones(8)))
    assert masks.get(1, Equals("k", "x" * 10_000), False) is None
