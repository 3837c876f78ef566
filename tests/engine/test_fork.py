"""Forks share files and logs, and neither side ever shows the other's writes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest

from chroma_async.config.settings import Settings
from chroma_async.errors import InvalidArgumentError, NotFoundError, UniqueConstraintError
from chroma_async.service.local import LocalAPI, open_local
from chroma_async.types import CollectionInfo, DeleteRequest, GetRequest, RecordBatch, Scope, WriteKind

SCOPE = Scope()


def batch(start: int, stop: int, dimension: int = 4) -> RecordBatch:
    vectors = np.random.default_rng(start).normal(size=(stop - start, dimension)).astype(np.float32)
    return RecordBatch([f"r{n}" for n in range(start, stop)], vectors, metadatas=[{"n": n} for n in range(start, stop)])


async def ids(api: LocalAPI, id: UUID) -> list[str]:
    return (await api.get(SCOPE, id, GetRequest(include=()))).rows.ids


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[LocalAPI]:
    api = await open_local(str(tmp_path / "store"), Settings())
    yield api
    await api.aclose()


async def collection(api: LocalAPI, name: str) -> CollectionInfo:
    return await api.create_collection(SCOPE, name, get_or_create=True)


async def flush(api: LocalAPI, id: UUID) -> None:
    async with api.engine.registry.using(SCOPE, id) as loaded:
        await loaded.flush()


async def test_a_fork_of_flushed_and_unflushed_rows_survives_restarts_on_either_side(tmp_path: Path) -> None:
    path = str(tmp_path / "store")
    api = await open_local(path, Settings())
    source = await collection(api, "source")
    await api.write(SCOPE, source.id, WriteKind.ADD, batch(0, 50))
    await flush(api, source.id)
    await api.write(SCOPE, source.id, WriteKind.ADD, batch(50, 60))
    await api.delete(SCOPE, source.id, DeleteRequest(ids=["r3", "r55"]))
    fork = await api.fork_collection(SCOPE, source.id, "fork")
    await api.write(SCOPE, source.id, WriteKind.ADD, batch(60, 70))
    await api.write(SCOPE, fork.id, WriteKind.ADD, batch(100, 110))
    expected = [f"r{n}" for n in range(60) if n not in (3, 55)]
    for flush_at_close in (False, True, False):
        await api.engine.aclose(flush=flush_at_close)
        await api.aclose()
        api = await open_local(path, Settings())
        assert await ids(api, fork.id) == expected + [f"r{n}" for n in range(100, 110)]
        assert await ids(api, source.id) == expected + [f"r{n}" for n in range(60, 70)]
    await api.aclose()


async def test_unflushed_rows_of_a_fork_outlive_the_flush_and_the_deletion_of_its_source(tmp_path: Path) -> None:
    path = str(tmp_path / "store")
    api = await open_local(path, Settings())
    source = await collection(api, "source")
    await api.write(SCOPE, source.id, WriteKind.ADD, batch(0, 20))
    fork = await api.fork_collection(SCOPE, source.id, "fork")
    await flush(api, source.id)
    grandchild = await api.fork_collection(SCOPE, fork.id, "grandchild")
    await api.delete_collection(SCOPE, "source")
    await api.engine.aclose(flush=False)
    await api.aclose()
    api = await open_local(path, Settings())
    for id in (fork.id, grandchild.id):
        assert await ids(api, id) == [f"r{n}" for n in range(20)]
    log = api.engine.context.backends.log
    assert source.id in await log.collections()
    await flush(api, fork.id)
    assert source.id in await log.collections()
    await flush(api, grandchild.id)
    assert source.id not in await log.collections()
    findings = [finding async for finding in api.check() if finding.level != "ok"]
    assert findings == []
    await api.aclose()


async def test_files_that_a_fork_shares_stay_until_the_last_of_them_lets_go(api: LocalAPI) -> None:
    source = await collection(api, "source")
    await api.write(SCOPE, source.id, WriteKind.ADD, batch(0, 30))
    await flush(api, source.id)
    fork = await api.fork_collection(SCOPE, source.id, "fork")
    assert await ids(api, fork.id) == [f"r{n}" for n in range(30)]
    await api.delete_collection(SCOPE, "source")
    await api.engine.ticker.sweep()
    assert await ids(api, fork.id) == [f"r{n}" for n in range(30)]
    await api.delete_collection(SCOPE, "fork")
    await api.engine.ticker.sweep()
    assert api.engine.context.store.list() == []


async def test_forks_of_forks_without_a_flush_between_them_read_all_their_ancestors_logs(api: LocalAPI) -> None:
    expected: list[str] = []
    current = await collection(api, "generation-0")
    for generation in range(5):
        await api.write(SCOPE, current.id, WriteKind.ADD, batch(10 * generation, 10 * generation + 3))
        expected += [f"r{n}" for n in range(10 * generation, 10 * generation + 3)]
        current = await api.fork_collection(SCOPE, current.id, f"generation-{generation + 1}")
    assert await ids(api, current.id) == expected
    assert await api.fork_count(SCOPE, current.id) == 5


async def test_a_fork_keeps_dimension_schema_and_metadata(api: LocalAPI) -> None:
    source = await api.create_collection(SCOPE, "source", metadata={"kind": "test", "hnsw:space": "cosine"})
    await api.write(SCOPE, source.id, WriteKind.ADD, batch(0, 3))
    source = await api.get_collection_by_id(SCOPE, source.id)
    fork = await api.fork_collection(SCOPE, source.id, "fork")
    assert replace(fork, id=source.id, name=source.name, version=source.version, log_position=source.log_position) == source
    assert fork.dimension == 4


async def test_a_fork_of_an_empty_collection_is_empty_and_usable(api: LocalAPI) -> None:
    source = await collection(api, "source")
    fork = await api.fork_collection(SCOPE, source.id, "fork")
    await api.write(SCOPE, fork.id, WriteKind.ADD, batch(0, 2, dimension=7))
    assert await ids(api, fork.id) == ["r0", "r1"]
    assert (await api.get_collection(SCOPE, "source")).dimension is None


async def test_a_refused_fork_changes_nothing(api: LocalAPI) -> None:
    source = await collection(api, "source")
    await api.write(SCOPE, source.id, WriteKind.ADD, batch(0, 5))
    with pytest.raises(UniqueConstraintError):
        await api.fork_collection(SCOPE, source.id, "source")
    with pytest.raises(InvalidArgumentError):
        await api.fork_collection(SCOPE, source.id, "x")
    with pytest.raises(NotFoundError):
        await api.fork_collection(Scope("other", "other"), source.id, "elsewhere")
    assert await api.count_collections(SCOPE) == 1
    await flush(api, source.id)
    assert source.id not in await api.engine.context.backends.log.collections()


async def test_the_tree_of_forks_has_a_bound(tmp_path: Path) -> None:
    api = await open_local(str(tmp_path / "store"), Settings(max_forks=2))
    source = await collection(api, "source")
    for number in range(2):
        await api.fork_collection(SCOPE, source.id, f"fork-{number}")
    with pytest.raises(InvalidArgumentError, match="2 forks"):
        await api.fork_collection(SCOPE, source.id, "fork-2")
    await api.aclose()


@pytest.mark.alone
async def test_a_fork_of_a_hundred_thousand_rows_takes_milliseconds_while_a_writer_goes_on(api: LocalAPI) -> None:
    source = await collection(api, "source")
    for start in range(0, 100_000, 10_000):
        await api.write(SCOPE, source.id, WriteKind.ADD, batch(start, start + 10_000, dimension=8))
    await flush(api, source.id)
    await api.write(SCOPE, source.id, WriteKind.ADD, batch(100_000, 108_000, dimension=8))
    stopped = False

    async def write() -> int:
        number = 200_000
        while not stopped:
            await api.write(SCOPE, source.id, WriteKind.ADD, batch(number, number + 1, dimension=8))
            number += 1
        return number - 200_000

    writer = asyncio.create_task(write())
    took: list[float] = []
    for number in range(5):
        began = time.perf_counter()
        fork = await api.fork_collection(SCOPE, source.id, f"fork-{number}")
        took.append(time.perf_counter() - began)
    stopped = True
    written = await writer
    assert sorted(took)[2] < 0.05, took
    assert 108_000 <= await api.count(SCOPE, fork.id) <= 108_000 + written
    assert await api.count(SCOPE, source.id) == 108_000 + written


async def test_a_collection_is_found_by_its_resource_name(api: LocalAPI) -> None:
    await api.create_tenant("acme")
    await api.create_database("shop", "acme")
    await api.update_tenant("acme", "acme-resource")
    made = await api.create_collection(Scope("acme", "shop"), "articles")
    assert (await api.get_collection_by_crn("acme-resource:shop:articles")).id == made.id
    for crn in ("acme-resource:shop:nothing", "acme:shop:articles", "acme-resource:other:articles"):
        with pytest.raises(NotFoundError):
            await api.get_collection_by_crn(crn)
    for crn in ("a:b", "a:b:c:d", "::", "a::c"):
        with pytest.raises(InvalidArgumentError, match="three parts"):
            await api.get_collection_by_crn(crn)
