"""The commit queue of one collection: waiting writes, taken in groups, resolved in order of arrival, logged, applied, published.

::

    submit ──▶ queue (bounded by requests and bytes) ──▶ group ──▶ resolve ──▶ log writer ──▶ apply ──▶ publish ──▶ answer
               full: wait, or RateLimitError                        thread      one sync      thread     loop

A group is as many waiting requests as touch different ids. A deletion by filter is a group of its own: it sees all that came before it and
nothing else. A caller that goes away does not take its request with it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from chroma_async.config.settings import Settings
from chroma_async.costs import RESOLVE_BYTE, RESOLVE_REQUEST, RESOLVE_ROW, UNKNOWN, by_cost
from chroma_async.engine.snapshot.expiry import due, may_expire
from chroma_async.engine.snapshot.version import Places, Version
from chroma_async.engine.tasks import Tasks
from chroma_async.engine.write.live_row import LiveRow
from chroma_async.engine.write.live_state import LiveState
from chroma_async.engine.write.log_writer import LogWriter
from chroma_async.engine.write.request import CheckedBatch, Delete, Request, TransactionRequest
from chroma_async.engine.write.resolve import Resolved, resolve_delete, resolve_delete_matching, resolve_places, resolve_write
from chroma_async.engine.write.transaction import resolve_transaction
from chroma_async.errors import ChromaError, InternalError, NotFoundError, PayloadTooLargeError, PoisonedError, RateLimitError
from chroma_async.format.logbatch import LogBatch, encode
from chroma_async.rust_regex.patterns import Budget
from chroma_async.storage.base.log import MAX_ENTRY_BYTES, LogEntry
from chroma_async.threads import Threads
from chroma_async.types import Seq


@dataclass(slots=True)
class _Waiting:
    request: Request
    done: asyncio.Future[Resolved]
    bytes: int
    #: The ids it touches, as far as it says.
    ids: Sequence[str]

    @property
    def alone(self) -> bool:
        """Whether it must see all that came before it, and so is a group of its own."""
        return self.request.alone


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A request with what the log is to hold for it, or the reason why it is refused."""

    waiting: _Waiting
    resolved: Resolved | None = None
    entry: LogEntry | None = None
    error: Exception | None = None


class CommitQueue:
    """Serialises the writes of one collection."""

    def __init__(
        self,
        live: LiveState,
        row: LiveRow,
        turn: asyncio.Lock,
        log_writer: LogWriter,
        tasks: Tasks,
        threads: Threads,
        settings: Settings,
        *,
        refuse_when_full: bool,
        admit: Callable[[int], Awaitable[None]],
        written: Callable[[int], None],
        now_s: Callable[[], float],
    ) -> None:
        """
        :param row: told of facts that have become durable.
        :param turn: held while the live state may not change.
        :param refuse_when_full: whether a full queue refuses (a server says 429) instead of waiting (in process).
        :param written: told, within the turn, that a group of so many rows is published.
        :param admit: awaited before each group of so many rows; holds writers back while flushing or indexing lags.
        :param now_s: seconds since the epoch, by the store's clock.
        """
        self._collection = row.row.id
        self._live = live
        self._row = row
        self._turn = turn
        self._log_writer = log_writer
        self._tasks = tasks
        self._threads = threads
        self._settings = settings
        self._refuse_when_full = refuse_when_full
        self._written = written
        self._admit = admit
        self._now_s = now_s
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

    def refuse(self, error: ChromaError) -> None:
        """Refuse what waits and all that comes: the collection is gone, or closed."""
        self._refusal = error
        while self._queue:
            waiting = self._queue.popleft()
            if not waiting.done.done():
                waiting.done.set_exception(error)
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
        waiting = _Waiting(request, asyncio.get_running_loop().create_future(), size, request.touched)
        waiting.done.add_done_callback(_retrieve)
        self._queue.append(waiting)
        self._bytes += size
        if self._task is None:
            self._task = self._tasks.start(self._drain(), f"writes of {self._collection}")
        return await asyncio.shield(waiting.done)

    async def _wait_for_room(self, size: int) -> None:
        if self._refusal is None and (self._door.locked() or self._is_full(size)):
            if self._refuse_when_full:
                error = RateLimitError(f"the write queue of the collection is full ({len(self._queue)} requests, {self._bytes} bytes)")
                error.retry_after_s = 1.0
                raise error
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

    async def _drain(self) -> None:
        try:
            while self._queue:
                group = self._take_group()
                try:
                    await self._admit(sum(len(waiting.ids) for waiting in group))
                    async with self._turn:
                        await self._delete_expired()
                        await self._commit(group)
                except Exception as error:
                    for waiting in group:
                        if not waiting.done.done():
                            # What ended the whole collection says more than what that did to this group.
                            waiting.done.set_exception(self._refusal or error)
        finally:
            self._task = None

    async def overdue(self) -> bool:
        """Whether a record has expired whose deletion is not in the log yet."""
        version = self._live.version
        return may_expire(version) and len(await self._threads.write(due, version, self._now_s())) > 0

    async def _delete_expired(self) -> None:
        """So that every write is resolved against what readers see."""
        version = self._live.version
        if not may_expire(version):
            return
        resolved, entry = await self._threads.write(self._resolve_expired, version, self._live.seq + 1)
        if resolved.batch is not None and entry is not None:
            await self._log_writer.append([entry])
            await self._apply(UNKNOWN, [(resolved.batch, resolved.victims)])

    def _resolve_expired(self, version: Version, first: Seq) -> tuple[Resolved, LogEntry | None]:
        resolved = resolve_places(due(version, self._now_s()), version, first)
        batch = resolved.batch
        return resolved, None if batch is None else LogEntry(self._collection, batch.first, batch.last, encode(batch))

    def _take_group(self) -> list[_Waiting]:
        group: list[_Waiting] = []
        touched: set[str] = set()
        most, rows = self._settings.write_group_rows, 0
        while self._queue and rows <= most:
            waiting = self._queue[0]
            ids = waiting.ids
            if group and (waiting.alone or rows + len(ids) > most or not touched.isdisjoint(ids)):
                break
            self._queue.popleft()
            self._bytes -= waiting.bytes
            group.append(waiting)
            # The first write fixes the dimension that the ones behind it are checked against.
            if waiting.alone or self._live.dimension is None:
                break
            rows += len(ids)
            if rows <= most:
                touched.update(ids)
        self._room.set()
        return group

    async def _commit(self, group: list[_Waiting]) -> None:
        version = self._live.version
        preparing_us, applying_us = self._costs(group, version)
        prepared = await by_cost(self._threads.write, preparing_us, self._prepare, group, version, self._live.seq + 1)
        entries = [item.entry for item in prepared if item.entry is not None]
        if entries:
            await self._log_writer.append(entries)
            changes = [
                (item.resolved.batch, item.resolved.victims) for item in prepared if item.resolved is not None and item.resolved.batch
            ]
            await self._apply(applying_us, changes)
        for item in prepared:
            if item.waiting.done.done():
                continue
            if item.error is not None:
                item.waiting.done.set_exception(item.error)
            elif item.resolved is not None:
                item.waiting.done.set_result(item.resolved)

    def _costs(self, group: list[_Waiting], version: Version) -> tuple[float, float]:
        """What preparing and what applying a group costs in microseconds."""
        if group[0].alone:
            # What a filter or a transaction comes to is seen in its rows.
            return UNKNOWN, UNKNOWN
        rows, size = sum(len(waiting.ids) for waiting in group), sum(waiting.bytes for waiting in group)
        resolving_us = RESOLVE_REQUEST * len(group) + RESOLVE_ROW * rows + RESOLVE_BYTE * size
        # Finding ids in segments reads files.
        return UNKNOWN if version.segments else resolving_us, self._live.active.appending_us(len(group), rows, size)

    async def _apply(self, cost_us: float, changes: list[tuple[LogBatch, Places]]) -> None:
        try:
            await by_cost(self._threads.write, cost_us, self._live.apply, changes)
        except Exception as error:
            # The log holds what memory does not: what is published stays true, and a reopening replays the rest.
            self.refuse(PoisonedError(f"a write is durable but could not be applied; reopen the store: {error!r}"))
            raise InternalError(f"a write is durable but could not be applied; reopen the store: {error!r}") from error
        for batch, _ in changes:
            if batch.facts is not None:
                self._row.learn(batch.facts)
        self._live.publish()
        self._written(sum(len(batch.ids) for batch, _ in changes))

    def _prepare(self, group: list[_Waiting], version: Version, first: Seq) -> list[_Prepared]:
        """Resolve and encode a group against one Version. May run in a worker thread: it changes nothing."""
        prepared: list[_Prepared] = []
        for waiting in group:
            try:
                resolved = self._resolve(waiting.request, version, first)
            except ChromaError as error:
                prepared.append(_Prepared(waiting, error=error))
                continue
            entry = None
            if resolved.batch is not None:
                batch, body = resolved.batch, encode(resolved.batch)
                if len(body) > MAX_ENTRY_BYTES:
                    refusal = PayloadTooLargeError(
                        f"the request makes {len(body)} bytes of log, and {MAX_ENTRY_BYTES} is the most; split it"
                    )
                    prepared.append(_Prepared(waiting, error=refusal))
                    continue
                facts = None if batch.facts is None else batch.facts.to_bytes()
                entry = LogEntry(self._collection, batch.first, batch.last, body, facts)
                first = batch.last + 1
            prepared.append(_Prepared(waiting, resolved, entry))
        return prepared

    def _resolve(self, request: Request, version: Version, first: Seq) -> Resolved:
        if isinstance(request, CheckedBatch):
            return resolve_write(request, version, self._row.known, first)
        if isinstance(request, Delete):
            return resolve_delete(request, version, first)
        if isinstance(request, TransactionRequest):
            return resolve_transaction(request, version, self._row.known, first)
        with Budget(self._settings.regex_budget_s):
            return resolve_delete_matching(request, version, first)


def _retrieve(done: asyncio.Future[Resolved]) -> None:
    """Asks for the outcome, so that one whose caller went away is not reported as never retrieved."""
    if not done.cancelled():
        done.exception()


def gone(collection: UUID) -> NotFoundError:
    """What a write to a deleted collection is told."""
    return NotFoundError(f"Collection [{collection}] does not exist.")
