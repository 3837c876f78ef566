"""SQLite's write-ahead files, torn: at every boundary of a frame and inside frames.

SQLite itself cannot be stopped in the middle. So images are taken before and after each call that makes it write, and what it wrote in
between is cut short: those are the directories that a process leaves which ends in the middle of the call.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from chroma_async.engine.engine import Engine
from chroma_async.storage.open import CATALOG_FILE, LOG_FILE
from tests.crash.history import SETTINGS, STEPS_WITHOUT_FORKS
from tests.crash.images import Image, half_checkpointed, tears
from tests.crash.judge import Point, agrees, difference, found_state, judge, opened, sound
from tests.crash.living import Life
from tests.crash.model import Shelf, State, after
from tests.crash.stops import CATALOG_WRITES, watched

PAGE_BYTES = {CATALOG_FILE: 4096, LOG_FILE: 8192}
WRITES = {f"catalog.{call}": CATALOG_FILE for call in CATALOG_WRITES} | {"log.append": LOG_FILE, "log.trim": LOG_FILE}

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Torn:
    """An image from within a call. ``certain``: nothing of the call can have become durable."""

    how: str
    image: Image
    certain: bool


@dataclass(frozen=True)
class Call:
    """A call that made SQLite write, as the images around it."""

    before: Point
    after: Point
    file: str

    def within(self) -> Iterator[Torn]:
        """What a process leaves that ends within the call."""
        wal, page = f"{self.file}-wal", PAGE_BYTES[self.file]
        old, new = self.before.image.content(wal), self.after.image.content(wal)
        base = self.before.image
        if new and not new.startswith(old):
            # A checkpoint came first: pages move into the file while the write-ahead file stands, then that is emptied.
            for content in half_checkpointed(base.content(self.file), self.after.image.content(self.file), page):
                yield Torn("in a checkpoint", base.with_file(self.file, content), False)
            base, old = base.with_file(self.file, self.after.image.content(self.file)), b""
        if not new:
            # The checkpoint came last, and of what went through the write-ahead file before it no image was taken.
            return
        for tear in tears(old, new):
            yield Torn(tear.how, base.with_file(wal, tear.content), tear.commits == 0)


@dataclass
class Calls:
    """A watcher that remembers the calls that made SQLite write."""

    life: Life
    made: list[Call] = field(default_factory=list)
    _begun: dict[str, Point] = field(default_factory=dict)

    def __call__(self, where: str, when: str) -> None:
        if where in WRITES:
            point = self.life.point(f"within {where}")
            if when == "before":
                self._begun[where] = point
            else:
                self.made.append(Call(self._begun.pop(where), point, WRITES[where]))


async def torn_in_calls(directory: Path, every: int) -> int:
    """Judge one of so many torn files of a whole life; how many there are."""
    life = Life(directory / "store")
    calls = Calls(life)
    await life.live(wrap=watched(calls))
    number = 0
    for call in calls.made:
        chosen = []
        for torn in call.within():
            number += 1
            if number % every == 0:
                chosen.append(torn)
        if chosen:
            unchanged = await judged(call.before, directory / "before", call.before.allowed)
            for at, torn in enumerate(chosen):
                point = replace(call.before, where=f"{call.before.where}: {torn.how}", image=torn.image)
                await judged(point, directory / f"{number}-{at}", [unchanged] if torn.certain else call.after.allowed + (unchanged,))
    return number


async def judged(point: Point, place: Path, allowed: tuple[State, ...] | list[State]) -> State:
    point.image.write(place)
    try:
        return await judge(place, allowed, usable=False)
    except Exception as error:
        raise AssertionError(f"stopped {point.where}, in step {point.step!r}: {error!r}") from error
    finally:
        shutil.rmtree(place)


async def test_a_write_ahead_file_torn_within_a_call_is_as_if_the_call_had_not_been_made(tmp_path: Path) -> None:
    assert await torn_in_calls(tmp_path, 60) > 1000, "the history no longer does what it did"


async def test_a_first_opening_that_ends_while_sqlite_writes_leaves_a_directory_that_opens(tmp_path: Path) -> None:
    engine = await Engine.open(str(tmp_path / "store"), SETTINGS, automatic=False)
    whole = Image.of(tmp_path / "store", {})
    await engine.aclose()
    catalog, log = (list(tears(b"", whole.content(f"{file}-wal"))) for file in (CATALOG_FILE, LOG_FILE))
    without_log = whole.with_file(LOG_FILE, None).with_file(f"{LOG_FILE}-wal", None)
    images = [without_log.with_file(f"{CATALOG_FILE}-wal", tear.content) for tear in catalog]
    images += [whole.with_file(f"{LOG_FILE}-wal", tear.content) for tear in log]
    for number, image in enumerate(images[:: max(1, len(images) // 15)]):
        await judged(Point("opening", "", image, ({},)), tmp_path / str(number), [{}])


#: Steps that flush a collection.
FLUSHING = {
    "a": {
        "flush a",
        "flush two memtables",
        "flush nothing",
        "flush the third chunk",
        "vacuum, merge and index a",
        "flush behind the graph",
        "merge and absorb",
        "vacuum a with its graph",
        "flush the second segment",
        "finish a",
    },
    "b": {"flush b", "index b and add to a", "vacuum all of b"},
    "c": {"flush c"},
}
assert {name for names in FLUSHING.values() for name in names} <= {step.name for step in STEPS_WITHOUT_FORKS}


def held_since_flush(key: str, number: int) -> list[Shelf]:
    """All that a collection held from its last flush before step ``number`` on: after that, all its rows were in chunks."""
    state: State = {}
    held: list[Shelf] = []
    for step in STEPS_WITHOUT_FORKS[:number]:
        for act in step.acts:
            state = after(state, [act])
            if act.key == key and key in state:
                held.append(state[key])
        if step.name in FLUSHING[key]:
            held = held[-1:]
    return held


async def torn_logs(directory: Path, every: int) -> int:
    """Cut the log of each image between steps anywhere; one of so many is judged; how many there are."""
    life = Life(directory / "store")
    images: list[tuple[int, State, Image]] = []

    def between(number: int) -> None:
        images.append((number, life.state, life.image()))

    await life.live(settings=replace(SETTINGS, log_checkpoint_bytes=1 << 30), steps=STEPS_WITHOUT_FORKS, reopen_every=1000, between=between)
    seen = 0
    for number, state, image in images:
        wal = image.content(f"{LOG_FILE}-wal")
        for tear in tears(b"", wal):
            seen += 1
            if seen % every == 0:
                await prefix_is_left(directory / "torn", image.with_file(f"{LOG_FILE}-wal", tear.content), state, number)
    return seen


async def prefix_is_left(place: Path, image: Image, whole: State, number: int) -> None:
    """Each collection holds what it held at some moment: not before its last flush, which the catalog knows."""
    image.write(place)
    async with opened(place) as session:
        state = await found_state(session)
        assert state.keys() == whole.keys()
        for key, shelf in state.items():
            held = held_since_flush(key, number)
            assert any(same_rows(shelf, each) for each in held), difference({key: held[-1]}, {key: shelf})
        await agrees(session, state)
        await sound(session, place)
    shutil.rmtree(place)


def same_rows(left: Shelf, right: Shelf) -> bool:
    """Names and options are the catalog's, which was not cut; the order of rows counts."""
    return list(left.rows.items()) == list(right.rows.items())


async def test_a_log_cut_anywhere_gives_every_collection_back_as_of_some_moment_after_its_last_flush(tmp_path: Path) -> None:
    await torn_logs(tmp_path, 600)


@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_every_write_ahead_file_torn_within_a_call(tmp_path: Path) -> None:
    logger.info("%d torn write-ahead files", await torn_in_calls(tmp_path, 1))


@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_a_log_cut_everywhere(tmp_path: Path) -> None:
    logger.info("%d torn logs, one of 20 judged", await torn_logs(tmp_path, 20))
