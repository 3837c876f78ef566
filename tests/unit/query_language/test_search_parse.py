"""What a search payload may say. Statuses were recorded from the real server: 422 for shape, 400 for bad syntax and broken rules."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from chroma_async.errors import ChromaError, InvalidArgumentError, UnprocessableError
from chroma_async.query_language.filter_ast import And, DocumentContains, Equals, IdIn
from chroma_async.query_language.search_ast import Aggregate, DenseKnn, Fold, GroupBy, Map, Pair, Search, SparseKnn, Val, knns
from chroma_async.query_language.search_parse import check, parse

V = {"$val": 1}
KNN = {"$knn": {"query": [1, 2]}}
FIRST = {"$min_k": {"keys": ["#score"], "k": 1}}
SPARSE = {"indices": [1, 5], "values": [1, 0.5]}


def read(**payload: Any) -> Search:
    (search,) = parse([payload])
    check([search])
    return search


def knn(**body: Any) -> dict[str, Any]:
    return {"$knn": {"query": [1, 2], **body}}


def each(part: str, *values: Any) -> list[dict[str, Any]]:
    """A payload for each value of one of its parts."""
    return [{part: value} for value in values]


def each_knn(*bodies: dict[str, Any]) -> list[dict[str, Any]]:
    """A payload for each way to write a ``$knn``."""
    return [{"rank": knn(**body)} for body in bodies]


def status(payload: Any) -> int:
    """What the server answers."""
    try:
        check(parse([payload]))
    except ChromaError as error:
        return error.status if "searches[0]" in error.message() else 0
    return 200


def test_an_empty_payload_asks_for_every_record_by_id() -> None:
    search = read()
    assert (search.filter, search.rank, search.group_by, search.offset, search.limit, search.select) == (None, None, GroupBy(), 0, None, ())


def test_every_part_of_a_payload_is_read() -> None:
    search = read(
        filter={"$and": [{"a": 1}, {"#id": {"$in": ["x"]}}, {"#document": {"$contains": "y"}}]},
        rank=KNN,
        group_by={"keys": ["a"], "aggregate": {"$max_k": {"keys": ["b", "#score"], "k": 3}}},
        limit={"offset": 2, "limit": 5},
        select={"keys": ["b", "#score", "b"]},
    )
    assert search.filter == And((Equals("a", 1), IdIn(("x",)), DocumentContains("y")))
    assert search.group_by == GroupBy(("a",), Aggregate(("b", "#score"), 3, largest=True))
    assert (search.offset, search.limit, search.select) == (2, 5, ("#score", "b"))


def test_every_rank_node_is_read() -> None:
    search = read(
        rank={
            "$sum": [
                {"$sub": {"left": V, "right": {"$abs": V}}},
                {"$div": {"left": {"$exp": V}, "right": {"$log": V}}},
                {"$mul": [{"$max": [V]}, {"$min": []}]},
                {"$val": -1.5},
            ]
        }
    )
    match search.rank:
        case Fold(
            "sum",
            (
                Pair("sub", Val(1), Map("abs", Val(1))),
                Pair("div", Map("exp", Val(1)), Map("log", Val(1))),
                Fold("mul", (Fold("max", (Val(1),)), Fold("min", ()))),
                Val(-1.5),
            ),
        ):
            pass
        case other:
            pytest.fail(repr(other))


def test_a_dense_knn_has_chromas_defaults() -> None:
    rank = read(rank=KNN).rank
    assert isinstance(rank, DenseKnn)
    assert (rank.query.tolist(), rank.query.dtype, rank.key) == ([1, 2], np.float32, "#embedding")
    assert (rank.limit, rank.default, rank.return_rank) == (16, None, False)


@pytest.mark.parametrize("extra", [{}, {"#type": "sparse_vector"}, {"tokens": ["a", "b"]}, {"tokens": None, "other": 1}])
def test_a_sparse_knn_is_known_by_its_query(extra: dict[str, Any]) -> None:
    rank = read(rank=knn(query={**SPARSE, **extra}, key="sp", limit=3, default=2, return_rank=True)).rank
    assert isinstance(rank, SparseKnn)
    assert (rank.key, rank.indices.tolist(), rank.values.tolist()) == ("sp", [1, 5], [1, 0.5])
    assert (rank.limit, rank.default, rank.return_rank) == (3, 2.0, True)


def test_searches_in_an_expression_are_listed_from_left_to_right() -> None:
    one, two, three = knn(limit=1), knn(limit=2), knn(limit=3)
    search = read(rank={"$sum": [{"$abs": one}, {"$div": {"left": two, "right": V}}, three]})
    assert [found.limit for found in knns(search.rank)] == [1, 2, 3]


@pytest.mark.parametrize(
    "payload",
    [
        {"foo": 1},
        *each("filter", None, {}, {"x": {"$gt": 1}}, {"#id": "a"}, {"#id": {"$nin": ["a"]}}, {"": 1}, {"#x": 1}),
        *each("filter", {"$and": []}, {"$or": []}, {"x": {"$in": [1.5, 1]}}, {"#document": {"$regex": "a"}}),
        *each("rank", None, V, {"$val": 1e39}, {"$sum": []}, {"$min": [V]}, {"$log": {"$val": -1}}),
        {"rank": {"$sub": {"left": V, "right": V, "x": 1}}},
        {"rank": {"$div": {"left": V, "right": {"$val": 0}}}},
        *each_knn({"query": []}, {"query": [1, 2, 3]}, {"limit": 0}, {"limit": 4294967295}, {"foo": 1}),
        *each_knn({"default": None}, {"default": 5.5}, {"default": 1e39}, {"key": "#embedding"}),
        *each("limit", {}, {"offset": 0}, {"limit": 0}, {"limit": None}, {"limit": 5, "foo": 1}),
        *each("select", {}, {"keys": []}, {"keys": ["a", "a"]}, {"keys": ["#foo", "$x", ""]}, {"keys": [], "foo": 1}),
        *each("group_by", {}, {"keys": []}, {"keys": [], "aggregate": None}),
        {"rank": KNN, "group_by": {"keys": ["x", "x"], "aggregate": {"$max_k": {"keys": ["y"], "k": 2, "z": 1}}, "foo": 1}},
        {"rank": KNN, "group_by": {"keys": ["#id"], "aggregate": {"$min_k": {"keys": ["#foo", "#id"], "k": 1}}}},
    ],
)
def test_what_chroma_takes_is_taken(payload: dict[str, Any]) -> None:
    assert status(payload) == 200


@pytest.mark.parametrize(
    "payload",
    [
        *(5, None, "x", []),
        *each("filter", [], 5, "x", {"x": {"$gt": "s"}}, {"x": {"$in": []}}, {"x": {"$in": [1, "a"]}}, {"x": None}),
        *each("filter", {"x": 1, "y": 2}, {"x": {"$gt": 1, "$lt": 2}}, {"x": [1]}, {"$and": [{}]}, {"$and": {"x": 1}}),
        *each("filter", {"query_ids": ["a"]}, {"where_clause": {"x": 1}}, {"$foo": {"x": 1}}),
        *each("filter", {"#document": {"$regex": "["}}, {"#id": {"$in": []}}, {"x": {"$in": [1, 1.5]}}),
        *each("rank", "x", {"$foo": 1}, {"$rrf": {}}, {"$val": "1"}, {"$val": None}, {"$val": True}, {"$sum": V}),
        {"rank": {"$sub": {"left": V}}},
        {"rank": {"$knn": {}}},
        *each_knn(*each("query", None, "text", [1, "a"], [1, None], [True], [[1, 2]], {}, {"indices": [1]})),
        *each_knn(*each("query", {**SPARSE, "#type": "x"}, {"indices": [-1], "values": [1]})),
        *each_knn(*({"query": {"indices": indices, "values": [1]}, "key": "sp"} for indices in ([4294967296], [1.5], ["1"], [True]))),
        *each_knn(*each("limit", -1, 1.5, None, "5", 4294967296, True)),
        *each_knn({"key": None}, {"key": 5}, {"default": "5"}, {"return_rank": None}, {"return_rank": 1}),
        *each("limit", None, 5, "x", {"offset": None}, {"offset": -1}, {"limit": -1}, {"limit": 1.5}, {"limit": "5"}),
        *each("limit", {"limit": 4294967296}, {"offset": 4294967296}),
        *each("select", None, ["a"], {"keys": None}, {"keys": [5]}, {"keys": "a"}),
        *each("group_by", None, 5, {"keys": None, "aggregate": FIRST}, {"keys": "x", "aggregate": FIRST}),
        *(
            {"group_by": {"keys": ["x"], "aggregate": value}}
            for value in ("x", {"$foo": {}}, {"$min_k": {"k": 1}}, {"$min_k": {"keys": []}})
        ),
        *({"group_by": {"keys": ["x"], "aggregate": {"$min_k": {"keys": ["y"], "k": value}}}} for value in (-1, 1.5, None)),
    ],
)
def test_a_wrong_shape_is_a_422_that_names_the_place(payload: Any) -> None:
    assert status(payload) == 422


@pytest.mark.parametrize(
    "payload",
    [
        *each("rank", {}, [], 5, {"$val": 1, "$sum": []}, {"$sum": [5]}, {"$sum": [None]}, {"$abs": [V]}, {"$exp": 5}),
        *each("rank", {"$abs": None}, {"$log": {}}, {"$sub": {"left": None, "right": V}}, {"$div": {"left": V, "right": 5}}),
        *({"group_by": {"keys": ["x"], "aggregate": value}} for value in ({}, [FIRST], {**FIRST, "$max_k": {"keys": ["y"], "k": 1}})),
    ],
)
def test_a_node_that_is_no_object_with_one_member_counts_as_bad_json(payload: dict[str, Any]) -> None:
    assert status(payload) == 400


@pytest.mark.parametrize(
    ("group_by", "said"),
    [
        ({"keys": ["x"]}, "both"),
        ({"aggregate": FIRST}, "both"),
        ({"keys": [], "aggregate": FIRST}, "both"),
        ({"keys": ["x"], "aggregate": None}, "both"),
        *(({"keys": [key], "aggregate": FIRST}, "metadata fields") for key in ("#score", "#document", "#embedding", "#metadata")),
        *(({"keys": ["x"], "aggregate": {"$min_k": {"keys": [key], "k": 1}}}, "metadata fields") for key in ("#document", "#metadata")),
        ({"keys": ["x"], "aggregate": {"$min_k": {"keys": [], "k": 1}}}, "at least one key"),
        ({"keys": ["x"], "aggregate": {"$min_k": {"keys": ["y"], "k": 0}}}, "greater than 0"),
    ],
)
def test_a_broken_rule_of_grouping_is_a_400_that_says_which(group_by: dict[str, Any], said: str) -> None:
    searches = parse([{}, {"rank": KNN, "group_by": group_by}])
    with pytest.raises(InvalidArgumentError, match=rf"Validation error: searches\[1\]\.group_by: .*{said}"):
        check(searches)


def test_grouping_needs_a_rank() -> None:
    for extra in ({}, {"rank": None}):
        with pytest.raises(InvalidArgumentError, match="rank"):
            read(group_by={"keys": ["x"], "aggregate": FIRST}, **extra)


@pytest.mark.parametrize(
    "query",
    [
        {"indices": [2, 1], "values": [1, 1]},
        {"indices": [1, 1], "values": [1, 1]},
        {"indices": [1], "values": [1, 2]},
        {"indices": [1], "values": [1], "tokens": ["a", "b"]},
        {"indices": [1], "values": [1e39]},
    ],
)
def test_a_sparse_query_that_breaks_a_rule_is_a_400_also_deep_inside(query: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentError, match=r"Validation error: searches\[0\]\.rank"):
        read(rank={"$sum": [V, {"$abs": knn(query=query, key="sp")}]})


def test_a_dense_query_searches_embeddings_with_finite_numbers_only() -> None:
    with pytest.raises(InvalidArgumentError, match="#embedding"):
        read(rank=knn(key="sp"))
    with pytest.raises(InvalidArgumentError, match="beyond float32"):
        read(rank=knn(query=[1e39, 2]))
    with pytest.raises(InvalidArgumentError, match="NaN"):
        read(rank=knn(query=np.array([np.nan])))


def test_shapes_are_judged_before_rules() -> None:
    with pytest.raises(UnprocessableError, match=r"searches\[1\]\.limit"):
        parse([{"group_by": {"keys": ["x"]}}, {"limit": 5}])


def test_numbers_of_this_process_may_be_numpys() -> None:
    rank = read(rank={"$sum": [{"$val": np.float32(1.5)}, knn(query=np.array([1, 2], dtype=np.int32), default=np.float64(2))]}).rank
    assert isinstance(rank, Fold)
    first, second = rank.ranks
    assert isinstance(first, Val)
    assert isinstance(second, DenseKnn)
    assert (first.value, second.query.tolist(), second.default) == (1.5, [1, 2], 2)


@pytest.mark.parametrize("huge", [10**400, -(10**400)])
def test_numbers_beyond_64_bits_are_refused(huge: int) -> None:
    assert status({"rank": {"$val": huge}}) == status({"rank": knn(query=[huge])}) == 422


def test_an_expression_nests_as_deep_as_a_body_can_and_no_deeper() -> None:
    def nested(levels: int) -> dict[str, Any]:
        rank: dict[str, Any] = V
        for _ in range(levels):
            rank = {"$abs": rank}
        return rank

    assert status({"rank": nested(123)}) == 200
    for levels in (126, 5000):
        with pytest.raises(InvalidArgumentError, match="nests"):
            parse([{"rank": nested(levels)}])


def test_searches_that_are_no_list_are_refused() -> None:
    for searches in (None, {}, "x", 5):
        with pytest.raises(UnprocessableError, match="searches"):
            parse(searches)
    assert parse([]) == []
