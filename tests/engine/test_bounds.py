"""Everything that grows has a bound, and what costs memory is counted."""

from __future__ import annotations

import asyncio
import os
import tracemalloc
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from chroma_async.engine.snapshot.memtable import Memtable
from chroma_async.engine.write.request import Delete, check_batch
from chroma_async.errors import RateLimitError
from chroma_async.format.logbatch import LogBatch
from chroma_async.types import RecordBatch, WriteKind
from tests.engine.gate import HeldLog, held
from tests.engine.store import SCOPE, TINY, Clock, Store, vectors

Open = Callable[..., Awaitable[Store]]

TEXT = "x" * 100_000


@pytest.mark.parametrize(
    "columns",
    [
        {"documents": [TEXT]},
        {"uris": [TEXT]},
        {"metadatas": [{"k": TEXT}]},
        {"metadatas": [{"k": [TEXT[:50_000], TEXT[:50_000]]}]},
        {"metadatas": [{TEXT: 1}]},
    ],
    ids=["document", "uri", "metadata", "metadata list", "metadata key"],
)
def test_text_counts_for_the_queue_and_for_the_memtable(columns: dict[str, list[object]]) -> None:
    batch = RecordBatch(["a"], vectors([1]), **columns)  # type: ignore[arg-type]
    assert check_batch(WriteKind.ADD, batch).bytes >= 100_000
    memtable = Memtable()
    nothing = np.zeros(1, dtype=np.int64)
    memtable.append(LogBatch(1, ["a"], vectors([1]), nothing, nothing, **columns))  # type: ignore[arg-type]
    assert memtable.bytes >= 100_000


def test_ids_and_deletions_count_too() -> None:
    assert Delete([TEXT]).bytes >= 100_000
    assert check_batch(WriteKind.ADD, RecordBatch([TEXT], vectors([1]))).bytes >= 100_000
    memtable = Memtable()
    nothing = np.zeros(0, dtype=np.int64)
    ids = [f"a{n}" for n in range(1000)]
    memtable.append(LogBatch(1, [], vectors([])[:0], nothing, nothing, deleted_ids=ids, deleted=np.arange(1000)))
    assert memtable.bytes >= 1000 * 16


async def test_a_queue_is_full_by_documents(open_store: Open) -> None:
    store = await open_store(settings=replace(TINY, write_queue_bytes=150_000), refuse_when_full=True, wrap=held)
    log = store.engine.context.backends.log
    assert isinstance(log, HeldLog)
    log.hold()
    writes = [asyncio.ensure_future(store.add([f"a{n}"], documents=[TEXT])) for n in range(4)]
    await asyncio.wait(writes, return_when=asyncio.FIRST_EXCEPTION)
    log.release()
    outcomes = await asyncio.gather(*writes, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {type(None), RateLimitError}


async def test_unloading_counts_what_an_empty_collection_costs(open_store: Open, clock: Clock) -> None:
    store = await open_store(settings=replace(TINY, cache_bytes=1_000_000, collection_idle_s=1.0))
    for number in range(100):
        await (await store.other(f"empty{number:03d}")).count()
    clock.now += 10
    await store.engine.ticker.tick()
    assert 5 < len(store.engine.registry.loaded) < 60


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


async def test_small_collections_hold_no_descriptors(open_store: Open) -> None:
    store = await open_store()
    await store.add(["a"])
    await store.flush()
    before = open_files()
    for number in range(20):
        other = await store.other(f"other{number}")
        await other.add(["a"], documents=["x"])
        await other.flush()
        await other.count()
    assert open_files() <= before + 2


async def test_a_process_may_open_as_many_files_as_the_settings_ask_for(open_store: Open) -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, hard))
    try:
        await open_store(settings=replace(TINY, open_files=1024))
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= min(1024, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_collections_that_map_many_files_are_unloaded_before_descriptors_run_out(
    open_store: Open, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chroma_async.storage.local.blob.MAPPED_FROM_BYTES", 1)
    store = await open_store(settings=replace(TINY, collection_idle_s=1000.0))
    store.engine.ticker.most_mapped = 20
    for number in range(30):
        other = await store.other(f"other{number}")
        await other.add(["a"])
        await other.flush()
    await store.engine.ticker.tick()
    assert len(store.engine.registry.loaded) <= 10


async def test_closing_flushes_what_is_worth_a_chunk_and_leaves_the_rest_in_the_log(open_store: Open, tmp_path: Path) -> None:
    store = await open_store(settings=replace(TINY, flush_idle_rows=10))
    await store.add([f"a{n}" for n in range(11)], vectors(range(11)))
    small = await store.other("small")
    await small.add(["a"])
    await store.engine.aclose()
    assert len(list((tmp_path / "data" / "segments").iterdir())) == 3
    again = await open_store()
    assert await again.count() == 11
    assert await (await again.other("small")).ids() == ["a"]


async def test_merging_and_vacuuming_hold_few_documents_at_a_time(open_store: Open) -> None:
    store = await open_store(settings=replace(TINY, memtable_rows=1000))
    for start in (0, 60):
        ids = [f"a{n}" for n in range(start, start + 60)]
        await store.add(ids, vectors(range(60)), documents=[f"{id} {TEXT}" for id in ids])
        await store.flush()
    await store.delete(["a5"])
    await store.flush()
    tracemalloc.start()
    try:
        await store.finish()
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()
    rows = await store.get(ids=["a0", "a4", "a6", "a119"])
    assert rows.documents == [f"{id} {TEXT}" for id in ("a0", "a4", "a6", "a119")]
    assert (await store.collection()).manifest.segments[0].dead == 0


async def test_writers_are_paced_to_the_rate_of_indexing_past_the_bound(open_store: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    store = await open_store(settings=replace(TINY, max_unindexed_bytes=16 * 30, flat_rows=16))
    compactor = (await store.collection()).compactor
    compactor.pace.index_rate = 10.0
    waits: list[float] = []

    async def wait(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(compactor.throttle, "pause", wait)
    await store.add([f"a{n}" for n in range(40)], vectors(range(40)))
    await store.flush()
    await store.add([f"b{n}" for n in range(25)], vectors(range(25)))
    assert sum(waits) == pytest.approx(2.5)
    waits.clear()
    await store.finish()
    await store.add(["c"])
    assert not waits


async def test_a_debt_of_twice_the_bound_is_refused_where_queues_refuse(open_store: Open) -> None:
    store = await open_store(settings=replace(TINY, max_unindexed_bytes=16 * 16), refuse_when_full=True)
    await store.add([f"a{n}" for n in range(40)], vectors(range(40)))
    await store.flush()
    with pytest.raises(RateLimitError) as refused:
        await store.add(["b"])
    assert refused.value.retry_after_s
    await store.finish()
    await store.add(["b"])


async def test_a_deleted_or_closing_collection_waits_for_no_index(open_store: Open) -> None:
    store = await open_store(settings=replace(TINY, max_unindexed_bytes=16 * 16))
    compactor = (await store.collection()).compactor
    await store.add([f"a{n}" for n in range(40)], vectors(range(40)))
    await store.flush()
    compactor.pace.index_rate = 1e-6
    waiting = asyncio.ensure_future(store.add(["b"]))
    for _ in range(10):
        await asyncio.sleep(0)
    other = await store.other("other")
    await other.add(["a"])
    await asyncio.wait_for(store.api.delete_collection(SCOPE, "docs"), 10)
    await asyncio.wait([waiting])
    waiting.exception()


async def test_connections_to_a_file_in_memory_share_it(open_store: Open) -> None:
    store = await open_store(disk=False)
    await store.add(["a"], documents=["x" * 10_000_000])
    await store.flush()
    (segment,) = (await store.collection()).version.segments
    before = resident_bytes()
    with ExitStack() as opened:
        databases = [opened.enter_context(segment.segment.chunks[0].texts()) for _ in range(20)]
        assert resident_bytes() - before < 50_000_000
        assert {database.execute("SELECT length(document) FROM rows").fetchone() for database in databases} == {(10_000_000,)}


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
