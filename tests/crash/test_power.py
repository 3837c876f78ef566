"""A power failure during any operation on a file: what was acknowledged had been synced."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pytest

from tests.crash.judge import Point, judge_all
from tests.crash.living import Collector, Life
from tests.crash.power import FailingPower

logger = logging.getLogger(__name__)


class PowerCollector(Collector):
    """Makes of each point the two that a power failure may leave there."""

    files: FailingPower

    def look(self, where: str, when: str) -> None:
        before = len(self.points)
        super().look(where, when)
        for point in self.points[before:]:
            self.points.remove(point)
            for name, image in (("strictly", self.files.strict(point.image)), ("lazily", self.files.lazy(point.image))):
                self._keep(replace(point, where=f"{name} {point.where}", image=image))

    def _keep(self, point: Point) -> None:
        if not any(held.image == point.image and held.allowed == point.allowed for held in self.points[-2:]):
            self.points.append(point)


async def powerless(directory: Path, every: int) -> PowerCollector:
    life = Life(directory / "store")
    collector = PowerCollector(life, every)
    collector.files = FailingPower(life.directory, collector)
    await life.live(files=collector.files)
    await judge_all(collector.points, directory)
    return collector


async def test_a_power_failure_loses_nothing_acknowledged_and_leaves_nothing_halved(tmp_path: Path) -> None:
    collector = await powerless(tmp_path, 130)
    assert collector.seen > 3000, "the history no longer does what it did"


@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_a_power_failure_at_every_operation_on_a_file(tmp_path: Path) -> None:
    collector = await powerless(tmp_path, 1)
    logger.info("%d power failures, %d different outcomes", collector.seen, len(collector.points))
