"""A snapshot of a live volume opens: a copy of the directory at one moment, taken while writers write, holds all that was acknowledged."""

from __future__ import annotations

import asyncio
import copy
import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest

from tests.compat.servers import Server, start_ours
from tests.crash.test_kill_nine import COLLECTIONS, SMALL_BOUNDS, WRITERS, Countdown, Ledger, judge, read_all, write

SNAPSHOTS = 4
ANSWERS_BETWEEN = 60


def snapshot(server: Server, data: Path, copied: Path) -> None:
    """Copy the directory of a running server as of one moment: no thread of it runs meanwhile."""
    server.process.send_signal(signal.SIGSTOP)
    try:
        os.waitid(os.P_PID, server.process.pid, os.WSTOPPED | os.WNOWAIT)
        shutil.copytree(data, copied)
    finally:
        server.process.send_signal(signal.SIGCONT)


async def collection_url(session: aiohttp.ClientSession, server: Server) -> str:
    async with session.post(server.url + COLLECTIONS, json={"name": "ledger", "get_or_create": True}) as answer:
        return f"{server.url}{COLLECTIONS}/{(await answer.json())['id']}"


async def taken_under_load(server: Server, data: Path, copies: list[Path]) -> list[list[Ledger]]:
    """What each writer knew when each of the snapshots was taken."""
    ledgers = [Ledger() for _ in range(WRITERS)]
    known: list[list[Ledger]] = []
    async with aiohttp.ClientSession() as session:
        url = await collection_url(session, server)
        counts = [Countdown(ANSWERS_BETWEEN * number) for number in range(1, len(copies) + 1)]

        class Every(Countdown):
            """Counts for all of them."""

            def answered(self) -> None:
                for count in counts:
                    count.answered()

        async with asyncio.TaskGroup() as writers:
            for number, ledger in enumerate(ledgers):
                writers.create_task(write(session, url, number, ledger, random.Random(number), Every(0)))
            for count, copied in zip(counts, copies, strict=True):
                await count.over.wait()
                # On the loop: no answer is taken in meanwhile, so what the ledgers hold is as of the snapshot.
                snapshot(server, data, copied)
                known.append(copy.deepcopy(ledgers))
            server.process.kill()
    return known


def verified(directory: Path) -> str:
    """What the command `check` has against a directory."""
    command = [sys.executable, "-m", "chroma_async", "check", "--path", str(directory)]
    checked = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    return "" if checked.returncode == 0 else checked.stdout + checked.stderr


@pytest.mark.slow
async def test_a_copy_taken_under_load_opens_with_all_that_was_acknowledged(tmp_path: Path) -> None:
    data, copies = tmp_path / "data", [tmp_path / f"snapshot-{number}" for number in range(SNAPSHOTS)]
    server = start_ours(data, env=SMALL_BOUNDS)
    try:
        known = await taken_under_load(server, data, copies)
    finally:
        server.kill()
    for copied, ledgers in zip(copies, known, strict=True):
        restored = start_ours(copied, env=SMALL_BOUNDS)
        try:
            async with aiohttp.ClientSession() as session:
                judge(ledgers, await read_all(session, await collection_url(session, restored)))
            assert restored.stop() == 0
        finally:
            restored.kill()
        assert verified(copied) == ""
    assert [sum(len(ledger.acknowledged) for ledger in ledgers) > 100 for ledgers in known] == [True] * SNAPSHOTS
