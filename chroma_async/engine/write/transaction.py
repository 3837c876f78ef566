"""Optimistic transactions: operations that take effect together, if nothing that they were based on has changed since it was read.

A read hands out a token, the seq of the Version it saw. The tokens of the last reads are kept with their Versions, so that a commit can
compare what its ids were then with what they are now: equal seqs mean that nobody touched them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from chroma_async.engine.snapshot.version import Version
from chroma_async.engine.write.request import Add, Delete, Insert, TransactionRequest, Write
from chroma_async.engine.write.resolve import (
    NOBODY,
    FoldedRow,
    Resolved,
    changed_row,
    checked_dimension,
    new_facts,
    new_row,
    no_rows,
    stored_rows,
    whole_rows,
)
from chroma_async.errors import ConditionalWriteConflictError, StaleReadError
from chroma_async.schema.keys import KnownKeys
from chroma_async.types import Ints, Seq


class ReadTokens:
    """The Versions behind the tokens handed out lately: a bounded number, each for a bounded time. Belongs to one event loop."""

    def __init__(self, limit: int, lifetime_s: float, monotonic: Callable[[], float]) -> None:
        self._limit = limit
        self._lifetime_s = lifetime_s
        self._monotonic = monotonic
        self._held: OrderedDict[Seq, tuple[float, Version]] = OrderedDict()

    def issue(self, version: Version) -> Seq:
        """The token of a Version, which is held from now on."""
        self.expire()
        self._held[version.seq] = (self._monotonic() + self._lifetime_s, version)
        self._held.move_to_end(version.seq)
        while len(self._held) > self._limit:
            self._held.popitem(last=False)
        return version.seq

    def at(self, token: Seq) -> Version:
        """The Version of a token. :raises StaleReadError: it was not handed out, or too long ago; read again."""
        self.expire()
        held = self._held.get(token)
        if held is None:
            raise StaleReadError(f"read_token {token} is not held any longer; read again")
        return held[1]

    def expire(self) -> None:
        """Let go of the Versions whose time is up, and of the files that only they still need."""
        now = self._monotonic()
        while self._held and next(iter(self._held.values()))[0] <= now:
            self._held.popitem(last=False)

    def clear(self) -> None:
        """Let go of all."""
        self._held.clear()


def resolve_transaction(transaction: TransactionRequest, version: Version, known: KnownKeys, first: Seq) -> Resolved:
    """All operations as one entry of the log. ``count`` of the answer is the number of rows written or deleted.

    :raises ConditionalWriteConflictError: an id that was read has been written or deleted since; names it.
    :raises InvalidDimensionException: an embedding's length differs from the collection's dimension.
    """
    _check_reads(transaction, version)
    dimension = version.dimension
    for operation in transaction.operations:
        if not isinstance(operation, Delete):
            dimension = checked_dimension(operation, dimension)
    ids = transaction.touched
    places = version.find(ids)
    before = stored_rows(version, ids, places)
    after: dict[str, FoldedRow] = dict(before)
    for operation in transaction.operations:
        _apply(operation, after)
    changed = {id: row for id, row in after.items() if row is not before.get(id)}
    for id, row in changed.items():
        if not row.victim and id in before:
            # Deleted and added again: a new record in the place of the old one.
            row.victim = before[id].victim
    gone = [id for id in before if id not in after]
    touched = [at for at, id in enumerate(ids) if id in before and (id in changed or id in gone)]
    rows = whole_rows(first, changed) if changed else no_rows(first, dimension)
    facts = new_facts(version.dimension, dimension, known, rows.metadatas)
    if not changed and not gone and facts is None:
        return Resolved(None, NOBODY)
    deleted = np.array([before[id].victim for id in gone], dtype=np.int64)
    victims = places.at(np.array(touched, dtype=np.int64))
    batch = replace(rows, deleted_ids=gone, deleted=deleted, facts=facts)
    return Resolved(batch, victims, len(changed) + len(gone))


def _check_reads(transaction: TransactionRequest, version: Version) -> None:
    ids = list(dict.fromkeys(transaction.read_ids))
    then, now = _seqs(transaction.then, ids), _seqs(version, ids)
    if (then != now).any():
        changed = ids[int(np.flatnonzero(then != now)[0])]
        raise ConditionalWriteConflictError(f"conditional write conflict: {changed!r} has changed since it was read; read again")


def _seqs(version: Version, ids: Sequence[str]) -> Ints:
    """The seq of each id's row; 0 for one that is not there."""
    places = version.find(ids)
    seqs = np.zeros(len(ids), dtype=np.int64)
    present = places.present
    if present.any():
        seqs[present] = version.seqs_at(places.at(present))
    return seqs


def _apply(operation: Write | Delete, rows: dict[str, FoldedRow]) -> None:
    """One operation, on the records as the operations before it have left them."""
    if isinstance(operation, Delete):
        for id in operation.ids:
            rows.pop(id, None)
        return
    for row, id in enumerate(operation.ids):
        current = rows.get(id)
        if current is None and isinstance(operation, Insert):
            rows[id] = new_row(operation, row)
        elif current is not None and not isinstance(operation, Add):
            rows[id] = changed_row(current, operation, row)
