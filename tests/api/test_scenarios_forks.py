"""Forks and indexing progress, through every client."""

from __future__ import annotations

from typing import Any

import pytest

import chroma_async
from tests.api.conftest import Store


async def three(store: Store) -> Any:
    collection = await store.collection()
    await collection.add(ids=["a", "b", "c"], embeddings=[[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], metadatas=[{"n": 1}, {"n": 2}, {"n": 3}])
    return collection


async def test_a_fork_has_the_records_of_its_source_and_a_life_of_its_own(store: Store) -> None:
    source = await three(store)
    fork = await source.fork("the-fork")
    assert fork.name == "the-fork"
    assert fork.id != source.id
    assert (await fork.get(include=["metadatas"]))["ids"] == ["a", "b", "c"]
    await fork.add(ids=["d"], embeddings=[[2.0, 2.0]])
    await fork.delete(ids=["a"])
    await source.update(ids=["b"], metadatas=[{"n": 20}])
    assert (await fork.get())["ids"] == ["b", "c", "d"]
    assert (await fork.get(ids=["b"]))["metadatas"] == [{"n": 2}]
    assert (await source.get())["ids"] == ["a", "b", "c"]
    assert (await source.get(ids=["b"]))["metadatas"] == [{"n": 20}]


async def test_all_of_a_tree_report_the_number_of_its_forks(store: Store) -> None:
    source = await three(store)
    assert await source.fork_count() == 0
    fork = await source.fork("fork-one")
    second = await fork.fork("fork-two")
    assert [await each.fork_count() for each in (source, fork, second)] == [2, 2, 2]


async def test_a_fork_under_a_taken_name_is_refused(store: Store) -> None:
    source = await three(store)
    with pytest.raises(Exception, match="already exists"):
        await source.fork(source.name)
    assert await source.fork_count() == 0


async def test_indexing_status_counts_every_operation(store: Store) -> None:
    source = await three(store)
    status = await source.get_indexing_status()
    assert status.total_ops == 3
    assert status.num_indexed_ops + status.num_unindexed_ops == 3
    assert status.op_indexing_progress == pytest.approx(status.num_indexed_ops / 3)


async def test_errors_of_ours_are_typed() -> None:
    async with chroma_async.AsyncEphemeralClient() as client:
        collection = await client.create_collection("source")
        with pytest.raises(chroma_async.ChromaError) as caught:
            await collection.fork("source")
        assert caught.value.code() == 409
