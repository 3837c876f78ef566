"""Damage: derived files are done without and made again; a damaged chunk is named, and never answers with wrong rows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest

from chroma_async.errors import CorruptionError
from chroma_async.types import GetRequest
from tests.engine.store import SCOPE, Store, same, vectors

Open = Callable[..., Awaitable[Store]]


async def fill(store: Store) -> None:
    rng = np.random.default_rng(5)
    ids = [f"r{number}" for number in range(60)]
    await store.add(ids, rng.normal(size=(60, 4)), documents=[f"document number {number}" for number in range(60)])
    await store.finish()
    await store.delete(["r7", "r8"])
    await store.flush()


def the_file(path: Path, kind: str) -> Path:
    (file,) = (path / "data" / "segments").glob(f"*.{kind}")
    return file


def flip(file: Path, at: float) -> None:
    content = bytearray(file.read_bytes())
    content[int(at * (len(content) - 1))] ^= 0x40
    file.write_bytes(content)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


def lose(file: Path) -> None:
    file.unlink()


def empty(file: Path) -> None:
    file.write_bytes(b"")


DAMAGES = [
    pytest.param(lambda file: flip(file, 0.0), id="first byte"),
    pytest.param(lambda file: flip(file, 0.5), id="a byte in the middle"),
    pytest.param(lambda file: flip(file, 1.0), id="last byte"),
    cut,
    lose,
    empty,
]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("kind", ["graph", "trigrams"])
async def test_a_damaged_derived_file_is_done_without_and_made_again(
    open_store: Open, tmp_path: Path, kind: str, damage: Callable[[Path], None]
) -> None:
    store = await open_store()
    await fill(store)
    everything = await store.everything()
    nearest = await store.query([0, 0, 0, 0], 20)
    matches = await store.ids(where_document={"$contains": "number 1"})
    await store.engine.aclose()
    damage(the_file(tmp_path, kind))

    store = await open_store()
    for finished in (False, True):
        (view,) = (await store.collection()).version.segments
        graph, texts = view.segment.graph is not None, bool(view.segment.trigrams)
        assert (graph, texts) == ((kind != "graph", kind != "trigrams") if not finished else (True, True))
        assert same(await store.everything(), everything)
        again = await store.query([0, 0, 0, 0], 20)
        assert again.ids == nearest.ids
        assert np.array_equal(again.distances, nearest.distances)  # type: ignore[arg-type]
        assert await store.ids(where_document={"$contains": "number 1"}) == matches
        await store.finish()
    await store.engine.ticker.sweep()
    levels = {finding.level async for finding in store.api.check()}
    assert levels == {"ok"}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("kind", ["vectors", "columns", "documents", "alive"])
async def test_a_damaged_chunk_is_named_and_never_read(open_store: Open, tmp_path: Path, kind: str, damage: Callable[[Path], None]) -> None:
    store = await open_store()
    await fill(store)
    other = await store.other("whole")
    await other.add(["a"], documents=["x"])
    # Still in the log alone: so that the damaged files are the other's.
    await store.engine.aclose(flush=False)
    file = the_file(tmp_path, kind)
    damage(file)

    store = await open_store()
    for _ in range(2):
        for request in (store.count, store.everything, lambda: store.query([0, 0, 0, 0]), lambda: store.add(["x"]), store.finish):
            with pytest.raises(CorruptionError) as error:
                await request()
            assert file.name in str(error.value)
    whole = await store.other("whole")
    assert await whole.ids() == ["a"]
    await whole.add(["b"])
    await whole.finish()
    damage_found = [finding async for finding in store.api.check() if finding.level == "error"]
    assert any(file.name in finding.message for finding in damage_found)
    assert {finding.subject for finding in damage_found} == {"docs"}
    await store.api.delete_collection(SCOPE, "docs")
    assert await whole.ids() == ["a", "b"]


async def test_a_damaged_manifest_is_named(open_store: Open) -> None:
    store = await open_store()
    await fill(store)
    await store.engine.aclose()
    store = await open_store(verify=False)
    catalog = store.engine.context.backends.catalog
    stored = await catalog.load_manifest(store.id)

    async def damaged(collection: object) -> object:
        return type(stored)(stored.version, stored.body.replace(b'"flushed_seq"', b'"flushed_sea"'))

    catalog.load_manifest = damaged  # type: ignore[method-assign,assignment]
    with pytest.raises(CorruptionError, match=f"manifest of collection {store.id}"):
        await store.count()


async def test_without_verification_a_flipped_header_is_still_found(open_store: Open, tmp_path: Path) -> None:
    store = await open_store()
    await fill(store)
    await store.engine.aclose()
    for kind in ("vectors", "columns"):
        flip(the_file(tmp_path, kind), 1.0)
    store = await open_store(verify=False)
    with pytest.raises(CorruptionError):
        await store.everything()


def overwrite(file: Path) -> None:
    """All but the first page, in place, as a disk that fails does it."""
    with open(file, "r+b") as opened:
        opened.seek(4096)
        opened.write(b"\xff" * (file.stat().st_size - 4096))


async def test_documents_that_are_damaged_under_an_open_collection_are_named(disk: Store, tmp_path: Path) -> None:
    await disk.add([f"r{number}" for number in range(2000)], documents=[f"document number {number} " * 10 for number in range(2000)])
    await disk.flush()
    file = the_file(tmp_path, "documents")
    overwrite(file)
    for asked in (GetRequest(ids=["r1500"], include=("documents",)), GetRequest(where_document={"$contains": "number 77 "}, include=())):
        with pytest.raises(CorruptionError) as damage:
            await disk.api.get(SCOPE, disk.id, asked)
        assert damage.value.file == file.name
    assert (await disk.api.get(SCOPE, disk.id, GetRequest(ids=["r1500"], include=()))).rows.ids == ["r1500"]


async def test_a_text_index_that_is_damaged_under_an_open_collection_is_done_without(
    disk: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await disk.add([f"r{number}" for number in range(2000)], documents=[f"document number {number} " * 10 for number in range(2000)])
    await disk.finish()
    overwrite(the_file(tmp_path, "trigrams"))
    asked = GetRequest(where_document={"$contains": "number 77 "}, include=())
    assert (await disk.api.get(SCOPE, disk.id, asked)).rows.ids == ["r77"]
    assert "derived file is damaged" in caplog.text


async def test_deleting_a_graph_of_an_open_store_costs_no_row(open_store: Open, tmp_path: Path) -> None:
    store = await open_store()
    await fill(store)
    nearest = await store.query([0, 0, 0, 0], 20)
    the_file(tmp_path, "graph").unlink()
    await store.add(["late"], vectors([100]))
    await store.finish()
    assert (await store.query([0, 0, 0, 0], 20)).ids == nearest.ids
    assert await store.count() == 59
