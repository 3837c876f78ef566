"""A client that is closing, closed, or asked from elsewhere refuses every verb by name."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest

import chroma_async
from chroma_async.errors import ChromaError, ClosedError, WrongLoopError
from tests.api.conftest import Store

EVERY_WAY = pytest.mark.parametrize("store", ["ephemeral", "persistent", "http"], indirect=True)
VECTORS = [[1.0, 2.0]]
MANY = np.ones((20_000, 2), dtype=np.float32)


def _embed(texts: list[str]) -> list[list[float]]:
    return [[1.0, 2.0] for _ in texts]


async def _read(transaction: Any) -> None:
    await transaction.get()


#: One verb of each kind: small, large, with a function of the caller's, of each object.
VERBS: dict[str, Callable[[Any, Any], Awaitable[Any]]] = {
    "count": lambda _, collection: collection.count(),
    "get": lambda _, collection: collection.get(),
    "query": lambda _, collection: collection.query(VECTORS),
    "query by text": lambda _, collection: collection.query(query_texts=["x"]),
    "search": lambda _, collection: collection.search(chroma_async.Search().rank(chroma_async.Knn(query=[1.0, 2.0]))),
    "add": lambda _, collection: collection.add(["b"], VECTORS),
    "add texts": lambda _, collection: collection.add(["c"], documents=["x"]),
    "add many": lambda _, collection: collection.add([str(row) for row in range(len(MANY))], MANY),
    "run": lambda _, collection: collection.run(_read),
    "modify": lambda _, collection: collection.modify(metadata={"a": 1}),
    "list_collections": lambda client, _: client.list_collections(),
    "create_collection": lambda client, _: client.create_collection("other", get_or_create=True),
    "heartbeat": lambda client, _: client.heartbeat(),
    "list_databases": lambda client, _: client.admin.list_databases(),
}


async def opened(store: Store) -> tuple[Any, Any]:
    collection = await store.client.create_collection("docs", embedding_function=_embed)
    await collection.add(["a"], VECTORS, documents=["x"])
    return store.client, collection


async def outcome(answer: Awaitable[Any]) -> type[BaseException] | None:
    """What class of error came out."""
    try:
        await answer
    except BaseException as error:
        return type(error)
    return None


@EVERY_WAY
async def test_a_closed_client_refuses_every_verb_and_closes_again(store: Store) -> None:
    client, collection = await opened(store)
    await client.aclose()
    assert {name: await outcome(ask(client, collection)) for name, ask in VERBS.items()} == dict.fromkeys(VERBS, ClosedError)
    await client.aclose()
    await client.close()
    # What it knows needs nobody.
    assert (collection.name, collection.metadata, repr(collection)) == ("docs", None, "Collection(name=docs)")
    assert collection.schema.serialize_to_json()["keys"]


@EVERY_WAY
async def test_a_verb_that_meets_a_close_is_answered_or_refused_by_name(store: Store) -> None:
    client, collection = await opened(store)
    asked = {name: asyncio.ensure_future(ask(client, collection)) for name, ask in VERBS.items()}
    await asyncio.sleep(0)
    closing = [asyncio.ensure_future(client.aclose()) for _ in range(3)]
    late = {f"late {name}": asyncio.ensure_future(ask(client, collection)) for name, ask in VERBS.items()}
    outcomes = {name: await outcome(each) for name, each in {**asked, **late}.items()}
    assert set(outcomes.values()) <= {None, ClosedError}
    assert {name for name in late if outcomes[name] is None} == set()
    assert [await outcome(each) for each in closing] == [None] * 3


@EVERY_WAY
async def test_another_loop_and_a_thread_without_one_are_refused_by_name(store: Store) -> None:
    client, collection = await opened(store)
    asks = [*VERBS.values(), lambda client, _: client.aclose()]

    def in_another_loop(found: list[Any]) -> None:
        found.extend(asyncio.run(outcome(ask(client, collection))) for ask in asks)

    def without_a_loop(found: list[Any]) -> None:
        small = [VERBS[name] for name in ("count", "get", "query", "add", "search", "heartbeat", "list_databases", "create_collection")]
        for ask in [*small, asks[-1]]:
            driven: Any = ask(client, collection)
            try:
                driven.send(None)
            except ChromaError as error:
                found.append(type(error))
            finally:
                driven.close()

    for elsewhere in (in_another_loop, without_a_loop):
        found: list[Any] = []
        thread = threading.Thread(target=elsewhere, args=(found,))
        thread.start()
        await asyncio.to_thread(thread.join)
        assert len(found) >= 9
        assert set(found) == {WrongLoopError}
    assert await collection.count() == 1


@EVERY_WAY
async def test_a_close_whose_caller_goes_away_is_finished_by_the_next(store: Store) -> None:
    client, collection = await opened(store)
    closing = asyncio.ensure_future(client.aclose())
    await asyncio.sleep(0)
    closing.cancel()
    assert await outcome(closing) in (asyncio.CancelledError, None)
    await client.aclose()
    assert await outcome(collection.count()) is ClosedError


async def test_a_client_that_several_await_at_once_is_one_client() -> None:
    opening = chroma_async.AsyncEphemeralClient()
    clients = await asyncio.gather(*[_awaited(opening) for _ in range(5)])
    assert len({id(client) for client in clients}) == 1
    await clients[0].aclose()


async def _awaited(opening: Any) -> Any:
    return await opening


async def test_an_opening_that_was_cancelled_can_be_awaited_again() -> None:
    opening = chroma_async.AsyncEphemeralClient()
    first = asyncio.ensure_future(_awaited(opening))
    await asyncio.sleep(0)
    first.cancel()
    assert await outcome(first) in (asyncio.CancelledError, None)
    began = time.monotonic()
    async with opening as client:
        assert await client.heartbeat() > 0
    assert time.monotonic() - began < 30
