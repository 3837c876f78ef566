"""Calls and file operations that fail in a store that lives on: what may be retried can be, what is in doubt ends all writes, no read."""

from __future__ import annotations

import errno
import logging
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from chroma_async.engine.engine import Engine
from chroma_async.errors import PoisonedError, StoreError, UnavailableError
from chroma_async.types import RecordBatch, WriteKind
from tests.crash.faults import Fault, Place, Scene, ask, reads_go_on, retried, scenes
from tests.crash.history import SETTINGS, STEPS, batch
from tests.crash.images import Image
from tests.crash.judge import judge, opened
from tests.crash.model import SCOPE, Session, after, write
from tests.crash.stops import WatchedFiles, watched

logger = logging.getLogger(__name__)

#: Operations after whose failure it is not known what is durable.
IN_DOUBT = {"sync", "rename", "sync_directory"}
#: Calls whose answer may be lost on its way back.
ANSWERS = {"log.append", "catalog.commit_manifest", "staged.commit"}


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Log records that are kept keep tracebacks, and those keep files open that are to be swept."""
    logging.getLogger("chroma_async").disabled = True
    for name in [name for name in logging.root.manager.loggerDict if name.startswith("chroma_async.")]:
        logging.getLogger(name).disabled = True
    yield
    for name in [name for name in logging.root.manager.loggerDict if name.startswith("chroma_async")]:
        logging.getLogger(name).disabled = False


def full_disk(where: str) -> OSError:
    return OSError(errno.ENOSPC, "No space left on device")


def broken_disk(where: str) -> OSError:
    return OSError(errno.EIO, "Input/output error")


def unavailable(where: str) -> UnavailableError:
    return UnavailableError(f"{where} is not to be had")


def in_doubt(where: str) -> PoisonedError:
    return PoisonedError(f"{where} may have been done or not")


@asynccontextmanager
async def on_files(directory: Path, fault: Fault) -> AsyncIterator[Session]:
    async with opened(directory, files=WatchedFiles(fault)) as session:
        yield session


@asynccontextmanager
async def on_seams(directory: Path, fault: Fault) -> AsyncIterator[Session]:
    async with opened(directory, wrap=watched(fault)) as session:
        yield session


async def places(opening: Callable[..., object], scene: Scene, directory: Path) -> list[Place]:
    """All that is called in a step."""
    fault = Fault(unavailable)
    scene.image.write(directory)
    async with opening(directory, fault) as session:  # type: ignore[attr-defined]
        await ask(session, scene, directory, fault)
    shutil.rmtree(directory)
    return fault.places


async def refuses_writes(session: Session) -> None:
    for info in await session.api.list_collections(SCOPE):
        batch = RecordBatch(["another"], np.zeros((1, info.dimension or 2), dtype=np.float32))
        with pytest.raises(PoisonedError):
            await session.api.write(SCOPE, info.id, WriteKind.ADD, batch)


async def failing_once(scene: Scene, directory: Path, opening: Callable[..., object], fault: Fault) -> None:
    """A failure that leaves no doubt: the step fails as a whole or works, and can be retried."""
    scene.image.write(directory)
    async with opening(directory, fault) as session:  # type: ignore[attr-defined]
        outcome = await ask(session, scene, directory, fault)
        assert not outcome.poisoned
        await reads_go_on(session, outcome)
        state = await retried(session, outcome)
    await judge(directory, [state])
    shutil.rmtree(directory)


async def failing_in_doubt(scene: Scene, directory: Path, opening: Callable[..., object], fault: Fault) -> None:
    """A failure after which nobody knows what is durable: writes are refused until the store is opened again."""
    scene.image.write(directory)
    async with opening(directory, fault) as session:  # type: ignore[attr-defined]
        outcome = await ask(session, scene, directory, fault)
        if outcome.place is not None:
            assert outcome.poisoned
            await reads_go_on(session, outcome)
            await refuses_writes(session)
            await reads_go_on(session, outcome)
    await judge(directory, outcome.allowed)
    shutil.rmtree(directory)


async def forking_in_doubt(scene: Scene, directory: Path, fault: Fault) -> None:
    """The fork was made, and nobody knows: what it reads of its source's log stays, whatever becomes of the source."""
    scene.image.write(directory)
    source = next(act.source for act in scene.step.acts if act.source is not None)
    async with on_seams(directory, fault) as session:
        outcome = await ask(session, scene, directory, fault)
        assert outcome.poisoned
        await write(source, WriteKind.ADD, batch(["r999"], 1)).run(session)
        await (await session.collection(source)).finish()
    await judge(directory, [after(state, [write(source, WriteKind.ADD, batch(["r999"], 1))]) for state in outcome.allowed])
    shutil.rmtree(directory)


async def dying(scene: Scene, directory: Path, fault: Fault) -> None:
    """From one call on every call fails, as if the disk were gone; then the store is let go of."""
    scene.image.write(directory)
    async with on_seams(directory, fault) as session:
        fault.lasting = True
        outcome = await ask(session, scene, directory, fault)
        fault.armed = True
    await judge(directory, outcome.allowed)
    shutil.rmtree(directory)


async def through_history(directory: Path, every: int, opening: Callable[..., object], kinds: Callable[[str, str], list[str]]) -> int:
    """Let one of so many places of the history fail in each of its kinds; how many there are."""
    number = 0
    for scene in await scenes(directory / "store", STEPS):
        for at in await places(opening, scene, directory / "dry"):
            for kind in kinds(*at[:2]):
                number += 1
                if number % every:
                    continue
                try:
                    await run(kind, scene, directory / "faulted", opening, at)
                except Exception as error:
                    raise AssertionError(f"{kind} at {at} in step {scene.step.name!r}: {error!r}") from error
    return number


async def run(kind: str, scene: Scene, directory: Path, opening: Callable[..., object], at: Place) -> None:
    match kind:
        case "full disk":
            await failing_once(scene, directory, opening, Fault(full_disk, at))
        case "broken disk":
            await failing_in_doubt(scene, directory, opening, Fault(broken_disk, at))
        case "no removal":
            await failing_once(scene, directory, opening, Fault(broken_disk, at))
        case "unavailable":
            await failing_once(scene, directory, opening, Fault(unavailable, at))
        case "in doubt":
            await failing_in_doubt(scene, directory, opening, Fault(in_doubt, at))
        case "fork in doubt":
            await forking_in_doubt(scene, directory, Fault(in_doubt, at))
        case "dead":
            await dying(scene, directory, Fault(in_doubt, at))


def file_kinds(where: str, when: str) -> list[str]:
    if where in ("create", "write"):
        return ["full disk"] if when != "after" else []
    if when != "before":
        return []
    return ["broken disk"] if where in IN_DOUBT else ["no removal"] if where == "unlink" else []


def seam_kinds(where: str, when: str) -> list[str]:
    if where == "staged.discard":
        return []
    if when == "before":
        return ["unavailable", "dead"]
    if where == "catalog.fork_collection":
        return ["fork in doubt"]
    return ["in doubt"] if where in ANSWERS else []


async def test_a_failing_file_operation_is_retried_or_ends_all_writes(tmp_path: Path) -> None:
    assert await through_history(tmp_path, 110, on_files, file_kinds) > 1500, "the history no longer does what it did"


async def test_a_failing_call_of_a_seam_is_retried_or_ends_all_writes(tmp_path: Path) -> None:
    assert await through_history(tmp_path, 160, on_seams, seam_kinds) > 2000, "the history no longer does what it did"


async def test_an_opening_that_fails_at_any_file_operation_names_the_reason_and_works_the_next_time(tmp_path: Path) -> None:
    (scene,) = [scene for scene in await scenes(tmp_path / "store", STEPS) if scene.step.name == "sweep"]
    for image, states in ((scene.image, [scene.state]), (Image({}), [{}])):
        whole = Fault(broken_disk, armed=True)
        await refusal(image.write(tmp_path / f"whole-{len(states[0])}"), whole)
        assert len(whole.places) > 10
        for number, at in enumerate(whole.places):
            place = image.write(tmp_path / f"{len(states[0])}-{number}")
            reason = await refusal(place, Fault(broken_disk, at, armed=True))
            assert not reason or "Input/output error" in reason
            await judge(place, states, usable=False)


async def refusal(place: Path, fault: Fault) -> str:
    """Why the store does not open, if it does not."""
    try:
        engine = await Engine.open(str(place), SETTINGS, automatic=False, files=WatchedFiles(fault))
    except StoreError as error:
        return error.message()
    await engine.aclose()
    return ""


@pytest.mark.slow
@pytest.mark.timeout(3600)
async def test_every_file_operation_fails_once(tmp_path: Path) -> None:
    logger.info("%d file operations failed", await through_history(tmp_path, 1, on_files, file_kinds))


@pytest.mark.slow
@pytest.mark.timeout(3600)
async def test_every_call_of_a_seam_fails_once(tmp_path: Path) -> None:
    logger.info("%d calls failed", await through_history(tmp_path, 1, on_seams, seam_kinds))
