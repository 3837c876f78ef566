"""Clients of one directory, each with a loop or a process of its own."""

from __future__ import annotations

from pathlib import Path

from chroma_async.config.settings import Settings
from chroma_async.service.local import LocalAPI, open_local
from chroma_async.types import CollectionInfo, GetRequest, RecordBatch, WriteKind
from tests.engine.store import SCOPE, vectors

SETTINGS = Settings(query_threads=1, index_threads=1)


async def written(path: Path, id: str = "a") -> tuple[LocalAPI, CollectionInfo]:
    """A client that nobody closes, of a store to which it added one record."""
    api = await open_local(str(path), SETTINGS)
    info = await api.create_collection(SCOPE, "docs", get_or_create=True)
    await api.write(SCOPE, info.id, WriteKind.UPSERT, RecordBatch([id], vectors([1])))
    return api, info


async def read_and_close(api: LocalAPI) -> list[str]:
    """The ids that a client finds; it is closed afterwards."""
    info = await api.get_collection(SCOPE, "docs")
    ids = (await api.get(SCOPE, info.id, GetRequest(include=()))).rows.ids
    await api.aclose()
    return ids


async def read(path: Path) -> list[str]:
    """The ids that a client finds which is opened for this alone."""
    return await read_and_close(await open_local(str(path), SETTINGS))
