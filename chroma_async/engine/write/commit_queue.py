"""The commit queue of one collection: waiting writes, taken in groups in order of arrival, written, and answered.

::

    submit ──▶ queue (bounded by requests and bytes) ──▶ group ──▶ resolve ──▶ log writer ──▶ apply ──▶ publish ──▶ answer
               full: wait, or RateLimitError                        thread      one sync      thread     loop

A group is as many waiting requests as touch different ids. A deletion by filter is a group of its own: it sees all that came before it and
nothing else. A caller that goes away does not take its request with it. What happens to a group is for
:class:`~chroma_async.engine.write.group_writer.GroupWriter`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from chroma_async.config.settings import Settings
from chroma_async.engine.tasks import Tasks
from chroma_async.engine.write.group_writer import GroupWriter
from chroma_async.engine.write.request import Request
from chroma_async.engine.write.resolve import Resolved
from chroma_async.errors import ChromaError, PoisonedError, RateLimitError
from chroma_async.observation import CURRENT, Observation


@dataclass(slots=True)
class _Waiting:
    """A request, and whoever waits for what it comes to."""

    request: Request
    done: asyncio.Future[Resolved]
    bytes: int
    #: The ids it touches, as far as it says.
    ids: Sequence[str]
    #: Told of the steps of its group.
    observed: Observation | None

    def answer(self, outcome: Resolved | Exception) -> None:
        """Say what it came to, if nobody has said so yet."""
        if self.done.done():
            return
        if isinstance(outcome, Exception):
            self.done.set_exception(outcome)
        else:
            self.done.set_result(outcome)


class CommitQueue:
    """Serialises the writes of one collection."""

    def __init__(
        self,
        writer: GroupWriter,
        tasks: Tasks,
        settings: Settings,
        *,
        refuse_when_full: bool,
        admit: Callable[[int], Awaitable[None]],
    ) -> None:
        """
        :param refuse_when_full: whether a full queue refuses (a server says 429) instead of waiting (in process).
        :param admit: awaited before each group of so many rows; holds writers back while flushing or indexing lags.
        """
        self._writer = writer
        self._tasks = tasks
        self._settings = settings
        self._refuse_when_full = refuse_when_full
        self._admit = admit
        self._queue: deque[_Waiting] = deque()
        self._bytes = 0
        self._room = asyncio.Event()
        self._door = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._refusal: ChromaError | None = None

    @property
    def busy(self) -> bool:
        """Whether a write waits or is under way."""
        return bool(self._queue) or self._task is not None

    @property
    def waiting(self) -> tuple[int, int]:
        """Requests that wait, and their bytes."""
        return len(self._queue), self._bytes

    def refuse(self, error: ChromaError) -> None:
        """Refuse what waits and all that comes: the collection is gone, or closed."""
        self._refusal = error
        while self._queue:
            self._queue.popleft().answer(error)
        self._bytes = 0
        self._room.set()

    async def drained(self) -> None:
        """Until nothing waits and nothing is under way."""
        while self._task is not None:
            await asyncio.wait([self._task])

    async def submit(self, request: Request) -> Resolved:
        """Durable and visible when it returns; all or nothing. What it came to.

        :raises RateLimitError: the queue is full and this store refuses rather than waits.
        :raises UnavailableError: nothing was written; may be retried.
        """
        size = request.bytes
        await self._wait_for_room(size)
        waiting = _Waiting(request, asyncio.get_running_loop().create_future(), size, request.touched, CURRENT.get())
        waiting.done.add_done_callback(_retrieve)
        self._queue.append(waiting)
        self._bytes += size
        if self._task is None:
            self._task = self._tasks.start(self._drain(), f"writes of {self._writer.collection}")
        return await asyncio.shield(waiting.done)

    # ----------------------------------------------------------------------------------------------------------------------- the way in

    async def _wait_for_room(self, size: int) -> None:
        if self._refusal is None and (self._door.locked() or self._is_full(size)):
            if self._refuse_when_full:
                raise self._full()
            # One at a time, in order of arrival: a large request is not passed by small ones that find room where it does not.
            async with self._door:
                while self._refusal is None and self._is_full(size):
                    self._room.clear()
                    await self._room.wait()
        if self._refusal is not None:
            raise self._refusal

    def _is_full(self, size: int) -> bool:
        settings = self._settings
        return len(self._queue) >= settings.write_queue_requests or bool(self._queue and self._bytes + size > settings.write_queue_bytes)

    def _full(self) -> RateLimitError:
        error = RateLimitError(f"the write queue of the collection is full ({len(self._queue)} requests, {self._bytes} bytes)")
        error.retry_after_s = 1.0
        return error

    # ---------------------------------------------------------------------------------------------------------------------- the way out

    async def _drain(self) -> None:
        """Serve one group after the other until nothing waits."""
        try:
            while self._queue:
                await self._serve(self._take_group())
        finally:
            self._task = None

    async def _serve(self, group: Sequence[_Waiting]) -> None:
        """Write a group, and answer everyone in it."""
        try:
            await self._admit(sum(len(waiting.ids) for waiting in group))
            watching = [waiting.observed for waiting in group if waiting.observed is not None]
            outcomes: Sequence[Resolved | Exception] = await self._writer.write([waiting.request for waiting in group], watching)
        except Exception as error:
            if self._writer.broken and isinstance(error, PoisonedError):
                self.refuse(error)
            # What ended the whole collection says more than what that did to this group.
            outcomes = [self._refusal or error] * len(group)
        for waiting, outcome in zip(group, outcomes, strict=True):
            waiting.answer(outcome)

    def _take_group(self) -> list[_Waiting]:
        """The requests that wait, in order, up to the first that cannot go with those before it."""
        group: list[_Waiting] = []
        touched: set[str] = set()
        rows = 0
        while self._queue and self._goes_with(group, touched, rows, self._queue[0]):
            waiting = self._queue.popleft()
            self._bytes -= waiting.bytes
            group.append(waiting)
            rows += len(waiting.ids)
            if self._ends_group(waiting, rows):
                break
            touched.update(waiting.ids)
        self._room.set()
        return group

    def _goes_with(self, group: Sequence[_Waiting], touched: set[str], rows: int, waiting: _Waiting) -> bool:
        """Whether a request may be resolved together with a group that touches these ids, with so many rows."""
        if not group:
            return True
        too_many = rows + len(waiting.ids) > self._settings.write_group_rows
        return not waiting.request.alone and not too_many and touched.isdisjoint(waiting.ids)

    def _ends_group(self, waiting: _Waiting, rows: int) -> bool:
        """Whether nothing may be resolved together with a request that has just been taken, as the last of so many rows."""
        return waiting.request.alone or self._writer.fixes_dimension or rows > self._settings.write_group_rows


def _retrieve(done: asyncio.Future[Resolved]) -> None:
    """Asks for the outcome, so that one whose caller went away is not reported as never retrieved."""
    if not done.cancelled():
        done.exception()
