"""What is measured. Each workload asks one question and makes its requests before the clock starts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.bench.client import Client, Request, packed
from tests.bench.dataset import Dataset

#: What an application asks of a query.
INCLUDE = ["documents", "metadatas", "distances"]
BATCH = 500


@dataclass(frozen=True)
class Workload:
    """A name, requests, clients at once, and whether the requests are sent once each (writes) or for a time (reads)."""

    name: str
    requests: Callable[[Client, Dataset], list[Request]]
    clients: int
    once: bool = False


def rows(data: Dataset, part: slice) -> dict[str, Any]:
    """A write's body."""
    return {
        "ids": data.ids[part],
        "embeddings": packed(data.vectors[part]),
        "documents": data.documents[part],
        "metadatas": data.metadatas[part],
    }


def ingest(client: Client, data: Dataset) -> list[Request]:
    starts = range(0, len(data.ids), BATCH)
    return [
        client.request("POST", "/add", rows(data, slice(start, start + BATCH)), weight=len(data.ids[start : start + BATCH]))
        for start in starts
    ]


def single_rows(count: int, offset: int) -> Callable[[Client, Dataset], list[Request]]:
    """Upserts of one new record each, with the vectors of others."""

    def requests(client: Client, data: Dataset) -> list[Request]:
        made = []
        for n in range(offset, offset + count):
            row = rows(data, slice(n % len(data.ids), n % len(data.ids) + 1))
            made.append(client.request("POST", "/upsert", {**row, "ids": [f"single-{n}"]}))
        return made

    return requests


def queries(client: Client, data: Dataset, **extra: object) -> list[Request]:
    bodies: Sequence[dict[str, object]] = [
        {"query_embeddings": [vector.tolist()], "n_results": 10, "include": INCLUDE} for vector in data.queries
    ]
    return [client.request("POST", "/query", {**body, **extra}) for body in bodies]


def filtered(where: dict[str, object]) -> Callable[[Client, Dataset], list[Request]]:
    return lambda client, data: queries(client, data, where=where)


def containing(client: Client, data: Dataset) -> list[Request]:
    """Queries among the documents that contain a word."""
    plain = [vector.tolist() for vector in data.queries]
    made = []
    for n, vector in enumerate(plain):
        where_document = {"$contains": data.needles[n % len(data.needles)][0]}
        body = {"query_embeddings": [vector], "n_results": 10, "include": INCLUDE, "where_document": where_document}
        made.append(client.request("POST", "/query", body))
    return made


def get_by_ids(client: Client, data: Dataset) -> list[Request]:
    """Ten records by id, with documents and metadata."""
    rng = np.random.default_rng(3)
    chosen = [[data.ids[n] for n in rng.choice(len(data.ids), 10, replace=False)] for _ in range(200)]
    return [client.request("POST", "/get", {"ids": ids, "include": ["documents", "metadatas"]}) for ids in chosen]


def count(client: Client, data: Dataset) -> list[Request]:
    return [client.request("GET", "/count")]


WRITES = [
    Workload("ingest, batches of 500 (rows)", ingest, 1, once=True),
]
#: The filters that ``recall`` asks about, too: name -> where.
FILTERS: dict[str, dict[str, object]] = {
    "1 % by chance": {"percent": {"$eq": 7}},
    "10 % by chance": {"tenth": {"$eq": 3}},
    "50 % by chance": {"half": {"$eq": True}},
    "one topic of ten": {"topic": {"$eq": "topic-0"}},
}
READS = [
    Workload("query, 1 client", queries, 1),
    Workload("query, 16 clients", queries, 16),
    *(Workload(f"query, where {name}", filtered(where), 1) for name, where in FILTERS.items()),
    Workload("query, $contains", containing, 1),
    Workload("get 10 by ids", get_by_ids, 1),
    Workload("count", count, 1),
]
AFTERWARDS = [
    Workload("upsert one row, 1 client", single_rows(200, 0), 1, once=True),
    Workload("upsert one row, 16 clients", single_rows(800, 200), 16, once=True),
]


async def recall(client: Client, data: Dataset, where: dict[str, object] | None = None) -> float:
    """Share of the exact ten nearest that the server returns, over all queries; refuses answers that are too short.

    :raises RuntimeError: a query returned fewer results than there are matching records.
    """
    mask = None
    if where is not None:
        ((key, operation),) = where.items()
        assert isinstance(operation, dict)
        mask = data.mask(key, operation["$eq"])
    exact = data.nearest(10, mask)
    hits = wanted = 0
    for request, best in zip(queries(client, data, **({"where": where} if where else {})), exact, strict=True):
        found = (await client.call(request))["ids"][0]
        if len(found) < len(best):
            raise RuntimeError(f"{len(found)} results where {len(best)} match")
        hits, wanted = hits + len(best & set(found)), wanted + len(best)
    return hits / wanted
