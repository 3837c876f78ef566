"""Whatever the space, the number of results, the lengths of the rows and the place of the query: the floor is one and the same.

The planner is left to choose in half of the cases; in the others every scan is made so expensive that links are followed wherever the check
of the graph allows it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from chroma_async.engine.read.nearest import NearestRequest, Searchable, nearest
from chroma_async.engine.read.search_plan import PlanSettings
from chroma_async.types import Floats, Space
from tests.recall.mixture import GRAPH_FIRST, Built, build

ROWS, DIMENSION, QUERIES = 8_000, 48, 100
FLOOR = 0.98
#: Of ten results or more, no single query may lose more.
WORST = 0.5


def _clusters(random: np.random.Generator, rows: int) -> Floats:
    """Rows in forty clusters; lengths differ by a tenth."""
    centres = random.normal(size=(40, DIMENSION))
    return np.float32(centres[random.integers(0, 40, rows)] + 0.35 * random.normal(size=(rows, DIMENSION)))


def _lengths_over_a_thousandfold(random: np.random.Generator, rows: int) -> Floats:
    return np.float32(_clusters(random, rows) * 10 ** random.uniform(-1.5, 1.5, (rows, 1)))


def _cone(random: np.random.Generator, rows: int) -> Floats:
    """Rows about one direction, as the images of a model for texts and images lie."""
    topics = random.normal(size=(100, DIMENSION)) / 2
    inside = topics[random.integers(0, 100, rows)] + 0.2 * random.normal(size=(rows, DIMENSION))
    return np.float32((np.linspace(-1, 1, DIMENSION) + inside) * random.uniform(0.7, 1.3, (rows, 1)))


ROWS_OF: dict[str, Callable[[np.random.Generator, int], Floats]] = {
    "clusters": _clusters,
    "lengths over a thousandfold": _lengths_over_a_thousandfold,
    "cone": _cone,
}


def _near(random: np.random.Generator, rows: Floats) -> Floats:
    chosen = rows[random.integers(0, len(rows), QUERIES)]
    return np.float32(chosen + 0.1 * chosen.std(axis=1, keepdims=True) * random.normal(size=chosen.shape))


def _anywhere(random: np.random.Generator, rows: Floats) -> Floats:
    return np.float32(random.normal(size=(QUERIES, DIMENSION)) * rows.std())


def _other_cone(random: np.random.Generator, rows: Floats) -> Floats:
    """As texts ask where images are stored: what is meant is shared, the cone is another."""
    chosen = rows[random.integers(0, len(rows), QUERIES)]
    return np.float32(chosen + chosen.std() * np.cos(np.arange(DIMENSION)) + 0.2 * chosen.std() * random.normal(size=chosen.shape))


QUERIES_OF: dict[str, Callable[[np.random.Generator, Floats], Floats]] = {
    "near the rows": _near,
    "anywhere": _anywhere,
    "in another cone": _other_cone,
}


@cache
def _built(kind: str, space: Space, rows: int = ROWS) -> Built:
    return build(space, ROWS_OF[kind](np.random.default_rng(5), rows))


def _recalls(built: Built, queries: Floats, k: int, settings: PlanSettings) -> Floats:
    """The share of the true nearest that each query finds; a row as near as the last of them counts as one."""
    request = NearestRequest(built.space, settings, queries=queries, k=k)
    truth = nearest(request, Searchable(built.segment))
    found = nearest(request, Searchable(built.segment, built.graph))
    return np.float32([np.mean(own <= true[-1] + 1e-6 * abs(true[-1])) for (_, own), (_, true) in zip(found, truth, strict=True)])


@pytest.mark.parametrize("settings", [PlanSettings(), GRAPH_FIRST], ids=["the planner chooses", "links wherever the check allows"])
@pytest.mark.parametrize("asked", QUERIES_OF)
@pytest.mark.parametrize("space", list(Space))
@pytest.mark.parametrize("kind", ROWS_OF)
def test_any_query_finds_what_a_scan_finds(kind: str, space: Space, asked: str, settings: PlanSettings) -> None:
    built = _built(kind, space)
    vectors = np.concatenate([chunk.vectors for chunk in built.segment.chunks])
    queries = QUERIES_OF[asked](np.random.default_rng(6), vectors)
    for k in (1, 10, 100, 1000):
        recalls = _recalls(built, queries, k, settings)
        assert recalls.mean() >= FLOOR, f"{k} results"
        assert k == 1 or recalls.min() >= WORST, f"{k} results"


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("space", list(Space))
@pytest.mark.parametrize("kind", ROWS_OF)
def test_in_a_collection_where_even_a_thousand_results_come_from_the_graph(kind: str, space: Space) -> None:
    built = _built(kind, space, 80_000)
    vectors = np.concatenate([chunk.vectors for chunk in built.segment.chunks])
    for queries_of in QUERIES_OF.values():
        queries = queries_of(np.random.default_rng(6), vectors)
        for k in (1, 10, 100, 1000):
            assert _recalls(built, queries, k, PlanSettings()).mean() >= FLOOR, f"{k} results"
