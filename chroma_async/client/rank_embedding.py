"""Texts in rank expressions, and the vectors that a collection's embedding functions put in their place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from chroma_async.builders.conditions import Key
from chroma_async.client.embedding import Embedder, call, one_for_each
from chroma_async.client.validate import as_list
from chroma_async.costs import by_cost
from chroma_async.errors import ValidationError, ValidationTypeError
from chroma_async.plain import MAX_CONTAINERS, plain_json, said, walking_us
from chroma_async.threads import Lane
from chroma_async.types import Json

#: (key, text) of a ``$knn`` whose query is text.
Question: TypeAlias = tuple[str, str]


async def payloads(searches: Any, lane: Lane) -> list[dict[str, Json]]:
    """One search or several as a request says them. A search is an object with ``to_dict`` (chromadb's too) or a dictionary.

    :param lane: where large ones are read.
    :raises ValidationTypeError: something else, or what JSON cannot say. :raises ValidationError: a number is not finite, or it has no end.
    """
    several = [said(search, "searches") for search in as_list(searches) or ()]
    for search in several:
        if not isinstance(search, Mapping):
            raise ValidationTypeError(f"a search must be a Search or a dict, got {type(search).__name__}")
    return await by_cost(lane.run, walking_us(several), _read, several)


def _read(searches: list[Any]) -> list[dict[str, Json]]:
    read: list[dict[str, Json]] = plain_json(searches, "searches", containers=MAX_CONTAINERS)
    return read


class RankEmbedding:
    """Answers the texts of searches. Dense ones go to the collection's function in one call, sparse ones to the function of their key."""

    def __init__(self, embedder: Embedder, schema: Mapping[str, Json], sparse: Callable[[Mapping[str, Json]], Any], lane: Lane) -> None:
        """
        :param schema: the collection's, as JSON.
        :param sparse: makes the function that a schema describes.
        """
        self._embedder = embedder
        self._schema = schema
        self._sparse = sparse
        self._lane = lane

    async def answered(self, searches: Sequence[dict[str, Json]]) -> list[dict[str, Json]]:
        """The searches with vectors for texts; those without texts as they are.

        :raises ValidationError: there is no function for a text, or a function gave something else than vectors.
        """
        cost_us = walking_us(searches)
        asked = await by_cost(self._lane.run, cost_us, _asked, searches)
        if not asked:
            return list(searches)
        vectors: dict[Question, Json] = {}
        for key, texts in asked.items():
            found = await self._embed(key, texts)
            vectors |= {(key, text): vector for text, vector in zip(texts, found, strict=True)}
        return await by_cost(self._lane.run, cost_us, _answered, searches, vectors)

    async def _embed(self, key: str, texts: list[str]) -> list[Json]:
        if key == Key.EMBEDDING.name:
            dense: list[Json] = (await self._embedder.queries(texts)).tolist()
            return dense
        function = self._sparse(self._description(key))
        embed_query = getattr(function, "embed_query", None)
        found = await call(embed_query if callable(embed_query) else function, texts, self._lane)
        return [_sparse_json(vector) for vector in one_for_each(found, texts, f"sparse embedding function of key {key!r}")]

    def _description(self, key: str) -> Mapping[str, Json]:
        place: Any = self._schema
        for step in ("keys", key, "sparse_vector", "sparse_vector_index", "config", "embedding_function"):
            place = place.get(step) if isinstance(place, Mapping) else None
        if not isinstance(place, Mapping) or place.get("type") != "known":
            raise ValidationError(
                f"a text query under key {key!r} cannot be embedded: the schema names no sparse embedding function for that key. "
                "Pass a sparse vector"
            )
        return place


def _asked(searches: Sequence[dict[str, Json]]) -> dict[str, list[str]]:
    """Each key's texts, once each."""
    asked: dict[str, dict[str, None]] = {}
    for search in searches:
        for key, text in _texts(search.get("rank")):
            asked.setdefault(key, {})[text] = None
    return {key: list(texts) for key, texts in asked.items()}


def _answered(searches: Sequence[dict[str, Json]], vectors: Mapping[Question, Json]) -> list[dict[str, Json]]:
    return [{**search, "rank": _replaced(search.get("rank"), vectors)} for search in searches]


def _texts(rank: Json) -> list[Question]:
    """The texts in an expression, from left to right."""
    if isinstance(rank, list):
        return [question for item in rank for question in _texts(item)]
    if not isinstance(rank, dict):
        return []
    question = _question(rank)
    return [question] if question is not None else [found for inner in rank.values() for found in _texts(inner)]


def _replaced(rank: Json, vectors: Mapping[Question, Json]) -> Json:
    if isinstance(rank, list):
        return [_replaced(item, vectors) for item in rank]
    if not isinstance(rank, dict):
        return rank
    question = _question(rank)
    if question is None:
        return {name: _replaced(inner, vectors) for name, inner in rank.items()}
    return {"$knn": {**rank["$knn"], "query": vectors[question]}}


def _question(node: Mapping[str, Json]) -> Question | None:
    """What a ``$knn`` node asks, if that is text."""
    body = node.get("$knn")
    if len(node) != 1 or not isinstance(body, Mapping) or not isinstance(body.get("query"), str):
        return None
    key = body.get("key", Key.EMBEDDING.name)
    return (key, body["query"]) if isinstance(key, str) else None


def _sparse_json(vector: Any) -> Json:
    """A sparse vector as a request says it. :raises ValidationError: it is none."""
    form = plain_json(said(vector, "a sparse embedding function's result"), "a sparse embedding function's result")
    if not isinstance(form, dict) or not {"indices", "values"} <= set(form):
        raise ValidationError(f"a sparse embedding function gives sparse vectors, got {type(vector).__name__}")
    return form
