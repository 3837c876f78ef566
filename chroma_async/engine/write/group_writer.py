"""The way of one group into the store: resolve, log, apply, publish, within one hold of the collection's turn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import time_ns
from uuid import UUID

from chroma_async.costs import RESOLVE_BYTE, RESOLVE_REQUEST, RESOLVE_ROW, UNKNOWN, by_cost
from chroma_async.engine.snapshot.expiry import may_expire
from chroma_async.engine.snapshot.version import Version
from chroma_async.engine.write.group_resolver import Change, GroupResolver
from chroma_async.engine.write.live_row import LiveRow
from chroma_async.engine.write.live_state import LiveState
from chroma_async.engine.write.log_writer import LogWriter
from chroma_async.engine.write.request import Request
from chroma_async.engine.write.resolve import Resolved
from chroma_async.errors import ChromaError, PoisonedError
from chroma_async.observation import Observation
from chroma_async.threads import Threads


class GroupWriter:
    """Writes the groups of one collection, one at a time. Belongs to one event loop."""

    def __init__(
        self,
        live: LiveState,
        row: LiveRow,
        resolver: GroupResolver,
        log_writer: LogWriter,
        threads: Threads,
        written: Callable[[int], None],
    ) -> None:
        """
        :param row: told of facts that have become durable.
        :param written: told, within the turn, that a group of so many rows is published.
        """
        self._live = live
        self._row = row
        self._resolver = resolver
        self._log_writer = log_writer
        self._threads = threads
        self._written = written

    @property
    def collection(self) -> UUID:
        """Whose groups it writes."""
        return self._row.row.id

    @property
    def fixes_dimension(self) -> bool:
        """Whether the next write fixes the dimension that the ones behind it are checked against."""
        return self._live.dimension is None

    @property
    def broken(self) -> bool:
        """Whether the log holds what memory does not, and no more can be written before the store is reopened."""
        return self._live.broken

    async def overdue(self) -> bool:
        """Whether a record has expired whose deletion is not in the log yet."""
        version = self._live.version
        return may_expire(version) and len(await self._threads.write(self._resolver.overdue, version)) > 0

    async def write(self, group: Sequence[Request], watching: Sequence[Observation] = ()) -> list[Resolved | ChromaError]:
        """Durable and visible when it returns. What each request came to, or why it alone is refused.

        :param watching: the operations that the requests belong to; they are told of the steps.
        :raises UnavailableError: nothing was written; may be retried.
        :raises PoisonedError: the store must be reopened.
        """
        async with self._live.turn:
            await self._delete_expired()
            version = self._live.version
            resolving_us, applying_us = self._costs(group, version)
            began_ns = time_ns()
            prepared = await by_cost(self._threads.write, resolving_us, self._resolver.prepare, group, version, self._live.seq + 1)
            for observed in watching:
                observed.note("resolve", began_ns, {"requests": len(group)}, inner=True)
            changes = [item.change for item in prepared if item.change is not None]
            if changes:
                await self._commit(changes, applying_us, watching)
        return [item.answer for item in prepared]

    async def _delete_expired(self) -> None:
        """So that every write is resolved against what readers see."""
        version = self._live.version
        if may_expire(version):
            change = await self._threads.write(self._resolver.expired, version, self._live.seq + 1)
            if change is not None:
                await self._commit([change], UNKNOWN)

    def _costs(self, group: Sequence[Request], version: Version) -> tuple[float, float]:
        """What resolving and what applying a group costs in microseconds."""
        if group[0].alone:
            # What a filter or a transaction comes to is seen in its rows.
            return UNKNOWN, UNKNOWN
        rows, size = sum(len(request.touched) for request in group), sum(request.bytes for request in group)
        resolving_us = RESOLVE_REQUEST * len(group) + RESOLVE_ROW * rows + RESOLVE_BYTE * size
        # Finding ids in segments reads files.
        return UNKNOWN if version.segments else resolving_us, self._live.active.appending_us(len(group), rows, size)

    async def _commit(self, changes: Sequence[Change], applying_us: float, watching: Sequence[Observation] = ()) -> None:
        """Log the changes, apply them to the live state, and let readers see them."""
        began_ns = time_ns()
        await self._log_writer.append([change.entry for change in changes])
        detail = {"requests": len(changes), "bytes": sum(len(change.entry.body) for change in changes)}
        for observed in watching:
            observed.note("log append", began_ns, detail)
        began_ns = time_ns()
        try:
            await by_cost(self._threads.write, applying_us, self._live.apply, [(change.batch, change.victims) for change in changes])
        except Exception as error:
            # What is published stays true, and a reopening replays the rest.
            raise PoisonedError(f"a write is durable but could not be applied; reopen the store: {error!r}") from error
        for observed in watching:
            observed.note("apply", began_ns, inner=True)
        for change in changes:
            if change.batch.facts is not None:
                self._row.learn(change.batch.facts)
        self._live.publish()
        self._written(sum(len(change.batch.ids) for change in changes))
