"""The log of slow operations: which, how long, why, and nothing of what was stored or looked for."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from chroma_async.config.settings import Settings
from chroma_async.errors import NotFoundError
from chroma_async.server.app import create_app
from chroma_async.service.local import LocalAPI, open_local
from chroma_async.types import QueryRequest, RecordBatch, Scope, WriteKind
from tests.engine.store import vectors

SCOPE = Scope()
#: Everything takes longer.
SLOW = Settings(is_persistent=False, slow_operation_s=1e-9, flat_rows=16)


@pytest.fixture
async def api(caplog: pytest.LogCaptureFixture) -> AsyncIterator[LocalAPI]:
    caplog.set_level(logging.WARNING, "chroma_async.service.observed")
    found = await open_local(None, SLOW)
    yield found
    await found.aclose()


def lines(caplog: pytest.LogCaptureFixture, operation: str) -> list[dict[str, Any]]:
    told = [record.fields for record in caplog.records if record.name == "chroma_async.service.observed"]
    return [fields for fields in told if fields["operation"] == operation]


async def test_a_slow_query_tells_what_was_asked_and_how_each_part_was_searched(api: LocalAPI, caplog: pytest.LogCaptureFixture) -> None:
    info = await api.create_collection(SCOPE, "docs")
    batch = RecordBatch([f"{n}" for n in range(40)], vectors(range(40)), documents=["a secret"] * 40)
    await api.write(SCOPE, info.id, WriteKind.ADD, batch)
    async with api.engine.registry.using(SCOPE, info.id) as collection:
        await collection.finish()
    await api.write(SCOPE, info.id, WriteKind.ADD, RecordBatch(["new"], vectors([77])))
    await api.query(SCOPE, info.id, QueryRequest(vectors([3.25, 4.25]), 5, where_document={"$contains": "secret"}))
    [line] = lines(caplog, "query")
    assert line["duration_ms"] > 0
    assert (line["collection_id"], line["queries"], line["n_results"], line["filtered"]) == (str(info.id), 2, 5, True)
    searches = {step["rows"]: step for step in line["steps"] if step["step"] == "segment search"}
    assert searches.keys() == {40, 1}
    assert (searches[40]["graph_rows"], searches[40]["allowed"], searches[1]["allowed"]) == (40, 40, 0)
    assert "Exact()" in searches[40]["plan"] or "GraphSearch(" in searches[40]["plan"]
    written = lines(caplog, "write")[0]
    assert written["rows"] == 40
    assert {"resolve", "log append", "apply"} == {step["step"] for step in written["steps"]}
    text = repr([record.__dict__ for record in caplog.records])
    assert "secret" not in text
    assert "3.25" not in text


async def test_a_slow_operation_that_fails_names_its_error(api: LocalAPI, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(NotFoundError):
        await api.get_collection(SCOPE, "none")
    [line] = lines(caplog, "get_collection")
    assert line["error"] == "NotFoundError"


async def test_the_line_has_the_name_of_the_request(api: LocalAPI, caplog: pytest.LogCaptureFixture) -> None:
    runner = web.AppRunner(create_app(api, SLOW, api.engine.context.threads.run))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        path = f"http://127.0.0.1:{runner.addresses[0][1]}/api/v2/tenants/default_tenant"
        async with aiohttp.ClientSession() as client, client.get(path, headers={"X-Request-Id": "mine"}) as response:
            assert response.status == 200
    finally:
        await runner.cleanup()
    assert [line["request_id"] for line in lines(caplog, "get_tenant")] == ["mine"]


async def test_what_is_quick_enough_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "chroma_async.service.observed")
    for slow_operation_s in (0.0, 1000.0):
        api = await open_local(None, Settings(is_persistent=False, slow_operation_s=slow_operation_s))
        await api.create_collection(SCOPE, "docs")
        await api.aclose()
    assert caplog.records == []
