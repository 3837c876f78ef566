"""One engine per directory and process, shared by its clients."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from chroma_async.errors import ClosedError, ValidationError
from chroma_async.service.local import open_local
from chroma_async.types import GetRequest, RecordBatch, WriteKind
from tests.engine.clients import SETTINGS, read
from tests.engine.store import SCOPE, vectors


async def test_clients_of_one_path_share_an_engine(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "data")
    paths = [tmp_path / "data", tmp_path / "link", tmp_path / "x" / ".." / "data"]
    first, *others = await asyncio.gather(*(open_local(str(path), SETTINGS) for path in paths))
    assert all(other.engine is first.engine for other in others)
    info = await first.create_collection(SCOPE, "docs")
    await first.write(SCOPE, info.id, WriteKind.ADD, RecordBatch(["a"], vectors([1])))
    assert (await others[0].get(SCOPE, info.id, GetRequest())).rows.ids == ["a"]
    await first.aclose()
    await first.aclose()
    with pytest.raises(ClosedError):
        await first.heartbeat()
    with pytest.raises(ClosedError):
        await first.count(SCOPE, info.id)
    assert await others[0].count(SCOPE, info.id) == 1
    await asyncio.gather(*(other.aclose() for other in others))
    assert await read(paths[0]) == ["a"]


async def test_opening_while_the_last_client_closes_waits_for_it(tmp_path: Path) -> None:
    for _ in range(5):
        api = await open_local(str(tmp_path), SETTINGS)
        closing = asyncio.ensure_future(api.aclose())
        await asyncio.sleep(0)
        other = await open_local(str(tmp_path), SETTINGS)
        await closing
        assert other.engine is not None
        await other.aclose()


async def test_other_settings_for_an_open_path_are_refused(tmp_path: Path) -> None:
    api = await open_local(str(tmp_path), SETTINGS)
    with pytest.raises(ValidationError, match=r"different settings: .*=.* \(opened with .*\); give the same, or close the other"):
        await open_local(str(tmp_path), replace(SETTINGS, allow_reset=True))
    await api.aclose()
    await (await open_local(str(tmp_path), replace(SETTINGS, allow_reset=True))).aclose()


async def test_stores_in_memory_are_their_clients_own() -> None:
    first, second = await open_local(None, SETTINGS), await open_local(None, SETTINGS)
    await first.create_collection(SCOPE, "docs")
    assert await second.count_collections(SCOPE) == 0
    await first.aclose()
    await second.aclose()
