"""The audit log of a real server: who, what, where and what came of it, in lines of JSON that hold no secret and no record."""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import os
import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

import chroma_async
from chroma_async.errors import AuthorizationError, ChromaAuthError, NotFoundError, RateLimitError
from chroma_async.server.audit_log import AuditFile, AuditLog
from tests.compat.servers import Server, start_ours

USERS = """
users:
  - {id: ann, tokens: [token-of-ann], role: admin}
  - {id: bob, tokens: [token-of-bob], role: reader}
"""
ROLES = "roles_mapping: {admin: {actions: ['*']}, reader: {actions: ['collection:get', 'db:get_collection']}}"


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


async def as_user(server: Server, token: str) -> Any:
    return await chroma_async.AsyncHttpClient(server.host, server.port, token=token, connect=False)


async def test_each_request_leaves_a_line_and_no_line_holds_a_secret_or_a_record(tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    env = {"CHROMA_SERVER_AUTHN_CREDENTIALS": USERS, "CHROMA_SERVER_AUTHZ_CONFIG": ROLES}
    server = start_ours(tmp_path / "data", arguments=("--audit-log", str(file)), env=env)
    try:
        ann, bob = await as_user(server, "token-of-ann"), await as_user(server, "token-of-bob")
        docs = await ann.create_collection("docs", embedding_function=None)
        await docs.add(ids=["id-1"], embeddings=[[0.125, 0.25]], documents=["a private text"], metadatas=[{"key": "private value"}])
        await docs.modify(name="renamed")
        with pytest.raises(ChromaAuthError):
            await bob.delete_collection("renamed")
        with pytest.raises(NotFoundError):
            await ann.get_collection("missing")
        stranger = await as_user(server, "guessed-token")
        with pytest.raises(AuthorizationError):
            await stranger.count_collections()
        await ann.heartbeat()
        async with httpx.AsyncClient(base_url=server.url, headers={"X-Chroma-Token": "token-of-ann", "X-Request-Id": "mine"}) as raw:
            assert (await raw.get("/api/v2/nowhere?secret=1")).status_code == 404
        for client in (ann, bob, stranger):
            await client.aclose()
        assert server.stop() == 0
    finally:
        server.kill()
    found = lines(file)
    place = {"tenant": "default_tenant", "database": "default_database"}
    assert [(line["user"], line["operation"], line["subject"], line["status"]) for line in found] == [
        ("ann", "create_collection", "docs", 200),
        ("ann", "collection_add", None, 201),
        ("ann", "update_collection", "renamed", 200),
        ("ann", "get_collection_by_id", None, 200),
        ("bob", "delete_collection", None, 403),
        ("ann", "get_collection", None, 404),
        (None, "count_collections", None, 401),
        ("ann", "unmatched", None, 404),
    ]
    assert all(line[name] == value for line in found[:-1] for name, value in place.items())
    assert found[1]["collection_id"] == str(docs.id)
    assert found[4]["collection_id"] == "renamed"
    assert found[-1]["request_id"] == "mine"
    assert all(line["address"] == "127.0.0.1" and datetime.fromisoformat(line["time"]).tzinfo is not None for line in found)
    text = file.read_text()
    for secret in ("token-of", "guessed", "private", "id-1", "0.125", "secret"):
        assert secret not in text
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


async def test_one_credential_is_bounded_and_others_are_not(tmp_path: Path) -> None:
    env = {
        "CHROMA_SERVER_AUTHN_CREDENTIALS": "token-one\ntoken-two",
        "CHROMA_ASYNC_RATE_LIMIT_PER_S": "0.5",
        "CHROMA_ASYNC_RATE_LIMIT_BURST": "3",
    }
    server = start_ours(tmp_path / "data", env=env)
    try:
        settings = chroma_async.ClientSettings(max_retries=0)
        ask: Any = {"host": server.host, "port": server.port, "connect": False, "client_settings": settings}
        async with (
            chroma_async.AsyncHttpClient(token="token-one", **ask) as one,
            chroma_async.AsyncHttpClient(token="token-two", **ask) as two,
        ):
            for _ in range(3):
                await one.count_collections()
            with pytest.raises(RateLimitError, match=r"this caller may ask 0\.5 times a second") as refusal:
                await one.count_collections()
            assert refusal.value.retry_after_s == 2
            assert await two.count_collections() == 0
            assert await one.heartbeat() > 0
    finally:
        server.kill()


def test_an_audit_log_that_cannot_be_written_keeps_the_server_from_starting(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "chroma_async", "run", "--path", str(tmp_path / "data"), "--port", "0", "--audit-log", str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert f"the audit log cannot be written to {tmp_path}: Is a directory" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "data").exists()


class At:
    """A clock that stands still."""

    def __call__(self) -> datetime:
        return datetime(2026, 11, 28, tzinfo=UTC)


async def run(work: Any, *arguments: Any) -> Any:
    return await asyncio.to_thread(work, *arguments)


async def test_a_file_is_put_aside_when_it_is_full_and_the_oldest_goes(tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    audit = AuditLog(AuditFile(file, rotate_bytes=1000, kept_files=2), run, At())
    for number in range(100):
        audit.add({"number": number})
    await audit.aclose()
    kept = [file.with_name("audit.jsonl.2"), file.with_name("audit.jsonl.1"), file]
    assert sorted(os.listdir(tmp_path)) == sorted(each.name for each in kept)
    numbers = [line["number"] for each in kept for line in lines(each)]
    assert numbers == list(range(numbers[0], 100))
    assert all(each.stat().st_size <= 1000 and stat.S_IMODE(each.stat().st_mode) == 0o600 for each in kept)


async def test_lines_that_the_disk_did_not_take_are_counted_and_the_count_is_written_once_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    file = AuditFile(tmp_path / "audit.jsonl", 1 << 20, 1)
    audit, write = AuditLog(file, run, At()), file.write

    def full(lines: list[str]) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(file, "write", full)
    audit.add({"number": 1})
    audit.add({"number": 2})
    with caplog.at_level(logging.ERROR):
        await asyncio.wait_for(asyncio.gather(*(task for task in asyncio.all_tasks() if task.get_name() == "audit log")), 10)
    assert "2 lines are lost: No space left on device" in caplog.text
    monkeypatch.setattr(file, "write", write)
    audit.add({"number": 3})
    await audit.aclose()
    assert [{name: value for name, value in line.items() if name != "time"} for line in lines(tmp_path / "audit.jsonl")] == [
        {"lost_lines": 2},
        {"number": 3},
    ]


async def test_no_more_lines_wait_than_there_is_room_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chroma_async.server.audit_log.MOST_WAITING", 10)
    audit = AuditLog(AuditFile(tmp_path / "audit.jsonl", 1 << 20, 1), run, At())
    for number in range(25):
        audit.add({"number": number})
    await asyncio.sleep(0)
    audit.add({"number": "late"})
    await audit.aclose()
    found = lines(tmp_path / "audit.jsonl")
    assert [line["number"] for line in found if "number" in line] == [*range(10), "late"]
    assert [line["lost_lines"] for line in found if "lost_lines" in line] == [15]
