"""Pure work over a caller's arguments: at once when it is small, in a thread when it would hold up the event loop."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from chroma_async.threads import Lane

P = ParamSpec("P")
T = TypeVar("T")

logger = logging.getLogger(__name__)

#: How long a client that closes waits for a caller's function in a thread, which may wait for this very client.
PATIENCE_S = 5.0


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
        """Wait for what has begun, for ``PATIENCE_S`` at the most: a function that never ends keeps nobody from closing. Idempotent."""
        if not await self._lane.aclose(PATIENCE_S):
            logger.warning("a function still runs in a thread of the client that was closed; what it gives is dropped")
