"""Search, asked with our builders through our clients and with chromadb's through its own: rank, group, window, selection, refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import chromadb
import chromadb.execution.expression as theirs
import numpy as np
import pytest

from chroma_async.builders import search as ours
from chroma_async.errors import UnprocessableError, ValidationTypeError
from tests.api.conftest import Store, opened


class Lengths:
    """Embeds a text as (its length, 0); a query as what it is near to."""

    def __call__(self, input: list[str]) -> list[Any]:
        return [np.array([len(text), 0], dtype=np.float32) for text in input]

    def embed_query(self, input: list[str]) -> list[Any]:
        return self(input)

    @staticmethod
    def name() -> str:
        return "lengths"

    @staticmethod
    def build_from_config(config: dict[str, Any]) -> Lengths:
        return Lengths()

    def get_config(self) -> dict[str, Any]:
        return {}

    def default_space(self) -> str:
        return "l2"

    def supported_spaces(self) -> list[str]:
        return ["l2"]

    def is_legacy(self) -> bool:
        return False


def builders(store: Store) -> Any:
    """The builders that belong to the store's client."""
    return ours if store.is_ours else theirs


async def ten(store: Store, **arguments: Any) -> Any:
    """Ids r0 to r9 on a line: record n lies at (n, 0)."""
    collection = await store.client.create_collection("docs", **({"embedding_function": None} | arguments))
    await collection.add(
        ids=[f"r{n}" for n in range(10)],
        embeddings=[[float(n), 0.0] for n in range(10)],
        documents=[f"document {n}" for n in range(10)],
        metadatas=[{"n": n, "group": "abc"[n % 3]} for n in range(10)],
    )
    return collection


async def test_a_search_without_anything_lists_ids_by_age(store: Store) -> None:
    collection, m = await ten(store), builders(store)
    found = await collection.search(m.Search())
    assert found == {
        "ids": [[f"r{n}" for n in range(10)]],
        "documents": [None],
        "embeddings": [None],
        "metadatas": [None],
        "scores": [None],
        "select": [[]],
    }


async def test_rows_leave_out_what_was_not_selected_and_what_a_record_lacks(store: Store) -> None:
    collection, m = await ten(store), builders(store)
    await collection.add(ids=["bare"], embeddings=[[100.0, 0.0]])
    search = m.Search().rank(m.Knn([9.5, 0.0])).limit(3).select(m.K.SCORE, m.K.DOCUMENT, "n")
    found = await collection.search(search)
    assert found["select"] == [["#document", "#score", "n"]]
    assert found.rows() == [
        [
            {"id": "r9", "document": "document 9", "metadata": {"n": 9}, "score": 0.25},
            {"id": "r8", "document": "document 8", "metadata": {"n": 8}, "score": 2.25},
            {"id": "r7", "document": "document 7", "metadata": {"n": 7}, "score": 6.25},
        ]
    ]
    found = await collection.search(m.Search(where=m.K.ID.is_in(["bare"])).select_all())
    assert found.rows() == [[{"id": "bare", "embedding": [100.0, 0.0], "score": 0.0}]]
    assert (found["documents"], found["metadatas"]) == ([[None]], [[None]])


async def test_several_searches_are_answered_one_by_one(store: Store) -> None:
    collection, m = await ten(store), builders(store)
    found = await collection.search(
        [
            m.Search(where=m.K("n") > 7, limit=1),
            m.Search().rank(m.Knn([0.0, 0.0], limit=2)).select(m.K.SCORE),
            m.Search(where={"n": 99}).select("n"),
        ]
    )
    assert found["ids"] == [["r8"], ["r0", "r1"], []]
    assert found["scores"] == [None, [0.0, 1.0], None]
    assert found["metadatas"] == [None, None, []]
    assert [len(rows) for rows in found.rows()] == [1, 2, 0]
    assert (await collection.search([]))["ids"] == []


async def test_filters_may_name_ids_documents_and_fields(store: Store) -> None:
    collection, m = await ten(store), builders(store)
    where = (m.K.ID.is_in(["r1", "r4", "r7"]) & m.K.DOCUMENT.not_contains("4")) | (m.K("n") == 9)
    assert (await collection.search(m.Search(where=where)))["ids"] == [["r1", "r7", "r9"]]
    near = m.Knn([0.0, 0.0], limit=2)
    assert (await collection.search(m.Search(where=where, rank=near)))["ids"] == [["r1", "r7"]]


async def test_expressions_combine_several_neighbourhoods(store: Store) -> None:
    collection, m = await ten(store), builders(store)
    left, right = m.Knn([0.0, 0.0], limit=6), m.Knn([9.0, 0.0], limit=6)

    async def scored(rank: Any) -> list[tuple[str, float]]:
        found = await collection.search(m.Search().rank(rank).select(m.K.SCORE))
        return list(zip(found["ids"][0], found["scores"][0], strict=True))

    assert await scored(left + right) == [("r4", 41), ("r5", 41)]
    assert await scored((left - 16).abs().min(right)) == [("r4", 0), ("r5", 9)]
    both = m.Knn([0.0, 0.0], limit=2, default=50.0) + m.Knn([9.0, 0.0], limit=2, default=50.0)
    assert await scored(both) == [("r0", 50), ("r9", 50), ("r1", 51), ("r8", 51)]
    fused = m.Rrf([m.Knn([0.0, 0.0], return_rank=True), m.Knn([3.0, 0.0], return_rank=True)], k=1)
    assert (await scored(fused))[:2] == [("r3", pytest.approx(-(1 / 4 + 1 / 1))), ("r0", pytest.approx(-(1 / 1 + 1 / 6)))]
    assert (await scored(m.Knn([4.0, 0.0]).exp().log() * -1))[0] == ("r9", pytest.approx(-25))


async def test_groups_keep_their_best(store: Store) -> None:
    collection, m = await ten(store), builders(store)
    rank = m.Knn([0.0, 0.0])
    by_score = m.Search().rank(rank).group_by(m.GroupBy("group", m.MinK(m.K.SCORE, 1)))
    by_field = m.Search().rank(rank).group_by(m.GroupBy([m.K("group")], m.MaxK(["n"], 2))).limit(3, offset=1)
    found = await collection.search([by_score, by_field])
    assert found["ids"] == [["r0", "r1", "r2"], ["r5", "r6", "r7"]]


async def test_texts_are_embedded_by_the_collections_function(store: Store) -> None:
    collection, m = await ten(store, embedding_function=Lengths()), builders(store)
    near, far = m.Knn("four", limit=1), m.Knn("nine char", limit=1)
    found = await collection.search([m.Search(rank=near), m.Search(rank=m.Rrf([far])), m.Search(rank=near.max(m.Knn("four") * 2))])
    assert found["ids"] == [["r4"], ["r9"], ["r4"]]


async def test_a_text_that_nothing_embeds_is_refused(store: Store) -> None:
    collection, m = await ten(store), builders(store)
    with pytest.raises(store.errors.any):
        await collection.search(m.Search(rank=m.Knn("text", key="n")))


async def test_read_levels_are_taken(store: Store) -> None:
    collection, m = await ten(store), builders(store)
    levels = chromadb.api.types.ReadLevel
    for level in (levels.INDEX_AND_WAL, levels.INDEX_AND_BOUNDED_WAL):
        assert len((await collection.search(m.Search(), read_level=level))["ids"][0]) == 10


async def test_a_rule_that_a_search_breaks_is_named(store: Store) -> None:
    collection, m = await ten(store), builders(store)
    with pytest.raises(store.errors.invalid, match=r"searches\[1\]\.group_by"):
        await collection.search([m.Search(), m.Search(rank=m.Knn([0.0, 0.0]), group_by=m.GroupBy("#score", m.MinK("n", 1)))])
    with pytest.raises(store.errors.invalid, match=r"searches\[0\]\.rank\.\$div.*'r0'"):
        await collection.search(m.Search(rank=1 / m.Knn([0.0, 0.0])))
    with pytest.raises(store.errors.invalid, match="SparseVector"):
        await collection.search(m.Search(rank=m.Knn({"#type": "sparse_vector", "indices": [1], "values": [1.0]}, key="n")))
    with pytest.raises(store.errors.any, match="dimension"):
        await collection.search(m.Search(rank=m.Knn([0.0])))


async def test_a_search_of_a_deleted_collection_finds_none(store: Store) -> None:
    collection, m = await ten(store), builders(store)
    await store.client.delete_collection("docs")
    with pytest.raises(store.errors.not_found):
        await collection.search(m.Search())


@pytest.mark.parametrize("kind", ["ephemeral", "http"])
async def test_dictionaries_and_chromadbs_builders_do_for_ours(kind: str, tmp_path: Path) -> None:
    async with opened(kind, tmp_path / "data") as store:
        collection = await ten(store, embedding_function=Lengths())
        plain: dict[str, Any] = {"rank": {"$sum": [{"$knn": {"query": "four", "limit": 2}}, {"$val": 1}]}, "select": {"keys": ["#score"]}}
        found = await collection.search([plain, theirs.Search(rank=theirs.Knn("four", limit=2)).select(theirs.K.SCORE)])
        assert found["ids"] == [["r4", "r3"], ["r4", "r3"]]
        assert found["scores"] == [[1, 2], [0, 1]]
        assert plain["rank"]["$sum"][0]["$knn"]["query"] == "four"
        assert (await collection.get(where=ours.K("n") > 8))["ids"] == ["r9"]
        assert (await collection.search({"rank": {"$knn": {"query": np.array([4, 0], dtype=np.float32), "limit": 1}}}))["ids"] == [["r4"]]
        with pytest.raises(UnprocessableError, match=r"searches\[0\]\.limit"):
            await collection.search({"limit": 5})
        with pytest.raises(ValidationTypeError):
            await collection.search([5])
