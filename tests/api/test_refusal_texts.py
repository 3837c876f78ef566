"""The words that programs look for in refusals: chromadb's own suite, its JavaScript client's suite, and integrations match on them.

Each row is a mistake and the words. Collected by reading those programs; the words are part of the contract, like status codes.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import numpy as np
import pytest

import chroma_async as builders
from chroma_async import SparseVector
from chroma_async.builders.search import Aggregate, Rank
from chroma_async.errors import ChromaError
from tests.api.conftest import Store, served

OURS = pytest.mark.parametrize("store", ["persistent", "http"], indirect=True)
BAD_NAME = (
    r"Expected a name containing 3-512 characters from \[a-zA-Z0-9._-\], starting and ending with a character in \[a-zA-Z0-9\]\. Got: "
)
NOT_VECTORS = "Expected {} to be a list of floats or ints, a list of lists, a numpy array, or a list of numpy arrays, got "
NO_VALUE = "Expected metadata value to be a str, int, float, bool, SparseVector, list, or None"

Ask = Callable[[Any, Any], Awaitable[Any]]


class Named:
    """An embedding function that a collection can find again."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, input: list[str]) -> list[list[float]]:
        return [[0.0, 1.0] for _ in input]

    def name(self) -> str:
        return self._name

    def get_config(self) -> dict[str, Any]:
        return {}

    @staticmethod
    def build_from_config(config: dict[str, Any]) -> Named:
        return Named("built")


async def _conflict(client: Any, _: Any) -> None:
    await client.create_collection("embeds", embedding_function=Named("first"))
    await client.get_collection("embeds", embedding_function=Named("second"))


def _add(**columns: Any) -> Ask:
    return lambda _, docs: docs.add(**{"ids": ["x"], "embeddings": [[1.0, 2.0]], **columns})


def _get(**arguments: Any) -> Ask:
    return lambda _, docs: docs.get(**arguments)


def _query(**arguments: Any) -> Ask:
    return lambda _, docs: docs.query(**{"query_embeddings": [[1.0, 2.0]], **arguments})


TEXTS: dict[str, tuple[Ask, str]] = {
    "a short name": (lambda client, _: client.create_collection("x", embedding_function=None), BAD_NAME + "x"),
    "a bad name": (lambda client, _: client.create_collection("_bad_", embedding_function=None), BAD_NAME + "_bad_"),
    "a bad new name": (lambda _, docs: docs.modify(name="x"), BAD_NAME + "x"),
    "a bad name of a fork": (lambda _, docs: docs.fork("x"), BAD_NAME + "x"),
    "an empty name": (lambda client, _: client.create_collection("", embedding_function=None), BAD_NAME),
    "a very long name": (
        lambda client, _: client.create_collection("n" * 70_000, embedding_function=None),
        BAD_NAME + r"n{64}\.\.\. \(70000 characters\)",
    ),
    "two periods": (lambda client, _: client.create_collection("a..bc"), r"two consecutive periods \(\.\.\)\. Got a\.\.bc"),
    "an address": (lambda client, _: client.create_collection("1.2.3.4"), r"a name that is not a valid ip address\. Got 1\.2\.3\.4"),
    "a missing collection": (lambda client, _: client.get_collection("nowhere"), r"Collection \[nowhere\] does not exist"),
    "both index kinds": (
        lambda client, _: client.create_collection("two", configuration={"hnsw": {"space": "l2"}, "spann": {"space": "l2"}}),
        "hnsw and spann cannot both be provided",
    ),
    "another space": (lambda _, docs: docs.modify(metadata={"hnsw:space": "cosine"}), "not supported"),
    "another function": (_conflict, "Embedding function conflict: new: second vs persisted: first"),
    "two functions": (
        lambda client, _: client.create_collection(
            "two", embedding_function=Named("first"), configuration={"embedding_function": Named("second")}
        ),
        "Embedding function conflict: first as argument vs second",
    ),
    "nothing to delete by": (lambda _, docs: docs.delete(), r"At least one of ids, where, or where_document must be provided in delete\."),
    "a limit without a filter": (
        lambda _, docs: docs.delete(ids=["a"], limit=1),
        "limit can only be specified when a where or where_document",
    ),
    "an id that is a number": (_add(ids=[1]), "Expected ID to be a str, got 1"),
    "an id of get that is a number": (_get(ids=1), "Expected ID to be a str, got 1"),
    "an id of delete that is a number": (lambda _, docs: docs.delete(ids=["valid", 0]), "Expected ID to be a str, got 0"),
    "no ids": (_add(ids=[]), "Expected IDs to be a non-empty list"),
    "ids that repeat": (_add(ids=["a", "b", "a"]), "Expected IDs to be unique, found duplicates of: a"),
    "nothing to embed": (
        lambda _, docs: docs.add(ids=["x"]),
        r"Exactly one of (images|documents|uris)(?:, (images|documents|uris))?(?:, (images|documents|uris))? must be provided in add\.",
    ),
    "an empty metadata": (_add(metadatas=[{}]), "Expected metadata to be a non-empty dict, got 0 metadata attributes"),
    "metadata that is text": (_add(metadatas=["x"]), "Expected metadata to be a dict or None, got 'x'"),
    "a key that is a number": (_add(metadatas=[{5: 1}]), "Expected metadata key to be a str, got 5"),
    "a reserved key": (_add(metadatas=[{"chroma:document": "x"}]), "Expected metadata to not contain the reserved key chroma:document"),
    "a nested value": (_add(metadatas=[{"a": {"b": 1}}]), NO_VALUE),
    "a nested value of update": (lambda _, docs: docs.update(ids=["a"], metadatas={"value": {"nested": "5"}}), NO_VALUE),
    "an empty list": (_add(metadatas=[{"tags": []}]), "Expected metadata list value for key 'tags' to be non-empty"),
    "a list of two types": (_add(metadatas=[{"tags": ["a", 1]}]), "'tags' to contain only str, int, float, or bool, all of the same type"),
    "a list of lists": (_add(metadatas=[{"tags": [["a"]]}]), "'tags' to contain only str, int, float, or bool"),
    "a collection's nested value": (
        lambda client, _: client.create_collection("meta", metadata={"a": {"b": 1}}),
        "Expected metadata value to be a str, int, float, or bool",
    ),
    "embeddings of text": (_add(embeddings=[["0", "1"]]), NOT_VECTORS.format("embeddings")),
    "embeddings of booleans": (_add(embeddings=[[True, False]]), NOT_VECTORS.format("embeddings")),
    "embeddings too deep": (_add(embeddings=[[[1.0, 2.0]]]), NOT_VECTORS.format("embeddings")),
    "embeddings that are text": (_add(embeddings="0.1"), NOT_VECTORS.format("embeddings")),
    "an embedding without numbers": (
        _add(embeddings=[np.array([])]),
        "Expected each embedding in the embeddings to be a 1-dimensional numpy array with at least 1 int/float value. "
        "Got a 1-dimensional numpy array with no values at pos 0",
    ),
    "query embeddings of text": (_query(query_embeddings=[["1.1"]]), NOT_VECTORS.format("query_embeddings")),
    "another dimension": (_add(embeddings=[[1.0, 2.0, 3.0]]), "dimension"),
    "a query of another dimension": (_query(query_embeddings=[[1.0, 2.0, 3.0]]), "dimension"),
    "an id that is not there": (_query(ids=["gone"]), "Error finding id"),
    "a negative number of results": (_query(n_results=-1), "Number of requested results -1, cannot be negative, or zero."),
    "a number of results in words": (_query(n_results="one"), "Expected requested number of results to be a int, got 'one'"),
    "an unknown column": (_get(include=["metadatas", "undefined"]), "Expected include item to be one of documents, .*, got 'undefined'"),
    "no list of columns": (_get(include=None), "Expected include to be a list, got None"),
    "a where that is a list": (_get(where=["x"]), "Expected where to be a dict, got"),
    "a where of two members": (
        _get(where={"a": 1, "b": 2}),
        r"Expected where to have exactly one operator, got .*; combine several with \$and or \$or",
    ),
    "an unknown operator": (_get(where={"value": {"nested": "5"}}), r"Expected where operator to be one of \$eq, .*, got nested"),
    "an unknown logical operator": (
        _get(where={"$not": [{"a": 1}]}),
        "Expected where key to be a metadata field name or a logical operator",
    ),
    "a value that is a list": (_get(where={"a": [1]}), "Expected where value to be a str, int, float, bool, or operator expression, got"),
    "one condition in $and": (
        _get(where={"$and": [{"a": 1}]}),
        r"Expected where value for \$and to be a list with at least two where expressions, got",
    ),
    "text to be greater than": (
        _get(where={"a": {"$gt": "x"}}),
        r"Expected where operand value to be an int or a float for operator \$gt, got 'x'",
    ),
    "an empty $in": (_get(where={"a": {"$in": []}}), r"for operator \$in to be a non-empty list, all values of the same type"),
    "an operator on the document": (
        _get(where_document={"$lt": {"$nested": 2}}),
        r"Expected where document operator to be one of \$contains, .*, got \$lt",
    ),
    "a number in a document": (
        _query(where_document={"$contains": 2}),
        r"Expected where document operand value for operator \$contains to be a non-empty str, got 2",
    ),
    "no text in a document": (_get(where_document={"$contains": []}), "where document"),
    "a sparse vector of unequal columns": (
        _add(metadatas=[{"s": {"#type": "sparse_vector", "indices": [0, 1], "values": [0.5]}}]),
        "indices and values must have the same length",
    ),
}


@OURS
@pytest.mark.parametrize("mistake", TEXTS)
async def test_the_words_that_programs_match_on_are_in_the_refusal(store: Store, mistake: str) -> None:
    ask, words = TEXTS[mistake]
    docs = await store.collection(metadata={"of": "tests"})
    await docs.add(ids=["a"], embeddings=[[1.0, 2.0]])
    with pytest.raises(ChromaError) as refusal:
        await ask(store.client, docs)
    assert re.search(words, str(refusal.value)), str(refusal.value)
    assert await docs.count() == 1


@OURS
async def test_documents_without_a_text_index_are_refused_with_its_name(store: Store) -> None:
    schema = builders.Schema().delete_index(builders.FtsIndexConfig(), "#document")
    docs = await store.client.create_collection("plain", schema=schema, embedding_function=None)
    await docs.add(ids=["a"], embeddings=[[1.0, 2.0]], documents=["alpha"])
    for ask in (docs.get, docs.delete):
        with pytest.raises(ChromaError, match=r"(?i)fts"):
            await ask(where_document={"$contains": "alpha"})


#: Sparse vectors by their arguments -> what is said.
SPARSE: list[tuple[Any, Any, str]] = [
    ("not_a_list", [0.1, 0.2], "Expected SparseVector indices to be a list"),
    ([0, 1], "not_a_list", "Expected SparseVector values to be a list"),
    ([0, 1, 2], [0.1, 0.2], "indices and values must have the same length"),
    ([0, "not_int", 2], [0.1, 0.2, 0.3], "SparseVector indices must be integers"),
    ([0, -1, 2], [0.1, 0.2, 0.3], "SparseVector indices must be non-negative"),
    ([0, 1], [0.1, None], "SparseVector values must be numbers"),
    ([0, 2, 1], [0.1, 0.2, 0.3], "indices must be sorted in strictly ascending order"),
]


@pytest.mark.parametrize(("indices", "values", "words"), SPARSE)
def test_a_sparse_vector_says_which_rule_it_breaks(indices: Any, values: Any, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        SparseVector(indices=indices, values=values)


#: A route and a body of a caller without a client's checks -> the message, as Chroma's server gives it.
ROUTES: list[tuple[str, dict[str, Any], str]] = [
    (
        "/databases/default_database/collections",
        {"name": "x"},
        "Validation error: name: Expected a name containing 3-512 characters from [a-zA-Z0-9._-], "
        "starting and ending with a character in [a-zA-Z0-9]. Got: x",
    ),
    (
        "/databases",
        {"name": "x"},
        "Expected a name containing 3-512 characters from [a-zA-Z0-9._-], starting and ending with a character in [a-zA-Z0-9]. Got: x",
    ),
]


@pytest.mark.parametrize(("path", "body", "message"), ROUTES)
async def test_the_server_refuses_a_name_in_the_words_of_chromas(path: str, body: dict[str, Any], message: str) -> None:
    async with served() as port, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/api/v2/tenants/default_tenant") as raw:
        answer = await raw.post(path, json=body)
    assert (answer.status_code, answer.json()) == (400, {"error": "InvalidArgumentError", "message": message})


S = builders.Schema
TEXT = builders.StringInvertedIndexConfig
#: A mistake in building a search or a schema -> the error's class in Python, and the words.
BUILDERS: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "where of a type": (lambda: builders.Search(where="invalid"), TypeError, "where must be"),
    "where without members": (lambda: builders.Search(where={}), ValueError, "cannot be empty"),
    "where without conditions": (lambda: builders.Search(where={"$and": []}), ValueError, "requires at least one condition"),
    "elements that are a list": (lambda: builders.Search(where={"tags": {"$contains": [1, 2]}}), TypeError, r"\$contains requires"),
    "elements that are a dict": (
        lambda: builders.Search(where={"tags": {"$not_contains": {"a": 1}}}),
        TypeError,
        r"\$not_contains requires",
    ),
    "a number in a document": (lambda: builders.K.DOCUMENT.contains(42), TypeError, r"\$contains on #document requires a string"),
    "a bool in a document": (lambda: builders.K.DOCUMENT.not_contains(True), TypeError, r"\$not_contains on #document requires a string"),
    "rank of a type": (lambda: builders.Search(rank=0.5), TypeError, "rank must be"),
    "rank as text": (lambda: Rank.from_dict("not a dict"), TypeError, "Expected dict"),
    "rank without members": (lambda: Rank.from_dict({}), ValueError, "cannot be empty"),
    "rank of two operators": (lambda: Rank.from_dict({"$val": 0.5, "$knn": {"query": [0.1]}}), ValueError, "exactly one operator"),
    "val as text": (lambda: Rank.from_dict({"$val": "not a number"}), TypeError, "requires a number"),
    "limit of a type": (lambda: builders.Search(limit="10"), TypeError, "limit must be"),
    "limit as text": (lambda: builders.Limit.from_dict("not a dict"), TypeError, "Expected dict"),
    "limit of zero": (lambda: builders.Limit.from_dict({"limit": 0}), ValueError, "must be positive"),
    "limit that is text": (lambda: builders.Limit.from_dict({"limit": "20"}), TypeError, "must be an integer"),
    "offset below zero": (lambda: builders.Limit.from_dict({"offset": -1}), ValueError, "must be non-negative"),
    "limit of another key": (lambda: builders.Limit.from_dict({"limit": 1, "invalid": 1}), ValueError, "Unexpected keys"),
    "select of a type": (lambda: builders.Search(select=123), TypeError, "select must be"),
    "select as text": (lambda: builders.Select.from_dict("not a dict"), TypeError, "Expected dict"),
    "select of text": (lambda: builders.Select.from_dict({"keys": "x"}), TypeError, "must be a list/tuple/set"),
    "select of a number": (lambda: builders.Select.from_dict({"keys": [123]}), TypeError, "must be a string"),
    "select of another key": (lambda: builders.Select.from_dict({"keys": [], "invalid": 1}), ValueError, "Unexpected keys"),
    "group_by of a type": (lambda: builders.Search(group_by="invalid"), TypeError, "group_by must be"),
    "group_by without an aggregate": (lambda: builders.Search(group_by={"keys": ["a"]}), ValueError, "requires 'aggregate' field"),
    "group_by without keys": (lambda: builders.GroupBy.from_dict({"aggregate": {}}), ValueError, "requires 'keys' field"),
    "group_by of no keys": (
        lambda: builders.GroupBy.from_dict({"keys": [], "aggregate": {"$min_k": {"keys": ["#score"], "k": 3}}}),
        ValueError,
        "keys cannot be empty",
    ),
    "an aggregate that is unknown": (lambda: Aggregate.from_dict({"$unknown": {}}), ValueError, "Unknown aggregate operator"),
    "fusion of nothing": (lambda: builders.Rrf([]), ValueError, "RRF requires at least one rank"),
    "fusion by zero": (lambda: builders.Rrf([builders.Val(1)], k=0), ValueError, "k must be positive"),
    "too few weights": (
        lambda: builders.Rrf([builders.Val(1)], weights=[1.0, 2.0]),
        ValueError,
        "Number of weights .* must match number of ranks",
    ),
    "a weight below zero": (lambda: builders.Rrf([builders.Val(1)], weights=[-1.0]), ValueError, "All weights must be non-negative"),
    "weights of zero": (
        lambda: builders.Rrf([builders.Val(1)], weights=[0.0], normalize=True),
        ValueError,
        "Sum of weights must be positive",
    ),
    "a vector index of a key": (
        lambda: S().create_index(builders.VectorIndexConfig(embedding_function=None), "v"),
        ValueError,
        "Vector index cannot be enabled on specific keys",
    ),
    "an index of the document": (
        lambda: S().create_index(TEXT(), "#document"),
        ValueError,
        "Cannot create index on special key '#document'",
    ),
    "an index of the embedding": (
        lambda: S().create_index(TEXT(), "#embedding"),
        ValueError,
        "Cannot create index on special key '#embedding'",
    ),
    "no index of the document": (
        lambda: S().delete_index(TEXT(), "#document"),
        ValueError,
        "Cannot delete index on special key '#document'",
    ),
    "no index of the embedding": (lambda: S().delete_index(TEXT(), "#embedding"), ValueError, "Cannot modify #embedding"),
    "an index of another own key": (lambda: S().create_index(TEXT(), "#custom"), ValueError, "key cannot begin with '#'"),
    "text search everywhere": (
        lambda: S().create_index(builders.FtsIndexConfig()),
        ValueError,
        "FTS index can only be enabled on #document key",
    ),
    "no text search": (
        lambda: S().delete_index(builders.FtsIndexConfig(), "k"),
        ValueError,
        "Deleting FTS index is only supported on #document key",
    ),
    "every index": (lambda: S().create_index(), ValueError, "Cannot enable all index types globally"),
    "every index of a key": (lambda: S().create_index(key="k"), ValueError, "Cannot enable all index types for key 'k'"),
    "no index": (lambda: S().delete_index(), ValueError, "Cannot disable all indexes"),
    "no index of a key": (lambda: S().delete_index(key="k"), ValueError, "Cannot disable all index types for key 'k'"),
    "no vector index": (
        lambda: S().delete_index(builders.VectorIndexConfig(embedding_function=None)),
        ValueError,
        "Deleting vector index is not currently supported",
    ),
    "a sparse index everywhere": (
        lambda: S().create_index(builders.SparseVectorIndexConfig()),
        ValueError,
        "Sparse vector index must be created on a specific key",
    ),
    "no sparse index": (
        lambda: S().delete_index(builders.SparseVectorIndexConfig(), "k"),
        ValueError,
        "Deleting sparse vector index is not currently supported",
    ),
    "a source without a function": (
        lambda: S().create_index(builders.SparseVectorIndexConfig(source_key="a"), "k"),
        ValueError,
        "source_key .*embedding_function",
    ),
    "a source that is a number": (lambda: builders.SparseVectorIndexConfig(source_key=123), ValueError, "source_key must be str or Key"),
    "a source of the store's own": (
        lambda: builders.SparseVectorIndexConfig(source_key="#metadata"),
        ValueError,
        "source_key cannot begin with '#'",
    ),
    "another field": (lambda: TEXT(invalid_field="x"), ValueError, "'invalid_field', and no extra fields are permitted"),
    "a key of nobody's cloud": (
        lambda: S.deserialize_from_json({"defaults": {}, "keys": {}, "cmek": {}}),
        ValueError,
        "Unsupported or missing CMEK provider in data",
    ),
}


@pytest.mark.parametrize("mistake", BUILDERS)
def test_the_builders_say_the_words_that_programs_match_on(mistake: str) -> None:
    build, kind, words = BUILDERS[mistake]
    with pytest.raises(kind, match=words) as refusal:
        build()
    assert isinstance(refusal.value, ChromaError)
