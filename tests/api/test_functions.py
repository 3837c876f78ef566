"""Attached functions through our clients and chromadb's sync client, whose own statistics helpers read what ours wrote."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import chromadb
import httpx
import pytest
from chromadb.api.functions import STATISTICS_FUNCTION
from chromadb.api.models.AttachedFunction import AttachedFunction as TheirFunction
from chromadb.utils import statistics

import chroma_async
from tests.api.conftest import Store, opened, served


@pytest.fixture(params=["ephemeral", "persistent", "http", "official-sync"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    async with opened(request.param, tmp_path / "data") as found:
        yield found


async def filled(store: Store) -> Any:
    docs = await store.collection()
    await docs.add(ids=["a", "b", "c"], embeddings=[[1.0]] * 3, metadatas=[{"kind": "x"}, {"kind": "x", "n": 2}, {"ok": True}])
    return docs


async def test_what_is_attached_can_be_read_back_and_attached_again(store: Store) -> None:
    docs = await filled(store)
    made, created = await docs.attach_function("record_counter", "counts", "counts-of-docs")
    assert created
    assert (made.name, made.function_name, made.output_collection) == ("counts", "record_counter", "counts-of-docs")
    assert await docs.get_attached_function("counts") == made
    assert await docs.attach_function("record_counter", "counts", "counts-of-docs", {}) == (made, False)
    assert (await store.client.get_collection("counts-of-docs")).id not in (docs.id, made.id)


async def test_detaching_leaves_an_output_that_is_up_to_date(store: Store) -> None:
    docs = await filled(store)
    await docs.attach_function("record_counter", "counts", "counts-of-docs")
    assert await docs.detach_function("counts") is True
    output = await store.client.get_collection("counts-of-docs")
    found = await output.get()
    assert (found["ids"], found["metadatas"]) == (["function_output"], [{"total_count": 3}])
    with pytest.raises(store.errors.not_found):
        await docs.get_attached_function("counts")
    with pytest.raises(store.errors.not_found):
        await docs.detach_function("counts")


async def test_detaching_with_its_output_deletes_that(store: Store) -> None:
    docs = await filled(store)
    await docs.attach_function("statistics", "stats", "stats-of-docs")
    assert await docs.detach_function("stats", delete_output_collection=True) is True
    with pytest.raises(store.errors.not_found):
        await store.client.get_collection("stats-of-docs")
    _, created = await docs.attach_function("record_counter", "other", "stats-of-docs")
    assert created


async def test_refusals_say_what_the_caller_should_do(store: Store) -> None:
    docs = await filled(store)
    with pytest.raises(store.errors.not_found, match="function not found"):
        await docs.attach_function("nonsense", "fn", "output")
    with pytest.raises(store.errors.invalid, match="params must be empty"):
        await docs.attach_function("statistics", "fn", "output", {"k": 1})
    with pytest.raises(store.errors.any):
        await docs.attach_function("statistics", "fn", "x")
    with pytest.raises(store.errors.exists, match=r"Output collection \[docs\] already exists"):
        await docs.attach_function("statistics", "fn", "docs")
    await docs.attach_function("statistics", "fn", "output")
    for again in (("record_counter", "fn", "output"), ("statistics", "other", "output"), ("statistics", "fn", "elsewhere")):
        with pytest.raises(store.errors.exists, match="name=fn, function=statistics, output_collection=output"):
            await docs.attach_function(*again)
    with pytest.raises(store.errors.invalid, match="output collection"):
        await (await store.client.get_collection("output")).attach_function("record_counter", "fn", "other")
    with pytest.raises(store.errors.not_found, match="does not exist"):
        await docs.detach_function("nobody")


async def test_a_function_runs_by_itself_after_a_hundred_operations(store: Store) -> None:
    docs = await store.collection()
    await docs.attach_function(chroma_async.Function.STATISTICS if store.is_ours else STATISTICS_FUNCTION, "stats", "stats-of-docs")
    count = 120
    await docs.add(
        ids=[f"r{n}" for n in range(count)],
        embeddings=[[1.0]] * count,
        metadatas=[{"parity": "odd" if n % 2 else "even"} for n in range(count)],
    )
    output = await store.client.get_collection("stats-of-docs")
    async with asyncio.timeout(30):
        while not (found := await output.get(where={"key": "parity"}))["ids"]:
            await store.client.heartbeat()
    assert dict(zip(found["ids"], [metadata["count"] for metadata in found["metadatas"]], strict=True)) == {
        "parity::s:even": 60,
        "parity::s:odd": 60,
    }


def use_statistics_helpers(port: int) -> None:
    client = chromadb.HttpClient("127.0.0.1", port)
    docs = client.create_collection("docs", embedding_function=None)
    attached, created = statistics.attach_statistics_function(docs, "docs_statistics")
    assert created
    assert isinstance(attached, TheirFunction)
    assert statistics.get_statistics_fn(docs) == attached
    docs.add(
        ids=["a", "b"],
        embeddings=[[1.0], [2.0]],
        metadatas=[{"category": "A", "score": 10, "tags": ["x", "y"]}, {"category": "B", "score": 10, "tags": ["x"]}],
    )
    assert statistics.detach_statistics_function(docs)
    assert statistics.get_statistics(docs, "docs_statistics") == {
        "statistics": {
            "category": {"A": {"count": 1}, "B": {"count": 1}},
            "score": {"10": {"count": 2}},
            "tags": {"x": {"count": 2}, "y": {"count": 1}},
        },
        "summary": {"total_count": 2},
    }
    assert list(statistics.get_statistics(docs, "docs_statistics", keys="score")["statistics"]) == ["score"]


async def test_chromadbs_statistics_helpers_attach_read_and_detach(tmp_path: Path) -> None:
    async with opened("official-sync", tmp_path), served() as port:
        await asyncio.to_thread(use_statistics_helpers, port)


async def test_a_function_on_the_wire_has_every_member(tmp_path: Path) -> None:
    async with served() as port, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/api/v2") as http:
        database = "/tenants/default_tenant/databases/default_database"
        id = (await http.post(f"{database}/collections", json={"name": "docs"})).json()["id"]
        functions, detach = f"{database}/collections/{id}/functions", f"{database}/collections/{id}/attached_functions/fn/detach"
        body = {"name": "fn", "function_id": "statistics", "output_collection": "output"}
        attached = (await http.post(f"{functions}/attach", json=body)).json()
        assert attached["created"] is True
        about = (await http.get(f"{functions}/fn")).json()["attached_function"]
        output = (await http.get(f"{database}/collections/output")).json()
        assert output["schema"]["source_attached_function_id"] == about["id"]
        assert about == {
            **attached["attached_function"],
            "input_collection_id": id,
            "output_collection": "output",
            "output_collection_id": output["id"],
            "params": "{}",
            "tenant_id": "default_tenant",
            "database_id": "00000000-0000-0000-0000-000000000000",
            "completion_offset": 0,
            "min_records_for_invocation": 100,
        }
        bodies: list[Any] = [{}, {**body, "params": []}, {**body, "name": 5}]
        assert [(await http.post(f"{functions}/attach", json=each)).status_code for each in bodies] == [422] * 3
        assert (await http.post(f"{functions}/attach", json={**body, "params": {"a": 1}})).status_code == 400
        assert (await http.post(detach, json={"delete_output": "yes"})).status_code == 422
        assert (await http.post(detach, json={})).json() == {"success": True}
        assert (await http.post(detach, json={})).status_code == 404


@pytest.mark.parametrize("name", ["attach_function", "get_attached_function", "detach_function"])
def test_the_verbs_have_the_names_and_parameters_of_chromadbs_sync_client(name: str) -> None:
    theirs, ours = getattr(chromadb.Collection, name), getattr(chroma_async.AsyncCollection, name)
    assert list(inspect.signature(ours).parameters) == list(inspect.signature(theirs).parameters)
    attributes = {name for name, member in inspect.getmembers(TheirFunction) if isinstance(member, property)}
    assert attributes <= set(chroma_async.AttachedFunction.__dataclass_fields__)
