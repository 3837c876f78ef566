"""What an exposed server needs: slow senders hold no places, and proxies are believed only if they are trusted."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack

import httpx
import pytest

from chroma_async.config.settings import Settings
from tests.fakes.api import FakeAPI, id_of, served

ADD = f"/api/v2/tenants/default_tenant/databases/default_database/collections/{id_of('docs')}/add"
RECORD = json.dumps({"ids": ["a"], "embeddings": [[1.0]], "documents": ["x" * 50_000]}).encode()
HEAD = f"POST {ADD} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {len(RECORD)}\r\n\r\n".encode()


async def answered(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    """The status and body of an answer that says that the connection will be closed."""
    head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)).decode().lower()
    assert "connection: close" in head or "http/1.0" in head
    length = int(head.partition("content-length:")[2].split()[0])
    return int(head.split()[1]), json.loads(await reader.readexactly(length))


@pytest.mark.parametrize("drips", [False, True], ids=["nothing more comes", "a byte now and then"])
async def test_a_body_that_comes_too_slowly_is_given_up_and_the_connection_closed(drips: bool) -> None:
    api = FakeAPI()
    async with served(api, Settings(body_timeout_s=0.3)) as session:
        url = session._base_url
        assert url is not None
        reader, writer = await asyncio.open_connection(url.host, url.port)
        writer.write(HEAD + RECORD[:100])

        async def drip() -> None:
            for at in range(100, len(RECORD)):
                writer.write(RECORD[at : at + 1])
                await asyncio.sleep(0.02)

        dripping = asyncio.ensure_future(drip()) if drips else None
        status, body = await answered(reader)
        assert (status, body["error"]) == (408, "ChromaError")
        assert body["message"].startswith("the body came too slowly: 1")
        if dripping is not None:
            dripping.cancel()
        writer.close()
    assert api.asked == []


async def test_a_body_in_pieces_that_comes_fast_enough_is_taken() -> None:
    api = FakeAPI()
    async with served(api, Settings(body_timeout_s=5)) as session:
        url = session._base_url
        assert url is not None
        reader, writer = await asyncio.open_connection(url.host, url.port)
        writer.write(HEAD.replace(b"Host: a", b"Host: a\r\nConnection: close"))
        for start in range(0, len(RECORD), 7000):
            writer.write(RECORD[start : start + 7000])
            await writer.drain()
            await asyncio.sleep(0.001)
        assert (await answered(reader))[0] == 201
        writer.close()


async def test_limits_hold_for_the_client_behind_a_trusted_proxy_and_not_for_what_others_claim() -> None:
    bounds = {"rate_limit_per_s": 0.01, "rate_limit_burst": 2}
    path = "/api/v2/tenants/default_tenant/databases/default_database/collections_count"

    async def statuses(proxies: tuple[str, ...]) -> list[int]:
        async with AsyncExitStack() as stack:
            session = await stack.enter_async_context(served(FakeAPI(), Settings(trusted_proxies=proxies, **bounds)))
            client = await stack.enter_async_context(httpx.AsyncClient(base_url=str(session._base_url)))
            asked = [("203.0.113.1", 3), ("203.0.113.2", 2)]
            return [
                (await client.get(path, headers={"X-Forwarded-For": address})).status_code for address, times in asked for _ in range(times)
            ]

    assert await statuses(("127.0.0.0/8",)) == [200, 200, 429, 200, 200]
    assert await statuses(()) == [200, 200, 429, 429, 429]
