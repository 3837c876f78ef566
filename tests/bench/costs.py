"""What work costs on this machine, beside what :mod:`chroma_async.costs` says of it.

::

    .venv/bin/python -m tests.bench.costs

Processor time of the calling thread, the median of many calls. A line is marked where the work took more than twice what the table says:
such work may keep the event loop for longer than half a millisecond.
"""

from __future__ import annotations

import asyncio
import inspect
import statistics
import time
import zlib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from chroma_async import costs
from chroma_async.client.filters import check_where
from chroma_async.client.metadata import check_metadata
from chroma_async.client.record_arguments import columns
from chroma_async.client.results import get_result
from chroma_async.client.validate import check_embeddings
from chroma_async.encryption.encryption import Encryption
from chroma_async.engine.snapshot.memtable import Memtable
from chroma_async.engine.snapshot.version import Version
from chroma_async.engine.write.request import Write, check_batch
from chroma_async.engine.write.resolve import resolve_write
from chroma_async.format.logbatch import encode
from chroma_async.plain import plain_json
from chroma_async.query_language import filter_parse, search_parse
from chroma_async.schema.keys import KnownKeys
from chroma_async.service.local import LocalAPI, open_local
from chroma_async.sparse_vector import SparseVector
from chroma_async.threads import Lane
from chroma_async.types import Json, RecordBatch, Records, Rows, Scope, WriteKind
from chroma_async.wire import requests, responses
from chroma_async.wire.collections import encode_collections

MEASURED_S = 0.2
#: What is not worth a word.
LITTLE_US = 50
#: Kinds of records: how many, their dimension, characters of their documents, values of their metadata.
KINDS = {
    "vectors": (10, 768, 0, 0),
    "texts": (50, 2, 400, 0),
    "metadata": (80, 2, 10, 8),
    "many": (400, 2, 0, 0),
    "one": (1, 384, 100, 4),
}
COLLECTIONS = 100


@dataclass(frozen=True)
class Measure:
    """``work``, and how much of which units of the table it is."""

    name: str
    units: dict[str, float]
    work: Callable[[], Any]

    @property
    def said_us(self) -> float:
        return sum(count * float(getattr(costs, unit)) for unit, count in self.units.items())

    async def took_us(self) -> float:
        took: list[float] = []
        end = time.perf_counter() + MEASURED_S
        while time.perf_counter() < end or len(took) < 5:
            start = time.thread_time_ns()
            result = self.work()
            if inspect.isawaitable(result):
                await result
            took.append((time.thread_time_ns() - start) / 1e3)
        return statistics.median(took)


async def measures(api: LocalAPI) -> list[Measure]:
    """All of them. :param api: an empty store."""
    return [*_of_requests(), *await _of_collections(api), *await _of_encryption()]


def _of_requests() -> Iterator[Measure]:
    for kind, (rows, dimension, characters, values) in KINDS.items():
        batch = _batch(rows, dimension, characters, values)
        yield from _of_records(kind, batch, characters, values)
    yield from _of_arguments()
    where = {"$and": [{"key": {"$gt": number}} for number in range(60)]}
    body = orjson.dumps({"query_embeddings": [[1.0]], "where": where})
    yield Measure("read a filter", {"READ_BYTE": len(body)}, lambda: requests.parse_query(body))
    yield Measure("parse a filter", {"PARSE_NODE": 180}, lambda: filter_parse.parse(where, None))
    among = {"key": {"$in": [f"value {number}" for number in range(200)]}}
    yield Measure("parse a list of texts", {"PARSE_NODE": 203}, lambda: filter_parse.parse(among, None))
    vector = np.random.default_rng(1).standard_normal(1000).tolist()
    knn = [{"rank": {"$knn": {"query": vector}}, "limit": {"limit": 10}}]
    yield Measure("parse a vector", {"PARSE_NODE": 6, "PARSE_NUMBER": 1000}, lambda: search_parse.parse(knn))
    terms = [{"rank": {"$sum": [{"$val": 1.0}] * 100}}]
    yield Measure("parse a rank", {"PARSE_NODE": 203}, lambda: search_parse.parse(terms))
    packed = zlib.compress(body)
    yield Measure("inflate", {"INFLATE_BYTE": len(body)}, lambda: zlib.decompress(packed))
    ids = [f"id-{number:08d}" for number in range(5000)]
    yield Measure("hash ids", {"HASH_ID": len(ids)}, lambda: set(ids))
    memory = np.zeros(1 << 20, np.uint8)
    yield Measure("copy memory", {"COPY_BYTE": memory.nbytes}, memory.copy)


def _of_arguments() -> Iterator[Measure]:
    """What clients do with what callers pass."""
    batch = _batch(80, 2, 10, 8)
    arguments = (batch.ids, batch.metadatas, batch.documents, None, None)
    yield Measure("check arguments", {"CHECK_ARGUMENT": 80 * 3 + 80 * 8}, lambda: columns(*arguments))
    where = {"$and": [{"key": {"$gt": number}} for number in range(60)]}
    yield Measure("check a filter", {"WALK_VALUE": 180}, lambda: check_where(where))
    search = [{"rank": {"$knn": {"query": [0.5] * 1000}}, "limit": {"limit": 10}}]
    yield Measure("make a search plain", {"WALK_VALUE": 6, "WALK_NUMBER": 1000}, lambda: plain_json(search, "searches"))
    vectors = np.random.default_rng(2).standard_normal((10, 384)).tolist()
    yield Measure("convert vectors", {"CONVERT_NUMBER": 3840}, lambda: check_embeddings(vectors))
    sparse = {"key": SparseVector(list(range(100)), [0.5] * 100)}
    yield Measure("check a sparse vector", {"CHECK_SPARSE_VECTOR": 1}, lambda: check_metadata(sparse))
    rows = Rows(batch.ids, None, batch.documents, None, batch.metadatas)  # type: ignore[arg-type]
    answer = Records(rows, ("documents", "metadatas"))
    yield Measure("make a result", {"RESULT_ROW": 80}, lambda: get_result(answer, ["documents", "metadatas"], None))
    body = responses.encode_records(answer)
    yield Measure("read an answer", {"READ_ANSWER_BYTE": len(body)}, lambda: responses.decode_records(body))


def _of_records(kind: str, batch: RecordBatch, characters: int, values: int) -> Iterator[Measure]:
    rows = len(batch.ids)
    numbers, texts, held = batch.embeddings.size if batch.embeddings is not None else 0, rows * (11 + characters), rows * values
    body = requests.encode_write(batch, base64=False)
    yield Measure(f"read {kind}", {"READ_BYTE": len(body)}, lambda: requests.parse_write(body, WriteKind.ADD))
    answer = Records(Rows(batch.ids, batch.embeddings, batch.documents, None, batch.metadatas), ("documents",))  # type: ignore[arg-type]
    written = {"WRITE_ROW": rows, "WRITE_NUMBER": numbers, "WRITE_CHARACTER": texts, "WRITE_VALUE": held}
    yield Measure(f"write {kind}", written, lambda: responses.encode_records(answer))
    checked = {"CHECK_ROW": rows, "CHECK_NUMBER": numbers, "CHECK_CHARACTER": texts, "CHECK_VALUE": held}
    yield Measure(f"check {kind}", checked, lambda: check_batch(WriteKind.ADD, batch))
    write, upsert = (check_batch(how, batch) for how in (WriteKind.ADD, WriteKind.UPSERT))
    known, first = KnownKeys({"keys": {}}), Version(0, None)
    log = resolve_write(write, first, known, 1).batch
    assert log is not None
    memtable = Memtable(rows)
    memtable.append(log)
    present = Version(rows, batch.embeddings.shape[1] if batch.embeddings is not None else None, (), (memtable.view(),))

    def resolve(what: Write, version: Version) -> None:
        resolved = resolve_write(what, version, known, rows + 1).batch
        assert resolved is not None
        encode(resolved)

    resolving = {"RESOLVE_REQUEST": 1, "RESOLVE_ROW": rows, "RESOLVE_BYTE": write.bytes}
    yield Measure(f"insert {kind}", resolving, lambda: resolve(write, first))
    yield Measure(f"replace {kind}", resolving, lambda: resolve(upsert, present))
    if rows < 200:
        yield Measure(f"append {kind}", {"APPEND_REQUEST": 1, "APPEND_BYTE": write.bytes}, lambda: Memtable(rows).append(log))


def _batch(rows: int, dimension: int, characters: int, values: int) -> RecordBatch:
    vectors = np.random.default_rng(0).standard_normal((rows, dimension), dtype=np.float32)
    metadata: dict[str, Json] = {f"key{number}": number if number % 2 else f"value {number}" for number in range(values)}
    ids = [f"id-{number:08d}" for number in range(rows)]
    return RecordBatch(ids, vectors, documents=["x" * characters] * rows, metadatas=[dict(metadata)] * rows if values else None)


async def _of_collections(api: LocalAPI) -> list[Measure]:
    scope = Scope()
    infos = [await api.create_collection(scope, f"collection-{number}") for number in range(COLLECTIONS)]
    for info in infos:
        await api.write(scope, info.id, WriteKind.ADD, _batch(1, 4, 10, 2))

    async def tick() -> None:
        await api.engine.ticker.tick()

    def listed() -> Awaitable[object]:
        return api.engine.context.backends.catalog.list_collections(scope, None, 0)

    return [
        Measure("write collections", {"WRITE_COLLECTION": COLLECTIONS}, lambda: encode_collections(infos)),
        Measure("read collections", {"READ_COLLECTION": COLLECTIONS}, listed),
        Measure("tick collections", {"TICK_COLLECTION": COLLECTIONS}, tick),
    ]


async def _of_encryption() -> list[Measure]:
    async def run(work: Any, *args: Any) -> Any:
        return work(*args)

    encryption = Encryption({"k": bytes(32)}, "k", fields=["n"])
    await encryption.ready(run)
    values = RecordBatch([str(row) for row in range(100)], None, metadatas=[{"n": row} for row in range(100)])
    texts = RecordBatch(values.ids, None, documents=["x" * 1000] * 100)
    sealed = encryption.sealed(texts)
    rows = Rows(sealed.ids, documents=sealed.documents)
    return [
        Measure("encrypt values", {"ENCRYPT_VALUE": 100}, lambda: encryption.sealed(values)),
        Measure("decrypt documents", {"ENCRYPT_VALUE": 100, "ENCRYPT_CHARACTER": 100_000}, lambda: encryption.opened(rows)),
    ]


async def _hop_us(hops: int = 2000) -> float:
    lane = Lane("bench", 2)
    await lane.run(int)
    start = time.perf_counter()
    for _ in range(hops):
        await lane.run(int)
    took = time.perf_counter() - start
    await lane.aclose()
    return took / hops * 1e6


async def main() -> None:
    print(f"a hop to a thread and back takes {await _hop_us():.0f} us")
    api = await open_local(None)
    for measure in await measures(api):
        took = await measure.took_us()
        mark = "  MORE THAN TWICE" if took > max(2 * measure.said_us, LITTLE_US) else ""
        print(f"{measure.name:24} took {took:7.1f} us, the table says {measure.said_us:7.1f}{mark}")
    await api.aclose()


if __name__ == "__main__":
    asyncio.run(main())
