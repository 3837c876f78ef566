"""The same random requests put to both servers: answers, and what the collection holds afterwards, must be the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
import pytest

from tests.compat.grammar import Grammar
from tests.compat.ranking import disagreement, rounded
from tests.compat.raw import DROPPED, Answer, Raw
from tests.compat.servers import start_ours, start_reference
from tests.compat.table.probe import LOOK, Call, comparable

pytestmark = pytest.mark.reference

REQUESTS = 150
#: Rows go to files after a few writes, files are merged and rewritten, graphs and text indexes are built: all within one collection's life.
SMALL_STORE = {
    "MEMTABLE_ROWS": "8",
    "FLUSH_IDLE_ROWS": "1",
    "FLUSH_IDLE_S": "0.02",
    "MERGE_FAN_IN": "3",
    "MERGE_ROWS": "64",
    "TRIGRAM_ROWS": "4",
    "FLAT_ROWS": "16",
    "ABSORB_BULK_ROWS": "4",
    "ABSORB_CALM_ROWS": "4",
    "ABSORB_IDLE_ROWS": "2",
    "ABSORB_IDLE_S": "0.02",
    "SEGMENT_ROWS": "48",
    "TAIL_CODES_ROWS": "20",
}


@dataclass
class Pair:
    """Both servers. ``losses`` counts queries for which Chroma's index missed rows that it should have found, of ``queries``."""

    ours: Raw
    theirs: Raw
    queries: int = 0
    losses: list[str] = field(default_factory=list)


@pytest.fixture(scope="module", params=["in memory", "in files"])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    place = tmp_path_factory.mktemp("random")
    small = {f"CHROMA_ASYNC_{name}": value for name, value in SMALL_STORE.items()} if request.param == "in files" else {}
    servers = [start_ours(place / "ours", env=small), start_reference(place / "theirs")]
    pair = Pair(*(Raw(server.host, server.port) for server in servers))
    yield pair
    for raw, server in zip((pair.ours, pair.theirs), servers, strict=True):
        raw.close()
        server.stop()


@pytest.mark.parametrize("space", ["l2", "cosine", "ip"])
@pytest.mark.parametrize("seed", range(4))
def test_random_requests_are_answered_alike(pair: Pair, seed: int, space: str) -> None:
    settings = {"configuration": {"hnsw": {"space": space}}}
    paths = [raw.create(f"random-{space}-{seed}", **settings) for raw in (pair.ours, pair.theirs)]
    for number, call in enumerate(islice(Grammar(f"{space} {seed}").calls(), REQUESTS)):
        ours, theirs = (_send(raw, path, call) for raw, path in zip((pair.ours, pair.theirs), paths, strict=True))
        problem = _problem(pair, paths, call, ours, theirs, space)
        assert problem is None, f"request {number}: {call.path} {(call.body or b'').decode()}: {problem}"
    looks = [rounded(comparable(_send(raw, path, LOOK), path)) for raw, path in zip((pair.ours, pair.theirs), paths, strict=True)]
    assert looks[0] == looks[1]
    assert len(pair.losses) <= 1 + pair.queries // 20, pair.losses


def _send(raw: Raw, path: str, call: Call) -> Answer:
    return raw.send(call.method, path + call.path.removeprefix("C"), call.body)


def _problem(pair: Pair, paths: list[str], call: Call, ours: Answer, theirs: Answer, space: str) -> str | None:
    body = json.loads(call.body or b"{}")
    if call.path != "C/query" or ours.status != 200:
        return None if rounded(comparable(ours)) == rounded(comparable(theirs)) else f"{ours.body} and {theirs.body}"
    pair.queries += 1
    if theirs.status == DROPPED and body["n_results"] == 0:
        return None  # Chroma's handler crashes when it is asked for nothing and many rows were deleted
    problem = disagreement(ours.body, theirs.body, body["n_results"])
    if problem is None:
        return None
    # Chroma's graph may lose rows, even of a small collection. Exact distances over what its filters let through decide.
    wanted = {key: body[key] for key in ("ids", "where", "where_document") if key in body}
    rows = pair.theirs.json("POST", f"{paths[1]}/get", {**wanted, "include": ["embeddings"]})
    if not _is_exact(ours.body, rows, body, space):
        return problem
    pair.losses.append(problem)
    return None


def _is_exact(result: dict[str, Any], rows: dict[str, Any], asked: dict[str, Any], space: str) -> bool:
    """Whether a result holds the nearest rows at their distances, whatever their order among equals."""
    vectors, names = np.array(rows["embeddings"], dtype=np.float64).reshape(len(rows["ids"]), -1), rows["ids"]
    for query, ids, distances in zip(asked["query_embeddings"], result["ids"], result["distances"], strict=True):
        exact = dict(zip(names, _distances(vectors, np.array(query), space), strict=True)) if names else {}
        if len(set(ids)) != min(asked["n_results"], len(names)) or not set(ids) <= exact.keys():
            return False
        nearest = sorted(exact.values())[: len(ids)]
        if not np.allclose(distances, nearest, atol=1e-4) or not np.allclose([exact[id] for id in ids], nearest, atol=1e-4):
            return False
    return True


def _distances(vectors: Any, query: Any, space: str) -> Any:
    if space == "l2":
        return ((vectors - query) ** 2).sum(axis=1)
    if space == "ip":
        return 1 - vectors @ query
    norms = np.linalg.norm(vectors, axis=1) * np.linalg.norm(query)
    return 1 - np.divide(vectors @ query, norms, out=np.zeros(len(vectors)), where=norms > 0)
