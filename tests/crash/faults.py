"""Calls that fail, one at a time, while the store lives on."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from chroma_async.errors import PoisonedError, UnavailableError
from tests.crash.images import Image
from tests.crash.judge import agrees, difference, found_state, sound
from tests.crash.living import Life
from tests.crash.model import Act, Session, State, Step, after

#: The place of a fault: where, "before", "within" or "after" it, and how many such places of the step come first. So it is found again
#: although acts that are asked for together make their calls in one order or another.
Place: TypeAlias = tuple[str, str, int]


@dataclass
class Fault:
    """A watcher that lists what it is told while it is armed, and raises at one place of the list.

    :param at: which; ``None`` for none.
    :param lasting: also at every later place: the store is as good as dead.
    """

    error: Callable[[str], Exception]
    at: Place | None = None
    lasting: bool = False
    armed: bool = False
    places: list[Place] = field(default_factory=list)
    raised: Place | None = None

    def __call__(self, where: str, when: str) -> None:
        if not self.armed:
            return
        place = (where, when, sum(earlier[:2] == (where, when) for earlier in self.places))
        self.places.append(place)
        if place == self.at or (self.lasting and self.raised is not None):
            self.raised = self.raised or place
            raise self.error(where)


@dataclass(frozen=True)
class Scene:
    """A step, and the store before it."""

    step: Step
    state: State
    image: Image


@dataclass(frozen=True)
class Outcome:
    """How a step with a fault went."""

    place: Place | None
    directory: Path
    #: The state after the acts that were acknowledged.
    state: State
    #: The others, in the order in which they were asked for, and whether one of them failed in doubt.
    failed: list[Act]
    poisoned: bool

    @property
    def allowed(self) -> list[State]:
        """What a reopened store may hold: all that was acknowledged, and of what failed whatever had become durable."""
        some = [[act for number, act in enumerate(self.failed) if chosen >> number & 1] for chosen in range(1 << len(self.failed))]
        return [after(self.state, acts) for acts in some]


async def scenes(directory: Path, steps: Sequence[Step]) -> list[Scene]:
    """The store before each of the steps."""
    life = Life(directory)
    found: list[Scene] = []

    def between(number: int) -> None:
        if number < len(steps):
            found.append(Scene(steps[number], life.state, life.image()))

    await life.live(between=between, steps=steps)
    return found


async def ask(session: Session, scene: Scene, directory: Path, fault: Fault) -> Outcome:
    """Take the step with the fault armed. Every error must be one that says what to do."""
    acts = scene.step.acts
    fault.armed = True
    errors = await asyncio.gather(*(act.run(session) for act in acts), return_exceptions=True)
    fault.armed = False
    done = [not isinstance(error, BaseException) for error in errors]
    for act_done, error in zip(done, errors, strict=True):
        assert act_done or isinstance(error, UnavailableError), repr(error)
    return Outcome(
        place=fault.raised,
        directory=directory,
        state=after(scene.state, [act for act, act_done in zip(acts, done, strict=True) if act_done]),
        failed=[act for act, act_done in zip(acts, done, strict=True) if not act_done],
        # The errors themselves are let go of: their tracebacks would keep files open.
        poisoned=any(isinstance(error, PoisonedError) for error in errors),
    )


async def reads_go_on(session: Session, outcome: Outcome) -> None:
    """The living store holds what it acknowledged and nothing else, and answers."""
    state = await found_state(session)
    assert state in (outcome.allowed if outcome.poisoned else [outcome.state]), difference(outcome.state, state)
    await agrees(session, state)


async def retried(session: Session, outcome: Outcome) -> State:
    """What failed is asked for again, and works; nothing is left behind."""
    for act in outcome.failed:
        await act.run(session)
    state = await found_state(session)
    expected = after(outcome.state, outcome.failed)
    assert state == expected, difference(expected, state)
    gc.collect()
    await session.api.engine.ticker.sweep()
    await sound(session, outcome.directory)
    return state
