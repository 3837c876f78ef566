from __future__ import annotations

import math
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chroma_async.engine.read.search import search, search_each
from chroma_async.engine.snapshot.version import Version
from chroma_async.errors import InvalidArgumentError, InvalidDimensionException, UnprocessableError
from chroma_async.query_language.search_ast import Search
from chroma_async.query_language.search_parse import check, parse
from chroma_async.types import ReadLevel, Rows, SearchRequest, SearchRows
from tests.engine.brute import Record
from tests.engine.brute import search as by_hand
from tests.engine.store import SCOPE, Store

SCORED = {"keys": ["#score"]}
EVERY = settings(deadline=None, derandomize=True, max_examples=250)

# Few different numbers, so that distances are exact in float32 and often equal.
whole = st.integers(0, 3).map(float)
constants = st.one_of(whole, st.sampled_from([-1.0, 0.5, 60.0, 1e30, -1e38]))
defaults = st.none() | constants
dense = st.lists(whole, min_size=4, max_size=4)
sparse = st.dictionaries(st.integers(0, 5), st.sampled_from([1.0, 2.0, -1.0]), max_size=3).map(
    lambda terms: {"indices": sorted(terms), "values": [terms[index] for index in sorted(terms)]}
)


def knn(query: Any, limit: int, default: float | None, return_rank: bool) -> dict[str, Any]:
    key = "#embedding" if isinstance(query, list) else "sp"
    return {"$knn": {"query": query, "key": key, "limit": limit, "default": default, "return_rank": return_rank}}


def combined(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.one_of(
        st.tuples(st.sampled_from(["$sum", "$mul", "$max", "$min"]), st.lists(inner, max_size=3)).map(lambda t: {t[0]: t[1]}),
        st.tuples(st.sampled_from(["$sub", "$div"]), inner, inner).map(lambda t: {t[0]: {"left": t[1], "right": t[2]}}),
        st.tuples(st.sampled_from(["$abs", "$exp", "$log"]), inner).map(lambda t: {t[0]: t[1]}),
    )


knns = st.builds(knn, st.one_of(dense, dense, sparse), st.sampled_from([0, 1, 3, 8, 16, 1000]), defaults, st.booleans())
ranks = st.recursive(st.one_of(knns, knns, constants.map(lambda value: {"$val": value})), combined, max_leaves=6)
filters = st.sampled_from(
    [
        None,
        {"c": "a"},
        {"n": {"$lt": 7}},
        {"$or": [{"c": "b"}, {"n": 3}]},
        {"n": -1},
        {"#id": {"$in": ["r1", "r2", "r40", "r77", "r999"]}},
        {"#document": {"$contains": "7"}},
    ]
)
fields = st.sampled_from(["c", "n", "mixed", "absent"])
groupings = st.builds(
    lambda keys, operator, by, k: {"keys": keys, "aggregate": {operator: {"keys": by, "k": k}}},
    st.lists(fields, min_size=1, max_size=2),
    st.sampled_from(["$min_k", "$max_k"]),
    st.lists(st.one_of(fields, st.just("#score")), min_size=1, max_size=2),
    st.integers(1, 3),
)
windows = st.builds(lambda offset, limit: {"offset": offset, "limit": limit}, st.integers(0, 4), st.none() | st.integers(0, 9))


def row(number: int) -> dict[str, Any]:
    """Metadata of a record: some keys are missing, and one has values of every type."""
    mixed = [None, True, 1, 1.0, "x", [1, 2], False, 2.5, [1], "", 0][number % 11]
    return {
        "c": "abc"[number % 3],
        "n": number % 10,
        **({} if mixed is None else {"mixed": mixed}),
        **({"sp": {"#type": "sparse_vector", "indices": [number % 4, 4], "values": [1.0, float(number % 3)]}} if number % 2 else {}),
    }


async def fill(store: Store, start: int, stop: int, verb: str = "add") -> None:
    numbers = range(start, stop)
    await store.write(
        verb,
        [f"r{number}" for number in numbers],
        [[number % 4, number // 4 % 4, number % 3, number % 2] for number in numbers],
        metadatas=[row(number) for number in numbers],
        documents=[f"text {number}" for number in numbers],
    )


@pytest.fixture
async def mixed(open_store: Callable[..., Awaitable[Store]]) -> Store:
    """Records in a graph, in chunks behind it, and in the memtable; some moved by updates, some deleted everywhere."""
    store = await open_store()
    await fill(store, 0, 60)
    await store.delete(["r3", "r4"])
    await store.flush()
    await fill(store, 10, 15, "upsert")
    await store.finish()
    await fill(store, 60, 80)
    await store.flush()
    await store.update(["r20", "r61"], np.ones((2, 4)), metadatas=[{"n": 1, "c": None}, {"mixed": "x"}])
    await fill(store, 80, 90)
    await fill(store, 4, 5)
    await store.delete(["r30", "r62", "r81"])
    return store


async def records(store: Store) -> list[Record]:
    everything = await store.everything()
    assert everything.embeddings is not None
    assert everything.metadatas is not None
    assert everything.documents is not None
    return [
        Record(id, age, vector, dict(metadata or {}), document)
        for age, (id, vector, metadata, document) in enumerate(
            zip(everything.ids, everything.embeddings.tolist(), everything.metadatas, everything.documents, strict=True)
        )
    ]


async def version_of(store: Store) -> Version:
    return (await store.collection()).version


def read(payload: dict[str, Any]) -> Search:
    searches = parse([payload])
    check(searches)
    return searches[0]


async def asked(store: Store, *payloads: dict[str, Any], read_level: ReadLevel = ReadLevel.INDEX_AND_WAL) -> list[SearchRows]:
    return await store.api.search(SCOPE, store.id, SearchRequest(list(payloads), read_level))


async def pairs(store: Store, **payload: Any) -> list[tuple[str, float]]:
    (answer,) = await asked(store, {**payload, "select": SCORED})
    assert answer.scores is not None
    return list(zip(answer.rows.ids, answer.scores.tolist(), strict=True))


def near(*query: float, **body: Any) -> dict[str, Any]:
    return {"$knn": {"query": list(query), **body}}


# ---------------------------------------------------------------------------------------------------------------- the definition


async def test_a_search_answers_what_its_definition_says_record_by_record(mixed: Store) -> None:
    held, version = await records(mixed), await version_of(mixed)
    assert len(version.segments) >= 1
    assert len(version.memtables[-1].alive.positions()) > 5
    dense = (await mixed.collection()).nearest_request()

    @EVERY
    @given(filters, ranks, st.none() | groupings, windows)
    def agree(where: Any, rank: dict[str, Any], group_by: Any, window: dict[str, Any]) -> None:
        payload = {"filter": where, "rank": rank, "group_by": group_by or {}, "limit": window, "select": SCORED}
        expected = by_hand(held, payload)
        if all(math.isfinite(score) for _, score in expected):
            answer = search(version, read(payload), "searches[0]", dense, {"sp": False})
            assert answer.scores is not None
            assert list(zip(answer.rows.ids, answer.scores.tolist(), strict=True)) == expected
        else:
            with pytest.raises(InvalidArgumentError, match=r"searches\[0\]\.rank\.\$"):
                search(version, read(payload), "searches[0]", dense, {"sp": False})

    agree()


async def test_a_search_without_rank_lists_by_age_with_places_for_scores(mixed: Store) -> None:
    held = await records(mixed)
    for where in (None, {"c": "a"}, {"#id": {"$in": ["r82", "r1", "r4"]}}):
        for window in ({}, {"offset": 2, "limit": 3}, {"limit": 0}, {"offset": 1000}):
            payload = {"filter": where, "limit": window}
            assert await pairs(mixed, **payload) == by_hand(held, payload)


# ------------------------------------------------------------------------------------------------------------- what it is made of


@pytest.fixture
async def five(store: Store) -> Store:
    """Records 0 to 4 at distances 0, 4, 16, 36, 64 from the origin."""
    await store.add([f"r{n}" for n in range(5)], metadatas=[{"n": n, "c": "ab"[n % 2]} for n in range(5)], documents=["x"] * 5)
    return store


ORIGIN = (0.0, 0.0, 0.0, 0.0)


async def test_records_beyond_the_limit_drop_out_unless_there_is_a_default(five: Store) -> None:
    few, many = near(*ORIGIN, limit=2), near(*ORIGIN, limit=4)
    assert await pairs(five, rank={"$sum": [few, many]}) == [("r0", 0), ("r1", 8)]
    few = near(*ORIGIN, limit=2, default=100)
    assert await pairs(five, rank={"$sum": [few, many]}) == [("r0", 0), ("r1", 8), ("r2", 116), ("r3", 136)]


async def test_a_constant_covers_every_record_and_names_none(five: Store) -> None:
    assert await pairs(five, rank={"$val": 1}) == []
    assert await pairs(five, rank={"$sub": {"left": {"$val": 1}, "right": near(*ORIGIN, limit=2)}}) == [("r1", -3), ("r0", 1)]


async def test_folds_over_nothing_start_from_chromas_values(five: Store) -> None:
    highest = float(np.finfo(np.float32).max)
    one = near(*ORIGIN, limit=1)
    for operator, start in (("$sum", 0), ("$mul", 1), ("$max", -highest), ("$min", highest)):
        assert await pairs(five, rank={"$max": [{"$sum": [{operator: []}, {"$mul": [one, {"$val": 0}]}]}]}) == [("r0", start)]


async def test_a_filter_comes_before_the_neighbours(five: Store) -> None:
    assert await pairs(five, filter={"c": "b"}, rank=near(*ORIGIN, limit=2)) == [("r1", 4), ("r3", 36)]


async def test_equal_scores_come_by_age_also_after_updates(store: Store) -> None:
    await store.add(["b", "a", "c"], np.zeros((3, 4)))
    await store.upsert(["a"], np.zeros((1, 4)))
    await store.flush()
    await store.upsert(["b"], np.zeros((1, 4)))
    assert [id for id, _ in await pairs(store, rank=near(*ORIGIN))] == ["b", "a", "c"]


async def test_groups_keep_their_best_and_the_answer_is_sorted_again(five: Store) -> None:
    rank = near(*ORIGIN)
    lowest = {"keys": ["c"], "aggregate": {"$min_k": {"keys": ["#score"], "k": 1}}}
    highest = {"keys": ["c"], "aggregate": {"$max_k": {"keys": ["n"], "k": 2}}}
    assert await pairs(five, rank=rank, group_by=lowest) == [("r0", 0), ("r1", 4)]
    assert await pairs(five, rank=rank, group_by=highest) == [("r1", 4), ("r2", 16), ("r3", 36), ("r4", 64)]
    assert await pairs(five, rank=rank, group_by=highest, limit={"offset": 1, "limit": 2}) == [("r2", 16), ("r3", 36)]


async def test_what_is_no_number_loses_against_numbers_and_sorts_behind_them(five: Store) -> None:
    ratio = {"$div": {"left": near(*ORIGIN), "right": near(*ORIGIN)}}
    for operator in ("$max", "$min"):
        assert await pairs(five, rank={operator: [ratio, {"$val": 1}]}) == [(f"r{n}", 1) for n in range(5)]
    assert await pairs(five, rank=ratio, limit={"limit": 4}) == [(f"r{n}", 1) for n in range(1, 5)]
    lowest = {"keys": ["c"], "aggregate": {"$min_k": {"keys": ["#score"], "k": 2}}}
    assert await pairs(five, rank=ratio, group_by=lowest) == [("r1", 1), ("r2", 1), ("r3", 1), ("r4", 1)]


@pytest.mark.parametrize(
    ("rank", "node"),
    [
        ({"$div": {"left": {"$val": 1}, "right": near(*ORIGIN)}}, r"rank\.\$div"),
        ({"$sum": [{"$val": 1}, {"$abs": {"$log": near(*ORIGIN)}}]}, r"rank\.\$sum\[1\]\.\$abs\.\$log"),
        ({"$mul": [near(*ORIGIN), {"$val": 1e39}]}, r"rank\.\$mul\[1\]\.\$val"),
        ({"$exp": {"$sum": [near(*ORIGIN), {"$val": 1000}]}}, r"rank\.\$exp"),
        ({"$sub": {"left": {"$val": 0}, "right": {"$mul": [{"$val": 1e38}, near(*ORIGIN)]}}}, r"rank\.\$sub\.right\.\$mul"),
        ({"$sum": [near(*ORIGIN), near(*ORIGIN, limit=0, default=1e39)]}, r"rank\.\$sum\[1\]\.\$knn"),
    ],
)
async def test_a_score_that_is_no_finite_number_is_refused_by_the_name_of_the_node(five: Store, rank: dict[str, Any], node: str) -> None:
    with pytest.raises(InvalidArgumentError, match=rf"^searches\[1\]\.{node}: the score of record 'r\d'"):
        await asked(five, {}, {"rank": rank})


async def test_scores_out_of_range_matter_only_among_the_records_of_the_answer(five: Store) -> None:
    inverse = {"$div": {"left": {"$val": 1}, "right": near(*ORIGIN)}}
    assert await pairs(five, rank=inverse, limit={"limit": 2}) == [("r4", 1 / 64), ("r3", pytest.approx(1 / 36))]
    assert await pairs(five, rank={"$min": [inverse, {"$val": 5}]}, limit={"limit": 5}) == [
        ("r4", 1 / 64),
        ("r3", pytest.approx(1 / 36)),
        ("r2", 1 / 16),
        ("r1", 1 / 4),
        ("r0", 5),
    ]


# ---------------------------------------------------------------------------------------------------------------------- columns


async def test_only_what_is_selected_comes_back(five: Store) -> None:
    await five.upsert(["r1"], metadatas=[{"chroma:hidden": 1, "m": [1, 2]}])
    await five.add(["bare"], np.full((1, 4), 9))
    payloads = [
        {"select": {"keys": keys}} for keys in ([], ["#document"], ["#embedding"], ["#metadata"], ["n", "m"], ["zzz"], ["n", "#metadata"])
    ]
    nothing, documents, embeddings, metadatas, some, absent, both = await asked(five, *payloads)
    ids = ["r0", "r1", "r2", "r3", "r4", "bare"]
    assert nothing.rows == Rows(ids)
    assert (nothing.scores, nothing.select) == (None, ())
    assert documents.rows == Rows(ids, documents=["x"] * 5 + [None])
    assert embeddings.rows.embeddings is not None
    assert embeddings.rows.embeddings[:2].tolist() == [[0] * 4, [0] * 4]
    assert metadatas.rows.metadatas is not None
    assert metadatas.rows.metadatas[1] == {"n": 1, "c": "b", "m": [1, 2]}
    assert metadatas.rows.metadatas[5] is None
    assert some.rows.metadatas == [{"n": 0}, {"n": 1, "m": [1, 2]}, {"n": 2}, {"n": 3}, {"n": 4}, None]
    assert (absent.rows.metadatas, absent.select) == ([None] * 6, ("zzz",))
    assert (both.rows.metadatas, both.select) == (metadatas.rows.metadatas, ("#metadata", "n"))


# --------------------------------------------------------------------------------------------------------------------- refusals


async def test_a_collection_never_written_answers_nothing_to_anything(store: Store) -> None:
    answers = await asked(store, {"select": {"keys": ["#score", "#document", "#embedding", "a"]}}, {"rank": near(1)}, {"filter": {"a": 1}})
    assert [answer.rows.ids for answer in answers] == [[], [], []]
    assert answers[0].scores is not None
    assert (answers[0].rows.documents, answers[0].rows.metadatas, answers[0].scores.tolist()) == ([], [], [])


async def test_a_vector_of_another_length_is_refused(five: Store) -> None:
    with pytest.raises(InvalidDimensionException, match="dimension of 4, got 1"):
        await asked(five, {"rank": {"$mul": [near(*ORIGIN), near(1, limit=0)]}})


async def test_a_sparse_query_needs_an_enabled_index(five: Store) -> None:
    with pytest.raises(InvalidArgumentError, match="'sp' with type 'SparseVector'"):
        await asked(five, {"rank": {"$knn": {"query": {"indices": [1], "values": [1]}, "key": "sp"}}})


async def test_the_first_search_that_is_wrong_decides(five: Store) -> None:
    inverse = {"rank": {"$div": {"left": {"$val": 1}, "right": near(*ORIGIN)}}}
    with pytest.raises(InvalidArgumentError, match=r"searches\[12\]"):
        await asked(five, *[{}] * 12, inverse, *[inverse] * 30)
    with pytest.raises(UnprocessableError, match=r"searches\[40\]\.limit"):
        await asked(five, *[inverse] * 40, {"limit": 5})


# --------------------------------------------------------------------------------------------------------------------- together


async def test_searches_of_one_request_run_together_and_no_more_than_allowed_at_once(five: Store) -> None:
    version, threads = await version_of(five), five.engine.context.threads
    lock, running, most = threading.Lock(), 0, 0
    meet = threading.Barrier(2, timeout=10)

    async def run(work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        def watched() -> Any:
            nonlocal running, most
            with lock:
                running += 1
                most = max(most, running)
            meet.wait()
            try:
                return work(*args, **kwargs)
            finally:
                with lock:
                    running -= 1

        return await threads.run(watched)

    searches = [read({"limit": {"offset": offset, "limit": 1}}) for offset in (0, 1, 2, 3, 4, 0)]
    answers = await search_each(version, searches, run, 2, (await five.collection()).nearest_request(), {})
    assert [answer.rows.ids for answer in answers] == [["r0"], ["r1"], ["r2"], ["r3"], ["r4"], ["r0"]]
    assert most == 2


async def test_read_levels_choose_what_is_seen(disk: Store) -> None:
    await disk.add(["a"], np.zeros((1, 4)))
    await disk.flush()
    await disk.add(["b"], np.zeros((1, 4)))
    for level, expected in ((ReadLevel.INDEX_AND_WAL, ["a", "b"]), (ReadLevel.INDEX_ONLY, ["a"])):
        for payload in ({}, {"rank": near(*ORIGIN)}):
            (answer,) = await asked(disk, payload, read_level=level)
            assert answer.rows.ids == expected
