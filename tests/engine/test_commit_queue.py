"""The commit queue: groups, order, all or nothing, and what happens when it is full, fails or ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from chroma_async.errors import (
    ClosedError,
    InvalidArgumentError,
    InvalidDimensionException,
    NotFoundError,
    PayloadTooLargeError,
    PoisonedError,
    RateLimitError,
    UnavailableError,
)
from tests.engine.gate import HeldLog, held
from tests.engine.store import SCOPE, TINY, Store, same, vectors

Open = Callable[..., Awaitable[Store]]


async def begin(*writes: Any) -> list[asyncio.Task[Any]]:
    """Start writes one after the other, each as far as it goes by itself."""
    tasks = []
    for write in writes:
        tasks.append(asyncio.ensure_future(write))
        await asyncio.sleep(0)
    return tasks


@pytest.fixture(params=["memory", "disk"])
async def store(request: pytest.FixtureRequest, open_store: Open) -> Store:
    store = await open_store(disk=request.param == "disk", wrap=held)
    await store.add(["first"], [[9, 9, 9, 9]])
    return store


@pytest.fixture
def log(store: Store) -> HeldLog:
    log = store.engine.context.backends.log
    assert isinstance(log, HeldLog)
    return log


async def test_writes_that_wait_together_share_one_append(store: Store, log: HeldLog) -> None:
    log.hold()
    tasks = await begin(store.add(["a"]))
    await log.reached()
    tasks += await begin(*(store.add([id]) for id in "bcdef"))
    log.release()
    await asyncio.gather(*tasks)
    assert log.appends[-2:] == [1, 5]
    assert await store.ids() == ["first", *"abcdef"]


async def test_collections_share_an_append(store: Store, log: HeldLog) -> None:
    others = [await store.other("more"), await store.other("most")]
    for other in others:
        await other.add(["first"])
    log.hold()
    tasks = await begin(store.add(["a"]))
    await log.reached()
    tasks += await begin(*(other.add(["b"]) for other in others))
    log.release()
    await asyncio.gather(*tasks)
    assert log.appends[-2:] == [1, 2]
    for other in others:
        assert await other.ids() == ["first", "b"]


async def test_writes_to_one_id_are_applied_in_order_of_arrival(store: Store, log: HeldLog) -> None:
    log.hold()
    tasks = await begin(
        store.add(["a"], documents=["one"]),
        store.update(["a"], documents=["two"]),
        store.add(["a"], documents=["ignored"]),
        store.upsert(["a"], metadatas=[{"k": 1}]),
        store.delete(["first"]),
        store.add(["first"], documents=["again"]),
        store.update(["a"], metadatas=[{"k": None, "n": 2}]),
    )
    log.release()
    await asyncio.gather(*tasks)
    rows = await store.everything()
    assert (rows.ids, rows.documents, rows.metadatas) == (["a", "first"], ["two", "again"], [{"n": 2}, None])


async def test_a_deletion_by_filter_sees_what_came_before_it_and_nothing_else(store: Store, log: HeldLog) -> None:
    log.hold()
    tasks = await begin(
        store.add(["a", "b"], metadatas=[{"k": 1}, {"k": 2}]),
        store.update(["b"], metadatas=[{"k": 1}]),
        store.delete(where={"k": 1}),
        store.add(["c", "a"], metadatas=[{"k": 1}, {"k": 1}]),
    )
    log.release()
    _, _, deleted, _ = await asyncio.gather(*tasks)
    assert deleted == 2
    assert await store.ids() == ["first", "c", "a"]


@pytest.mark.parametrize("waits_in", ["queue", "log"])
async def test_a_cancelled_caller_leaves_its_batch_whole(store: Store, log: HeldLog, waits_in: str) -> None:
    log.hold()
    tasks = []
    if waits_in == "queue":
        tasks += await begin(store.add(["before"]))
        await log.reached()
    ids = [f"r{number}" for number in range(50)]
    tasks += await begin(store.add(ids, vectors(range(50))))
    if waits_in == "log":
        await log.reached()
    tasks[-1].cancel()
    with pytest.raises(asyncio.CancelledError):
        await tasks[-1]
    assert await store.ids() == ["first"]
    log.release()
    await asyncio.gather(*tasks[:-1])
    await store.add(["after"])
    assert [id for id in await store.ids() if id != "before"] == ["first", *ids, "after"]


async def test_a_refused_batch_changes_nothing_and_leaves_its_group_alone(store: Store, log: HeldLog) -> None:
    before = await store.everything()
    log.hold()
    tasks = await begin(
        store.add(["a"]),
        store.add(["b", "c"], [[1, 2, 3], [1, 2, 3]], metadatas=[{"fresh": 1}, None]),
        store.upsert(["first"], [[1, 2]]),
        store.add(["d"]),
    )
    log.release()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [type(None), InvalidDimensionException, InvalidDimensionException, type(None)]
    assert await store.ids() == ["first", "a", "d"]
    assert same(await store.get(ids=["first"], include=("documents", "metadatas", "embeddings", "uris")), before)
    assert "fresh" not in (await store.api.get_collection_by_id(SCOPE, store.id)).schema["keys"]


async def test_only_the_first_valid_batch_fixes_the_dimension(open_store: Open) -> None:
    store = await open_store(disk=False)
    with pytest.raises(InvalidArgumentError):
        await store.add(["a"], [[np.nan] * 7])
    with pytest.raises(InvalidArgumentError):
        await store.add(["a"], [[1.0] * 7], metadatas=[{"$bad": 1}])
    assert (await store.api.get_collection_by_id(SCOPE, store.id)).dimension is None
    outcomes = await asyncio.gather(
        store.add(["a"], [[1, 2]]), store.add(["b"], [[1, 2, 3]]), store.add(["c"], [[3, 4]]), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [type(None), InvalidDimensionException, type(None)]
    assert (await store.api.get_collection_by_id(SCOPE, store.id)).dimension == 2


async def test_an_update_of_nobody_fixes_the_dimension(open_store: Open) -> None:
    store = await open_store()
    await store.update(["nobody"], [[1, 2, 3]])
    assert (await store.api.get_collection_by_id(SCOPE, store.id)).dimension == 3
    assert await store.count() == 0
    with pytest.raises(InvalidDimensionException):
        await store.add(["a"], [[1, 2]])
    await store.engine.aclose()
    reopened = await open_store()
    assert reopened.info.dimension == 3
    assert (await reopened.query([1, 2, 3])).ids == []


async def test_a_full_queue_makes_writers_wait(open_store: Open) -> None:
    store = await open_store(disk=False, wrap=held, settings=replace(TINY, write_queue_requests=2))
    await store.add(["first"])
    log: Any = store.engine.context.backends.log
    log.hold()
    tasks = await begin(*(store.add([str(number)]) for number in range(10)))
    await log.reached()
    assert not any(task.done() for task in tasks)
    log.release()
    await asyncio.gather(*tasks)
    assert await store.ids() == ["first", *map(str, range(10))]


async def test_a_full_queue_refuses_where_it_is_told_to(open_store: Open) -> None:
    store = await open_store(disk=False, wrap=held, refuse_when_full=True, settings=replace(TINY, write_queue_requests=2))
    await store.add(["first"])
    log: Any = store.engine.context.backends.log
    log.hold()
    tasks = await begin(store.add(["a"]))
    await log.reached()
    tasks += await begin(store.add(["b"]), store.add(["c"]))
    with pytest.raises(RateLimitError) as refusal:
        await store.add(["d"])
    assert refusal.value.retry_after_s
    log.release()
    await asyncio.gather(*tasks)
    assert await store.ids() == ["first", "a", "b", "c"]
    await store.add(["d"])


async def test_a_queue_is_full_by_bytes_too_but_takes_one_large_request(open_store: Open) -> None:
    store = await open_store(disk=False, wrap=held, refuse_when_full=True, settings=replace(TINY, write_queue_bytes=1000))
    await store.add([str(number) for number in range(50)])
    log: Any = store.engine.context.backends.log
    log.hold()
    tasks = await begin(store.add(["a"]))
    await log.reached()
    tasks += await begin(store.add([f"x{number}" for number in range(50)]))
    with pytest.raises(RateLimitError):
        await store.add(["b"])
    log.release()
    await asyncio.gather(*tasks)
    assert await store.count() == 101


async def test_a_writer_cancelled_at_a_full_queue_writes_nothing(open_store: Open) -> None:
    store = await open_store(disk=False, wrap=held, settings=replace(TINY, write_queue_requests=1))
    await store.add(["first"])
    log: Any = store.engine.context.backends.log
    log.hold()
    tasks = await begin(store.add(["a"]))
    await log.reached()
    tasks += await begin(store.add(["b"]), store.add(["c"]), store.add(["d"]))
    tasks[2].cancel()
    log.release()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert await store.ids() == ["first", "a", "b", "d"]


async def test_a_failed_append_writes_nothing_and_may_be_retried(store: Store, log: HeldLog, open_store: Open) -> None:
    log.errors.append(UnavailableError("disk full"))
    log.hold()
    tasks = await begin(store.add(["a"], documents=["x"]), store.delete(["first"]))
    log.release()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert any(isinstance(outcome, UnavailableError) for outcome in outcomes)
    for write in (store.add(["a"], documents=["x"]), store.delete(["first"])):
        await write
    assert await store.ids() == ["a"]
    if store.engine.context.backends.location is not None:
        await store.engine.aclose(flush=False)
        assert await (await open_store()).ids() == ["a"]


async def test_an_append_in_doubt_ends_writing_but_not_reading(store: Store, log: HeldLog) -> None:
    log.errors.append(PoisonedError("fsync failed"))
    with pytest.raises(PoisonedError):
        await store.add(["a"])
    with pytest.raises(PoisonedError):
        await store.add(["b"])
    assert await store.ids() == ["first"]
    assert not (await store.api.health()).is_log_client_ready


async def test_closing_finishes_the_writes_that_wait(disk: Store, open_store: Open) -> None:
    await disk.add(["first"])
    tasks = await begin(*(disk.add([id]) for id in "abc"))
    await disk.engine.aclose()
    await asyncio.gather(*tasks)
    with pytest.raises(ClosedError):
        await disk.add(["late"])
    assert await (await open_store()).ids() == ["first", "a", "b", "c"]


async def test_writes_that_wait_for_a_deleted_collection_are_told_so(store: Store, log: HeldLog) -> None:
    log.hold()
    tasks = await begin(store.add(["a"]))
    await log.reached()
    tasks += await begin(store.add(["b"]))
    deletion = (await begin(store.api.delete_collection(SCOPE, "docs")))[0]
    with pytest.raises(NotFoundError):
        await tasks[1]
    log.release()
    await deletion
    await asyncio.wait(tasks)
    with pytest.raises(NotFoundError):
        await store.add(["c"])
    assert store.id not in await log.collections()


async def test_a_collection_deleted_while_it_loads_takes_no_writes(disk: Store, open_store: Open) -> None:
    await disk.add(["a"])
    await disk.engine.aclose()
    store = await open_store()
    outcomes = await asyncio.gather(
        *(store.add([str(number)]) for number in range(5)),
        store.api.delete_collection(SCOPE, "docs"),
        *(store.add([str(number)]) for number in range(5, 10)),
        return_exceptions=True,
    )
    assert all(outcome is None or isinstance(outcome, NotFoundError) for outcome in outcomes)
    with pytest.raises(NotFoundError):
        await store.count()
    assert store.id not in await store.engine.context.backends.log.collections()


async def test_a_request_too_large_for_the_log_is_refused_alone(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chroma_async.engine.write.group_resolver.MAX_ENTRY_BYTES", 100_000)
    small, large = await asyncio.gather(
        store.add(["a"], documents=["x"]), store.add(["b"], documents=["x" * 100_000]), return_exceptions=True
    )
    assert small is None
    assert isinstance(large, PayloadTooLargeError)
    assert await store.ids() == ["first", "a"]
