"""The official client on records: every verb, with the values that must come back."""

from __future__ import annotations

import numpy as np
import pytest
from chromadb.api import ClientAPI
from chromadb.api.models.Collection import Collection
from chromadb.errors import ChromaError, InvalidArgumentError

EVERYTHING = ["documents", "metadatas", "embeddings", "uris"]


def ids_of(collection: Collection, **request: object) -> list[str]:
    return collection.get(**request, include=[])["ids"]  # type: ignore[arg-type]


def test_what_was_added_comes_back_whole_and_in_order(animals: Collection) -> None:
    got = animals.get(include=EVERYTHING)  # type: ignore[arg-type]
    assert got["ids"] == ["ant", "bee", "cat", "dog", "eel", "fox"]
    assert got["documents"] == [
        "An ant carries leaves", "A bee makes honey", "A cat drinks milk", "A dog eats MEAT", None, "A fox steals 50% of the honey",
    ]  # fmt: skip
    assert got["uris"] == ["u:ant", None, None, None, None, "u:fox"]
    assert got["metadatas"] is not None
    assert got["metadatas"][0] == {"legs": 6, "weight": 0.01, "tame": False, "kind": "insect"}
    assert got["metadatas"][2]["colours"] == ["black", "white"]
    assert got["metadatas"][4] is None
    assert np.asarray(got["embeddings"]).tolist() == [[0, 0], [1, 0], [0, 2], [3, 0], [0, 4], [5, 0]]
    assert animals.count() == 6


def test_float32_values_come_back_bit_for_bit(collection: Collection) -> None:
    rng = np.random.default_rng(1)
    vectors = (rng.standard_normal((50, 17)) * 10.0 ** rng.integers(-37, 18, (50, 17))).astype(np.float32)
    collection.add(ids=[str(n) for n in range(50)], embeddings=vectors)
    got = collection.get(include=["embeddings"])
    assert np.asarray(got["embeddings"], dtype=np.float32).tobytes() == vectors.tobytes()


def test_strange_ids_documents_and_keys_come_back_unchanged(collection: Collection, is_ours: bool) -> None:
    ids = ["a/b", "日本語", "🦊 fox", "'; drop table", 'quote"', " ", "x" * 1000]
    documents = ["", "\n\t", "naïve \u0000 byte", "日本" * 100, "\\", "a'b\"c", " "]
    metadatas = [{"ключ": n, "big": 2**53 + 1 + n, "small": -(2**62), "text": ids[n], "float": 1e-300} for n in range(7)]
    collection.add(ids=ids, embeddings=[[float(n)] for n in range(7)], documents=documents, metadatas=metadatas)  # type: ignore[arg-type]
    got = collection.get()
    assert (got["ids"], got["documents"]) == (ids, documents)
    if is_ours:  # Chroma's server lets arrays of deleted collections show up in new records
        assert got["metadatas"] == metadatas
    assert ids_of(collection, where={"big": 2**53 + 3}) == ["🦊 fox"]


def test_get_by_ids_answers_in_the_order_of_insertion_and_skips_unknown_ids(animals: Collection) -> None:
    assert ids_of(animals, ids=["fox", "nobody", "ant", "cat"]) == ["ant", "cat", "fox"]
    assert ids_of(animals, limit=2, offset=3) == ["dog", "eel"]
    assert ids_of(animals, limit=0) == []
    assert ids_of(animals, offset=100) == []


def test_peek_shows_the_first_records_with_their_embeddings(animals: Collection) -> None:
    peeked = animals.peek(limit=2)
    assert peeked["ids"] == ["ant", "bee"]
    assert np.asarray(peeked["embeddings"]).tolist() == [[0, 0], [1, 0]]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({"legs": 4}, ["cat", "dog", "fox"]),
        ({"legs": {"$eq": 6}}, ["ant", "bee"]),
        ({"legs": {"$ne": 6}}, ["cat", "dog", "eel", "fox"]),
        ({"kind": "mammal"}, ["cat", "dog", "fox"]),
        ({"tame": True}, ["bee", "cat", "dog"]),
        ({"tame": {"$ne": True}}, ["ant", "eel", "fox"]),
        ({"weight": {"$gt": 0.1}}, ["cat", "dog"]),
        ({"weight": {"$gte": 0.1}}, ["bee", "cat", "dog"]),
        ({"weight": {"$lt": 4.5}}, ["ant", "bee"]),
        ({"weight": {"$lte": 4.5}}, ["ant", "bee", "cat"]),
        ({"legs": {"$gt": 4}}, ["ant", "bee"]),
        ({"legs": 4.0}, ["cat", "dog", "fox"]),
        ({"kind": {"$in": ["insect", "fish"]}}, ["ant", "bee"]),
        ({"kind": {"$nin": ["insect", "fish"]}}, ["cat", "dog", "eel", "fox"]),
        ({"legs": {"$in": [6, 8]}}, ["ant", "bee"]),
        ({"colours": {"$contains": "white"}}, ["cat"]),
        ({"colours": {"$not_contains": "white"}}, ["ant", "bee", "dog", "eel", "fox"]),
        ({"years": {"$contains": 2}}, ["fox"]),
        ({"$and": [{"legs": 4}, {"tame": True}]}, ["cat", "dog"]),
        ({"$or": [{"legs": 6}, {"weight": {"$gt": 10}}]}, ["ant", "bee", "dog"]),
        ({"$and": [{"$or": [{"legs": 6}, {"legs": 4}]}, {"kind": {"$ne": "insect"}}]}, ["cat", "dog", "fox"]),
        ({"nothing": 1}, []),
        ({"legs": "4"}, []),
    ],
    ids=str,
)
def test_a_metadata_filter_finds_exactly_the_records_it_describes(
    animals: Collection, where: dict[str, object], expected: list[str]
) -> None:
    assert ids_of(animals, where=where) == expected
    found = animals.query(query_embeddings=[[0, 0]], n_results=10, where=where)  # type: ignore[arg-type]
    assert sorted(found["ids"][0]) == expected


@pytest.mark.parametrize(
    ("where_document", "expected"),
    [
        ({"$contains": "honey"}, ["bee", "fox"]),
        ({"$contains": "An"}, ["ant"]),
        ({"$contains": "meat"}, []),
        ({"$contains": "50% of"}, ["fox"]),
        ({"$contains": "%"}, ["fox"]),
        ({"$not_contains": "honey"}, ["ant", "cat", "dog", "eel"]),
        ({"$regex": "^A (bee|cat)"}, ["bee", "cat"]),
        ({"$regex": "(?i)meat$"}, ["dog"]),
        ({"$not_regex": "a"}, ["eel"]),
        ({"$and": [{"$contains": "honey"}, {"$contains": "fox"}]}, ["fox"]),
        ({"$or": [{"$contains": "milk"}, {"$contains": "leaves"}]}, ["ant", "cat"]),
    ],
    ids=str,
)
def test_a_document_filter_finds_exactly_the_records_it_describes(
    animals: Collection, where_document: dict[str, object], expected: list[str]
) -> None:
    assert ids_of(animals, where_document=where_document) == expected
    found = animals.query(query_embeddings=[[0, 0]], n_results=10, where_document=where_document)  # type: ignore[arg-type]
    assert sorted(found["ids"][0]) == expected


def test_both_filters_ids_and_paging_combine(animals: Collection) -> None:
    assert ids_of(animals, where={"legs": 4}, where_document={"$contains": "A"}, limit=1, offset=1) == ["dog"]
    assert ids_of(animals, ids=["fox", "bee"], where={"legs": 4}) == ["fox"]


def test_query_returns_the_nearest_first_with_exact_distances(animals: Collection) -> None:
    found = animals.query(query_embeddings=[[0, 0], [5, 0.5]], n_results=3, include=["distances", "documents", "metadatas", "embeddings"])
    assert found["ids"] == [["ant", "bee", "cat"], ["fox", "dog", "bee"]]
    assert found["distances"] == [[0.0, 1.0, 4.0], [0.25, 4.25, 16.25]]
    assert found["documents"] is not None
    assert found["documents"][1][0] == "A fox steals 50% of the honey"
    assert found["metadatas"] is not None
    assert found["metadatas"][0][1] == {"legs": 6, "weight": 0.1, "tame": True, "kind": "insect"}
    assert found["embeddings"] is not None
    assert np.asarray(found["embeddings"][1][1]).tolist() == [3, 0]


def test_query_returns_every_record_when_more_are_asked_for(animals: Collection) -> None:
    assert animals.query(query_embeddings=[[0, 0]], n_results=100)["ids"] == [["ant", "bee", "cat", "dog", "eel", "fox"]]


def test_query_within_ids_looks_at_those_only(animals: Collection) -> None:
    assert animals.query(query_embeddings=[[0, 0]], ids=["fox", "dog"], n_results=5)["ids"] == [["dog", "fox"]]
    with pytest.raises(ChromaError, match="Error finding id"):
        animals.query(query_embeddings=[[0, 0]], ids=["fox", "nobody"])


def test_query_of_an_empty_collection_finds_nothing(collection: Collection) -> None:
    found = collection.query(query_embeddings=[[1.0, 2.0, 3.0]])
    assert (found["ids"], found["distances"]) == ([[]], [[]])


def test_a_query_leaves_out_what_was_not_asked_for(animals: Collection) -> None:
    found = animals.query(query_embeddings=[[0, 0]], n_results=1, include=["documents"])
    assert found["documents"] == [["An ant carries leaves"]]
    assert (found["distances"], found["metadatas"], found["embeddings"]) == (None, None, None)


def test_add_of_an_existing_id_changes_nothing(animals: Collection) -> None:
    animals.add(ids=["ant", "gnu"], embeddings=[[9, 9], [6, 0]], documents=["changed", "A gnu runs"])
    got = animals.get(ids=["ant", "gnu"], include=["documents", "embeddings"])
    assert got["documents"] == ["An ant carries leaves", "A gnu runs"]
    assert np.asarray(got["embeddings"]).tolist() == [[0, 0], [6, 0]]


def test_update_merges_into_what_is_there_and_ignores_unknown_ids(animals: Collection) -> None:
    animals.update(ids=["bee", "nobody"], metadatas=[{"legs": 5, "tame": None, "new": "key"}, {"x": 1}])  # type: ignore[dict-item]
    animals.update(ids=["dog"], embeddings=[[0, 0.5]])
    animals.update(ids=["cat"], documents=["A cat sleeps"], embeddings=[[0, 3]])
    got = animals.get(ids=["bee", "cat", "dog"], include=EVERYTHING)  # type: ignore[arg-type]
    assert got["metadatas"] is not None
    assert got["metadatas"][0] == {"legs": 5, "weight": 0.1, "kind": "insect", "new": "key"}
    assert got["metadatas"][1]["weight"] == 4.5
    assert got["documents"] == ["A bee makes honey", "A cat sleeps", "A dog eats MEAT"]
    assert np.asarray(got["embeddings"]).tolist() == [[1, 0], [0, 3], [0, 0.5]]
    assert animals.count() == 6
    assert animals.query(query_embeddings=[[0, 0.5]], n_results=1)["ids"] == [["dog"]]
    assert ids_of(animals, where_document={"$contains": "milk"}) == []
    assert ids_of(animals, where={"legs": 6}) == ["ant"]


def test_upsert_inserts_and_merges_and_keeps_places(animals: Collection) -> None:
    animals.upsert(
        ids=["gnu", "ant"], embeddings=[[7, 7], [8, 8]], documents=["A gnu runs", None], metadatas=[{"legs": 4}, {"legs": 60}]  # type: ignore[list-item]
    )  # fmt: skip
    got = animals.get(include=EVERYTHING)  # type: ignore[arg-type]
    assert got["ids"] == ["ant", "bee", "cat", "dog", "eel", "fox", "gnu"]
    assert got["documents"] is not None
    assert (got["documents"][0], got["documents"][6]) == ("An ant carries leaves", "A gnu runs")
    assert got["metadatas"] is not None
    assert got["metadatas"][0] == {"legs": 60, "weight": 0.01, "tame": False, "kind": "insect"}
    assert np.asarray(got["embeddings"])[[0, 6]].tolist() == [[8, 8], [7, 7]]


def test_delete_by_ids_filter_and_limit_counts_what_chroma_counts(animals: Collection) -> None:
    assert animals.delete(ids=["ant", "nobody"]) == {"deleted": 2}
    assert animals.delete(where={"legs": 4}, limit=2) == {"deleted": 2}
    assert ids_of(animals) == ["bee", "eel", "fox"]
    assert animals.delete(where_document={"$contains": "honey"}) == {"deleted": 2}
    assert ids_of(animals) == ["eel"]
    assert animals.query(query_embeddings=[[0, 0]], n_results=5)["ids"] == [["eel"]]
    assert animals.count() == 1


def test_a_deleted_and_added_id_is_new_and_stands_last(animals: Collection) -> None:
    animals.delete(ids=["ant"])
    animals.add(ids=["ant"], embeddings=[[1, 1]])
    assert ids_of(animals) == ["bee", "cat", "dog", "eel", "fox", "ant"]
    assert animals.get(ids=["ant"])["metadatas"] == [None]


def test_the_first_write_fixes_the_dimension(animals: Collection) -> None:
    with pytest.raises(InvalidArgumentError, match="dimension"):
        animals.add(ids=["gnu"], embeddings=[[1, 2, 3]])
    with pytest.raises(InvalidArgumentError, match="dimension"):
        animals.query(query_embeddings=[[1, 2, 3]])
    assert animals.count() == 6


def test_a_refused_batch_leaves_nothing_behind(collection: Collection) -> None:
    with pytest.raises(InvalidArgumentError):
        collection.add(ids=["a", "b"], embeddings=[[1, 2], [1, 2, 3]])
    assert collection.count() == 0


def test_a_filter_that_is_no_filter_is_refused(animals: Collection) -> None:
    for where in ({"legs": {"$like": "x"}}, {"a": 1, "b": 2}, {"legs": {"$gt": "4"}}):
        with pytest.raises((ValueError, ChromaError)):
            animals.get(where=where)
    with pytest.raises((ValueError, ChromaError)):
        animals.get(where_document={"$regex": "(unclosed"})


def test_a_thousand_records_are_written_read_and_found(client: ClientAPI, collection: Collection) -> None:
    rng = np.random.default_rng(2)
    vectors = rng.standard_normal((1000, 32)).astype(np.float32)
    ids = [f"id-{n:04}" for n in range(1000)]
    for start in range(0, 1000, 250):
        part = slice(start, start + 250)
        metadatas = [{"n": n, "bucket": n % 10} for n in range(1000)[part]]
        collection.add(
            ids=ids[part], embeddings=vectors[part], documents=[f"text number {n}" for n in range(1000)[part]], metadatas=metadatas
        )  # type: ignore[arg-type]
    assert collection.count() == 1000
    assert ids_of(collection, where={"bucket": 3}, limit=3) == ["id-0003", "id-0013", "id-0023"]
    queries = vectors[::50] + np.float32(0.01)
    found = collection.query(query_embeddings=queries, n_results=10)
    exact = np.argsort(((queries[:, None, :] - vectors[None]) ** 2).sum(-1), axis=1, kind="stable")[:, :10]
    hits = sum(len(set(row) & {ids[n] for n in best}) for row, best in zip(found["ids"], exact, strict=True))
    assert hits / (20 * 10) >= 0.95
    assert [row[0] for row in found["ids"]] == ids[::50]
    assert found["distances"] is not None
    assert found["distances"][0][0] == pytest.approx(32 * 0.01**2, rel=1e-3)
    filtered = collection.query(query_embeddings=queries[:1], n_results=100, where={"bucket": 7})
    assert len(filtered["ids"][0]) == 100
    assert collection.delete(where={"bucket": {"$in": [1, 2]}}) == {"deleted": 200}
    assert collection.count() == 800
