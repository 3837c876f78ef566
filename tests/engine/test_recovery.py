"""Recovery: what is read after an opening is what was acknowledged before it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chroma_async.engine.recovery import replay
from chroma_async.errors import CorruptionError, NotFoundError
from chroma_async.format.logbatch import decode, encode
from chroma_async.format.manifest import Manifest
from chroma_async.storage.base.log import LogEntry
from tests.engine.gate import HeldLog, held
from tests.engine.store import SCOPE, Store, same, sound, vectors

Open = Callable[..., Awaitable[Store]]


async def lead_a_life(store: Store) -> None:
    rng = np.random.default_rng(7)
    for step in range(12):
        ids = [f"r{number}" for number in rng.integers(0, 40, 9)]
        columns: dict[str, Any] = {
            "documents": [f"step {step}"] * 9,
            "metadatas": [{"step": step, f"key{step}": "ü\x00"}] * 9,
            "uris": [None] * 8 + ["file:///x"],
        }
        kind = ("add", "upsert", "update")[step % 3]
        await store.write(kind, ids, rng.normal(size=(9, 4)), **columns)
        if step % 4 == 1:
            await store.delete(ids[:3])
        if step == 5:
            await store.flush()
        if step == 8:
            await store.finish()
        if step == 10:
            await store.delete(where={"step": {"$lt": 3}}, limit=2)


async def entries_of(store: Store) -> list[LogEntry]:
    return await store.engine.context.backends.log.read(store.id, 0)


async def test_replay_leads_to_what_was_there(open_store: Open) -> None:
    store = await open_store()
    await lead_a_life(store)
    expected, seq = await store.everything(), (await store.collection()).version.seq
    for _ in range(2):
        await store.engine.aclose(flush=False)
        store = await open_store()
        assert same(await store.everything(), expected)
        assert (await store.collection()).version.seq == seq
    await store.add(["later"])
    await store.flush()
    await store.engine.aclose()
    store = await open_store()
    assert (await store.ids())[-1] == "later"
    assert await entries_of(store) == []


async def test_a_clean_end_leaves_an_empty_log_and_no_unnamed_file(open_store: Open) -> None:
    store = await open_store()
    await lead_a_life(store)
    await store.finish()
    await store.engine.aclose()
    store = await open_store()
    backends = store.engine.context.backends
    assert await backends.log.collections() == {}
    assert set(backends.segments.list()) == await backends.catalog.named_files()


async def test_facts_show_before_flush_and_before_loading(open_store: Open) -> None:
    store = await open_store()
    await store.add(["a"], [[1, 2, 3]], metadatas=[{"k": 1, "tags": ["x"], "chroma:h": 1}])
    await store.update(["a"], metadatas=[{"k": 0.5}])
    await store.engine.aclose(flush=False)
    store = await open_store()
    info = await store.api.get_collection(SCOPE, "docs")
    assert not store.engine.registry.loaded
    assert info.dimension == 3
    assert {key: set(types) for key, types in info.schema["keys"].items() if key[0] != "#"} == {"k": {"int", "float"}, "tags": {"string"}}
    (listed,) = await store.api.list_collections(SCOPE)
    assert (listed.dimension, listed.schema) == (info.dimension, info.schema)
    await store.flush()
    await store.engine.aclose(flush=False)
    assert (await open_store()).info == info


async def test_replaying_what_was_flushed_already_changes_nothing(open_store: Open) -> None:
    """A crash between the commit of a manifest and the trimming of the log."""
    store = await open_store(wrap=held)
    log = store.engine.context.backends.log
    assert isinstance(log, HeldLog)
    log.keeps_all = True
    await lead_a_life(store)
    expected = await store.everything()
    assert len(await entries_of(store)) > 12
    await store.flush()
    await store.engine.aclose(flush=False)
    store = await open_store()
    assert same(await store.everything(), expected)
    assert await sound(store)


async def test_the_log_of_a_deleted_collection_is_forgotten(open_store: Open) -> None:
    """A crash between the deletion of a collection and that of its log."""
    store = await open_store(wrap=held)
    log: Any = store.engine.context.backends.log
    other = await store.other("kept")
    await store.add(["a"])
    await other.add(["b"])
    log.keeps_all = True
    await store.api.delete_collection(SCOPE, "docs")
    assert set(await log.collections()) == {store.id, other.id}
    await store.engine.aclose(flush=False)
    again = await open_store(name="kept")
    assert set(await again.engine.context.backends.log.collections()) == {other.id}
    assert await again.ids() == ["b"]
    with pytest.raises(NotFoundError):
        await again.api.get_collection(SCOPE, "docs")


async def test_files_that_nothing_names_are_gone_after_an_opening(open_store: Open, tmp_path: Path) -> None:
    store = await open_store()
    await store.add(["a"])
    await store.flush()
    await store.engine.aclose()
    segments = tmp_path / "data" / "segments"
    for name in ("0" * 32 + ".vectors", "1" * 32 + ".graph.3.tmp"):
        (segments / name).write_bytes(b"left behind")
    store = await open_store()
    assert {path.name for path in segments.iterdir()} == await store.engine.context.backends.catalog.named_files()
    assert await store.ids() == ["a"]


async def test_a_missing_log_entry_is_damage_and_not_passed_over(open_store: Open) -> None:
    store = await open_store(disk=False)
    for id in "abc":
        await store.add([id])
    entries = await entries_of(store)
    with pytest.raises(CorruptionError, match="missing"):
        replay(Manifest(store.id), [], [entries[0], entries[2]], None)
    with pytest.raises(CorruptionError, match="missing"):
        replay(Manifest(store.id), [], entries[1:], None)


async def test_an_entry_that_replaces_rows_that_are_not_there_is_damage(open_store: Open) -> None:
    store = await open_store(disk=False)
    await store.add(["a", "b"])
    await store.delete(["a"])
    added, deleted = await entries_of(store)
    batch = decode(deleted.body, "entry")
    stranger = replace(deleted, body=encode(replace(batch, deleted_ids=["c"])))
    other_row = replace(deleted, body=encode(replace(batch, deleted=np.array([2]))))
    for wrong in (stranger, other_row):
        with pytest.raises(CorruptionError, match=f"log entry {deleted.first}"):
            replay(Manifest(store.id), [], [added, wrong], None)


async def test_seqs_go_on_after_an_opening(open_store: Open) -> None:
    store = await open_store()
    await store.add(["a", "b"])
    await store.delete(["a"])
    await store.engine.aclose()
    store = await open_store()
    assert (await store.collection()).version.seq == 3
    await store.add(["a"])
    (place,) = ((await store.collection()).version.find(["a"]),)
    assert (await store.collection()).version.borns_at(place).tolist() == [4]


async def test_an_opening_that_fails_leaves_the_directory_free(open_store: Open) -> None:
    def broken(backends: Any) -> Any:
        async def facts() -> Any:
            raise CorruptionError("entry 7 fails its checksum", "log.sqlite")

        backends.log.facts = facts
        return backends

    store = await open_store()
    await store.add(["a"], vectors([1]))
    await store.engine.aclose(flush=False)
    with pytest.raises(CorruptionError):
        await open_store(wrap=broken)
    assert await (await open_store()).ids() == ["a"]
