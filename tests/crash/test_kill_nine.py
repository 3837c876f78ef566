"""kill -9 of a real server under concurrent writers: nothing that was acknowledged is lost, nothing half-written is seen."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import random
import struct
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import numpy as np

from tests.compat.servers import Server, start_ours

ROUNDS = 20
WRITERS = 4
DIMENSION = 8
#: So that flushes, merges and graph builds are under way when the end comes.
SMALL_BOUNDS = {
    "CHROMA_ASYNC_MEMTABLE_ROWS": "64",
    "CHROMA_ASYNC_FLUSH_IDLE_S": "0.01",
    "CHROMA_ASYNC_FLUSH_IDLE_ROWS": "0",
    "CHROMA_ASYNC_FLAT_ROWS": "128",
    "CHROMA_ASYNC_ABSORB_BULK_ROWS": "64",
    "CHROMA_ASYNC_ABSORB_CALM_ROWS": "64",
}
COLLECTIONS = "/api/v2/tenants/default_tenant/databases/default_database/collections"


def embedding(key: str, version: int) -> list[float]:
    """The vector of a record's version, worked out from its name: the bytes of a digest as numbers from -4 to 4."""
    digest = hashlib.blake2b(f"{key} {version}".encode(), digest_size=2 * DIMENSION).digest()
    return [number / 8192 for number in struct.unpack(f"<{DIMENSION}h", digest)]


def packed(vector: list[float]) -> str:
    return base64.b64encode(np.asarray(vector, "<f4").tobytes()).decode()


@dataclass
class Ledger:
    """What one writer knows: the last acknowledged version of each of its records (0 for deleted), and the request without an answer."""

    acknowledged: dict[str, int] = field(default_factory=dict)
    #: Record -> the version it has if the unanswered request was carried out.
    pending: dict[str, int] = field(default_factory=dict)
    next_version: int = 1


class Countdown:
    """An event that happens once so many requests were answered."""

    def __init__(self, answers: int) -> None:
        self.over = asyncio.Event()
        self._left = answers

    def answered(self) -> None:
        self._left -= 1
        if self._left <= 0:
            self.over.set()


async def write(
    session: aiohttp.ClientSession, url: str, writer: int, ledger: Ledger, random_: random.Random, countdown: Countdown
) -> None:
    """Write batches until the server is gone."""
    while True:
        version = ledger.next_version
        ledger.next_version += 1
        if ledger.acknowledged and random_.random() < 0.2:
            keys = random_.sample(sorted(ledger.acknowledged), min(3, len(ledger.acknowledged)))
            ledger.pending = dict.fromkeys(keys, 0)
            request: tuple[str, dict[str, object]] = ("delete", {"ids": keys})
        else:
            known = [f"{writer}:{random_.randrange(200)}" for _ in range(random_.randint(0, 3))]
            fresh = [f"{writer}:new:{version}:{n}" for n in range(random_.randint(1, 20))]
            keys = list(dict.fromkeys([*known, *fresh]))
            ledger.pending = dict.fromkeys(keys, version)
            body = {
                "ids": keys,
                "embeddings": [packed(embedding(key, version)) for key in keys],
                "documents": [f"{key} at {version}" for key in keys],
                "metadatas": [{"version": version, "writer": writer} for _ in keys],
            }
            request = ("upsert", body)
        try:
            async with session.post(f"{url}/{request[0]}", json=request[1]) as answer:
                assert answer.status == 200, await answer.text()
                await answer.read()
        except (aiohttp.ClientError, ConnectionError):
            countdown.over.set()
            return
        ledger.acknowledged.update(ledger.pending)
        ledger.pending = {}
        countdown.answered()


async def read_all(session: aiohttp.ClientSession, url: str) -> dict[str, tuple[int, str, list[float]]]:
    """Every record: version, document, vector."""
    async with session.post(f"{url}/get", json={"include": ["metadatas", "documents", "embeddings"]}) as answer:
        assert answer.status == 200, await answer.text()
        got = await answer.json()
    rows = zip(got["ids"], got["metadatas"], got["documents"], got["embeddings"], strict=True)
    return {id: (metadata["version"], document, vector) for id, metadata, document, vector in rows}


def judge(ledgers: list[Ledger], found: dict[str, tuple[int, str, list[float]]]) -> None:
    """Compare, and take as acknowledged what turns out to have been carried out."""
    for ledger in ledgers:
        outcomes = set()
        for key in ledger.acknowledged.keys() | ledger.pending.keys():
            before, after = ledger.acknowledged.get(key, 0), ledger.pending.get(key)
            seen = found[key][0] if key in found else 0
            assert seen in ({before} if after is None else {before, after}), f"{key}: {before} was acknowledged, {seen} is there"
            if after is not None and before != after:
                outcomes.add(seen == after)
            ledger.acknowledged[key] = seen
        assert len(outcomes) <= 1, "a request was carried out in part"
        ledger.pending = {}
    known = {key for ledger in ledgers for key, version in ledger.acknowledged.items() if version}
    assert found.keys() == known
    for key, (version, document, _) in found.items():
        assert document == f"{key} at {version}"
    vectors = np.array([vector for _, _, vector in found.values()], np.float32)
    assert np.array_equal(vectors, np.array([embedding(key, version) for key, (version, _, _) in found.items()], np.float32))
    for ledger in ledgers:
        ledger.acknowledged = {key: version for key, version in ledger.acknowledged.items() if version}


async def one_life(server: Server, name: str, ledgers: list[Ledger], random_: random.Random) -> None:
    """Check what the last life left, write, and be killed at a moment that chance chooses."""
    async with aiohttp.ClientSession() as session:
        async with session.post(server.url + COLLECTIONS, json={"name": name, "get_or_create": True}) as answer:
            assert answer.status == 200, await answer.text()
            url = f"{server.url}{COLLECTIONS}/{(await answer.json())['id']}"
        judge(ledgers, await read_all(session, url))
        # Most lives are short; some are long enough for merges and graph builds to be under way when they end.
        countdown = Countdown(random_.choice([5, 20, 50, 60, 250]) + random_.randint(-4, 4))
        async with asyncio.TaskGroup() as writers:
            for number, ledger in enumerate(ledgers):
                writers.create_task(write(session, url, number, ledger, random_, countdown))
            await countdown.over.wait()
            assert server.process.poll() is None, server.log.read_text()
            server.process.kill()


async def test_a_server_killed_twenty_times_loses_nothing_it_acknowledged(tmp_path: Path) -> None:
    random_ = random.Random(9)
    ledgers = [Ledger() for _ in range(WRITERS)]
    for _ in range(ROUNDS):
        server = start_ours(tmp_path / "data", env=SMALL_BOUNDS)
        try:
            await one_life(server, "ledger", ledgers, random_)
        finally:
            server.kill()
    server = start_ours(tmp_path / "data", env=SMALL_BOUNDS)
    try:
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{server.url}{COLLECTIONS}/ledger") as answer:
                url = f"{server.url}{COLLECTIONS}/{(await answer.json())['id']}"
            judge(ledgers, await read_all(session, url))
        assert server.stop() == 0
    finally:
        server.kill()
    assert sum(len(ledger.acknowledged) for ledger in ledgers) > 500
