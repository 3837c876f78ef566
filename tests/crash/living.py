"""Lets a store live its history, and takes images of it as it goes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chroma_async.config.settings import Settings
from chroma_async.engine.engine import Engine
from chroma_async.service.local import LocalAPI
from chroma_async.service.sharing import Lease
from chroma_async.storage.filesystem import FileSystem
from tests.crash.history import SETTINGS, STEPS
from tests.crash.images import Image
from tests.crash.judge import Point
from tests.crash.model import Act, Session, State, Step, after, allowed_states


@dataclass
class Life:
    """A store that is going through its history."""

    directory: Path
    state: State = field(default_factory=dict)
    step: Step | None = None
    acknowledged: list[bool] = field(default_factory=list)
    _contents: dict[bytes, bytes] = field(default_factory=dict)

    def allowed(self) -> tuple[State, ...]:
        """What a stop may leave now."""
        acts = self.step.acts if self.step is not None else ()
        return tuple(allowed_states(self.state, acts, self.acknowledged))

    def image(self) -> Image:
        """What is on the disk now."""
        return Image.of(self.directory, self._contents)

    def point(self, where: str) -> Point:
        """A stop now."""
        # What is acknowledged after this line and before the image is complete may be in it or not.
        allowed = self.allowed()
        return Point(where, "opening or closing" if self.step is None else self.step.name, self.image(), allowed)

    async def live(
        self,
        *,
        files: FileSystem | None = None,
        wrap: Any = None,
        steps: Sequence[Step] = STEPS,
        settings: Settings = SETTINGS,
        reopen_every: int = 9,
        between: Callable[[int], None] | None = None,
    ) -> None:
        """Open, go through the steps, close; now and then close and open in between.

        :param between: told the number of each step before it begins, and that of the end.
        """
        engine: Engine | None = None
        for number, step in enumerate(steps):
            if engine is None:
                engine = await Engine.open(str(self.directory), settings, automatic=False, files=files, wrap=wrap)
            if between is not None:
                between(number)
            await self.take(Session(LocalAPI(Lease(engine, None))), step)
            if number % reopen_every == reopen_every - 1:
                # Every other time without a flush: the log keeps the rows.
                await engine.aclose(flush=number % (2 * reopen_every) == reopen_every - 1)
                engine = None
        if between is not None:
            between(len(steps))
        if engine is not None:
            await engine.aclose()

    async def take(self, session: Session, step: Step) -> None:
        """One step."""
        self.acknowledged = [False] * len(step.acts)
        self.step = step

        async def ask(number: int, act: Act) -> None:
            await act.run(session)
            self.acknowledged[number] = True

        await asyncio.gather(*(ask(number, act) for number, act in enumerate(step.acts)))
        self.state = after(self.state, step.acts)
        self.step = None


@dataclass
class Collector:
    """A watcher that takes an image at one of every ``every`` points: a different one in each run of so many, so that all kinds come up."""

    life: Life
    every: int
    seen: int = 0
    points: list[Point] = field(default_factory=list)
    _turn: threading.RLock = field(default_factory=threading.RLock)

    def __call__(self, where: str, when: str) -> None:
        with self._turn:
            self.look(where, when)

    def look(self, where: str, when: str) -> None:
        """Take an image if it is the turn of this point."""
        block, place = divmod(self.seen, self.every)
        self.seen += 1
        if place == (block * 7 + 3) % self.every:
            point = self.life.point(f"{when} {where}, point {self.seen}")
            if not (self.points and self.points[-1].image == point.image and self.points[-1].allowed == point.allowed):
                self.points.append(point)
