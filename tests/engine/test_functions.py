"""Attached functions keep their outputs true: when due, after restarts, after being cut short, and until one of their collections goes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from chroma_async.errors import InvalidArgumentError, NotFoundError, UnavailableError
from chroma_async.service.local import LocalAPI
from chroma_async.storage.base.backends import Backends
from chroma_async.types import GetRequest
from tests.engine.settling import settled
from tests.engine.store import SCOPE, TINY, Clock, Store

SETTINGS = replace(TINY, min_records_for_invocation=10, max_batch_size=3)
Opening = Callable[..., Awaitable[Store]]


async def attach(store: Store, function: str, output: str = "output") -> UUID:
    row, created = await store.engine.functions.attach(SCOPE, store.id, "fn", function, output, {})
    assert created
    return row.output


async def ticked(store: Store) -> None:
    await store.engine.ticker.tick()
    await settled(store.engine)


async def metadatas(api: LocalAPI, output: UUID) -> dict[str, Any]:
    rows = (await api.get(SCOPE, output, GetRequest(include=("metadatas",)))).rows
    return dict(zip(rows.ids, rows.metadatas or (), strict=True))


async def counts(api: LocalAPI, output: UUID) -> dict[str, int]:
    return {id: metadata["count"] for id, metadata in (await metadatas(api, output)).items()}


async def colored(store: Store, start: int, stop: int, color: str) -> None:
    await store.upsert([f"r{n}" for n in range(start, stop)], metadatas=[{"color": color}] * (stop - start))


@pytest.fixture(params=["memory", "disk"])
async def store(request: pytest.FixtureRequest, open_store: Opening) -> Store:
    return await open_store(disk=request.param == "disk", settings=SETTINGS)


async def test_a_function_runs_once_there_are_enough_new_operations(store: Store) -> None:
    output = await attach(store, "record_counter")
    await store.add([f"r{n}" for n in range(9)])
    await ticked(store)
    assert await metadatas(store.api, output) == {}
    await store.delete(["r0"])
    await ticked(store)
    assert await metadatas(store.api, output) == {"function_output": {"total_count": 8}}
    await store.add(["one-more"])
    await ticked(store)
    assert await metadatas(store.api, output) == {"function_output": {"total_count": 8}}


async def test_statistics_follow_updates_flushes_and_deletions(store: Store) -> None:
    output = await attach(store, "statistics")
    await colored(store, 0, 10, "red")
    await ticked(store)
    assert await counts(store.api, output) == {"summary::s:total_count": 10, "color::s:red": 10}
    await colored(store, 5, 15, "blue")
    await store.flush()
    await ticked(store)
    assert await counts(store.api, output) == {"summary::s:total_count": 15, "color::s:red": 5, "color::s:blue": 10}
    await store.delete([f"r{n}" for n in range(10)])
    await ticked(store)
    assert await counts(store.api, output) == {"summary::s:total_count": 5, "color::s:blue": 5}


async def test_sparse_vectors_count_by_index_with_their_labels_in_chunks_as_in_memory(store: Store) -> None:
    output = await attach(store, "statistics")
    for start in (0, 10):
        vectors = [
            {"#type": "sparse_vector", "indices": [n, 100], "values": [1.0, 2.0], "tokens": [f"t{n}", "all"]}
            for n in range(start, start + 10)
        ]
        await store.add([f"r{n}" for n in range(start, start + 10)], metadatas=[{"words": vector} for vector in vectors])
        await store.flush()
    await store.delete(["r0", "r15"])
    await ticked(store)
    found = await metadatas(store.api, output)
    assert len(found) == 1 + 18 + 1
    assert found["words::sv:100"] == {"count": 18, "key": "words", "type": "sparse", "value": "100", "value_label": "all"}
    assert found["words::sv:14"] == {"count": 1, "key": "words", "type": "sparse", "value": "14", "value_label": "t14"}


async def test_only_what_differs_is_written(store: Store) -> None:
    output = await attach(store, "statistics")
    await store.add([f"r{n}" for n in range(20)], metadatas=[{"n": n} for n in range(20)])
    await ticked(store)
    async with store.engine.registry.holding(output) as held:
        before = held.seq
        await store.upsert([f"r{n}" for n in range(10)], metadatas=[{"n": n} for n in range(10)])
        await store.add(["x"], metadatas=[{"n": 0}])
        await ticked(store)
        assert held.seq == before + 2
    assert (await counts(store.api, output))["n::i:0"] == 2


async def test_a_function_attached_to_a_full_collection_counts_what_is_there(store: Store) -> None:
    await colored(store, 0, 30, "red")
    await store.flush()
    output = await attach(store, "statistics")
    await ticked(store)
    assert (await counts(store.api, output))["color::s:red"] == 30


async def test_attachments_and_backlogs_survive_a_restart_without_anyone_using_the_collection(open_store: Opening) -> None:
    first = await open_store(settings=SETTINGS)
    output = await attach(first, "statistics")
    await colored(first, 0, 12, "red")
    await first.engine.aclose(flush=False)
    second = await open_store(settings=SETTINGS)
    assert second.engine.registry.loaded == {}
    await ticked(second)
    assert await counts(second.api, output) == {"summary::s:total_count": 12, "color::s:red": 12}
    await second.engine.aclose()
    third = await open_store(settings=SETTINGS)
    row, found = await third.engine.functions.get(SCOPE, third.id, "fn")
    assert (row.function, row.completed, found.name) == ("statistics", 12, "output")
    await ticked(third)
    assert third.engine.registry.loaded == {}


async def test_a_run_that_was_cut_short_is_repeated_harmlessly(open_store: Opening, clock: Clock) -> None:
    class Failing:
        """A catalog that cannot say how far a function has come."""

        def __init__(self, inner: Any) -> None:
            self._inner = inner

        def __getattr__(self, name: str) -> Any:
            return getattr(self._inner, name)

        async def complete_function(self, id: UUID, completed: int) -> None:
            raise UnavailableError("disk full")

    def failing(backends: Backends) -> Backends:
        return replace(backends, catalog=Failing(backends.catalog))

    first = await open_store(settings=SETTINGS, wrap=failing)
    output = await attach(first, "statistics")
    await colored(first, 0, 12, "red")
    await ticked(first)
    expected = {"summary::s:total_count": 12, "color::s:red": 12}
    assert await counts(first.api, output) == expected
    await first.engine.aclose(flush=False)
    second = await open_store(settings=SETTINGS)
    assert (await second.engine.functions.get(SCOPE, second.id, "fn"))[0].completed == 0
    async with second.engine.registry.holding(output) as held:
        before = held.seq
        await ticked(second)
        assert held.seq == before
    assert (await second.engine.functions.get(SCOPE, second.id, "fn"))[0].completed == 12
    assert await counts(second.api, output) == expected


async def test_a_run_that_failed_is_tried_again_later(store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    output = await attach(store, "record_counter")
    await store.add([f"r{n}" for n in range(10)])
    async with store.engine.registry.holding(output) as held:
        with monkeypatch.context() as broken:

            async def refuse(request: Any) -> int:
                raise UnavailableError("disk full")

            broken.setattr(held, "write", refuse)
            await ticked(store)
        await ticked(store)
        assert await metadatas(store.api, output) == {}
        clock.now += 60.0
        await ticked(store)
    assert await metadatas(store.api, output) == {"function_output": {"total_count": 10}}


async def test_detaching_brings_the_output_up_to_date_and_leaves_it(store: Store) -> None:
    output = await attach(store, "record_counter")
    await store.add(["a", "b", "c"])
    row, _ = await store.engine.functions.get(SCOPE, store.id, "fn")
    await store.engine.functions.detach(row)
    assert await metadatas(store.api, output) == {"function_output": {"total_count": 3}}
    await store.add([f"r{n}" for n in range(10)])
    await ticked(store)
    assert await metadatas(store.api, output) == {"function_output": {"total_count": 3}}
    with pytest.raises(NotFoundError):
        await store.engine.functions.get(SCOPE, store.id, "fn")


@pytest.mark.parametrize("name", ["docs", "output"])
async def test_deleting_either_collection_detaches(store: Store, name: str) -> None:
    await attach(store, "record_counter")
    await store.engine.removal.delete_collection(SCOPE, name)
    store = await store.other("docs")
    await store.add([f"r{n}" for n in range(10)])
    await ticked(store)
    with pytest.raises(NotFoundError):
        await store.engine.functions.get(SCOPE, store.id, "fn")
    assert await store.engine.context.backends.catalog.list_functions() == []


async def test_a_fork_has_no_function_and_a_fork_of_an_output_is_an_ordinary_collection(store: Store) -> None:
    output = await attach(store, "record_counter")
    await store.add([f"r{n}" for n in range(10)])
    await ticked(store)
    fork = await store.api.fork_collection(SCOPE, store.id, "fork")
    with pytest.raises(NotFoundError):
        await store.engine.functions.get(SCOPE, fork.id, "fn")
    copy = await store.api.fork_collection(SCOPE, output, "copy")
    assert "source_attached_function_id" in (await store.api.get_collection(SCOPE, "output")).schema
    assert "source_attached_function_id" not in copy.schema
    assert await metadatas(store.api, copy.id) == {"function_output": {"total_count": 10}}


async def test_compaction_on_demand_runs_what_is_not_due_yet(store: Store) -> None:
    output = await attach(store, "record_counter")
    await store.add(["a", "b"])
    assert [step.phase async for step in store.api.compact()]
    assert await metadatas(store.api, output) == {"function_output": {"total_count": 2}}


async def test_few_operations_are_counted_after_as_long_as_rows_may_stay_unflushed(store: Store, clock: Clock) -> None:
    output = await attach(store, "record_counter")
    await store.add(["a", "b"])
    await ticked(store)
    clock.now += SETTINGS.flush_max_s / 2
    await ticked(store)
    assert await metadatas(store.api, output) == {}
    clock.now += SETTINGS.flush_max_s / 2
    await ticked(store)
    assert await metadatas(store.api, output) == {"function_output": {"total_count": 2}}


async def test_an_output_collection_takes_no_function_while_it_is_one(store: Store) -> None:
    output = await attach(store, "statistics")
    with pytest.raises(InvalidArgumentError, match="cannot attach function to an output collection"):
        await store.engine.functions.attach(SCOPE, output, "second", "record_counter", "other", {})
    await store.engine.functions.detach((await store.engine.functions.get(SCOPE, store.id, "fn"))[0])
    await store.engine.functions.attach(SCOPE, output, "second", "record_counter", "other", {})


async def test_closing_waits_for_a_run_to_end_at_its_next_block(open_store: Opening) -> None:
    store = await open_store(settings=SETTINGS)
    output = await attach(store, "statistics")
    await store.add([f"r{n}" for n in range(40)], metadatas=[{"n": n} for n in range(40)])
    await store.engine.ticker.tick()
    await store.engine.aclose()
    again = await open_store(settings=SETTINGS)
    await ticked(again)
    assert len(await counts(again.api, output)) == 41
