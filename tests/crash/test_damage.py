"""One byte of a stored file changes on the disk: nobody gets a wrong row for it, and everybody hears which file it was."""

from __future__ import annotations

import asyncio
import gc
import logging
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from chroma_async.engine.admin.check_store import check_store
from chroma_async.errors import CorruptionError
from chroma_async.storage.open import CATALOG_FILE, LOG_FILE, SEGMENTS_DIRECTORY
from chroma_async.types import GetRequest
from tests.crash.history import add, upsert
from tests.crash.images import Image
from tests.crash.judge import agrees, difference, found_state, opened, shelf_of, sound
from tests.crash.living import Life
from tests.crash.model import SCOPE, Session, State, after, delete, flush

logger = logging.getLogger(__name__)

#: Files that hold rows, and those that can be made again from them.
ROWS, DERIVED = ("vectors", "columns", "documents", "postings", "alive"), ("graph", "trigrams")
EVERYTHING = GetRequest(include=("documents", "metadatas", "embeddings", "uris"))


class Told(logging.Filter):
    """Keeps the texts of warnings and drops the records: those would keep the errors that they tell of, tracebacks, and so files."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def filter(self, record: logging.LogRecord) -> bool:
        self.texts.append(record.getMessage())
        return False


@pytest.fixture
def told() -> Iterator[Told]:
    filter = Told()
    loggers = [logging.getLogger(name) for name in logging.root.manager.loggerDict if name.startswith("chroma_async")]
    for each in loggers:
        each.addFilter(filter)
    yield filter
    for each in loggers:
        each.removeFilter(filter)


@dataclass(frozen=True)
class Store:
    """A store at rest, with rows in chunks and rows in the log."""

    image: Image
    state: State

    def files(self, kind: str) -> list[str]:
        """Names of the stored files of a kind."""
        return [name for name in self.image.files if name.endswith(f".{kind}")]

    def with_byte_changed(self, name: str, at: int) -> Image:
        content = bytearray(self.image.content(name))
        content[at] ^= 1 << (at % 8)
        return self.image.with_file(name, bytes(content))


async def lived(directory: Path) -> Store:
    life = Life(directory)
    await life.live()
    acts = (
        delete("a", ["r16", "r130", "r142"]),
        flush("a"),
        add("a", 300, 306, 1),
        upsert("b", 3, 8, 12),
        add("a", 310, 312, 1, extra={"late": 1.5}),
    )
    async with opened(directory) as session:
        for act in acts:
            await act.run(session)
    return Store(life.image(), after(life.state, acts))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return asyncio.run(lived(tmp_path_factory.mktemp("damage") / "store"))


def places(content: bytes, many: int) -> Iterator[int]:
    """So many offsets, spread over the whole and not in step with anything in it."""
    for number in range(min(many, len(content))):
        start, stop = number * len(content) // many, (number + 1) * len(content) // many
        yield start + number * 7919 % max(1, stop - start)


async def everything(session: Session) -> State:
    """Reads all rows, or raises."""
    state = await found_state(session)
    await agrees(session, state)
    return state


async def mended_by_the_file_as_it_was(store: Store, name: str, place: Path) -> None:
    """Opening the damaged store has taken nothing else away."""
    (place / name).write_bytes(store.image.content(name))
    async with opened(place) as session:
        state = await everything(session)
        assert state == store.state, difference(store.state, state)
        await sound(session, place)
    shutil.rmtree(place)


async def rows_are_refused(store: Store, name: str, image: Image, place: Path) -> None:
    """The collection is not opened, the error and the check name the file; the other collection answers."""
    image.write(place)
    async with opened(place) as session:
        answered: State = {}
        refused: list[str | None] = []
        for info in await session.api.list_collections(SCOPE):
            try:
                rows = await session.api.get(SCOPE, info.id, EVERYTHING)
                answered[info.name[0]] = shelf_of(info, rows.rows)
            except CorruptionError as error:
                refused.append(error.file)
        assert refused == [Path(name).name]
        assert answered == {key: store.state[key] for key in answered}
        errors = [finding async for finding in check_store(session.api.engine) if finding.level == "error"]
        assert len(errors) == 1
        assert Path(name).name in errors[0].message
    await mended_by_the_file_as_it_was(store, name, place)


async def derived_file_is_made_again(store: Store, name: str, image: Image, place: Path, told: Told) -> None:
    """Answers are right without it, a warning and the check name it, and compaction makes a new one."""
    image.write(place)
    told.texts.clear()
    async with opened(place) as session:
        assert await everything(session) == store.state
        assert any(Path(name).name in text for text in told.texts)
        found = [finding async for finding in check_store(session.api.engine) if finding.level != "ok"]
        assert {finding.level for finding in found} == {"warning"}
        assert any(Path(name).name in finding.message for finding in found)
        for key in store.state:
            await (await session.collection(key)).finish()
        assert await everything(session) == store.state
        gc.collect()
        await session.api.engine.ticker.sweep()
        await sound(session, place)
        kind = name.rsplit(".", 1)[1]
        assert [path for path in (place / SEGMENTS_DIRECTORY).glob(f"*.{kind}") if path.name != Path(name).name]
    shutil.rmtree(place)


async def database_is_right_or_refused(store: Store, name: str, image: Image, place: Path) -> str:
    """Whatever of an SQLite file is damaged, it says so, or nothing that it says is wrong. Which of them it was."""
    image.write(place)
    refused: str | None = name
    try:
        outcome = await database_outcome(store, name, place)
    except CorruptionError as error:
        outcome, refused = "not opened", error.file
    assert refused is not None
    assert refused.endswith(name)
    await mended_by_the_file_as_it_was(store, name, place)
    return outcome


async def database_outcome(store: Store, name: str, place: Path) -> str:
    async with opened(place) as session:
        refusal: CorruptionError | None = None
        try:
            state = await everything(session)
        except CorruptionError as error:
            refusal = error
        levels = {finding.level async for finding in check_store(session.api.engine)}
    if refusal is not None:
        assert refusal.file is not None
        assert refusal.file.endswith(name)
        assert "error" in levels
        return "refused"
    assert state == store.state, difference(store.state, state)
    return "right"


def damages(store: Store, name: str, many: int) -> Iterator[Image]:
    """A file with a byte changed in so many places, cut in half, empty, longer, and gone."""
    content = store.image.content(name)
    for at in places(content, many):
        yield store.with_byte_changed(name, at)
    for other in (content[: len(content) // 2], b"", content + b"x", None):
        yield store.image.with_file(name, other)


async def damage_rows(store: Store, directory: Path, kind: str, many: int) -> int:
    count = 0
    for name in store.files(kind)[:2]:
        for image in damages(store, name, many):
            count += 1
            await rows_are_refused(store, name, image, directory / str(count))
    return count


async def damage_database(store: Store, directory: Path, name: str, many: int) -> dict[str, int]:
    outcomes: dict[str, int] = {"not opened": 0, "refused": 0, "right": 0}
    for at in places(store.image.content(name), many):
        outcomes[await database_is_right_or_refused(store, name, store.with_byte_changed(name, at), directory / str(at))] += 1
    return outcomes


@pytest.mark.parametrize("kind", ROWS)
async def test_a_damaged_file_of_rows_is_refused_by_name(store: Store, tmp_path: Path, kind: str) -> None:
    assert await damage_rows(store, tmp_path, kind, 1) >= 5


@pytest.mark.parametrize("kind", DERIVED)
async def test_a_damaged_graph_or_text_index_costs_a_warning_until_it_is_made_again(
    store: Store, tmp_path: Path, kind: str, told: Told
) -> None:
    names = store.files(kind)
    assert names
    for name in names:
        for number, image in enumerate(damages(store, name, 3)):
            await derived_file_is_made_again(store, name, image, tmp_path / f"{Path(name).name}-{number}", told)


@pytest.mark.parametrize("name", [CATALOG_FILE, LOG_FILE])
async def test_a_damaged_catalog_or_log_is_refused_by_name_and_never_believed(store: Store, tmp_path: Path, name: str) -> None:
    outcomes = await damage_database(store, tmp_path, name, 25)
    assert outcomes["not opened"] + outcomes["refused"] > 0


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", ROWS)
async def test_a_file_of_rows_damaged_in_many_places(store: Store, tmp_path: Path, kind: str) -> None:
    logger.info("%s: %d damaged files", kind, await damage_rows(store, tmp_path, kind, 60))


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", [CATALOG_FILE, LOG_FILE])
async def test_a_catalog_or_log_damaged_in_a_thousand_places(store: Store, tmp_path: Path, name: str) -> None:
    logger.info("%s: %s", name, await damage_database(store, tmp_path, name, 1000))
