"""The write-ahead log of a store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from chroma_async.measures import Histogram
from chroma_async.types import Seq

#: The largest body of an entry: what SQLite takes as one value by default (SQLITE_MAX_LENGTH), less room for the rest of its row.
MAX_ENTRY_BYTES = 1_000_000_000 - (1 << 20)


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One entry: the seqs ``first..last`` of a collection, with a packed batch that the log does not look into."""

    collection: UUID
    first: Seq
    last: Seq
    body: bytes
    #: Facts the entry carries (dimension, schema keys), readable without decoding the body; ``None`` for most.
    facts: bytes | None = None


class LogInventory(Protocol):
    """What the log holds in the whole store. Asked by a process that has the store to itself, when it opens one."""

    async def facts(self) -> list[tuple[UUID, Seq, bytes]]:
        """(collection, last seq, facts) of every entry that carries facts, ascending by seq within a collection."""

    async def collections(self) -> dict[UUID, Seq]:
        """The highest seq held for each collection that has entries."""


class Log(LogInventory, Protocol):
    """The write-ahead log of a store, shared by its collections. One writer calls ``append``, one call at a time.

    :ivar syncs: how long the commit of each append took, which is its sync; empty where nothing is synced.
    """

    syncs: Histogram

    async def append(self, entries: Sequence[LogEntry]) -> None:
        """All entries in one transaction with one sync. Durable and readable when it returns; on an error none of them is.

        :raises UnavailableError: nothing was written and it may be retried (disk full).
        :raises PoisonedError: the outcome is in doubt; this log refuses every later append.
        """

    async def read(self, collection: UUID, after: Seq) -> list[LogEntry]:
        """Entries with ``first > after``, ascending by ``first``. Each body is verified.

        :raises CorruptionError: an entry fails its checksum; names collection and seq.
        """

    async def trim(self, collection: UUID, upto: Seq) -> None:
        """Forget entries with ``last <= upto``. Need not be durable when it returns: replay of a flushed entry is harmless."""

    async def size_bytes(self) -> int:
        """What it takes on the disk now, or in memory where that is its place."""

    async def aclose(self) -> None:
        """Finish what is appending, checkpoint, release. Idempotent."""

    async def abandon(self) -> None:
        """As ``aclose``, from another event loop than it was opened in, which was closed: waits for none of its tasks."""
