"""A raw keep-alive HTTP client that prepares bodies before the clock starts and leaves answers unread but complete."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
import numpy as np

from tests.bench.usage import cpu_s
from tests.compat.servers import Server

DATABASE = "/api/v2/tenants/default_tenant/databases/default_database"
JSON_TYPE = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Request:
    """One request, ready to send. ``weight`` is how many operations it counts for (rows of a batch)."""

    method: str
    path: str
    body: bytes = b""
    weight: int = 1


@dataclass(frozen=True)
class Measurement:
    """Operations per second, milliseconds of server processor time each, and latencies of requests in milliseconds."""

    per_s: float
    cpu_ms: float
    p50_ms: float
    p99_ms: float


class Client:
    """One server's collection."""

    def __init__(self, server: Server, session: aiohttp.ClientSession) -> None:
        self.server = server
        self.session = session
        self.collection = ""

    async def create(self, name: str) -> None:
        """Make the collection, or find it."""
        body = {"name": name, "get_or_create": True, "configuration": {"hnsw": {"space": "cosine"}}}
        made = await self.call(self.request("POST", f"{DATABASE}/collections", body, inside=False))
        self.collection = f"{DATABASE}/collections/{made['id']}"

    def request(self, method: str, path: str, body: object = None, *, weight: int = 1, inside: bool = True) -> Request:
        """A request to a path of the collection (or of the server, when not ``inside``)."""
        return Request(method, (self.collection if inside else "") + path, json.dumps(body).encode() if body is not None else b"", weight)

    async def call(self, request: Request) -> Any:
        """Send it and parse the answer. :raises RuntimeError: it is an error; holds what the server says."""
        status, body = await self._send(request)
        if status >= 300:
            raise RuntimeError(f"{request.method} {request.path}: {status} {body[:300]!r}")
        return json.loads(body)

    async def measure(self, requests: Sequence[Request], clients: int, seconds: float | None) -> Measurement:
        """Each of ``clients`` sends its next request when it has its answer: all requests once, or for ``seconds`` over and over."""
        latencies: list[float] = []
        weight = position = 0
        before, begun = cpu_s(self.server.process.pid), time.perf_counter()
        end = begun + seconds if seconds is not None else float("inf")

        async def one_client() -> None:
            nonlocal weight, position
            while (seconds is not None or position < len(requests)) and time.perf_counter() < end:
                request = requests[position % len(requests)]
                position += 1
                sent = time.perf_counter()
                status, body = await self._send(request)
                latencies.append(time.perf_counter() - sent)
                if status >= 300:
                    raise RuntimeError(f"{request.method} {request.path}: {status} {body[:300]!r}")
                weight += request.weight

        await asyncio.gather(*(one_client() for _ in range(clients)))
        elapsed, cpu = time.perf_counter() - begun, cpu_s(self.server.process.pid) - before
        p50, p99 = np.percentile(np.array(latencies) * 1e3, [50, 99])
        return Measurement(weight / elapsed, cpu / weight * 1e3, float(p50), float(p99))

    async def _send(self, request: Request) -> tuple[int, bytes]:
        async with self.session.request(
            request.method, self.server.url + request.path, data=request.body or None, headers=JSON_TYPE
        ) as answer:
            return answer.status, await answer.read()


def packed(vectors: Iterable[Any]) -> list[str]:
    """Vectors as the official client sends them in writes: base64 of little-endian float32."""
    return [base64.b64encode(np.asarray(vector, "<f4").tobytes()).decode() for vector in vectors]
