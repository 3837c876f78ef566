"""What an operation does while it is under way, step by step: for the log of slow ones, and for spans.

Whoever does a step notes when it began and ended, and what was decided; nobody is told before the operation has ended. So the engine's
threads know no tracing, and an operation that nobody watches costs a few microseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from time import time_ns
from typing import Any, NamedTuple

#: There is nothing to say of a step.
NOTHING: Mapping[str, Any] = {}
#: Steps of one operation that are remembered at the most.
MOST_STEPS = 200


class Step(NamedTuple):
    """One step. Times in nanoseconds since the epoch. ``inner`` ones are of interest to those who want to see everything."""

    name: str
    began_ns: int
    ended_ns: int
    detail: Mapping[str, Any]
    inner: bool


class Observation:
    """One operation. Steps may be noted in any thread.

    :ivar inner: whether somebody wants to be told of steps in threads, too.
    """

    __slots__ = ("_steps", "began_ns", "inner", "name")

    def __init__(self, name: str, inner: bool = False) -> None:
        self.name = name
        self.inner = inner
        self.began_ns = time_ns()
        # Plain tuples: each query makes some, and few are ever looked at.
        self._steps: list[tuple[str, int, int, Mapping[str, Any], bool]] = []

    @property
    def steps(self) -> list[Step]:
        """What was noted, in that order."""
        return [Step(*noted) for noted in self._steps]

    def note(self, name: str, began_ns: int, detail: Mapping[str, Any] = NOTHING, inner: bool = False) -> None:
        """A step has ended just now."""
        if len(self._steps) < MOST_STEPS:
            self._steps.append((name, began_ns, time_ns(), detail, inner))


#: The operation that the running task is about.
CURRENT: ContextVar[Observation | None] = ContextVar("observation", default=None)
#: The name of the request that it answers, if there is one.
REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)
