"""Large, long, many and none: what callers may send, in memory, in chunks and after reopening."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from chroma_async.errors import InvalidArgumentError, InvalidDimensionException, UnprocessableError
from chroma_async.types import DeleteRequest, QueryRequest, RecordBatch, WriteKind
from tests.engine.store import SCOPE, TINY, Store, same, vectors

Open = Callable[..., Awaitable[Store]]

ROOMY = replace(TINY, memtable_rows=8192, merge_rows=10**6, segment_rows=10**6, flat_rows=10**6, trigram_rows=10**6)


async def through_all_states(store: Store, open_store: Open, look: Callable[[Store], Awaitable[None]]) -> None:
    """Look at the store in memory, in a chunk, after merging and vacuuming, and reopened."""
    await look(store)
    await store.flush()
    await look(store)
    await store.add(["one more"], np.ones((1, store_dimension(await store.everything())), dtype=np.float32))
    await store.delete(["one more"])
    await store.finish()
    await look(store)
    await store.engine.aclose()
    again = await open_store(settings=ROOMY)
    await look(Store(again.engine, again.api, store.info))


def store_dimension(rows: Any) -> int:
    return int(rows.embeddings.shape[1])


async def test_a_hundred_thousand_ids(open_store: Open) -> None:
    store = await open_store(settings=ROOMY)
    count = 100_000
    ids = [f"id-{n}" for n in range(count)]
    await store.add(ids, np.arange(count, dtype=np.float32)[:, None], metadatas=[{"k": id} for id in ids])
    for _ in range(2):
        assert (await store.get(ids=ids, include=())).ids == ids
        assert (await store.ids(where={"k": {"$in": ids[::2]}}))[:3] == ids[:6:2]
        assert len(await store.ids(where={"#id": {"$nin": ids[::2]}})) == count // 2
        assert (await store.query([5.0], 3, ids=ids)).ids[0] == "id-5"
        await store.flush()
    assert await store.delete(ids[: count // 2]) == count // 2
    assert await store.api.delete(SCOPE, store.id, DeleteRequest(where={"k": {"$in": ids}})) == count // 2
    assert await store.count() == 0


async def test_forty_mebibytes_in_one_add(open_store: Open) -> None:
    store = await open_store(settings=ROOMY)
    rows = np.random.default_rng(1).standard_normal((10_000, 1024), dtype=np.float32)
    ids = [f"a{n}" for n in range(len(rows))]
    await store.add(ids, rows)
    assert await store.count() == len(rows)
    assert (await store.query(rows[77], 1)).ids == ["a77"]
    await store.engine.aclose()
    again = await open_store(settings=ROOMY)
    assert (await again.query(rows[78], 1)).ids == ["a78"]


@pytest.mark.parametrize("n_results", [4294967295, 2**63, 2**80])
async def test_more_results_than_there_can_be(store: Store, n_results: int) -> None:
    await store.add(["a", "b", "c"], vectors([1, 2, 3]))
    for _ in range(2):
        assert (await store.query([1.0] * 4, n_results)).ids == ["a", "b", "c"]
        assert (await store.query([1.0] * 4, n_results, where={"no": 1})).ids == []
        assert await store.ids(limit=n_results) == ["a", "b", "c"]
        assert await store.ids(offset=n_results) == []
        assert await store.ids(offset=1, limit=n_results) == ["b", "c"]
        await store.flush()


async def test_vectors_of_no_length_are_refused_and_change_nothing(store: Store) -> None:
    nothing = np.zeros((1, 0), dtype=np.float32)
    for kind in ("add", "upsert", "update"):
        with pytest.raises((InvalidArgumentError, UnprocessableError)):
            await store.write(kind, ["a"], nothing)
    assert (await store.api.get_collection(SCOPE, "docs")).dimension is None
    await store.add(["a"])
    for bad in (nothing[0], [1.0]):
        with pytest.raises(InvalidDimensionException):
            await store.query(bad)
    assert (await store.api.query(SCOPE, store.id, QueryRequest(np.zeros((0, 0), dtype=np.float32)))).queries == []
    await store.api.write(SCOPE, store.id, WriteKind.ADD, RecordBatch([], np.zeros((0, 0), dtype=np.float32)))
    assert await store.count() == 1


async def test_an_update_of_nobody_fixes_a_dimension_that_nobody_has_set(disk: Store, open_store: Open) -> None:
    assert (await disk.query([1.0] * 7)).ids == []
    await disk.update(["nobody"], np.ones((1, 7)))
    assert (await disk.api.get_collection(SCOPE, "docs")).dimension == 7
    with pytest.raises(InvalidDimensionException):
        await disk.add(["a"], np.ones((1, 8)))
    await disk.engine.aclose()
    again = await open_store()
    assert (await again.api.get_collection(SCOPE, "docs")).dimension == 7
    await again.add(["a"], np.ones((1, 7)))
    assert (await again.query([1.0] * 7)).ids == ["a"]


async def test_two_thousand_keys_in_each_row(open_store: Open) -> None:
    store = await open_store(settings=ROOMY)
    rows = 60
    metadatas: list[Any] = [{f"row{n % 3}-key{k}": [n, float(n), str(n), n % 2 == 0][k % 4] for k in range(2000)} for n in range(rows)]
    ids = [f"a{n}" for n in range(rows)]
    await store.add(ids, vectors(range(rows)), metadatas=metadatas)
    expected = await store.everything()

    async def look(store: Store) -> None:
        assert same(await store.everything(), expected)
        assert await store.ids(where={"row1-key0": 4}) == ["a4"]
        assert await store.ids(where={"row2-key1998": "5"}) == ["a5"]
        assert len(await store.ids(where={"row0-key1999": {"$ne": True}})) == 50

    await through_all_states(store, open_store, look)


async def test_ids_of_a_hundred_kilobytes_and_documents_of_ten_megabytes(open_store: Open) -> None:
    store = await open_store(settings=ROOMY)
    ids = [str(n) + "i" * 100_000 for n in range(8)]
    documents = [f"{n} " + "word " * 2_000_000 + f"end{n}" for n in range(2)]
    await store.add(ids[:2], vectors([0, 1]), documents=documents)
    await store.add(ids[2:], vectors(range(2, 8)))

    async def look(store: Store) -> None:
        assert await store.ids() == ids
        rows = await store.get(ids=[ids[1]])
        assert rows.documents == [documents[1]]
        assert await store.ids(where_document={"$contains": "end1"}) == [ids[1]]
        assert await store.ids(where_document={"$regex": "end[0-9]$"}) == ids[:2]
        assert (await store.query([3.0] * 4, 1)).ids == [ids[3]]
        assert await store.ids(where={"#id": ids[5]}) == [ids[5]]

    await through_all_states(store, open_store, look)


async def test_texts_of_every_kind_of_character(open_store: Open) -> None:
    store = await open_store(settings=ROOMY)
    texts = ["\x00", "a\x00b", "\ufffd", "\U0001f600" * 3, "é" * 5, " ", "\n\r\t", "'\"\\%_*", "\u202e\u200b", "ﷺ" * 4]
    await store.add(texts, vectors(range(len(texts))), documents=texts, uris=texts, metadatas=[{text: text, "l": [text]} for text in texts])

    async def look(store: Store) -> None:
        rows = await store.everything()
        assert (rows.ids, rows.documents, rows.uris) == (texts, texts, texts)
        assert rows.metadatas == [{text: text, "l": [text]} for text in texts]
        for text in texts:
            assert text in await store.ids(where_document={"$contains": text})
            assert await store.ids(where={text: text}) == [text]
            assert await store.ids(where={"l": {"$contains": text}}) == [text]

    await through_all_states(store, open_store, look)


async def test_the_largest_and_smallest_numbers(open_store: Open) -> None:
    store = await open_store(settings=ROOMY)
    values: list[Any] = [2**63 - 1, -(2**63), 2**53, 2**53 + 1, 0, 5e-324, 1.7976931348623157e308, -0.5, 1e300]
    ids = [f"n{n}" for n in range(len(values))]
    await store.add(
        ids, np.array([[3e38 if n % 2 else 1e-38] * 1 for n in range(len(values))]) / 1e20, metadatas=[{"v": value} for value in values]
    )

    async def look(store: Store) -> None:
        assert (await store.everything()).metadatas == [{"v": value} for value in values]
        for id, value in zip(ids, values, strict=True):
            assert await store.ids(where={"v": value}) == [id]
        assert await store.ids(where={"v": {"$gt": 2**53}}) == ["n0", "n3", "n6", "n8"]

    await through_all_states(store, open_store, look)
