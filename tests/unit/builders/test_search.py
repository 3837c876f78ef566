from __future__ import annotations

import operator
import pickle
from collections.abc import Callable
from typing import Any

import chromadb.execution.expression as theirs
import numpy as np
import pytest
from chromadb.base_types import SparseVector
from hypothesis import given, settings
from hypothesis import strategies as st

import chroma_async
from chroma_async.builders import search as ours
from chroma_async.builders.conditions import Condition, K
from chroma_async.errors import ValidationError, ValidationTypeError

BRIEFLY = settings(deadline=None, derandomize=True, max_examples=150)

#: An expression as a function of the module whose builders it uses, so that the same one can be made with both.
Made = Callable[[Any], Any]

numbers = st.one_of(st.integers(-5, 5), st.sampled_from([0.5, -1.25, 2.0]))
names = st.sampled_from(["a", "b", "year"])


def both(make: Made) -> tuple[Any, Any]:
    """What an expression says of itself, by our builders and by chromadb's."""
    return make(ours).to_dict(), make(theirs).to_dict()


def knn(query: list[float], limit: int, default: float | None, return_rank: bool) -> Made:
    return lambda m: m.Knn(query=query, key=m.K.EMBEDDING, limit=limit, default=default, return_rank=return_rank)


def combined(inner: st.SearchStrategy[Made]) -> st.SearchStrategy[Made]:
    binary: st.SearchStrategy[Callable[[Any, Any], Any]] = st.sampled_from(
        [operator.add, operator.sub, operator.mul, operator.truediv, lambda a, b: a.max(b), lambda a, b: a.min(b)]
    )
    unary: st.SearchStrategy[Callable[[Any], Any]] = st.sampled_from(
        [operator.neg, abs, lambda a: a.exp(), lambda a: a.log(), lambda a: a.abs()]
    )
    return st.one_of(
        st.tuples(binary, inner, inner).map(lambda t: lambda m: t[0](t[1](m), t[2](m))),
        st.tuples(binary, inner, numbers).map(lambda t: lambda m: t[0](t[1](m), t[2])),
        st.tuples(st.sampled_from([operator.add, operator.sub, operator.mul, operator.truediv]), numbers, inner).map(
            lambda t: lambda m: t[0](t[1], t[2](m))
        ),
        st.tuples(unary, inner).map(lambda t: lambda m: t[0](t[1](m))),
        st.lists(inner, min_size=1, max_size=3).map(lambda ranks: lambda m: m.Rrf([rank(m) for rank in ranks])),
        st.tuples(st.lists(inner, min_size=2, max_size=2), st.booleans()).map(
            lambda t: lambda m: m.Rrf([rank(m) for rank in t[0]], k=10, weights=[2, 0.5], normalize=t[1])
        ),
    )


ranks: st.SearchStrategy[Made] = st.recursive(
    st.one_of(
        numbers.map(lambda value: lambda m: m.Val(value)),
        st.builds(knn, st.lists(numbers, min_size=1, max_size=3), st.integers(1, 9), st.none() | numbers, st.booleans()),
    ),
    combined,
    max_leaves=6,
)


def leaf(name: str, method: str, value: Any) -> Made:
    return lambda m: getattr(m.K(name), method)(value)


compared = st.builds(leaf, names, st.sampled_from(["__eq__", "__ne__", "__gt__", "__ge__", "__lt__", "__le__"]), numbers)
listed = st.builds(leaf, names, st.sampled_from(["is_in", "not_in"]), st.lists(numbers, min_size=1, max_size=3))
texts = st.builds(leaf, st.just("#document"), st.sampled_from(["contains", "not_contains", "regex", "not_regex"]), names)
wheres: st.SearchStrategy[Made] = st.recursive(
    st.one_of(compared, listed, texts),
    lambda inner: st.tuples(st.sampled_from([operator.and_, operator.or_]), inner, inner).map(lambda t: lambda m: t[0](t[1](m), t[2](m))),
    max_leaves=6,
)

where_dictionaries = st.recursive(
    st.one_of(
        st.tuples(names, numbers).map(lambda t: {t[0]: t[1]}),
        st.tuples(names, st.sampled_from(["$eq", "$ne", "$gt", "$lte", "$contains"]), numbers).map(lambda t: {t[0]: {t[1]: t[2]}}),
        st.tuples(names, st.sampled_from(["$in", "$nin"]), st.lists(numbers, min_size=1)).map(lambda t: {t[0]: {t[1]: t[2]}}),
    ),
    lambda inner: st.tuples(st.sampled_from(["$and", "$or"]), st.lists(inner, min_size=1, max_size=3)).map(lambda t: {t[0]: t[1]}),
    max_leaves=6,
)

groupings: st.SearchStrategy[Made] = st.builds(
    lambda keys, aggregate, by, k: lambda m: m.GroupBy([m.K(key) for key in keys], getattr(m, aggregate)([m.K.SCORE, *by], k)),
    st.lists(names, min_size=1, max_size=2),
    st.sampled_from(["MinK", "MaxK"]),
    st.lists(names, max_size=2),
    st.integers(1, 5),
)


@BRIEFLY
@given(ranks)
def test_a_rank_expression_says_what_chromadbs_says(rank: Made) -> None:
    mine, official = both(rank)
    assert mine == official


@BRIEFLY
@given(ranks)
def test_a_rank_read_from_its_dictionary_says_the_same_as_chromadbs(rank: Made) -> None:
    said = rank(theirs).to_dict()
    assert ours.Rank.from_dict(said).to_dict() == theirs.Rank.from_dict(said).to_dict()


@BRIEFLY
@given(wheres)
def test_a_condition_says_what_chromadbs_says(where: Made) -> None:
    mine, official = both(where)
    assert mine == official == dict(where(ours))


@BRIEFLY
@given(where_dictionaries)
def test_a_where_dictionary_is_read_as_chromadb_reads_it(where: dict[str, Any]) -> None:
    assert ours.Search(where=where).to_dict() == theirs.Search(where=where).to_dict()


@BRIEFLY
@given(wheres, ranks, groupings, st.integers(1, 9), st.integers(0, 9), st.lists(names))
def test_a_whole_search_says_what_chromadbs_says(where: Made, rank: Made, grouping: Made, limit: int, offset: int, keys: list[str]) -> None:
    def make(m: Any) -> Any:
        return m.Search().where(where(m)).rank(rank(m)).group_by(grouping(m)).limit(limit, offset).select(m.K.DOCUMENT, *keys)

    def plain(search: dict[str, Any]) -> dict[str, Any]:
        return {**search, "select": {"keys": sorted(search["select"]["keys"])}}

    mine, official = both(make)
    assert mine == plain(official)
    assert mine == ours.Search(*(getattr(make(theirs), f"_{part}") for part in PARTS)).to_dict()
    dictionaries = (mine["filter"], mine["rank"], mine["group_by"], mine["limit"], mine["select"])
    assert ours.Search(*dictionaries).to_dict() == plain(theirs.Search(*dictionaries).to_dict())


PARTS = ("where", "rank", "group_by", "limit", "select")


@pytest.mark.parametrize(
    "make",
    [
        lambda m: m.Search(),
        lambda m: m.Search(limit=5),
        lambda m: m.Search(limit={"offset": 2}),
        lambda m: m.Search(limit={"limit": None}),
        lambda m: m.Search(limit=m.Limit(1, 2)),
        lambda m: m.Search().limit(0),
        lambda m: m.Search(select=["a"]),
        lambda m: m.Search(select={"a"}),
        lambda m: m.Search(select={"keys": ["a"]}),
        lambda m: m.Search(select={}),
        lambda m: m.Search().select(m.K("a")),
        lambda m: m.Search().select("a").select(),
        lambda m: m.Search(group_by={}),
        lambda m: m.Search(group_by=m.GroupBy()),
        lambda m: m.Search(group_by=m.GroupBy(["a"])),
        lambda m: m.Search().group_by(m.GroupBy("a", m.MinK(m.K("b"), 1))),
        lambda m: m.Search(rank={"$val": 1}).rank(None),
        lambda m: m.Search(where={"a": 1}).where(None),
        lambda m: m.Knn([1.0], key="sp", default=0),
        lambda m: m.Knn("text"),
        lambda m: m.Knn(np.array([1.1, 2], dtype=np.float32)),
        lambda m: m.Knn(SparseVector(indices=[1], values=[0.5], labels=["x"]), key=m.K("sp")),
        lambda m: m.Knn({"indices": [1], "values": [0.5]}, key="sp"),
        lambda m: m.Rrf([m.Knn([1.0], return_rank=True), m.Val(3), m.Val(2)], normalize=True),
        lambda m: np.float64(2) * m.Val(1),
        lambda m: m.Val(1).max(m.Val(2).max(3)).min(4),
    ],
)
def test_each_form_of_each_part_says_what_chromadbs_says(make: Made) -> None:
    mine, official = both(make)
    assert mine == official


def test_everything_can_be_selected_at_once() -> None:
    assert ours.Search().select_all().to_dict()["select"] == {"keys": ["#document", "#embedding", "#metadata", "#score"]}


def test_a_step_leaves_the_search_before_it_as_it_was() -> None:
    first = ours.Search(limit=3)
    second = first.limit(5, offset=1).where(K("a") == 1)
    assert (first.to_dict()["limit"], first.to_dict()["filter"]) == ({"offset": 0, "limit": 3}, None)
    assert (second.to_dict()["limit"], second.to_dict()["filter"]) == ({"offset": 1, "limit": 5}, {"a": {"$eq": 1}})


def test_a_condition_is_a_where_dictionary_and_joins_with_plain_ones() -> None:
    recent = K("year") > 1990
    assert recent == {"year": {"$gt": 1990}}
    assert isinstance(recent, dict)
    assert recent & {"a": 1} == {"$and": [recent, {"a": 1}]}
    assert {"a": 1} | recent == {"$or": [{"a": 1}, recent]}
    assert {"a": 1} & recent == {"$and": [{"a": 1}, recent]}
    recent |= {"b": 2}
    assert recent == {"$or": [{"year": {"$gt": 1990}}, {"b": 2}]}
    assert pickle.loads(pickle.dumps(recent)) == recent
    with pytest.raises(TypeError):
        recent & 5


def test_keys_can_be_put_into_sets_and_name_the_records_own_parts() -> None:
    assert len({K("a"), K("a"), K("b")}) == 2
    assert [key.name for key in (K.ID, K.DOCUMENT, K.EMBEDDING, K.METADATA, K.SCORE)] == [
        "#id",
        "#document",
        "#embedding",
        "#metadata",
        "#score",
    ]


def test_a_text_query_stays_text_also_in_a_dictionary() -> None:
    assert ours.Search(rank={"$knn": {"query": "words"}}).to_dict()["rank"]["$knn"]["query"] == "words"


def test_chromadbs_own_parts_are_taken_for_ours() -> None:
    search = ours.Search(
        where=theirs.K("a") > 1,
        rank=theirs.Knn([1.0]) + 1,
        group_by=theirs.GroupBy("a", theirs.MinK("b", 1)),
        limit=theirs.Limit(1, 2),
        select=theirs.Select({theirs.K.SCORE}),
    )
    assert search.to_dict() == {
        "filter": {"a": {"$gt": 1}},
        "rank": {"$sum": [{"$knn": {"query": [1.0], "key": "#embedding", "limit": 16}}, {"$val": 1}]},
        "group_by": {"keys": ["a"], "aggregate": {"$min_k": {"keys": ["b"], "k": 1}}},
        "limit": {"offset": 1, "limit": 2},
        "select": {"keys": ["#score"]},
    }
    assert (ours.Val(1) + theirs.Val(2)).to_dict() == {"$sum": [{"$val": 1}, {"$val": 2}]}


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: ours.Rrf([]), "requires at least one rank"),
        (lambda: ours.Rrf([ours.Val(1)], k=0), "k must be positive"),
        (lambda: ours.Rrf([ours.Val(1)], weights=[1, 2]), "Number of weights"),
        (lambda: ours.Rrf([ours.Val(1)], weights=[-1]), "must be non-negative"),
        (lambda: ours.Rrf([ours.Val(1)], weights=[0], normalize=True), "Sum of weights must be positive"),
        (lambda: ours.Search(limit=0), "positive"),
        (lambda: ours.Search(limit=-1), "positive"),
        (lambda: ours.Search(limit={"limit": 0}), "positive"),
        (lambda: ours.Search(limit={"offset": -1}), "non-negative"),
        (lambda: ours.Search(limit={"size": 1}), "Unexpected keys"),
        (lambda: ours.Search(select={"keys": [], "x": 1}), "Unexpected keys"),
        (lambda: ours.Search(where={}), "cannot be empty"),
        (lambda: ours.Search(where={"a": 1, "b": 2}), "exactly one"),
        (lambda: ours.Search(where={"a": {}}), "cannot be empty"),
        (lambda: ours.Search(where={"a": {"$foo": 1}}), "unknown operator"),
        (lambda: ours.Search(where={"$and": []}), "at least one"),
        (lambda: ours.Search(rank={}), "cannot be empty"),
        (lambda: ours.Search(rank={"$rrf": {}}), "Unknown rank operator"),
        (lambda: ours.Search(rank={"$sum": [{"$val": 1}]}), "at least 2"),
        (lambda: ours.Search(rank={"$sub": {"left": {"$val": 1}}}), "'left' and 'right'"),
        (lambda: ours.Search(rank={"$knn": {}}), "query"),
        (lambda: ours.Search(rank={"$knn": {"query": [1], "limit": 0}}), "positive"),
        (lambda: ours.Search(rank={"$knn": {"query": []}}), "at least one"),
        (lambda: ours.Search(group_by={"keys": ["a"]}), "requires 'aggregate'"),
        (lambda: ours.Search(group_by={"aggregate": {"$min_k": {"keys": ["a"], "k": 1}}}), "requires 'keys'"),
        (lambda: ours.GroupBy.from_dict({"keys": [], "aggregate": {"$min_k": {"keys": ["a"], "k": 1}}}), "cannot be empty"),
        (lambda: ours.GroupBy("a", {"$foo": {"keys": ["a"], "k": 1}}), "Unknown aggregate"),
        (lambda: ours.GroupBy("a", {"$min_k": {"keys": ["a"]}}), "requires 'k'"),
        (lambda: ours.MinK("a", 0), "positive"),
        (lambda: ours.MaxK([], 1), "cannot be empty"),
        (lambda: ours.Val(float("nan")), "finite"),
    ],
)
def test_a_part_outside_the_grammar_is_a_value_error(make: Callable[[], Any], text: str) -> None:
    with pytest.raises(ValidationError, match=text) as caught:
        make()
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    "make",
    [
        lambda: ours.Search(where=5),
        lambda: ours.Search(where={5: 1}),
        lambda: ours.Search(where={"a": {"$in": "x"}}),
        lambda: ours.Search(where={"#document": {"$regex": 5}}),
        lambda: ours.Search(where={"a": {"$contains": None}}),
        lambda: ours.Search(where={"$and": {"a": 1}}),
        lambda: ours.Search(rank=5),
        lambda: ours.Search(rank={"$val": "x"}),
        lambda: ours.Search(rank={"$sum": 5}),
        lambda: ours.Search(rank={"$abs": 5}),
        lambda: ours.Search(rank={"$knn": {"query": 5}}),
        lambda: ours.Search(rank={"$knn": {"query": [1], "limit": "5"}}),
        lambda: ours.Search(rank={"$knn": {"query": [1], "key": 5}}),
        lambda: ours.Search(rank={"$knn": {"query": [1], "return_rank": 5}}),
        lambda: ours.Search(group_by=5),
        lambda: ours.Search(group_by={"keys": "a", "aggregate": {"$min_k": {"keys": ["a"], "k": 1}}}),
        lambda: ours.Search(group_by={"keys": ["a"], "aggregate": 5}),
        lambda: ours.Search(group_by={"keys": ["a"], "aggregate": {"$min_k": {"keys": "a", "k": 1}}}),
        lambda: ours.Search(limit="x"),
        lambda: ours.Search(limit=2.5),
        lambda: ours.Search(limit={"limit": "5"}),
        lambda: ours.Search(select="a"),
        lambda: ours.Search(select={"keys": "a"}),
        lambda: ours.Search(select=[5]),
        lambda: ours.Knn(np.zeros((1, 2), dtype=np.float32)),
        lambda: ours.Val(1) + "x",
        lambda: None / ours.Val(1),
        lambda: ours.Val(1).max(None),
        lambda: ours.Val(True),
        lambda: ours.GroupBy("a", 5),
        lambda: ours.MinK(5, 1),
        lambda: K(5),  # type: ignore[arg-type]
    ],
)
def test_a_part_of_the_wrong_type_is_a_type_error(make: Callable[[], Any]) -> None:
    with pytest.raises(ValidationTypeError) as caught:
        make()
    assert isinstance(caught.value, TypeError)


def test_the_builders_are_public_names_of_the_package() -> None:
    for name in ("Search", "Key", "K", "Knn", "Rrf", "Val", "GroupBy", "MinK", "MaxK", "Select", "Limit"):
        assert name in chroma_async.__all__
        assert getattr(chroma_async, name) is getattr(ours, name)
    assert issubclass(Condition, dict)
