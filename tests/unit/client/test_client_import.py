"""What importing the client costs and brings, and what it does not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import chroma_async

BUDGET_S = 0.25
#: What its libraries alone take of that where the budget was set. The same processor is up to twice as slow when its host is busy: then
#: the budget grows by as much as the libraries' own time does, and by nothing else.
LIBRARIES_S = 0.18


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the interpreters of these tests keep compiled files: each module, of ours and of others, is compiled once."""
    return tmp_path_factory.mktemp("compiled")


def run(code: str, cache: Path) -> str:
    """Output of a fresh interpreter that keeps compiled files in ``cache``."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = str(cache)
    return subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True).stdout


@pytest.mark.alone
def test_importing_the_http_client_takes_under_a_quarter_of_a_second_of_processor_time(cache: Path) -> None:
    # Processor time of the importing thread: what other programs do meanwhile does not count.
    code = "import time; begun = time.thread_time(); import {}; print(time.thread_time() - begun)"
    ours, libraries = code.format("chroma_async.client.http"), code.format("aiohttp, numpy, orjson")
    run(ours, cache)  # compiles
    # In turns, so that both see the same machine.
    taken = [(float(run(ours, cache)), float(run(libraries, cache))) for _ in range(7)]
    slowness = max(1.0, min(alone for _, alone in taken) / LIBRARIES_S)
    assert min(together for together, _ in taken) < BUDGET_S * slowness, taken


@pytest.mark.parametrize(
    "statement", ["import chroma_async", "import chroma_async.client.http", "from chroma_async import AsyncHttpClient"]
)
def test_a_client_of_a_server_loads_no_engine_no_database_and_no_chromadb(statement: str, cache: Path) -> None:
    loaded = set(run(f"{statement}; import sys; print(*sys.modules)", cache).split())
    assert not loaded & {"faiss", "sqlite3", "aiosqlite", "chromadb", "chroma_async.engine"}


def test_every_public_name_is_there() -> None:
    assert set(dir(chroma_async)) == set(chroma_async.__all__)
    for name in chroma_async.__all__:
        assert getattr(chroma_async, name).__class__ is not None
    with pytest.raises(AttributeError, match="AsyncNothing"):
        chroma_async.AsyncNothing  # noqa: B018


def test_chromadb_is_never_imported_but_served_when_it_is_there(cache: Path) -> None:
    code = """
import asyncio, sys
import chroma_async
from chroma_async.client.interop import register_if_imported
assert register_if_imported() is False and "chromadb" not in sys.modules
chroma_async.register_with_chromadb()
from chromadb.api import AsyncClientAPI, AsyncAdminAPI
from chroma_async import AsyncAdminClient, AsyncClient
assert issubclass(AsyncClient, AsyncClientAPI) and issubclass(AsyncAdminClient, AsyncAdminAPI)
assert register_if_imported() is True
"""
    run(code, cache)
