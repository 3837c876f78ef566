"""Long lists worked through without holding the event loop up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

#: Items of some 10 microseconds each that are worked on in one step of the loop.
AT_ONCE = 32


async def in_slices(items: Sequence[T], work: Callable[[T], R]) -> list[R]:
    """``work`` of each item, in order; others have their turn in between."""
    results: list[R] = []
    for start in range(0, len(items), AT_ONCE):
        if start:
            await asyncio.sleep(0)
        results += map(work, items[start : start + AT_ONCE])
    return results
