"""A whole data directory as format version 1 left it, and what it answers: ``tests/data/v1/store`` and ``tests/data/v1/answers.json``.

``python -m tests.data.store_v1`` wrote both, once, with the release that made version 1. They are not written again: later releases have to
open these very bytes and give these very answers. A new format version gets a directory of its own beside this one.

The contents come from a seed and a clock that stands still, so that :func:`build` makes a store of the same answers at any time; only ids
differ, which the answers name by the collection they belong to.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias
from uuid import UUID

from aiohttp.test_utils import TestClient, TestServer

from chroma_async.config.settings import Settings
from chroma_async.engine.admin.compact_store import compact_store
from chroma_async.engine.engine import Engine
from chroma_async.server.app import create_app
from chroma_async.service.local import LocalAPI
from chroma_async.service.sharing import Lease
from chroma_async.types import Scope

Json: TypeAlias = Any
#: Method, path behind the database, body.
Question: TypeAlias = tuple[str, str, Json]

DIRECTORY = Path(__file__).parent / "v1" / "store"
ANSWERS = Path(__file__).parent / "v1" / "answers.json"

ROOT = "/api/v2/tenants/default_tenant/databases/default_database"
COLLECTIONS = ("articles", "articles-draft", "faces", "prices", "notes", "untouched", "articles-counted")
DIMENSION = 8
#: When the store was made; one record ended since, another one ends in the year 2096.
MADE_NS = 1_650_000_000 * 10**9
ENDED_S, ENDS_S = 1_700_000_000, 4_000_000_000
#: Small enough that a few hundred rows have graphs, trigram indexes and several chunks.
SETTINGS = Settings(flat_rows=64, trigram_rows=64, merge_fan_in=4, query_threads=2, index_threads=1)

# fmt: off
WORDS = [
    "river", "stone", "harbour", "window", "copper", "garden", "signal", "winter",
    "engine", "letter", "mirror", "valley", "candle", "bridge", "market", "silver",
]
# fmt: on


def vectors(count: int, seed: int) -> list[list[float]]:
    """Quarters from -4 to 4, so that squares and products are exact in float32."""
    chance = random.Random(seed)
    return [[int(chance.random() * 32) / 4 - 4 for _ in range(DIMENSION)] for _ in range(count)]


def document(number: int) -> str | None:
    """A few words; every eleventh record has none."""
    chance = random.Random(1000 + number)
    if number % 11 == 10:
        return None
    text = " ".join(WORDS[int(chance.random() * len(WORDS))] for _ in range(6))
    return f"{text} no. {number}" + (" Ünïcode 漢字\0end" if number % 50 == 7 else "")


def metadata(number: int) -> Json:
    """Values of every type; every seventh record has none."""
    if number % 7 == 6:
        return None
    values: dict[str, Json] = {"number": number, "half": number / 2, "even": number % 2 == 0, "word": WORDS[number % len(WORDS)]}
    if number % 5 == 0:
        values |= {"tags": [WORDS[number % 3], "all"], "sizes": [number, number + 1], "parts": [0.5, number / 4], "flags": [True, False]}
    if number % 10 == 1:
        values["number"] = float(number) + 0.5
    if number % 6 == 2:
        values["terms"] = {"#type": "sparse_vector", "indices": [number % 9, 20 + number % 4, 4294967295], "values": [1.5, 0.25, 2.0]}
    if number == 9:
        values |= {"large": 2**53 + 1, "number": "nine"}
    return values


def batch(numbers: Sequence[int], seed: int, prefix: str = "a") -> Json:
    """The body of a write."""
    return {
        "ids": [f"{prefix}{number}" for number in numbers],
        "embeddings": vectors(len(numbers), seed),
        "documents": [document(number) for number in numbers],
        "metadatas": [metadata(number) for number in numbers],
        "uris": [f"file:///{prefix}/{number}" if number % 13 == 0 else None for number in numbers],
    }


class Store:
    """An engine whose contents are written and read through the routes of its server."""

    def __init__(self, engine: Engine, api: LocalAPI, client: TestClient[Any, Any]) -> None:
        self.engine = engine
        self.api = api
        self._client = client

    @classmethod
    @asynccontextmanager
    async def open(cls, directory: Path, settings: Settings = SETTINGS, **arguments: Any) -> AsyncIterator[Store]:
        """``arguments`` are those of :meth:`Engine.open`. Closing flushes nothing."""
        engine = await Engine.open(str(directory), settings, **arguments)
        api = LocalAPI(Lease(engine, None))
        try:
            async with TestClient(TestServer(create_app(api, settings, engine.context.threads.run))) as client:
                yield cls(engine, api, client)
        finally:
            await engine.aclose(flush=False)

    async def call(self, method: str, path: str, body: Json = None) -> Json:
        """The answer to a request that succeeds."""
        response = await self._client.request(method, path if path.startswith("/api") else ROOT + path, json=body)
        answer = await response.json()
        assert response.status < 300, (path, answer)
        return answer

    async def ids(self) -> dict[str, str]:
        """The id of each collection by its name."""
        return {name: (await self.call("GET", f"/collections/{name}"))["id"] for name in COLLECTIONS}

    async def flush(self, name: str) -> None:
        """Make a chunk of what a collection has in memory."""
        id = (await self.call("GET", f"/collections/{name}"))["id"]
        async with self.engine.registry.using(Scope(), UUID(id)) as collection:
            await collection.flush()

    async def compact(self) -> None:
        """Run the attached functions; flush, merge, vacuum and index everything."""
        async for _ in compact_store(self.engine):
            pass


async def build(directory: Path) -> None:
    """Make the store in an empty directory."""
    keys = (f"{number:032x}" for number in itertools.count(1))
    async with Store.open(directory, automatic=False, clock=lambda: MADE_NS, new_key=lambda: next(keys)) as store:
        await _create(store)
        await _fill(store)
        await store.compact()
        await _change(store)
        await store.flush("articles")
        await _leave_in_the_log(store)
        await _fork(store)
    # It holds the name of the machine; every opening writes it anew.
    (directory / "LOCK").unlink()


async def _create(store: Store) -> None:
    make = "/collections"
    await store.call("POST", make, {"name": "articles", "metadata": {"topic": "words", "edition": 3, "open": True, "share": 0.25}})
    await store.call("POST", make, {"name": "faces", "configuration": {"hnsw": {"space": "cosine", "ef_search": 50, "max_neighbors": 8}}})
    function = {"type": "known", "name": "words", "config": {"size": 8}}
    await store.call("POST", make, {"name": "prices", "configuration": {"hnsw": {"space": "ip"}, "embedding_function": function}})
    plain = {
        "defaults": {},
        "keys": {
            "#document": {"string": {"fts_index": {"enabled": False, "config": {}}}},
            "secret": {"string": {"string_inverted_index": {"enabled": False, "config": {}}}},
            "terms": {"sparse_vector": {"sparse_vector_index": {"enabled": True, "config": {"bm25": True}}}},
        },
    }
    await store.call("POST", make, {"name": "notes", "schema": plain})
    await store.call("POST", make, {"name": "untouched"})
    await store.call("POST", "/api/v2/tenants", {"name": "other"})
    await store.call("PATCH", "/api/v2/tenants/other", {"resource_name": "other-resource"})
    await store.call("POST", "/api/v2/tenants/other/databases", {"name": "archive"})
    made = await store.call("POST", "/api/v2/tenants/other/databases/archive/collections", {"name": "articles"})
    elsewhere = f"/api/v2/tenants/other/databases/archive/collections/{made['id']}/add"
    await store.call("POST", elsewhere, {"ids": ["o1"], "embeddings": [[1.0, 2.0]], "documents": ["in another tenant"]})


async def _fill(store: Store) -> None:
    ids = {name: (await store.call("GET", f"/collections/{name}"))["id"] for name in ("articles", "faces", "prices")}
    articles = f"/collections/{ids['articles']}"
    await store.call("POST", f"{articles}/functions/attach", _counter())
    await store.call("POST", f"{articles}/add", batch(range(150), seed=1))
    await store.flush("articles")
    equal = batch(range(150, 260), seed=2)
    equal["embeddings"][:4] = batch(range(4), seed=1)["embeddings"]
    await store.call("POST", f"{articles}/add", equal)
    ending = {"ids": ["ended", "ending"], "embeddings": vectors(2, seed=3), "expires_at": [ENDED_S, ENDS_S]}
    await store.call("POST", f"{articles}/add", {**ending, "documents": ["gone by now", "still here"], "metadatas": [{"number": -1}, None]})
    await store.call("PUT", "/aliases/current", {"collection_id": ids["articles"]})
    for name, seed in (("faces", 4), ("prices", 5)):
        await store.call("POST", f"/collections/{ids[name]}/add", batch(range(100), seed, prefix=name[0]))


async def _change(store: Store) -> None:
    articles = f"/collections/{(await store.call('GET', '/collections/articles'))['id']}"
    patches = [{"number": None, "word": "changed"}, {"tags": ["new"]}, {"even": "no longer a boolean"}]
    changed = {"ids": ["a10", "a20", "a30"], "metadatas": patches, "documents": ["a stone that was changed", None, None]}
    await store.call("POST", f"{articles}/update", {**changed, "embeddings": [None, vectors(1, seed=6)[0], None]})
    await store.call("POST", f"{articles}/delete", {"ids": ["a5", "a150", "no such id"]})
    await store.call("POST", f"{articles}/delete", {"where": {"number": {"$gt": 240}}, "where_document": {"$contains": "river"}})
    await store.call("POST", f"{articles}/add", batch(range(300, 320), seed=7))
    faces = f"/collections/{(await store.call('GET', '/collections/faces'))['id']}"
    await store.call("POST", f"{faces}/upsert", {"ids": ["zero", "f3"], "embeddings": [[0.0] * DIMENSION, [1.0] * DIMENSION]})


async def _leave_in_the_log(store: Store) -> None:
    articles = f"/collections/{(await store.call('GET', '/collections/articles'))['id']}"
    await store.call("POST", f"{articles}/upsert", batch([0, 40, 400, 401], seed=8))
    await store.call("POST", f"{articles}/delete", {"ids": ["a41", "a301"]})
    await store.call("POST", f"{articles}/update", {"ids": ["a42"], "metadatas": [{"fresh": True}]})
    await store.call("POST", f"{articles}/delete", {"ids": ["a7"]})
    await store.call("POST", f"{articles}/add", batch([7], seed=9))
    notes = f"/collections/{(await store.call('GET', '/collections/notes'))['id']}"
    body = batch(range(20), seed=10, prefix="n")
    await store.call("POST", f"{notes}/add", {**body, "metadatas": [{**(each or {}), "secret": "s"} for each in body["metadatas"]]})
    await store.engine.functions.finish()


async def _fork(store: Store) -> None:
    articles = f"/collections/{(await store.call('GET', '/collections/articles'))['id']}"
    draft = f"/collections/{(await store.call('POST', f'{articles}/fork', {'new_name': 'articles-draft'}))['id']}"
    await store.call("POST", f"{draft}/delete", {"ids": ["a1", "a400"]})
    await store.call("POST", f"{draft}/upsert", {"ids": ["draft"], "embeddings": vectors(1, seed=11), "documents": ["only in the draft"]})
    await store.call("POST", f"{articles}/update", {"ids": ["a2"], "documents": ["a stone that only the source has"]})
    await store.engine.functions.finish()


def _counter() -> Json:
    return {"name": "counter", "function_id": "record_counter", "output_collection": "articles-counted"}


def questions() -> list[Question]:
    """Everything that is asked. ``{name}`` in a path stands for the id of that collection."""
    everything = ["documents", "metadatas", "embeddings", "uris"]
    asked: list[Question] = [
        ("GET", "/collections_count", None),
        ("GET", "/aliases", None),
        ("GET", "/collections/current", None),
        ("GET", "/api/v2/tenants/other", None),
        ("GET", "/api/v2/tenants/other/databases", None),
        ("GET", "/api/v2/collections/other-resource:archive:articles", None),
        ("GET", "/collections/{articles}/functions/counter", None),
        ("GET", "/collections/{articles-draft}/fork_count", None),
    ]
    for name in COLLECTIONS:
        at = f"/collections/{{{name}}}"
        asked += [
            ("GET", f"/collections/{name}", None),
            ("GET", f"{at}/count", None),
            ("POST", f"{at}/get", {"include": everything}),
        ]
        if name not in ("untouched", "articles-counted"):
            asked += _reads(at, name)
    return asked


def _reads(at: str, name: str) -> list[Question]:
    near = {"query_embeddings": vectors(4, seed=12), "n_results": 7, "include": ["distances"]}
    stored = {
        "query_embeddings": vectors(150, seed=1)[:3],
        "n_results": 4,
        "include": ["distances", "embeddings", "documents", "metadatas"],
    }
    prefix = {"articles": "a", "articles-draft": "a", "faces": "f", "prices": "p", "notes": "n"}[name]
    ids = [f"{prefix}{number}" for number in (12, 3, 1, 12, 5, 999, 18)]
    asked: list[Question] = [
        ("POST", f"{at}/get", {"ids": ids}),
        ("POST", f"{at}/get", {"limit": 9, "offset": 11, "include": []}),
        ("POST", f"{at}/get", {"order_by": [{"word": "desc"}, "number"], "limit": 25, "include": []}),
        ("POST", f"{at}/query", near),
        ("POST", f"{at}/query", {**near, "exact": True}),
        ("POST", f"{at}/query", stored),
        ("POST", f"{at}/query", {**near, "ids": ids, "where": {"number": {"$gte": 0}}}),
        ("POST", f"{at}/query", {**near, "max_distance": 60.0}),
    ]
    for where in FILTERS:
        asked.append(("POST", f"{at}/get", {"where": where, "include": []}))
        asked.append(("POST", f"{at}/query", {**near, "n_results": 4, "where": where}))
    if name != "notes":  # where full text is switched off
        asked += [("POST", f"{at}/get", {"where_document": where_document, "include": []}) for where_document in DOCUMENT_FILTERS]
        asked.append(("POST", f"{at}/count", {"where": {"even": True}, "where_document": {"$contains": "stone"}}))
        asked.append(("POST", f"{at}/query", {**near, "where_document": {"$contains": "stone"}, "where": {"even": True}}))
    return [*asked, ("POST", f"{at}/search", {"searches": _searches(name)})]


#: Every operator, and every kind of value.
FILTERS: tuple[Json, ...] = (
    {"word": "river"},
    {"word": {"$ne": "river"}},
    {"number": {"$in": [1.5, 11.5, 21.5, 30]}},
    {"number": {"$in": [3, 30, 7]}},
    {"word": {"$nin": ["river", "stone"]}},
    {"$and": [{"number": {"$gt": 10}}, {"half": {"$lte": 20.5}}]},
    {"$or": [{"number": {"$lt": 3}}, {"even": False}, {"number": "nine"}]},
    {"large": {"$gte": 2**53 + 1}},
    {"large": {"$gt": 9007199254740992.0}},
    {"tags": {"$contains": "all"}},
    {"sizes": {"$contains": 20}},
    {"parts": {"$not_contains": 0.5}},
    {"flags": {"$contains": False}},
    {"terms": {"$exists": True}},
    {"number": {"$exists": False}},
    {"word": {"$like": "%a_e%"}},
    {"word": {"$not_like": "s%"}},
    {"word": {"$regex": "^s.*[nr]$"}},
    {"#id": {"$in": ["a1", "f2", "p3", "n4", "absent"]}},
    {"no such key": 1},
)
DOCUMENT_FILTERS: tuple[Json, ...] = (
    {"$contains": "stone"},
    {"$contains": "st"},
    {"$contains": "Ünïcode 漢字\0e"},
    {"$not_contains": "stone"},
    {"$regex": "no\\. \\d0$"},
    {"$not_regex": "(?i)RIVER"},
    {"$and": [{"$contains": "winter"}, {"$or": [{"$contains": "engine"}, {"$not_contains": "a"}]}]},
)


def _searches(name: str) -> list[Json]:
    """Dense, sparse (where the schema has an index), fused, grouped, and none at all."""
    dense = {"$knn": {"query": vectors(1, seed=13)[0], "limit": 40}}
    ranked = {"$knn": {"query": vectors(1, seed=14)[0], "limit": 30, "return_rank": True, "default": 30}}
    select = {"keys": ["#score", "word", "#document"]}
    grouping = {"keys": ["even"], "aggregate": {"$min_k": {"keys": ["#score"], "k": 3}}}
    asked: list[Json] = [
        {"rank": dense, "limit": {"limit": 8}, "select": select},
        {"rank": {"$sum": [{"$mul": [dense, {"$val": 0.5}]}, ranked]}, "limit": {"offset": 2, "limit": 6}, "select": select},
        {"rank": dense, "group_by": grouping, "filter": {"number": {"$exists": True}}, "select": {"keys": ["#score", "even"]}},
        {"filter": {"even": True}, "limit": {"limit": 5}, "select": {"keys": ["#score", "#metadata", "#embedding"]}},
    ]
    if name == "notes":
        sparse = {"query": {"indices": [2, 20, 4294967295], "values": [1.0, 2.0, 0.5]}, "key": "terms", "limit": 5}
        asked.append({"rank": {"$knn": sparse}, "select": {"keys": ["#score"]}})
    return asked


async def answers(store: Store) -> list[Json]:
    """The answer to each question, with the ids of collections and functions replaced by names."""
    ids = await store.ids()
    names = {id: f"<{name}>" for name, id in ids.items()}
    found = []
    for method, path, body in questions():
        for name, id in ids.items():
            path = path.replace(f"{{{name}}}", id)
        found.append(_anonymous(await store.call(method, path, body), names))
    return found


def _anonymous(answer: Json, names: dict[str, str]) -> Json:
    """Without what differs from one making of the store to the next, and without what tells how far compaction has come."""
    if isinstance(answer, dict):
        hidden = {"version", "log_position", "source_attached_function_id"}
        kept = {key: value for key, value in answer.items() if key not in hidden}
        return {key: names.get(value, "<id>") if key in _IDS else _anonymous(value, names) for key, value in kept.items()}
    return [_anonymous(item, names) for item in answer] if isinstance(answer, list) else answer


_IDS = {"id", "collection_id", "input_collection_id", "output_collection_id", "database_id"}


async def main() -> None:
    """Make the store and record its answers."""
    shutil.rmtree(DIRECTORY, ignore_errors=True)
    await build(DIRECTORY)
    with TemporaryDirectory() as temporary:
        async with opened_copy(Path(temporary) / "store") as store:
            recorded = await answers(store)
    lines = ",\n".join(json.dumps(answer, ensure_ascii=False, sort_keys=True) for answer in recorded)
    ANSWERS.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


@asynccontextmanager
async def opened_copy(
    directory: Path, settings: Settings = SETTINGS, *, only: Sequence[str] | None = None, **arguments: Any
) -> AsyncIterator[Store]:
    """The stored directory, copied and opened: an opening writes.

    :param only: which files of ``segments`` are copied; all by default.
    """
    shutil.copytree(DIRECTORY, directory)
    for file in (directory / "segments").iterdir():
        if only is not None and file.name not in only:
            file.unlink()
    async with Store.open(directory, settings, **arguments) as store:
        yield store


if __name__ == "__main__":
    asyncio.run(main())
