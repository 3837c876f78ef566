"""Sparse vectors on the client's side: the class, the way into requests and out of answers, and those that are made from texts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import chromadb
import numpy as np
import pytest

import chroma_async
from chroma_async.client.metadata import check_collection_metadata, check_metadata
from chroma_async.client.results import with_sparse_vectors
from chroma_async.client.sparse import SparseEmbedder
from chroma_async.errors import ValidationError
from chroma_async.sparse_vector import SparseVector
from chroma_async.threads import Lane

FORM = {"#type": "sparse_vector", "indices": [1, 7], "values": [0.5, -2.0]}


def test_the_class_is_exported_and_speaks_the_json_form_of_chromadbs() -> None:
    assert chroma_async.SparseVector is SparseVector
    for arguments in (([1, 7], [0.5, -2.0]), ([], []), ([1], [1.0], ["one"])):
        form = SparseVector(*arguments).to_dict()  # type: ignore[arg-type]
        assert form == chromadb.SparseVector(*arguments).to_dict()
        assert SparseVector.from_dict(form) == SparseVector(*arguments)  # type: ignore[arg-type]
    assert SparseVector.from_dict({**FORM, "tokens": None}) == SparseVector([1, 7], [0.5, -2.0])


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (((1,), [1.0]), "indices to be a list"),
        ((None, [1.0]), "indices to be a list"),
        (([1], np.array([1.0])), "values to be a list"),
        (([1], [1.0], "a"), "labels to be a list"),
        (([1], [1.0, 2.0]), "indices and values must have the same length"),
        (([1], [1.0], ["a", "b"]), "labels must have the same length"),
        (([1], [1.0], [3]), "labels must be strings"),
        (([1.0], [1.0]), "indices must be integers"),
        (([np.int64(1)], [1.0]), "indices must be integers"),
        (([True], [1.0]), "indices must be integers"),
        (([-1], [1.0]), "indices must be non-negative"),
        (([2**32], [1.0]), "below 2"),
        (([1], ["a"]), "values must be numbers"),
        (([1], [float("nan")]), "values must be finite"),
        (([1], [float("inf")]), "values must be finite"),
        (([2, 1], [1.0, 1.0]), "indices must be sorted in strictly ascending order"),
        (([1, 1], [1.0, 1.0]), "indices must be sorted in strictly ascending order"),
    ],
)
def test_what_is_no_sparse_vector_is_a_value_error(arguments: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        SparseVector(*arguments)


def test_the_json_form_of_something_else_is_a_value_error() -> None:
    for form in ({"indices": [1], "values": [1.0]}, {**FORM, "#type": "x"}, {"#type": "sparse_vector", "values": [1.0]}):
        with pytest.raises(ValueError, match=r"#type|to be a list"):
            SparseVector.from_dict(form)


@pytest.mark.parametrize("value", [SparseVector([1, 7], [0.5, -2.0]), chromadb.SparseVector([1, 7], [0.5, -2.0]), FORM])
def test_metadata_takes_the_class_chromadbs_class_and_the_json_form(value: Any) -> None:
    assert check_metadata({"s": value, "n": 1}) == {"s": FORM, "n": 1}


def test_what_was_given_may_change_afterwards() -> None:
    indices = [1, 7]
    checked = check_metadata({"s": SparseVector(indices, [0.5, -2.0])})
    indices.append(0)
    assert checked == {"s": FORM}


@pytest.mark.parametrize("value", [{}, {"a": 1}, {**FORM, "indices": [7, 1]}, {**FORM, "tokens": ["a", "\ud800"]}, [SparseVector([], [])]])
def test_other_objects_and_broken_vectors_are_refused_before_anything_is_sent(value: Any) -> None:
    with pytest.raises(ValidationError, match="'s'"):
        check_metadata({"s": value})
    with pytest.raises(ValidationError, match="'s'"):
        check_collection_metadata({"s": SparseVector([], [])})


def test_answers_hold_the_class_and_are_otherwise_handed_out_as_they_are() -> None:
    plain: dict[str, Any] = {"n": 1, "l": [1.5]}
    found = with_sparse_vectors([None, plain, {"s": FORM, "n": 1}, {}, {"s": {**FORM, "tokens": ["a", "b"]}}])
    assert found == [
        None,
        plain,
        {"s": SparseVector([1, 7], [0.5, -2.0]), "n": 1},
        {},
        {"s": SparseVector([1, 7], [0.5, -2.0], ["a", "b"])},
    ]
    assert found[1] is plain


class Lengths:
    """Embeds a text as its length; remembers what it was asked."""

    def __init__(self, result: Any = None) -> None:
        self.calls: list[list[str]] = []
        self.result = result

    def __call__(self, input: list[str]) -> Any:
        self.calls.append(input)
        return [SparseVector([len(text)], [1.0]) for text in input] if self.result is None else self.result


class Awaited(Lengths):
    async def __call__(self, input: list[str]) -> Any:
        await asyncio.sleep(0)
        return [chromadb.SparseVector([len(text)], [2.0]) for text in input]


def schema(**sources: str | None) -> dict[str, Any]:
    """An enabled sparse index for each key, embedding that source."""
    return {"defaults": {}, "keys": {key: {"sparse_vector": index(source)} for key, source in sources.items()}}


def index(source: str | None, name: str | None = "lengths", enabled: bool = True) -> dict[str, Any]:
    function = {"type": "unknown"} if name is None else {"type": "known", "name": name, "config": {}}
    config = {"embedding_function": function} | ({} if source is None else {"source_key": source})
    return {"sparse_vector_index": {"enabled": enabled, "config": config}}


def vector(length: int, weight: float = 1.0) -> dict[str, Any]:
    return SparseVector([length], [weight]).to_dict()


@pytest.fixture
async def lane() -> AsyncIterator[Lane]:
    made = Lane("client", 1)
    yield made
    await made.aclose()


def embedder(schema: dict[str, Any], function: Any, lane: Lane) -> SparseEmbedder:
    def build(description: Mapping[str, Any]) -> Any:
        assert description["name"] == "lengths"
        return function

    return SparseEmbedder(schema, build, lane)


async def test_documents_are_embedded_where_the_metadata_says_nothing_of_the_key(lane: Lane) -> None:
    function = Lengths()
    made = embedder(schema(s="#document"), function, lane)
    given: list[Any] = [{"n": 1}, None, {"s": vector(99)}, {"s": None}, None, {"s": "text"}]
    found = await made.completed(given, ["a", "bb", "ccc", "dddd", None, ""], 6)
    assert found == [{"n": 1, "s": vector(1)}, {"s": vector(2)}, {"s": vector(99)}, {"s": None}, None, {"s": "text"}]
    assert function.calls == [["a", "bb"]]
    assert given[0] == {"n": 1}, "the caller's own metadata is left alone"


async def test_a_write_without_metadata_gets_some_and_one_without_texts_stays_as_it_is(lane: Lane) -> None:
    function = Lengths()
    made = embedder(schema(s="#document"), function, lane)
    assert await made.completed(None, ["", "a"], 2) == [{"s": vector(0)}, {"s": vector(1)}]
    assert await made.completed(None, None, 2) is None
    assert await made.completed(None, [None, None], 2) is None
    assert len(function.calls) == 1


async def test_a_metadata_key_may_be_the_source_and_several_keys_are_made(lane: Lane) -> None:
    function = Lengths()
    made = embedder(schema(s="title", t="#document", plain=None), function, lane)
    given: list[Any] = [{"title": "abc"}, {"title": 3}, {"title": ["abc"]}, None]
    assert await made.completed(given, [None, "x", None, None], 4) == [
        {"title": "abc", "s": vector(3)},
        {"title": 3, "t": vector(1)},
        {"title": ["abc"]},
        None,
    ]


async def test_indexes_that_are_off_or_name_no_function_make_nothing(lane: Lane) -> None:
    keys = {
        "a": {"sparse_vector": index("#document", enabled=False)},
        "b": {"sparse_vector": index("#document", None)},
        "c": {"string": {}},
    }
    made = embedder({"keys": keys}, Lengths(), lane)
    assert await made.completed(None, ["x"], 1) is None


async def test_a_function_may_be_a_coroutine_function_and_give_chromadbs_class(lane: Lane) -> None:
    assert await embedder(schema(s="#document"), Awaited(), lane).completed(None, ["abc"], 1) == [{"s": vector(3, 2.0)}]


@pytest.mark.parametrize("result", [[], [[1.0]], [{"a": 1}], "x", [SparseVector([], [])] * 2, [None]])
async def test_a_function_that_gives_something_else_is_named_by_its_key(result: Any, lane: Lane) -> None:
    with pytest.raises(ValidationError, match="'s'"):
        await embedder(schema(s="#document"), Lengths(result), lane).completed(None, ["x"], 1)
