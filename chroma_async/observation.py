"""What an operation does while it is under way, step by step: for the log of slow ones, and for spans.

Whoever does a step notes when it began and ended, and what was decided; nobody is told before the operation has ended. So the engine's
threads know no tracing, and an operation that nobody watches costs a few microseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from time import time_ns
from typing import Any, NamedTuple

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
    """One operation. Steps may be noted in any thread."""

    __slots__ = ("began_ns", "name", "steps")

    def __init__(self, name: str) -> None:
        self.name = name
        self.began_ns = time_ns()
        self.steps: list[Step] = []

    def note(self, name: str, began_ns: int, *, inner: bool = False, **detail: Any) -> None:
        """A step has ended just now."""
        if len(self.steps) < MOST_STEPS:
            self.steps.append(Step(name, began_ns, time_ns(), detail, inner))


#: The operation that the running task is about.
CURRENT: ContextVar[Observation | None] = ContextVar("observation", default=None)
#: The name of the request that it answers, if there is one.
REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)
