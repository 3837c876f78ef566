"""A log in lists: durable for as long as the process lives."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from chroma_async.measures import Histogram
from chroma_async.storage import refusals
from chroma_async.storage.base.log import LogEntry
from chroma_async.types import Seq


class MemoryLog:
    """:class:`~chroma_async.storage.base.log.Log` in memory. No method suspends, so each is one atomic step."""

    def __init__(self) -> None:
        self.syncs = Histogram()
        self._entries: dict[UUID, dict[Seq, LogEntry]] = {}
        self._closed = False

    def _check_open(self) -> None:
        if self._closed:
            raise refusals.closed("log")

    def _held(self, collection: UUID) -> list[LogEntry]:
        """Entries of a collection, ascending."""
        entries = self._entries.get(collection, {})
        return [entries[first] for first in sorted(entries)]

    async def append(self, entries: Sequence[LogEntry]) -> None:
        self._check_open()
        taken: set[tuple[UUID, Seq]] = set()
        for entry in entries:
            key = (entry.collection, entry.first)
            if key in taken or entry.first in self._entries.get(entry.collection, {}):
                raise refusals.entry_taken(*key)
            taken.add(key)
        for entry in entries:
            self._entries.setdefault(entry.collection, {})[entry.first] = entry

    async def read(self, collection: UUID, after: Seq) -> list[LogEntry]:
        self._check_open()
        return [entry for entry in self._held(collection) if entry.first > after]

    async def facts(self) -> list[tuple[UUID, Seq, bytes]]:
        self._check_open()
        return [
            (collection, entry.last, entry.facts)
            for collection in sorted(self._entries)
            for entry in self._held(collection)
            if entry.facts is not None
        ]

    async def collections(self) -> dict[UUID, Seq]:
        self._check_open()
        return {collection: max(entry.last for entry in entries.values()) for collection, entries in self._entries.items()}

    async def trim(self, collection: UUID, upto: Seq) -> None:
        self._check_open()
        entries = self._entries.get(collection, {})
        for first in [first for first, entry in entries.items() if entry.last <= upto]:
            del entries[first]
        if not entries:
            self._entries.pop(collection, None)

    async def size_bytes(self) -> int:
        return sum(len(entry.body) for entries in self._entries.values() for entry in entries.values())

    async def aclose(self) -> None:
        self._closed = True

    async def abandon(self) -> None:
        self._closed = True
