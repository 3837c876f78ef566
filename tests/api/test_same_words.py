"""The same record, name or configuration is taken or refused alike in process and over HTTP, and no refusal in process speaks of HTTP."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest

import chroma_async
from chroma_async.errors import MESSAGE_CHARS, ChromaError
from tests.api.conftest import Store

OURS = pytest.mark.parametrize("store", ["ephemeral", "persistent", "http"], indirect=True)
#: What only a caller of the routes has seen.
OF_HTTP = re.compile(r"\b(JSON|body|routes?|request|query string)\b")


class Word(str):
    __slots__ = ()


async def refusal(ask: Callable[[], Awaitable[Any]]) -> str | None:
    """What was said, or None when it was taken."""
    try:
        await ask()
    except ChromaError as error:
        return str(error)
    return None


#: Metadata of a record -> what add says, and what update and upsert say; None: taken.
RECORDS: list[tuple[dict[Any, Any] | None, str | None, str | None]] = [
    (None, None, None),
    ({"a": 1}, None, None),
    ({Word("k"): Word("v")}, None, None),
    ({"a": ["x", "y"]}, None, None),
    ({"a": None}, "'a' is None, which removes a key on update and upsert; leave the key out", None),
    ({"a": None, "b": 1}, "'a' is None, which removes a key on update and upsert; leave the key out", None),
    ({"a": [1, "x"]}, "'a'", "'a'"),
    ({"a": [None]}, "'a'", "'a'"),
    ({"a": {"b": 1}}, "'a'", "'a'"),
    ({"a": float("nan")}, "'a' is not a finite number", "'a' is not a finite number"),
    ({5: 1}, "5 of type int", "5 of type int"),
]


@OURS
@pytest.mark.parametrize("verb", ["add", "update", "upsert"])
async def test_metadata_is_taken_or_refused_by_the_verb_in_words_of_python(store: Store, verb: str) -> None:
    collection = await store.collection()
    await collection.add(ids=["known"], embeddings=[[1.0, 2.0]])
    for row, (metadata, by_add, by_others) in enumerate(RECORDS):
        write, id = getattr(collection, verb), "known" if verb == "update" else f"new {row}"
        said = await refusal(lambda write=write, id=id, metadata=metadata: write(ids=[id], embeddings=[[1.0, 2.0]], metadatas=[metadata]))
        expected = by_add if verb == "add" else by_others
        assert (said is None) == (expected is None), (metadata, said)
        if said is not None and expected is not None:
            assert expected in said
            assert said.endswith(f" in {verb}.")
            assert not OF_HTTP.search(said)


@OURS
async def test_a_key_that_is_a_subclass_of_text_is_text(store: Store) -> None:
    collection = await store.collection("docs", metadata={Word("of"): Word("collection")})
    await collection.add(ids=[Word("a")], embeddings=[[1.0, 2.0]], metadatas=[{Word("k"): Word("v")}])
    found = await collection.get(where={Word("k"): Word("v")})
    assert (found["ids"], found["metadatas"], collection.metadata) == (["a"], [{"k": "v"}], {"of": "collection"})
    assert {type(key) for key in (*found["metadatas"][0], *collection.metadata)} == {str}


@OURS
async def test_a_configuration_takes_numbers_of_numpy(store: Store) -> None:
    collection = await store.collection("docs", configuration={"hnsw": {"space": "cosine", "ef_search": np.int64(50)}})
    assert collection.configuration_json["hnsw"]["ef_search"] == 50


@OURS
async def test_what_a_read_refuses_names_the_argument_and_the_value(store: Store) -> None:
    collection = await store.collection()
    await collection.add(ids=["a", "b"], embeddings=[[1.0, 2.0], [3.0, 4.0]], metadatas=[{"year": 1}, {"year": 2}])
    search = chroma_async.Search()
    page = await collection.get(limit=1, order_by="year", cursor="")
    asked: list[tuple[Callable[[], Awaitable[Any]], str]] = [
        (lambda: collection.get(cursor=5), "cursor: expected a str or None, got 5 of type int in get."),
        (lambda: collection.get(cursor="x"), "cursor 'x' is not one that this store gave out"),
        (
            lambda: collection.get(limit=1, order_by="n", cursor=page["cursor"]),
            "the cursor belongs to another order_by; give the one of the page before, or no cursor to begin anew",
        ),
        (lambda: collection.search(search.rank({"$val": float("nan")})), "$val must be finite, got nan"),
        (lambda: collection.search(search.rank(chroma_async.Knn(query=[1.0, 2.0]) * float("nan"))), "$val must be finite, got nan"),
    ]
    for ask, words in asked:
        assert await refusal(ask) == words


@OURS
async def test_a_name_of_any_length_is_refused_alike_and_in_a_message_of_bounded_length(store: Store) -> None:
    collection, name = await store.collection(), "x" * 70_000
    asked: list[tuple[Callable[[], Awaitable[Any]], str]] = [
        (lambda: store.client.get_collection(name), "NotFoundError: Collection [xxx"),
        (lambda: store.client.delete_collection(name), "NotFoundError: Collection [xxx"),
        (lambda: store.client.create_collection(name), "InvalidArgumentError: Validation error: name: "),
        (lambda: store.client.set_alias(name, collection), "InvalidArgumentError: Validation error: alias: "),
        (lambda: store.client.delete_alias(name), "NotFoundError: Alias [xxx"),
        (lambda: store.client.set_tenant(name), "NotFoundError: Tenant [xxx"),
        (lambda: store.client.set_database(name), "NotFoundError: Database [xxx"),
        (lambda: store.admin.delete_database(name), "NotFoundError: Database [xxx"),
        (lambda: collection.get_attached_function(name), "NotFoundError: Attached function [xxx"),
        (lambda: collection.detach_function(name), "NotFoundError: Attached function [xxx"),
        (lambda: collection.attach_function(name, "counter", "counted"), "NotFoundError: "),
    ]
    for ask, words in asked:
        with pytest.raises(ChromaError) as refusal:
            await ask()
        assert f"{type(refusal.value).__name__}: {refusal.value}".startswith(words)
        assert len(str(refusal.value)) <= MESSAGE_CHARS + 20
    assert await collection.count() == 0
