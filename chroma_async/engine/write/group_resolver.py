"""What a group of requests means: each resolved against one Version and encoded for the log. Blocking, and changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from chroma_async.engine.snapshot.expiry import due
from chroma_async.engine.snapshot.version import Places, Version
from chroma_async.engine.write.request import CheckedBatch, Delete, Request, TransactionRequest
from chroma_async.engine.write.resolve import Resolved, resolve_delete, resolve_delete_matching, resolve_places, resolve_write
from chroma_async.engine.write.transaction import resolve_transaction
from chroma_async.errors import ChromaError, PayloadTooLargeError
from chroma_async.format.logbatch import LogBatch, encode
from chroma_async.rust_regex.patterns import Budget
from chroma_async.schema.keys import KnownKeys
from chroma_async.storage.base.log import MAX_ENTRY_BYTES, LogEntry
from chroma_async.types import Seq


@dataclass(frozen=True, slots=True)
class Change:
    """What one request changes: its entry of the log, and what memory takes in once that is durable."""

    entry: LogEntry
    batch: LogBatch
    #: Rows of the Version that it replaces or deletes.
    victims: Places


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request that was resolved: what it is answered once its change is durable, or why it is refused."""

    answer: Resolved | ChromaError
    #: ``None`` when nothing is to be written.
    change: Change | None = None


class GroupResolver:
    """Resolves the requests of one collection."""

    def __init__(self, collection: UUID, known: KnownKeys, regex_budget_s: float, now_s: Callable[[], float]) -> None:
        """
        :param known: the metadata keys that the collection's schema knows.
        :param regex_budget_s: what the patterns of one request may take.
        :param now_s: seconds since the epoch, by the store's clock.
        """
        self._collection = collection
        self._known = known
        self._regex_budget_s = regex_budget_s
        self._now_s = now_s

    def prepare(self, requests: Sequence[Request], version: Version, first: Seq) -> list[Prepared]:
        """Each request by itself, as the others touch other ids. :param first: the seq that the first row will have."""
        prepared: list[Prepared] = []
        free = first
        for request in requests:
            item = self._prepare_one(request, version, free)
            prepared.append(item)
            if item.change is not None:
                free = item.change.batch.last + 1
        return prepared

    def expired(self, version: Version, first: Seq) -> Change | None:
        """The deletion of what has expired by now; ``None`` when nothing has."""
        resolved = resolve_places(self.overdue(version), version, first)
        return None if resolved.batch is None else self._change(resolved.batch, resolved.victims)

    def overdue(self, version: Version) -> Places:
        """The rows that have expired by now."""
        return due(version, self._now_s())

    def _prepare_one(self, request: Request, version: Version, first: Seq) -> Prepared:
        try:
            resolved = self._resolve(request, version, first)
            return Prepared(resolved, None if resolved.batch is None else self._change(resolved.batch, resolved.victims))
        except ChromaError as refusal:
            return Prepared(refusal)

    def _resolve(self, request: Request, version: Version, first: Seq) -> Resolved:
        if isinstance(request, CheckedBatch):
            return resolve_write(request, version, self._known, first)
        if isinstance(request, Delete):
            return resolve_delete(request, version, first)
        if isinstance(request, TransactionRequest):
            return resolve_transaction(request, version, self._known, first)
        with Budget(self._regex_budget_s):
            return resolve_delete_matching(request, version, first)

    def _change(self, batch: LogBatch, victims: Places) -> Change:
        body = encode(batch)
        if len(body) > MAX_ENTRY_BYTES:
            raise PayloadTooLargeError(f"the request makes {len(body)} bytes of log, and {MAX_ENTRY_BYTES} is the most; split it")
        facts = None if batch.facts is None else batch.facts.to_bytes()
        return Change(LogEntry(self._collection, batch.first, batch.last, body, facts), batch, victims)
