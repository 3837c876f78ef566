"""The floors of :mod:`tests.recall.test_recall` at 50,000 rows, with the planner left to choose."""

from __future__ import annotations

import numpy as np
import pytest

from chroma_async.engine.read.search_plan import PlanSettings
from chroma_async.format.bitmap import Bitmap
from chroma_async.types import Space
from tests.recall.mixture import Built, Mixture, build, mixture

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ROWS = 50_000
FLOORS = {Space.L2: 0.98, Space.COSINE: 0.98, Space.IP: 0.98}
SETTINGS = PlanSettings()


@pytest.fixture(scope="module")
def data() -> Mixture:
    return mixture(ROWS)


@pytest.fixture(scope="module", params=list(Space))
def built(request: pytest.FixtureRequest, data: Mixture) -> Built:
    return build(request.param, data.vectors)


def test_recall_after_build_and_deletions(built: Built, data: Mixture) -> None:
    floor = FLOORS[built.space]
    assert built.recall(data.queries, settings=SETTINGS) >= floor
    assert built.recall(data.queries, k=100, settings=SETTINGS) >= floor
    at_random = np.random.default_rng(1).random(ROWS) < 0.5
    assert built.recall(data.queries, Bitmap.from_bools(at_random), settings=SETTINGS) >= floor
    by_topic = data.topics % 2 == 1
    assert built.recall(data.queries, Bitmap.from_bools(by_topic), settings=SETTINGS) >= floor
    one_topic = data.topics != data.topics[int(np.argmax(data.vectors @ data.queries[0]))]
    assert built.recall(data.queries, Bitmap.from_bools(one_topic), settings=SETTINGS) >= floor


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
def test_recall_under_correlated_filters(built: Built, data: Mixture, share: float) -> None:
    near = np.argsort(data.vectors @ data.vectors[17])[::-1][: int(share * ROWS)]
    recall = built.recall(data.queries, Bitmap.from_positions(near, ROWS), settings=SETTINGS)
    assert recall == 1.0 if share == 0.01 else recall >= 0.99


@pytest.mark.parametrize("space", list(Space))
def test_recall_with_ten_thousand_equal_vectors_and_an_outlier(data: Mixture, space: Space) -> None:
    vectors = data.vectors.copy()
    places = np.sort(np.random.default_rng(2).choice(ROWS, 10_000, replace=False))
    vectors[places] = vectors[places[0]]
    vectors[77] = 1e6
    made = build(space, vectors)
    assert made.recall(data.queries, settings=SETTINGS) >= FLOORS[space]
    if space is not Space.IP:
        assert made.recall(vectors[places[:1]], k=900, settings=SETTINGS) == 1.0
