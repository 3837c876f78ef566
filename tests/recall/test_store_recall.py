"""Recall of a whole store with default settings: after every event of its life, under filters that go with the vectors, through its API.

``--log-level=info -rP`` shows the figures.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chroma_async.types import Space
from tests.recall.mixture import Mixture, mixture
from tests.recall.stored import Recipe, copied, make

logger = logging.getLogger(__name__)

FLOORS = {Space.L2: 0.98, Space.COSINE: 0.98, Space.IP: 0.95}
FILTERED = 0.99

QUICK, LARGE = 8000, 50_000


@dataclass(frozen=True)
class Made:
    """A closed store on disk, and the recall that it had before it was closed."""

    place: Path
    recipe: Recipe
    recall: float

    @property
    def floor(self) -> float:
        return FLOORS[self.recipe.space]


@lru_cache(maxsize=1)
def data(rows: int) -> Mixture:
    return mixture(rows, queries=100)


@pytest.fixture(scope="module")
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A store of ``rows`` rows of a mixture."""
    rows, space = request.param
    recipe = Recipe.of(space, data(rows))
    place = tmp_path_factory.mktemp("made") / "store"
    return Made(place, recipe, asyncio.run(make(place, recipe)))


def size(rows: int, space: Space) -> Any:
    """Parameters of a test; the large ones take minutes."""
    marks = [pytest.mark.slow, pytest.mark.timeout(900)] if rows == LARGE else []
    return pytest.param((rows, space), id=f"{rows}-{space}", marks=marks)


#: Runs a test on a store of each size and space.
for_each_store = pytest.mark.parametrize("made", [size(rows, space) for rows in (QUICK, LARGE) for space in Space], indirect=True)


@for_each_store
async def test_recall_after_build_and_after_reopening(made: Made, tmp_path: Path) -> None:
    assert made.recall >= made.floor
    async with copied(made.place, tmp_path / "store", made.recipe) as stored:
        reopened = await stored.recall()
        assert await stored.recall(k=100) >= made.floor
    logger.info("%s", {"built": made.recall, "reopened": reopened})
    assert reopened == made.recall


@for_each_store
async def test_recall_after_deleting_half_at_random_and_after_vacuum(made: Made, tmp_path: Path) -> None:
    async with copied(made.place, tmp_path / "store", made.recipe) as stored:
        await stored.delete_at_random(0.5)
        deleted = await stored.recall()
        await stored.compact()
        vacuumed = await stored.recall()
        assert (await stored.in_graph())[1] == np.count_nonzero(stored.alive)
    logger.info("%s", {"deleted": deleted, "vacuumed": vacuumed})
    assert min(deleted, vacuumed) >= made.floor


@for_each_store
async def test_recall_after_deleting_half_by_topic_and_after_vacuum(made: Made, tmp_path: Path) -> None:
    async with copied(made.place, tmp_path / "store", made.recipe) as stored:
        await stored.delete_topics(np.arange(0, 120, 2))
        deleted = await stored.recall()
        await stored.compact()
        vacuumed = await stored.recall()
    logger.info("%s", {"deleted": deleted, "vacuumed": vacuumed})
    assert min(deleted, vacuumed) >= made.floor


@for_each_store
async def test_recall_under_filters_that_go_with_the_vectors(made: Made, tmp_path: Path) -> None:
    rows = len(made.recipe.vectors)
    async with copied(made.place, tmp_path / "store", made.recipe) as stored:
        recalls = {share: await stored.recall(rank_below=int(share * rows)) for share in (0.01, 0.1, 0.5)}
    logger.info("%s", recalls)
    assert recalls[0.01] == 1.0
    assert min(recalls.values()) >= FILTERED


@pytest.mark.parametrize("spoiled", [size(QUICK, Space.L2), *(size(LARGE, space) for space in Space)])
async def test_recall_with_a_fifth_of_equal_vectors_and_an_outlier(spoiled: tuple[int, Space], tmp_path: Path) -> None:
    rows, space = spoiled
    vectors = data(rows).vectors.copy()
    equal = np.sort(np.random.default_rng(2).choice(rows, rows // 5, replace=False))
    vectors[equal] = vectors[equal[0]]
    vectors[77] = 1e6
    recipe = Recipe.of(space, data(rows), vectors)
    built = await make(tmp_path / "made", recipe)
    async with copied(tmp_path / "made", tmp_path / "store", recipe) as stored:
        reopened = await stored.recall()
        await stored.delete_at_random(0.5)
        deleted = await stored.recall()
        of_the_equal = await stored.recall(queries=vectors[equal[:1]], k=rows // 20)
        of_the_outlier = await stored.recall(queries=vectors[77:78])
    logger.info("%s", {"built": built, "reopened": reopened, "deleted": deleted})
    assert min(built, reopened, deleted) >= FLOORS[space]
    assert of_the_outlier == 1.0
    if space is not Space.IP:  # by inner product others are nearer to a vector than itself
        assert of_the_equal == 1.0
