"""A store that stops at any call of a seam, or at any operation on a file, is what was acknowledged when it is opened again."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from tests.crash.judge import judge_all
from tests.crash.living import Collector, Life
from tests.crash.stops import WatchedFiles, watched

logger = logging.getLogger(__name__)


async def stopped_at_seams(directory: Path, every: int) -> Collector:
    life = Life(directory / "store")
    collector = Collector(life, every)
    await life.live(wrap=watched(collector))
    await judge_all(collector.points, directory)
    return collector


async def stopped_at_files(directory: Path, every: int) -> Collector:
    life = Life(directory / "store")
    collector = Collector(life, every)
    await life.live(files=WatchedFiles(collector))
    await judge_all(collector.points, directory)
    return collector


async def test_a_stop_before_or_after_a_call_of_a_seam_loses_nothing_acknowledged_and_leaves_nothing_halved(tmp_path: Path) -> None:
    collector = await stopped_at_seams(tmp_path, 40)
    assert collector.seen > 2500, "the history no longer does what it did"


async def test_a_stop_before_within_or_after_an_operation_on_a_file_loses_nothing_acknowledged_and_leaves_nothing_halved(
    tmp_path: Path,
) -> None:
    collector = await stopped_at_files(tmp_path, 80)
    assert collector.seen > 3000, "the history no longer does what it did"


@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_a_stop_at_every_call_of_a_seam(tmp_path: Path) -> None:
    collector = await stopped_at_seams(tmp_path, 1)
    logger.info("%d stops at seam calls, %d different images", collector.seen, len(collector.points))


@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_a_stop_at_every_operation_on_a_file(tmp_path: Path) -> None:
    collector = await stopped_at_files(tmp_path, 1)
    logger.info("%d stops at file operations, %d different images", collector.seen, len(collector.points))
