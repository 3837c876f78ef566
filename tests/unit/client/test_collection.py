"""AsyncClient and AsyncCollection over a fake store: what they send, what they hand back, whose loop they are."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import warnings
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from chroma_async.client import record_arguments
from chroma_async.client.client import AsyncClient
from chroma_async.client.record_arguments import checking_us
from chroma_async.client.validate import converting_us
from chroma_async.costs import CHECK_NUMBER, CONVERT_NUMBER, INLINE_US
from chroma_async.embedding import registry
from chroma_async.errors import ClosedError, DuplicateIDError, ForkedError, NotFoundError, UniqueConstraintError, WrongLoopError
from chroma_async.types import ReadLevel, RecordBatch
from tests.fakes.api import FakeAPI


@pytest.fixture
async def api() -> FakeAPI:
    return FakeAPI()


@pytest.fixture
async def client(api: FakeAPI) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(api) as opened:
        yield opened


async def vectors_of(texts: list[str]) -> list[list[float]]:
    return [[float(len(text)), 1.0] for text in texts]


class Named:
    """What chromadb calls an embedding function, without chromadb."""

    def __init__(self, label: str = "named", space: str = "cosine") -> None:
        self.label = label
        self.space = space
        self.threads: set[int] = set()

    def __call__(self, input: list[str]) -> list[np.ndarray]:
        self.threads.add(threading.get_ident())
        return [np.array([1, 2], dtype=np.float32) for _ in input]

    def embed_query(self, input: list[str]) -> list[list[float]]:
        return [[3.0, 4.0] for _ in input]

    def name(self) -> str:
        return self.label

    def get_config(self) -> dict[str, Any]:
        return {"model": "m"}

    def default_space(self) -> str:
        return self.space

    @staticmethod
    def build_from_config(config: dict[str, Any]) -> Named:
        return Named()


async def test_a_collection_says_what_the_store_says(client: AsyncClient) -> None:
    collection = await client.create_collection("docs", metadata={"a": 1})
    assert repr(collection) == "Collection(name=docs)"
    assert (collection.name, collection.metadata, collection.tenant, collection.database) == (
        "docs",
        {"a": 1},
        "default_tenant",
        "default_database",
    )
    assert isinstance(collection.id, UUID)
    assert collection.get_model().name == "docs"
    assert collection == await client.get_collection("docs")
    assert collection == await client.get_collection_by_id(collection.id)
    assert len({collection, await client.get_collection("docs")}) == 1
    assert collection != await client.create_collection("other")


async def test_a_plain_collection_sends_no_configuration(client: AsyncClient, api: FakeAPI) -> None:
    await client.create_collection("docs")
    assert api.sent("create_collection")["configuration"] is None


async def test_a_named_function_is_described_and_chooses_the_space(client: AsyncClient, api: FakeAPI) -> None:
    known = {"type": "known", "name": "named", "config": {"model": "m"}}
    collection = await client.create_collection("docs", embedding_function=Named())
    assert api.sent("create_collection")["configuration"] == {"hnsw": {"space": "cosine"}, "spann": None, "embedding_function": known}
    assert isinstance(collection.configuration["embedding_function"], Named)
    assert collection.configuration_json["embedding_function"] == known
    await client.create_collection("a", configuration={"hnsw": {"space": "ip"}}, embedding_function=Named())
    assert api.sent("create_collection")["configuration"]["hnsw"] == {"space": "ip"}
    await client.create_collection("b", configuration={"hnsw": {"ef_search": 7}, "embedding_function": Named()})
    assert api.sent("create_collection")["configuration"] == {
        "hnsw": {"ef_search": 7, "space": "cosine"},
        "spann": None,
        "embedding_function": known,
    }
    await client.create_collection("c", metadata={"hnsw:space": "l2"}, embedding_function=Named())
    assert api.sent("create_collection")["configuration"]["hnsw"] is None


async def test_a_plain_callable_is_described_as_legacy(client: AsyncClient, api: FakeAPI) -> None:
    await client.create_collection("docs", embedding_function=vectors_of)
    assert api.sent("create_collection")["configuration"] == {"hnsw": None, "spann": None, "embedding_function": {"type": "legacy"}}


async def test_two_functions_of_different_names_are_refused(client: AsyncClient) -> None:
    with pytest.raises(ValueError, match="Multiple embedding functions provided"):
        await client.create_collection("docs", configuration={"embedding_function": Named()}, embedding_function=Named("other"))
    await client.create_collection("docs", embedding_function=Named())
    with pytest.raises(ValueError, match="embedding function already exists"):
        await client.get_collection("docs", embedding_function=Named("other"))
    with pytest.raises(ValueError, match="embedding function already exists"):
        await client.get_or_create_collection("docs", embedding_function=Named("other"))
    await client.get_collection("docs", embedding_function=Named())
    await client.get_collection("docs", embedding_function=vectors_of)
    default = await client.get_collection("docs", embedding_function=Named("default"))
    assert isinstance(default.configuration["embedding_function"], Named), "the default is no choice"
    assert default.configuration["embedding_function"].label == "named"


async def test_an_async_function_is_awaited_and_a_plain_one_runs_in_a_thread(client: AsyncClient, api: FakeAPI) -> None:
    awaited = await client.create_collection("awaited", embedding_function=vectors_of)
    await awaited.add(ids=["a", "b"], documents=["x", "yyy"])
    assert api.sent("add").embeddings.tolist() == [[1, 1], [3, 1]]
    function = Named()
    threaded = await client.create_collection("threaded", embedding_function=function)
    await threaded.add(ids="a", documents="x")
    assert api.sent("add").embeddings.tolist() == [[1, 2]]
    assert threading.get_ident() not in function.threads


async def test_texts_of_a_query_go_through_embed_query(client: AsyncClient, api: FakeAPI) -> None:
    collection = await client.create_collection("docs", embedding_function=Named())
    await collection.query(query_texts="x")
    assert api.sent("query").embeddings.tolist() == [[3, 4]]


async def test_a_function_must_give_one_vector_per_text(client: AsyncClient) -> None:
    async def one(texts: list[str]) -> list[list[float]]:
        return [[1.0, 2.0]]

    collection = await client.create_collection("docs", embedding_function=one)
    with pytest.raises(ValueError, match=r"expected 2 vectors, got 1 in add\."):
        await collection.add(ids=["a", "b"], documents=["x", "y"])


async def test_what_the_function_raises_goes_through(client: AsyncClient) -> None:
    def fails(texts: list[str]) -> list[list[float]]:
        raise LookupError("no model")

    collection = await client.create_collection("docs", embedding_function=fails)
    with pytest.raises(LookupError, match=r"^'?no model'?$"):
        await collection.add(ids=["a"], documents=["x"])


async def test_a_persisted_name_is_built_only_from_what_the_application_registered(
    client: AsyncClient, api: FakeAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry.known_embedding_functions, "_given", {})
    async with AsyncClient(api) as another:
        await another.create_collection("docs", embedding_function=Named())
    collection = await client.get_collection("docs")
    assert collection.configuration["embedding_function"] is None
    with pytest.raises(ValueError, match=r"'named', which cannot be made here.*in add\."):
        await collection.add(ids=["a"], documents=["x"])

    class Registrable(Named):
        @staticmethod
        def name() -> str:  # type: ignore[override]
            return "named"

    registry.register_embedding_function(Registrable)
    await collection.add(ids=["a"], documents=["x"])
    assert api.sent("add").embeddings.tolist() == [[1, 2]]
    with pytest.raises(TypeError, match="build_from_config"):
        registry.register_embedding_function(int)


async def test_collections_that_describe_a_function_use_the_one_that_this_client_was_given(client: AsyncClient, api: FakeAPI) -> None:
    function = Named()
    await client.create_collection("docs", embedding_function=function)
    collection = await client.get_collection("docs")
    assert collection.configuration["embedding_function"] is function
    await collection.add(ids=["a"], documents=["x"])
    assert api.sent("add").embeddings.tolist() == [[1, 2]]


@pytest.mark.parametrize("description", [None, {"type": "legacy"}, {"type": "unknown"}], ids=str)
async def test_without_a_function_embedding_says_what_to_pass(client: AsyncClient, description: Any) -> None:
    collection = await client.create_collection("docs", configuration={"embedding_function": description})
    for attempt in (collection.add(ids="a", documents="x"), collection.query(query_texts="x")):
        with pytest.raises(ValueError, match="Pass embeddings, open the collection with embedding_function="):
            await attempt


async def test_writes_need_embeddings_or_exactly_one_source(client: AsyncClient) -> None:
    collection = await client.create_collection("docs", embedding_function=vectors_of)
    image = np.zeros((2, 2), dtype=np.int64)
    for attempt in (
        collection.add(ids="a"),
        collection.add(ids="a", documents="x", uris="u"),
        collection.add(ids="a", documents="x", images=image),
        collection.add(ids=["a"], documents=[None]),
        collection.upsert(ids="a"),
        collection.upsert(ids="a", uris="u"),
        collection.query(),
        collection.query(query_texts="x", query_uris="u"),
        collection.query(query_texts=[]),
    ):
        with pytest.raises(ValueError, match="embed"):
            await attempt


async def test_given_embeddings_are_sent_as_they_are_beside_documents(client: AsyncClient, api: FakeAPI) -> None:
    collection = await client.create_collection("docs", embedding_function=vectors_of)
    await collection.upsert(
        ids=["a", "b"], embeddings=[[1, 2], [3, 4]], documents=["x", None], metadatas=[None, {"k": 1}], uris=["u", None]
    )
    batch: RecordBatch = api.sent("upsert")
    assert batch.ids == ["a", "b"]
    assert batch.embeddings is not None
    assert batch.embeddings.tolist() == [[1, 2], [3, 4]]
    assert (batch.documents, batch.metadatas, batch.uris) == (["x", None], [None, {"k": 1}], ["u", None])
    assert batch.present is None


async def test_an_update_embeds_the_documents_it_brings_and_no_others(client: AsyncClient, api: FakeAPI) -> None:
    collection = await client.create_collection("docs", embedding_function=vectors_of)
    await collection.update(ids=["a", "b"], documents=[None, "yyy"])
    batch: RecordBatch = api.sent("update")
    assert batch.embeddings is not None
    assert batch.present is not None
    assert batch.present.tolist() == [False, True]
    assert batch.embeddings.tolist() == [[0, 0], [3, 1]]
    for only in ({"metadatas": {"k": None}}, {"uris": "u"}, {"documents": [None]}, {}):
        await collection.update(ids="a", **only)
        assert api.sent("update").embeddings is None


async def test_columns_of_unequal_length_are_refused_before_anything_is_embedded(client: AsyncClient) -> None:
    function = Named()
    collection = await client.create_collection("docs", embedding_function=function)
    with pytest.raises(ValueError, match=r"equal lengths.*in add\."):
        await collection.add(ids=["a"], documents=["x", "y"])
    with pytest.raises(ValueError, match="equal lengths"):
        await collection.add(ids=["a"], embeddings=[[1, 2], [3, 4]])
    with pytest.raises(DuplicateIDError):
        await collection.add(ids=["a", "a"], documents=["x", "y"])
    assert not function.threads


async def test_a_batch_over_what_the_store_advises_is_embedded_and_written_as_one_in_process() -> None:
    api, function = FakeAPI(max_batch_size=2), Named()
    async with AsyncClient(api) as client:
        collection = await client.create_collection("docs", embedding_function=function)
        await collection.add(ids=["a", "b", "c"], documents=["x", "y", "z"])
    assert len(function.threads) == 1
    assert api.verbs.count("add") == 1


async def test_results_have_chromas_keys_in_the_order_that_was_asked(client: AsyncClient) -> None:
    collection = await client.create_collection("docs")
    got = await collection.get()
    assert got == {
        "ids": ["a", "b"],
        "embeddings": None,
        "documents": ["one", None],
        "uris": None,
        "data": None,
        "metadatas": [{"n": 1}, None],
        "included": ["metadatas", "documents"],
    }
    peeked = await collection.peek()
    assert peeked["included"] == ["metadatas", "documents", "embeddings"]
    assert isinstance(peeked["embeddings"], np.ndarray)
    assert peeked["embeddings"].shape == (2, 2)
    asked = await collection.query(query_embeddings=[[1, 2], [3, 4]], include=["distances", "embeddings", "uris"])
    assert asked["ids"] == [["a", "b"]] * 2
    assert asked["distances"] == [[float(np.float32(0.1)), 1.0]] * 2
    assert asked["uris"] == [["uri:a", "uri:b"]] * 2
    assert asked["embeddings"] is not None
    assert [array.shape for array in asked["embeddings"]] == [(2, 2), (2, 2)]
    assert asked["documents"] is asked["metadatas"] is asked["data"] is None
    assert asked["included"] == ["distances", "embeddings", "uris"]


async def test_a_data_loader_loads_the_uris_of_records_and_queries(client: AsyncClient, api: FakeAPI) -> None:
    def load(uris: list[Any]) -> list[np.ndarray]:
        return [np.full((1, 1), len(uri)) for uri in uris]

    async def images(arrays: list[np.ndarray]) -> list[list[float]]:
        return [[float(array[0, 0]), 0.0] for array in arrays]

    collection = await client.create_collection("docs", embedding_function=images, data_loader=load)
    await collection.add(ids=["a"], uris=["uri:a"])
    assert api.sent("add").embeddings.tolist() == [[5, 0]]
    got = await collection.get(include=["data"])
    assert got["data"] is not None
    assert [array.tolist() for array in got["data"]] == [[[5]], [[5]]]
    assert got["included"] == ["data", "uris"]
    asked = await collection.query(query_uris="uri:abc", include=["data"])
    assert asked["data"] is not None
    assert [array.tolist() for array in asked["data"][0]] == [[[5]], [[5]]]
    assert api.sent("query").embeddings.tolist() == [[7, 0]]


async def test_reads_and_deletions_are_asked_as_given(client: AsyncClient, api: FakeAPI) -> None:
    collection = await client.create_collection("docs")
    await collection.get(ids="a", where={"k": 1}, where_document={"$contains": "x"}, limit=3, offset=2, include=[])
    got = api.sent("get")
    assert (got.ids, got.where, got.where_document, got.limit, got.offset, got.include) == (
        ["a"],
        {"k": 1},
        {"$contains": "x"},
        3,
        2,
        (),
    )
    await collection.query(query_embeddings=[1, 2], ids=["a", "a"], n_results=4)
    assert (api.sent("query").ids, api.sent("query").n_results) == (["a", "a"], 4)
    assert await collection.delete(ids=["a", "b"]) == {"deleted": 2}
    await collection.delete(where={"k": 1}, limit=1)
    assert api.sent("delete").limit == 1
    for bad, error in (({}, ValueError), ({"ids": []}, ValueError), ({"ids": "a", "limit": 1}, ValueError)):
        with pytest.raises(error, match=r"in delete\."):
            await collection.delete(**bad)
    for bad, error in ((-1, ValueError), (1.5, TypeError)):
        with pytest.raises(error):
            await collection.delete(where={"k": 1}, limit=bad)


async def test_count_takes_a_read_level_by_name_or_member(client: AsyncClient, api: FakeAPI) -> None:
    collection = await client.create_collection("docs")
    assert await collection.count() == 2
    assert api.sent("count") is ReadLevel.INDEX_AND_WAL
    await collection.count("index_only")
    assert api.sent("count") is ReadLevel.INDEX_ONLY
    with pytest.raises(ValueError, match="read_level"):
        await collection.count("all")


async def test_modify_brings_the_object_up_to_date(client: AsyncClient, api: FakeAPI) -> None:
    collection = await client.create_collection("docs", embedding_function=Named())
    await collection.modify(name="papers", metadata={"b": 2, "gone": None})
    assert api.sent("modify_collection") == {"new_name": "papers", "new_metadata": {"b": 2, "gone": None}, "new_configuration": None}
    assert collection.name == "papers"
    await collection.modify(configuration={"hnsw": {"ef_search": 5}, "embedding_function": Named()})
    known = {"type": "known", "name": "named", "config": {"model": "m"}}
    assert api.sent("modify_collection")["new_configuration"] == {"hnsw": {"ef_search": 5}, "embedding_function": known}
    for bad in ({"metadata": {"hnsw:space": "l2"}}, {"metadata": {}}, {"configuration": {"embedding_function": Named("other")}}):
        with pytest.raises(ValueError, match=r"in modify\."):
            await collection.modify(**bad)


async def test_tenants_and_databases_are_administered_beside_the_client(client: AsyncClient, api: FakeAPI) -> None:
    await client.admin.create_tenant("acme")
    await client.admin.create_database("db1", tenant="acme")
    assert await client.admin.get_tenant("acme") == {"name": "acme"}
    assert await client.admin.get_database("db1", "acme") == {"id": str(UUID(int=0)), "name": "db1", "tenant": "acme"}
    assert [found["name"] for found in await client.admin.list_databases(tenant="acme")] == ["db1"]
    await client.admin.delete_database("db1", "acme")
    assert api.verbs == ["create_tenant", "create_database", "delete_database"]
    with pytest.raises(TypeError):
        await client.admin.create_tenant(3)  # type: ignore[arg-type]


async def test_a_scope_that_does_not_exist_changes_nothing(client: AsyncClient) -> None:
    for attempt in (client.set_tenant("missing"), client.set_database("missing")):
        with pytest.raises(NotFoundError):
            await attempt
    assert (client.tenant, client.database) == ("default_tenant", "default_database")
    await client.admin.create_tenant("acme")
    await client.admin.create_database("db1", "acme")
    await client.set_tenant("acme", "db1")
    assert (client.tenant, client.database) == ("acme", "db1")
    assert (await client.create_collection("docs")).tenant == "acme"


async def test_the_rest_of_the_client(client: AsyncClient, api: FakeAPI) -> None:
    assert await client.heartbeat() == 1_700_000_000_000_000_000
    assert await client.get_version() == "1.0.0"
    assert await client.get_max_batch_size() == 5461
    assert (await client.get_user_identity()).databases == ["default_database"]
    await client.create_collection("docs")
    with pytest.raises(UniqueConstraintError):
        await client.create_collection("docs")
    await client.create_collection("more")
    assert [found.name for found in await client.list_collections(limit=1, offset=1)] == ["more"]
    assert await client.count_collections() == 2
    await client.delete_collection("docs")
    with pytest.raises(NotFoundError):
        await client.get_collection("docs")
    api.allow_reset = True
    assert await client.reset() is True
    with pytest.raises(TypeError):
        await client.get_collection(3)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        await client.get_collection_by_id("no")  # type: ignore[arg-type]


async def test_a_closed_client_refuses_and_closes_twice_in_peace(api: FakeAPI) -> None:
    client = AsyncClient(api)
    collection = await client.create_collection("docs")
    await client.aclose()
    await client.close()
    assert api.closed == 1
    for attempt in (client.heartbeat(), collection.count(), client.admin.get_tenant("acme")):
        with pytest.raises(ClosedError):
            await attempt


async def test_another_loop_gets_an_error_that_names_both_and_what_to_do(client: AsyncClient) -> None:
    def elsewhere() -> None:
        asyncio.run(client.heartbeat())

    words = f"belongs to event loop {id(asyncio.get_running_loop()):#x} and was used in loop 0x.*one client per loop .*fixture.*loop_scope"
    with ThreadPoolExecutor(1) as pool, pytest.raises(WrongLoopError, match=words):
        await asyncio.wrap_future(pool.submit(elsewhere))


async def test_a_child_process_gets_an_error_of_its_own(client: AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    parent = os.getpid()
    with monkeypatch.context() as patched:
        patched.setattr(os, "getpid", lambda: parent + 1)
        with pytest.raises(ForkedError, match=str(parent)):
            await client.heartbeat()


async def test_a_forgotten_client_warns(api: FakeAPI) -> None:
    def forget() -> None:
        AsyncClient(api)
        gc.collect()

    with pytest.warns(ResourceWarning, match="never closed"):
        forget()


async def test_a_closed_client_does_not_warn(api: FakeAPI) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        async with AsyncClient(api) as client:
            await client.heartbeat()
        del client
        gc.collect()


async def test_large_arguments_are_checked_in_a_thread_and_small_ones_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []
    check = record_arguments.check_ids

    def watched(*args: Any, **kwargs: Any) -> list[str]:
        threads.append(threading.get_ident())
        return check(*args, **kwargs)

    monkeypatch.setattr(record_arguments, "check_ids", watched)
    async with AsyncClient(FakeAPI()) as client:
        collection = await client.create_collection("docs")
        for rows in (10, 10_000):
            await collection.get(ids=[f"id-{row}" for row in range(rows)])
    assert [thread == threading.get_ident() for thread in threads] == [True, False]


def test_the_cost_of_a_batch_grows_with_its_rows_and_its_metadata() -> None:
    ids, wide = ["a"] * 10, {f"key{number}": number for number in range(500)}
    assert checking_us(ids, [{"n": 1}] * 10, ["text"] * 10) < INLINE_US
    assert checking_us(ids * 1000, None) > INLINE_US
    assert checking_us(ids, [wide] * 10) > INLINE_US
    assert checking_us("a", {"n": 1}) == checking_us(3, None) * 2


def test_the_cost_of_vectors_is_seen_without_converting_them() -> None:
    assert converting_us(np.zeros((3, 4))) == converting_us([np.zeros(4)] * 3) == 12 * CHECK_NUMBER
    assert converting_us([[0.0] * 4] * 3) == 12 * CONVERT_NUMBER
    assert converting_us([1.0, 2.0]) == 2 * CONVERT_NUMBER
    assert converting_us([]) == converting_us(None) == converting_us(3) == 0
