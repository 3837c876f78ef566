"""Nothing that the store did not make is ever deleted or written, in any of its folders; nor is what a lost catalog or log belongs to."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

import pytest

from chroma_async.engine.engine import Engine
from chroma_async.errors import CorruptionError
from chroma_async.storage.open import CATALOG_FILE, LOG_FILE, SEGMENTS_DIRECTORY
from tests.engine.store import SCOPE, TINY, Store, vectors

Open = Callable[..., Awaitable[Store]]
KEY = "0123456789abcdef" * 2
#: What people and programs leave behind, and names that are nearly ours.
NAMES = [
    "my-notes.txt",
    ".hidden",
    "backup.tar.gz",
    KEY,
    f"{KEY}.vector",
    f"{KEY.upper()}.vectors",
    f"{KEY}.vectors.bak",
    f"{KEY}.vectors.tmp",
    f"{KEY}.vectors.01.tmp",
    f"{KEY}.vectors.x.tmp",
    f"{KEY}.vectors.1.tmp.old",
    f"copy of {KEY}.graph",
    "FORMAT",
    "LOCK",
    CATALOG_FILE,
]


def plant(data: Path, outside: Path) -> dict[Path, str]:
    """Files, folders and links beside ours, some under names of ours; what each holds or leads to."""
    segments = data / SEGMENTS_DIRECTORY
    files = [segments / name for name in NAMES]
    files += [data / name for name in ("README", ".git", "FORMAT.bak", f"{KEY}.vectors", f"{KEY}.graph.1.tmp", "log.sqlite.copy", "tmp")]
    folders = [segments / "old", segments / f"{KEY}.columns", segments / f"{KEY}.graph.3.tmp", data / "snapshots", outside]
    files += [folder / f"{KEY}.vectors" for folder in folders]
    links = {
        segments / "link": outside / f"{KEY}.vectors",
        segments / f"{KEY}.documents": outside / f"{KEY}.vectors",
        segments / f"{KEY}.alive.2.tmp": outside / f"{KEY}.vectors",
        segments / f"{KEY}.postings": outside,
        segments / f"{KEY}.trigrams": outside / "missing",
    }
    for folder in folders:
        folder.mkdir()
    for file in files:
        file.write_text(f"this is {file.name}")
    for link, target in links.items():
        link.symlink_to(target)
    return looked_at([*files, *links])


def looked_at(paths: Iterable[Path]) -> dict[Path, str]:
    """What each file holds, and each link leads to."""
    return {path: os.readlink(path) if path.is_symlink() else path.read_text() for path in paths}


async def test_no_verb_and_no_opening_deletes_or_changes_what_is_not_ours(open_store: Open, tmp_path: Path) -> None:
    data, outside = tmp_path / "data", tmp_path / "outside"
    store = await open_store()
    planted = plant(data, outside)
    for _ in range(2):
        for number in range(3):
            await store.add([f"{number}-{n}" for n in range(40)], vectors(range(40)), documents=["text"] * 40)
            await store.finish()
        await store.delete([f"0-{n}" for n in range(30)])
        await store.finish()
        assert await store.engine.ticker.sweep() > 0
        other = await store.other("other")
        await other.add(["a"])
        await other.flush()
        await store.api.delete_collection(SCOPE, "other")
        await store.api.fork_collection(SCOPE, store.id, "fork")
        await store.engine.ticker.sweep()
        assert [finding for finding in [finding async for finding in store.api.check()] if finding.level != "ok"] == []
        await store.engine.removal.reset()
        await store.engine.ticker.sweep()
        await store.engine.aclose()
        assert looked_at(planted) == planted
        store = await open_store()
    assert await store.count() == 0
    assert looked_at(planted) == planted


async def test_what_is_not_ours_is_not_listed(open_store: Open, tmp_path: Path) -> None:
    store = await open_store()
    await store.add(["a"])
    await store.flush()
    segments = store.engine.context.backends.segments
    listed = segments.list()
    plant(tmp_path / "data", tmp_path / "outside")
    assert segments.list() == listed


def sizes(data: Path) -> dict[Path, int]:
    return {path: path.stat().st_size for path in data.rglob("*") if path.is_file() and path.name not in ("LOCK", "FORMAT")}


@pytest.mark.parametrize("empty", [False, True], ids=["missing", "empty"])
@pytest.mark.parametrize("flushed", [False, True], ids=["in the log", "in segments"])
async def test_a_store_whose_catalog_was_lost_is_refused_and_nothing_of_it_is_deleted(
    open_store: Open, tmp_path: Path, flushed: bool, empty: bool
) -> None:
    store = await open_store()
    await store.add(["a", "b"])
    if flushed:
        await store.flush()
    await store.engine.aclose(flush=False)
    data = tmp_path / "data"
    catalog = (data / CATALOG_FILE).read_bytes()
    (data / CATALOG_FILE).unlink()
    if empty:
        (data / CATALOG_FILE).touch()
    before = sizes(data)
    for _ in range(2):
        with pytest.raises(CorruptionError, match=r"catalog\.sqlite is missing or empty") as refusal:
            await open_store()
        assert refusal.value.file == str(data / CATALOG_FILE)
        assert sizes(data) == before
    (data / CATALOG_FILE).write_bytes(catalog)
    assert await (await open_store()).ids() == ["a", "b"]


@pytest.mark.parametrize("empty", [False, True], ids=["missing", "empty"])
async def test_a_store_whose_log_was_lost_is_refused_until_it_is_put_back(open_store: Open, tmp_path: Path, empty: bool) -> None:
    store = await open_store()
    await store.add(["a", "b"])
    await store.engine.aclose(flush=False)
    data = tmp_path / "data"
    log = (data / LOG_FILE).read_bytes()
    (data / LOG_FILE).unlink()
    if empty:
        (data / LOG_FILE).touch()
    for _ in range(2):
        with pytest.raises(CorruptionError, match=r"log\.sqlite is missing or empty"):
            await open_store()
    (data / LOG_FILE).write_bytes(log)
    assert await (await open_store()).ids() == ["a", "b"]


@pytest.mark.parametrize("lost", [[CATALOG_FILE], [LOG_FILE], [CATALOG_FILE, LOG_FILE]], ids=" and ".join)
async def test_a_first_opening_that_was_cut_short_is_repeated(tmp_path: Path, lost: list[str]) -> None:
    """Nothing was written yet, so nothing can be lost."""
    await (await Engine.open(str(tmp_path / "data"), TINY)).aclose()
    for name in lost:
        (tmp_path / "data" / name).unlink()
    await (await Engine.open(str(tmp_path / "data"), TINY)).aclose()
