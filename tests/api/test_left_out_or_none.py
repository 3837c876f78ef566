"""Every field of a write that can be left out, said as None or given, by every verb: in process, through our client, and as a bare body."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestServer

import chroma_async
from chroma_async.client.collection import AsyncCollection
from chroma_async.config.settings import Settings
from chroma_async.errors import ChromaError
from chroma_async.server.app import create_app
from chroma_async.service.local import open_local
from chroma_async.types import GetRequest

SOON, LATER = time.time() + 1e6, time.time() + 2e6

#: A record with everything.
OLD: dict[str, Any] = {
    "embeddings": [1.0, 1.0],
    "documents": "old",
    "uris": "uri:old",
    "metadatas": {"kept": 1, "changed": 1},
    "expires_at": SOON,
}
#: What a write may say of each field.
SAID: dict[str, Any] = {
    "embeddings": [2.0, 2.0],
    "documents": "new",
    "uris": "uri:new",
    "metadatas": {"changed": 2},
    "expires_at": LATER,
}
MERGED: dict[str, Any] = {**SAID, "metadatas": {"kept": 1, "changed": 2}}
#: What a record has that was written without the field.
NOTHING: dict[str, Any] = dict.fromkeys(OLD)

#: How a field is said: left out, as null, as a list of a null, or with a value.
LEFT_OUT, NONE, LIST_OF_NONE, VALUE = "left out", "None", "[None]", "a value"
HOW = (LEFT_OUT, NONE, LIST_OF_NONE, VALUE)
REFUSED = object()


def changed(verb: str, field: str, how: str) -> Any:
    """What the field of a record that exists is afterwards; ``REFUSED`` where the write is none without it."""
    if field == "embeddings" and verb != "update" and how != VALUE:
        return REFUSED
    if verb == "add":
        return OLD[field]
    if how == VALUE:
        return MERGED[field]
    if field == "expires_at" and how != LEFT_OUT:
        return None
    return OLD[field]


def inserted(verb: str, field: str, how: str) -> Any:
    """What the field of a record that did not exist is afterwards; ``NOTHING`` for no record at all."""
    if field == "embeddings" and verb != "update" and how != VALUE:
        return REFUSED
    if verb == "update":
        return NOTHING
    return SAID[field] if how == VALUE else None


@dataclass(frozen=True)
class Way:
    """A way to write, and a collection to look at."""

    collection: AsyncCollection
    #: Takes a verb and the fields of one record, each a list of one or what was said in its place.
    write: Callable[[str, dict[str, Any]], Awaitable[None]]
    #: Whether one of several vectors can be said as null; chromadb's clients and ours have no such argument.
    vectors_may_be_null: bool = False

    async def record(self, id: str) -> dict[str, Any]:
        """Its fields as they are stored."""
        scope, key = self.collection.place
        found = await self.collection.api.get(scope, key, GetRequest(ids=[id], include=("documents", "metadatas", "uris", "embeddings")))
        rows = found.rows
        if not rows.ids:
            return NOTHING
        assert rows.embeddings is not None
        assert rows.documents is not None
        assert rows.uris is not None
        assert rows.metadatas is not None
        ends = None
        for time_s in (SOON, LATER):
            if (await self.collection.get(ids=[id], where={"chroma:expires_at": time_s}, include=[]))["ids"]:
                ends = time_s
        return {
            "embeddings": rows.embeddings[0].tolist(),
            "documents": rows.documents[0],
            "uris": rows.uris[0],
            "metadatas": rows.metadatas[0] or None,
            "expires_at": ends,
        }


@pytest.fixture(params=["in process", "our client", "a bare body"])
async def way(request: pytest.FixtureRequest) -> AsyncIterator[Way]:
    if request.param == "in process":
        async with chroma_async.AsyncEphemeralClient() as client:
            collection = await client.create_collection("docs")
            yield Way(collection, by_method(collection))
        return
    api = await open_local(None, Settings(is_persistent=False))
    app = create_app(api, api.settings, api.engine.context.threads.run)
    async with TestServer(app) as server, chroma_async.AsyncHttpClient(host=str(server.make_url(""))) as client:
        collection = await client.create_collection("docs")
        if request.param == "our client":
            yield Way(collection, by_method(collection))
        else:
            async with aiohttp.ClientSession() as session:
                path = f"/api/v2/tenants/default_tenant/databases/default_database/collections/{collection.id}"
                yield Way(collection, by_body(session, str(server.make_url(path))), vectors_may_be_null=True)
    await api.aclose()


def by_method(collection: AsyncCollection) -> Callable[[str, dict[str, Any]], Awaitable[None]]:
    async def write(verb: str, fields: dict[str, Any]) -> None:
        await getattr(collection, verb)(**fields)

    return write


def by_body(session: aiohttp.ClientSession, url: str) -> Callable[[str, dict[str, Any]], Awaitable[None]]:
    async def write(verb: str, fields: dict[str, Any]) -> None:
        async with session.post(f"{url}/{verb}", json=fields) as answer:
            if answer.status >= 400:
                raise ChromaError(await answer.text())

    return write


def said(field: str, how: str) -> dict[str, Any]:
    return {} if how == LEFT_OUT else {field: {NONE: None, LIST_OF_NONE: [None], VALUE: [SAID[field]]}[how]}


def listed(record: dict[str, Any]) -> dict[str, Any]:
    return {field: [value] for field, value in record.items()}


@pytest.mark.parametrize("field", list(OLD))
@pytest.mark.parametrize("verb", ["add", "update", "upsert"])
async def test_a_field_left_out_said_as_none_or_given_is_what_the_table_says(way: Way, verb: str, field: str) -> None:
    for how in HOW:
        fields = said(field, how)
        if field != "embeddings" and (verb != "update" or field == "documents"):
            # Our client embeds documents that come without vectors.
            fields["embeddings"] = [OLD["embeddings"]]
        for table, existing in ((changed, True), (inserted, False)):
            if existing:
                await way.write("add", {"ids": ["r"], **listed(OLD)})
            expected = table(verb, field, how)
            if expected is REFUSED or (field == "embeddings" and how == LIST_OF_NONE and not way.vectors_may_be_null):
                with pytest.raises(ChromaError):
                    await way.write(verb, {"ids": ["r"], **fields})
            else:
                await way.write(verb, {"ids": ["r"], **fields})
                record = await way.record("r")
                assert (how, existing, record if expected is NOTHING else record[field]) == (how, existing, expected)
            await way.collection.delete(ids=["r"])


@pytest.mark.parametrize("verb", ["update", "upsert"])
async def test_a_key_of_metadata_left_out_stays_and_a_key_that_is_none_goes(way: Way, verb: str) -> None:
    await way.write("add", {"ids": ["r"], **listed(OLD)})
    await way.write(verb, {"ids": ["r"], "embeddings": [OLD["embeddings"]], "metadatas": [{"changed": None}]})
    assert await way.record("r") == OLD | {"metadatas": {"kept": 1}}


@pytest.mark.parametrize("verb", ["update", "upsert"])
async def test_each_row_of_a_list_says_its_own_end(way: Way, verb: str) -> None:
    await way.write("add", {"ids": ["a", "b", "c"], "embeddings": [[1, 1]] * 3, "expires_at": SOON})
    await way.write(verb, {"ids": ["a", "b"], "embeddings": [[1, 1]] * 2, "expires_at": [None, LATER]})
    assert [(await way.record(id))["expires_at"] for id in "abc"] == [None, LATER, SOON]


async def test_one_value_of_expires_at_is_said_of_all_rows(way: Way) -> None:
    await way.write("add", {"ids": ["a", "b"], "embeddings": [[1, 1]] * 2, "expires_at": SOON})
    assert [(await way.record(id))["expires_at"] for id in "ab"] == [SOON, SOON]
    await way.write("update", {"ids": ["a", "b"], "expires_at": None})
    assert [(await way.record(id))["expires_at"] for id in "ab"] == [None, None]
    for wrong in ("soon", True, [True], [1.0, 2.0, 3.0], {}):
        with pytest.raises(ChromaError, match="expires_at"):
            await way.write("update", {"ids": ["a", "b"], "expires_at": wrong})


async def test_an_end_given_as_an_argument_wins_over_the_hidden_key_in_metadata(way: Way) -> None:
    hidden = {"chroma:expires_at": SOON}
    await way.write("add", {"ids": ["a", "b"], "embeddings": [[1, 1]] * 2, "metadatas": [hidden] * 2, "expires_at": [None, LATER]})
    assert [(await way.record(id))["expires_at"] for id in "ab"] == [None, LATER]


async def test_a_record_whose_end_was_taken_away_outlives_it() -> None:
    async with chroma_async.AsyncEphemeralClient() as client:
        engine = client.api.engine  # type: ignore[attr-defined]
        now_ns = [int(1e18)]
        engine.registry.context = replace(engine.context, clock=lambda: now_ns[0])
        collection = await client.create_collection("docs")
        ids = ["left out", "none", "row"]
        await collection.add(ids=ids, embeddings=[[1.0]] * 3, expires_at=1e9 + 10)
        await collection.upsert(ids=["left out"], embeddings=[[2.0]])
        await collection.upsert(ids=["none"], embeddings=[[2.0]], expires_at=None)
        await collection.update(ids=["row"], expires_at=[None])
        now_ns[0] += 11 * 10**9
        assert (await collection.get())["ids"] == ["none", "row"]


async def test_a_transaction_takes_an_end_away() -> None:
    async with chroma_async.AsyncEphemeralClient() as client:
        collection = await client.create_collection("docs")
        await collection.add(ids=["a", "b"], embeddings=[[1.0, 1.0]] * 2, expires_at=SOON)

        async def work(transaction: Any) -> None:
            await transaction.update(ids=["a"], expires_at=None)
            await transaction.update(ids=["b"], documents=None, metadatas=[{"k": 1}])

        await collection.run(work)
        look = Way(collection, by_method(collection))
        assert [(await look.record(id))["expires_at"] for id in "ab"] == [None, SOON]
