"""Whatever a server answers, only errors of this package come out: each answer of each verb is replaced, part by part, by rubbish.

The true answers are recorded from our server and played again from a real socket, with one part of one answer changed.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web

import chroma_async
from chroma_async import AsyncHttpClient
from chroma_async.client.transaction import Transaction
from chroma_async.config.settings import ClientSettings
from chroma_async.errors import ChromaError, ProtocolError
from tests.api.conftest import served

#: What stands in the place of a part of an answer; a part of an object is also left out.
RUBBISH: tuple[Any, ...] = (None, True, -1, 2**63, 0.5, "x", [], {}, [[]], [None], {"#type": "sparse_vector"}, [{"x": [5]}])
#: What stands in the place of a whole one.
NO_ANSWERS = (
    b"",
    b"<html>hello</html>",
    b"\xff\xfe",
    b"[" * 100_000,
    b"NaN",
    b"1e999",
    b"[]",
    b"null",
    b"5",
    b'"x"',
    b"{}",
    b"[5]",
    b"[[]]",
)
LEFT_OUT = object()
COUNTED = {"x-chroma-counts": "true", "content-type": "application/json"}


@dataclass
class Relay:
    """A server that hands requests on and keeps the answers, or plays what it was given."""

    true_port: int
    kept: list[bytes] = field(default_factory=list)
    played: list[bytes] | None = None
    port: int = 0

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        if self.played is not None:
            return web.Response(body=self.played.pop(0) if self.played else b"{}", content_type="application/json")
        url = f"http://127.0.0.1:{self.true_port}{request.path_qs}"
        async with aiohttp.request(request.method, url, data=body or None, headers=COUNTED) as answer:
            raw = await answer.read()
        assert answer.status < 300, raw
        self.kept.append(raw)
        return web.Response(body=raw, content_type="application/json")


@asynccontextmanager
async def relayed() -> AsyncIterator[Relay]:
    async with served() as true_port:
        relay = Relay(true_port)
        app = web.Application()
        app.router.add_route("*", "/{rest:.*}", relay.handle)
        runner = web.AppRunner(app, shutdown_timeout=0)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            relay.port = runner.addresses[0][1]
            yield relay
        finally:
            await runner.cleanup()


Work = Callable[[Any, Any], Awaitable[Any]]


async def _used(collection: Any) -> None:
    """All that a collection says without asking."""
    assert repr(collection)
    assert collection in {collection}
    for name, value in inspect.getmembers(type(collection), lambda member: isinstance(member, property)):
        assert value.fget is not None
        if name not in ("api", "lane"):
            value.fget(collection)
    if collection.schema is not None:
        collection.schema.serialize_to_json()
    await collection.batch(chroma_async.types.WriteKind.ADD, ["a"], [[1.0, 2.0]], documents=["x"], metadatas=[{"m": "text"}])


async def _opened(client: Any, _: Any) -> None:
    await _used(await client.get_collection("docs"))


async def _opened_by_id(client: Any, collection: Any) -> None:
    await _used(await client.get_collection_by_id(collection.id))


async def _made(client: Any, _: Any) -> None:
    await _used(await client.create_collection("docs", configuration={"hnsw": {"space": "cosine"}}, metadata={"a": 1}, get_or_create=True))


async def _made_or_got(client: Any, _: Any) -> None:
    await _used(await client.get_or_create_collection("other"))


async def _listed(client: Any, _: Any) -> None:
    for collection in await client.list_collections():
        await _used(collection)


async def _forked(_: Any, collection: Any) -> None:
    await _used(await collection.fork("copy"))


async def _modified(_: Any, collection: Any) -> None:
    await collection.modify(metadata={"b": 2})
    await _used(collection)


async def _searched(_: Any, collection: Any) -> None:
    search = chroma_async.Search().rank(chroma_async.Knn(query=[1.0, 2.0])).limit(3).select_all()
    found = await collection.search(search)
    found.rows()


async def _transacted(_: Any, collection: Any) -> None:
    async def work(transaction: Transaction) -> None:
        await transaction.get(ids=["a"], include=["metadatas", "documents", "embeddings", "uris"])
        await transaction.upsert(ids=["a"], embeddings=[[1.0, 2.0]])
        await transaction.update(ids=["a"], embeddings=[[1.0, 2.0]])
        await transaction.add(ids=["n"], embeddings=[[1.0, 2.0]])
        await transaction.delete(ids=["b"])

    await collection.run(work)


async def _attached(_: Any, collection: Any) -> None:
    made, _new = await collection.attach_function(chroma_async.Function.RECORD_COUNTER, "counter", "counted")
    repr(made), hash(made)


async def _attached_got(_: Any, collection: Any) -> None:
    repr(await collection.get_attached_function("counter"))


ROW = {"ids": ["n"], "embeddings": [[1.0, 2.0]]}
COLUMNS = ["metadatas", "documents", "embeddings", "uris"]
#: Every public verb, in an order in which each succeeds.
VERBS: dict[str, Work] = {
    "client.connect": lambda client, _: client.connect(),
    "client.heartbeat": lambda client, _: client.heartbeat(),
    "client.get_version": lambda client, _: client.get_version(),
    "client.get_max_batch_size": lambda client, _: client.get_max_batch_size(),
    "client.get_user_identity": lambda client, _: client.get_user_identity(),
    "client.set_tenant": lambda client, _: client.set_tenant("default_tenant"),
    "client.set_database": lambda client, _: client.set_database("default_database"),
    "client.create_collection": _made,
    "client.get_or_create_collection": _made_or_got,
    "client.get_collection": _opened,
    "client.get_collection_by_id": _opened_by_id,
    "client.list_collections": _listed,
    "client.count_collections": lambda client, _: client.count_collections(),
    "client.set_alias": lambda client, collection: client.set_alias("live", collection),
    "client.list_aliases": lambda client, _: client.list_aliases(),
    "client.delete_alias": lambda client, _: client.delete_alias("live"),
    "admin.create_tenant": lambda client, _: client.admin.create_tenant("acme"),
    "admin.get_tenant": lambda client, _: client.admin.get_tenant("acme"),
    "admin.create_database": lambda client, _: client.admin.create_database("more", "acme"),
    "admin.get_database": lambda client, _: client.admin.get_database("more", "acme"),
    "admin.list_databases": lambda client, _: client.admin.list_databases(tenant="acme"),
    "admin.delete_database": lambda client, _: client.admin.delete_database("more", "acme"),
    "collection.add": lambda _, collection: collection.add(**ROW),
    "collection.upsert": lambda _, collection: collection.upsert(**ROW),
    "collection.update": lambda _, collection: collection.update(**ROW),
    "collection.get": lambda _, collection: collection.get(include=COLUMNS),
    "collection.get by cursor": lambda _, collection: collection.get(limit=1, cursor=""),
    "collection.peek": lambda _, collection: collection.peek(),
    "collection.query": lambda _, collection: collection.query([[1.0, 2.0]], include=[*COLUMNS, "distances"]),
    "collection.search": _searched,
    "collection.count": lambda _, collection: collection.count(),
    "collection.count with a filter": lambda _, collection: collection.count(where={"m": "x"}),
    "collection.run": _transacted,
    "collection.fork": _forked,
    "collection.fork_count": lambda _, collection: collection.fork_count(),
    "collection.get_indexing_status": lambda _, collection: collection.get_indexing_status(),
    "collection.attach_function": _attached,
    "collection.get_attached_function": _attached_got,
    "collection.detach_function": lambda _, collection: collection.detach_function("counter"),
    "collection.modify": _modified,
    "collection.delete": lambda _, collection: collection.delete(ids=["n"]),
    "client.delete_collection": lambda client, _: client.delete_collection("other"),
    "client.reset": lambda client, _: client.reset(),
}
#: Verbs that ask nobody, or are another by a second name.
SILENT = {"client.aclose", "client.close", "collection.batch"}


def parts(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every part of an answer; of a list of equals, to its first."""
    yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from parts(inner, (*path, key))
    elif isinstance(value, list) and value:
        yield from parts(value[0], (*path, 0))


def changed(value: Any, path: tuple[Any, ...], rubbish: Any) -> Any:
    """A copy of an answer with another part."""
    if not path:
        return rubbish
    copied = value.copy()
    if len(path) == 1 and rubbish is LEFT_OUT:
        del copied[path[0]]
    else:
        copied[path[0]] = changed(value[path[0]], path[1:], rubbish)
    return copied


def spoilt(raw: bytes) -> Iterator[bytes]:
    """The answer, spoilt in each way."""
    yield from NO_ANSWERS
    value = orjson.loads(raw)
    for path in parts(value):
        for rubbish in (*RUBBISH, LEFT_OUT) if path else RUBBISH:
            yield orjson.dumps(changed(value, path, rubbish))


async def leak(work: Callable[[], Awaitable[Any]]) -> str | None:
    """What came out that is no error of the package."""
    try:
        await work()
    except ChromaError:
        return None
    except Exception as error:
        return repr(error)
    return None


@pytest.fixture(scope="module")
def recorded() -> dict[str, list[bytes]]:
    """The true answers to every verb."""
    return asyncio.run(_recorded())


async def _recorded() -> dict[str, list[bytes]]:
    answers: dict[str, list[bytes]] = {}
    async with relayed() as relay, AsyncHttpClient("127.0.0.1", relay.port) as client:
        schema = chroma_async.Schema().create_index(
            chroma_async.SparseVectorIndexConfig(embedding_function=chroma_async.ChromaBm25EmbeddingFunction(), source_key="m"), "s"
        )
        relay.kept.clear()
        collection = await client.create_collection("docs", schema=schema, metadata={"a": 1})
        answers["docs"] = relay.kept.copy()
        sparse = chroma_async.SparseVector([1, 5], [0.5, 0.25])
        await collection.add(
            ["a", "b"], [[1.0, 2.0], [3.0, 4.0]], [{"m": 5, "s": sparse}, {"m": 6, "s": sparse}], ["x", "y"], uris=["u", "v"]
        )
        for name, work in VERBS.items():
            client._max_batch_size = client._api._preflight = None
            relay.kept.clear()
            await work(client, collection)
            answers[name] = relay.kept.copy()
    return answers


@pytest.mark.filterwarnings("ignore::chroma_async.errors.IgnoredArgumentWarning")
@pytest.mark.parametrize("verb", VERBS)
async def test_no_rubbish_answer_lets_another_error_out_than_the_packages(recorded: dict[str, list[bytes]], verb: str) -> None:
    answers, found, tried = recorded[verb], [], 0
    never = ClientSettings(max_retries=0)
    async with relayed() as relay, AsyncHttpClient("127.0.0.1", relay.port, connect=False, client_settings=never) as client:
        for index, raw in enumerate(answers):
            for bad in spoilt(raw):
                relay.played = recorded["docs"].copy()
                collection = await client.create_collection("docs")
                client._max_batch_size = client._api._preflight = None  # type: ignore[attr-defined]
                relay.played = [*answers[:index], bad, *answers[index + 1 :]]
                said = await leak(lambda collection=collection: VERBS[verb](client, collection))  # type: ignore[misc]
                found += [f"{said} of {bad!r:.200}"] if said else []
                tried += 1
    assert found == []
    assert tried > 20


async def test_an_answer_of_another_program_is_shown_with_its_address() -> None:
    async with relayed() as relay, AsyncHttpClient("127.0.0.1", relay.port, connect=False) as client:
        relay.played = [b"<html>It works!</html>"] * 2
        address = f"http://127.0.0.1:{relay.port}/api/v2"
        with pytest.raises(ProtocolError) as refusal:
            await client.list_collections()
        assert refusal.value.url == f"{address}/tenants/default_tenant/databases/default_database/collections"
        assert str(refusal.value).startswith(f"{refusal.value.url}: the answer is not a list of collections: ")
        assert str(refusal.value).endswith("; it begins b'<html>It works!</html>'")
        with pytest.raises(ProtocolError, match="the answer is not an acknowledgement"):
            await client.delete_collection("docs")


def test_every_public_verb_is_in_the_table() -> None:
    classes = {"client": chroma_async.AsyncClient, "admin": chroma_async.AsyncAdminClient, "collection": chroma_async.AsyncCollection}
    verbs = {
        f"{noun}.{name}"
        for noun, kind in classes.items()
        for name, member in inspect.getmembers(kind, inspect.iscoroutinefunction)
        if not name.startswith("_")
    }
    assert verbs - SILENT == {name.split(" ")[0] for name in VERBS}
