"""Background tasks with one lifecycle: started by name, watched, awaited at close. None outlives its owner, none fails unseen."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

from chroma_async.errors import ChromaError

T = TypeVar("T")

logger = logging.getLogger(__name__)

#: From this HTTP status on an error is the store's own.
INTERNAL = 500


class Tasks:
    """The tasks of one engine."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        """Run it; a failure that nobody awaits is logged with the task's name."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._running.add(task)
        task.add_done_callback(self._finished)
        return task

    async def whole(self, work: Coroutine[Any, Any, T], name: str) -> T:
        """Its result or its exception. Cancelling the caller leaves it to come to its end, so that nothing stays half done; a failure that
        it then meets is logged.
        """
        return await self.shared(self.begin(work, name))

    def begin(self, work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        """Run it for someone who waits through :meth:`shared`."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def shared(self, task: asyncio.Task[T]) -> T:
        """The outcome of what was begun, for any number of callers, each of which may go away."""
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if not task.done():
                task.add_done_callback(_missed)
            raise

    async def aclose(self) -> None:
        """Wait for all of them to end by themselves; their owners have told them to. Idempotent."""
        while self._running:
            await asyncio.wait(self._running)

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("background task %r failed", task.get_name(), exc_info=error)


def _missed(task: asyncio.Task[Any]) -> None:
    """Say what the caller would have been told. A refusal is no failure."""
    if not task.cancelled() and (error := task.exception()) is not None:
        if isinstance(error, ChromaError) and error.code() < INTERNAL:
            logger.info("%s was refused after its caller had left: %s", task.get_name(), error)
        else:
            logger.error("%s failed after its caller had left", task.get_name(), exc_info=error)


E = TypeVar("E", bound=BaseException)


def kept(error: E) -> E:
    """The same error without the frames that it came through, its causes included: whoever keeps it would keep alive what those held,
    whole batches and opened files.
    """
    link: BaseException | None = error
    while link is not None:
        link.__traceback__ = None
        link = link.__cause__ or link.__context__
    return error
