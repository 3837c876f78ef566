"""A server over a store of this process, and what its metrics say, read by Prometheus's own parser."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from prometheus_client.parser import text_string_to_metric_families

from chroma_async.config.settings import Settings
from chroma_async.server.app import create_app
from chroma_async.service.local import LocalAPI, open_local
from chroma_async.threads import Lane

COLLECTIONS = "/api/v2/tenants/default_tenant/databases/default_database/collections"


@dataclass(frozen=True)
class Served:
    """A server at ``url``, the store behind it, and a client."""

    url: str
    api: LocalAPI
    client: aiohttp.ClientSession

    async def collection(self, name: str) -> str:
        """The path of a new collection."""
        async with self.client.post(COLLECTIONS, json={"name": name}) as response:
            assert response.status == 200
            return f"{COLLECTIONS}/{(await response.json())['id']}"

    async def post(self, path: str, status: int = 200, **body: object) -> object:
        """The answer, which must have this status."""
        async with self.client.post(path, json=body) as response:
            assert response.status == status, await response.text()
            return await response.json()

    async def samples(self) -> dict[str, dict[frozenset[tuple[str, str]], float]]:
        """Name of a sample -> its labels -> its value."""
        async with self.client.get("/metrics") as response:
            assert response.status == 200
            return parsed(await response.text())


def parsed(text: str) -> dict[str, dict[frozenset[tuple[str, str]], float]]:
    """The samples of a text, as Prometheus's parser reads them; each series once."""
    found: dict[str, dict[frozenset[tuple[str, str]], float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = frozenset(sample.labels.items())
            series = found.setdefault(sample.name, {})
            assert labels not in series, sample
            series[labels] = sample.value
    return found


def value(samples: Mapping[str, Mapping[frozenset[tuple[str, str]], float]], name: str, **labels: str) -> float:
    """Of one series."""
    return samples[f"chroma_async_{name}"][frozenset(labels.items())]


@asynccontextmanager
async def serving(path: Path | None, settings: Settings) -> AsyncIterator[Served]:
    """A server on a socket of its own."""
    api = await open_local(None if path is None else str(path), settings)
    bodies = Lane("body", 2)
    runner = web.AppRunner(create_app(api, settings, bodies.run), shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        async with aiohttp.ClientSession(f"http://{host}:{port}") as client:
            yield Served(f"http://{host}:{port}", api, client)
    finally:
        await runner.cleanup()
        await bodies.aclose()
        await api.aclose()


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(tmp_path / "data", Settings(flat_rows=16, flush_idle_s=60.0)) as found:
        yield found
