"""Pure work over a caller's arguments: at once when it is small, in a thread when it would hold up the event loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from chroma_async.threads import Lane

P = ParamSpec("P")
T = TypeVar("T")


class Offload:
    """``threads`` workers, made on first use. ``inline_values`` is the number of values (numbers, texts) worked on without a thread."""

    def __init__(self, threads: int = 4, inline_values: int = 8192) -> None:
        self._lane = Lane("client", threads)
        self._inline_values = inline_values

    async def by_size(self, values: int, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """The result of ``work``, which looks at about ``values`` values."""
        if values <= self._inline_values:
            return work(*args, **kwargs)
        return await self._lane.run(work, *args, **kwargs)

    async def run(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """The result of ``work``, which may block: always in a thread."""
        return await self._lane.run(work, *args, **kwargs)

    async def aclose(self) -> None:
        """Wait for what has begun. Idempotent."""
        await self._lane.aclose()
