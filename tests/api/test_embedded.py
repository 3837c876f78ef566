"""The embedded clients: what is kept, what is shared, and who is refused."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from chroma_async import AsyncClient, AsyncEphemeralClient, AsyncPersistentClient
from chroma_async.config.settings import Settings
from chroma_async.errors import ClosedError, LockedError, NotFoundError, ResetDisabledError, WrongLoopError


async def write_one(client: AsyncClient) -> Any:
    collection = await client.get_or_create_collection("docs", metadata={"a": 1})
    await collection.add(ids=["a"], embeddings=[[1.0, 2.0]], documents=["x"], metadatas=[{"k": 1}])
    return collection


async def test_a_directory_keeps_its_records_when_the_client_is_closed(tmp_path: Path) -> None:
    async with AsyncPersistentClient(tmp_path / "data") as client:
        written = await write_one(client)
    async with AsyncPersistentClient(str(tmp_path / "data")) as client:
        collection = await client.get_collection("docs")
        assert (collection.id, collection.metadata) == (written.id, {"a": 1})
        got = await collection.get(include=["documents", "metadatas", "embeddings"])
        assert got["embeddings"] is not None
        assert (got["ids"], got["documents"], got["metadatas"]) == (["a"], ["x"], [{"k": 1}])
        assert got["embeddings"].tolist() == [[1.0, 2.0]]
    with pytest.raises(ClosedError):
        await written.count()


async def test_clients_of_one_directory_share_it_however_they_spell_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    async with AsyncPersistentClient("./data") as one, AsyncPersistentClient(tmp_path / "link") as other:
        await write_one(one)
        assert await (await other.get_collection("docs")).count() == 1
        await one.aclose()
        assert await (await other.get_collection("docs")).count() == 1


async def test_other_settings_for_an_open_directory_are_refused(tmp_path: Path) -> None:
    async with AsyncPersistentClient(tmp_path / "data"):
        with pytest.raises(ValueError, match="different settings"):
            await AsyncPersistentClient(tmp_path / "data", Settings(allow_reset=True))


async def test_another_process_is_refused_by_name(tmp_path: Path) -> None:
    code = f"""
import asyncio, chroma_async
async def main():
    async with chroma_async.AsyncPersistentClient({str(tmp_path / "data")!r}):
        pass
asyncio.run(main())
"""
    async with AsyncPersistentClient(tmp_path / "data"):
        refused = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", code], capture_output=True, text=True)
    assert LockedError.__name__ in refused.stderr
    assert str(os.getpid()) in refused.stderr
    allowed = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", code], capture_output=True, text=True)
    assert allowed.returncode == 0, allowed.stderr


async def test_another_loop_is_refused_while_this_one_has_the_directory(tmp_path: Path) -> None:
    async def elsewhere() -> None:
        async with AsyncPersistentClient(tmp_path / "data"):
            raise AssertionError("never entered")

    async with AsyncPersistentClient(tmp_path / "data"):
        with ThreadPoolExecutor(1) as pool, pytest.raises(WrongLoopError):
            await asyncio.wrap_future(pool.submit(asyncio.run, elsewhere()))


async def test_memory_belongs_to_one_client_and_ends_with_it() -> None:
    async with AsyncEphemeralClient() as one, AsyncEphemeralClient() as other:
        await write_one(one)
        assert await other.count_collections() == 0
    async with AsyncEphemeralClient() as later:
        assert await later.count_collections() == 0


async def test_reset_is_allowed_by_either_kind_of_settings(tmp_path: Path) -> None:
    async with AsyncEphemeralClient() as client:
        with pytest.raises(ResetDisabledError):
            await client.reset()
    for settings in (Settings(allow_reset=True), SimpleNamespace(allow_reset=True)):
        async with AsyncEphemeralClient(settings) as client:
            await write_one(client)
            assert await client.reset() is True
            assert await client.count_collections() == 0


async def test_a_scope_that_does_not_exist_opens_nothing(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        await AsyncPersistentClient(tmp_path / "data", tenant="nobody")
    async with AsyncPersistentClient(tmp_path / "data", Settings(allow_reset=True)) as client:
        assert client.tenant == "default_tenant"
