"""The official client on collections."""

from __future__ import annotations

import uuid

import chromadb
import pytest
from chromadb.api import ClientAPI
from chromadb.api.models.Collection import Collection
from chromadb.errors import ChromaError, InvalidArgumentError, NotFoundError


def test_a_created_collection_is_found_by_name_and_by_id(client: ClientAPI, name: str) -> None:
    made = client.create_collection(name, metadata={"owner": "me", "n": 1, "share": 0.5, "ok": True}, embedding_function=None)
    found = client.get_collection(name, embedding_function=None)
    assert (found.id, found.name, found.tenant, found.database) == (made.id, name, "default_tenant", "default_database")
    assert found.metadata == {"owner": "me", "n": 1, "share": 0.5, "ok": True}
    assert client._server.get_collection_by_id(made.id).name == name  # type: ignore[attr-defined]


def test_a_name_is_taken_once_and_get_or_create_returns_what_is_there(client: ClientAPI, collection: Collection) -> None:
    with pytest.raises(ChromaError, match="exists"):
        client.create_collection(collection.name, embedding_function=None)
    again = client.get_or_create_collection(collection.name, metadata={"other": 1}, embedding_function=None)
    assert again.id == collection.id
    assert again.metadata is None


@pytest.mark.parametrize("bad", ["ab", "-abc", "abc-", "a b c", "a..b", "1.2.3.4", "x" * 513])
def test_a_name_that_breaks_the_rules_is_refused(client: ClientAPI, bad: str) -> None:
    with pytest.raises((InvalidArgumentError, ValueError)):
        client.create_collection(bad, embedding_function=None)


def test_an_unknown_collection_is_not_found(client: ClientAPI, name: str) -> None:
    with pytest.raises(NotFoundError):
        client.get_collection(name)
    with pytest.raises(NotFoundError):
        client.delete_collection(name)


def test_collections_are_listed_by_id_counted_and_paged(client: ClientAPI) -> None:
    before = client.count_collections()
    names = [f"listed-{uuid.uuid4().hex}" for _ in range(5)]
    for each in names:
        client.create_collection(each, embedding_function=None)
    listed = client.list_collections()
    assert client.count_collections() == before + 5 == len(listed)
    assert set(names) <= {each.name for each in listed}
    assert [each.id for each in listed] == sorted(each.id for each in listed)
    assert [each.id for each in client.list_collections(limit=2, offset=1)] == [each.id for each in listed[1:3]]
    for each in names:
        client.delete_collection(each)
    assert client.count_collections() == before


def test_modify_renames_and_replaces_metadata(client: ClientAPI, name: str) -> None:
    made = client.create_collection(name, metadata={"a": 1, "b": 2}, embedding_function=None)
    made.modify(name=f"{name}-new", metadata={"c": 3})
    found = client.get_collection(f"{name}-new", embedding_function=None)
    assert (found.id, found.metadata) == (made.id, {"c": 3})
    with pytest.raises(NotFoundError):
        client.get_collection(name)


def test_modify_to_a_name_that_is_taken_is_refused(client: ClientAPI, collection: Collection, name: str) -> None:
    other = client.create_collection(f"{name}-other", embedding_function=None)
    with pytest.raises(ChromaError):
        other.modify(name=collection.name)
    assert client.get_collection(f"{name}-other", embedding_function=None).id == other.id


def test_a_deleted_collection_answers_nothing_more_and_its_name_is_free(client: ClientAPI, animals: Collection) -> None:
    client.delete_collection(animals.name)
    with pytest.raises(NotFoundError):
        animals.count()
    assert client.create_collection(animals.name, embedding_function=None).count() == 0


@pytest.mark.parametrize(
    ("space", "distances"),
    [("l2", [0.0, 5.0, 25.0]), ("cosine", [0.0, 0.2928932, 1.0]), ("ip", [0.0, -1.0, 1.0])],
)
def test_each_space_measures_as_chroma_defines_it(client: ClientAPI, name: str, space: str, distances: list[float]) -> None:
    made = client.create_collection(name, configuration={"hnsw": {"space": space}}, embedding_function=None)  # type: ignore[arg-type]
    made.add(ids=["same", "diagonal", "across"], embeddings=[[1, 0], [2, 2], [0, 5]] if space != "l2" else [[1, 0], [2, 2], [5, 3]])
    found = made.query(query_embeddings=[[1, 0]], n_results=3)
    assert found["distances"] is not None
    by_id = dict(zip(found["ids"][0], found["distances"][0], strict=True))
    assert [by_id[id] for id in ("same", "diagonal", "across")] == pytest.approx(distances, abs=1e-6)
    assert found["distances"][0] == sorted(found["distances"][0])


def test_metadata_alone_selects_the_space_as_older_clients_do(client: ClientAPI, name: str) -> None:
    made = client.create_collection(name, metadata={"hnsw:space": "cosine", "hnsw:M": 8}, embedding_function=None)
    found = client.get_collection(name, embedding_function=None)
    assert found.configuration_json["hnsw"]["space"] == "cosine"
    assert found.configuration_json["hnsw"]["max_neighbors"] == 8
    made.add(ids=["a"], embeddings=[[0.0, 9.0]])
    assert made.query(query_embeddings=[[0.0, 1.0]])["distances"] == [[pytest.approx(0.0, abs=1e-6)]]


def test_the_configuration_comes_back_with_defaults_and_can_be_updated(client: ClientAPI, name: str) -> None:
    made = client.create_collection(name, configuration={"hnsw": {"ef_construction": 50}}, embedding_function=None)
    hnsw = client.get_collection(name, embedding_function=None).configuration_json["hnsw"]
    assert hnsw == {
        "space": "l2", "ef_construction": 50, "ef_search": 100, "max_neighbors": 16, "resize_factor": 1.2, "sync_threshold": 1000,
    }  # fmt: skip
    made.modify(configuration={"hnsw": {"ef_search": 33}})
    assert client.get_collection(name, embedding_function=None).configuration_json["hnsw"]["ef_search"] == 33


def test_the_schema_comes_back_and_learns_the_keys_that_are_written(client: ClientAPI, name: str) -> None:
    made = client.create_collection(name, schema=chromadb.Schema(), embedding_function=None)
    made.add(ids=["a"], embeddings=[[1.0]], metadatas=[{"colour": "red", "n": 1}])
    schema = client.get_collection(name, embedding_function=None).schema
    assert schema is not None
    assert {"colour", "n", "#document", "#embedding"} <= set(schema.keys)
    assert schema.keys["colour"].string is not None
    assert schema.keys["n"].int_value is not None


def test_a_key_whose_index_is_off_cannot_be_filtered_by(client: ClientAPI, name: str) -> None:
    schema = chromadb.Schema().delete_index(config=chromadb.StringInvertedIndexConfig(), key="secret")
    made = client.create_collection(name, schema=schema, embedding_function=None)
    made.add(ids=["a"], embeddings=[[1.0]], metadatas=[{"secret": "x"}])
    with pytest.raises(ChromaError, match="secret"):
        made.get(where={"secret": "x"})


def test_the_embedding_functions_description_is_kept_and_never_run(client: ClientAPI, name: str) -> None:
    class Fixed(chromadb.EmbeddingFunction[list[str]]):
        """Not known to any registry but this process's."""

        def __init__(self) -> None: ...

        def __call__(self, input: list[str]) -> chromadb.Embeddings:  # type: ignore[override]
            return [[float(len(text)), 1.0] for text in input]  # type: ignore[misc]

        @staticmethod
        def name() -> str:
            return "fixed-lengths"

        @staticmethod
        def build_from_config(config: dict[str, object]) -> Fixed:
            return Fixed()

        def get_config(self) -> dict[str, object]:
            return {"scale": 1}

    made = client.create_collection(name, embedding_function=Fixed())  # type: ignore[arg-type]
    made.add(ids=["a", "b"], documents=["four", "sixsix"])
    assert made.query(query_texts=["sixsix"], n_results=1)["ids"] == [["b"]]
    found = client.get_collection(name, embedding_function=Fixed())  # type: ignore[arg-type]
    assert found.configuration_json["embedding_function"] == {"type": "known", "name": "fixed-lengths", "config": {"scale": 1}}
