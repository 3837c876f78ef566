"""Recovery: a collection as it was at its last acknowledged write, from its manifest and the log behind it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from uuid import UUID

import numpy as np

from chroma_async.engine.snapshot.segment import Segment, SegmentOpener
from chroma_async.engine.snapshot.version import Places
from chroma_async.engine.write.live_state import LiveState
from chroma_async.errors import CorruptionError
from chroma_async.format.logbatch import Facts, LogBatch, decode
from chroma_async.format.manifest import Manifest, Tail
from chroma_async.storage.base.log import Log, LogEntry, LogInventory
from chroma_async.types import Seq


def open_segments(opener: SegmentOpener, manifest: Manifest) -> list[Segment]:
    """Open all that a manifest names. Blocking.

    :raises CorruptionError: a chunk or an alive bitmap is missing or damaged; names the file.
    """
    return [opener.open(entry) for entry in manifest.segments]


async def entries_behind(manifest: Manifest, log: Log) -> list[LogEntry]:
    """All entries that a collection needs beyond its manifest, in order: for a fork, first those of the collections it came from.

    :raises CorruptionError: an entry is damaged; names collection and seq.
    """
    entries: list[LogEntry] = []
    for tail in manifest.tails:
        entries += [entry for entry in await log.read(tail.source, tail.after) if entry.last <= tail.upto]
    return entries + await log.read(manifest.collection, manifest.reached)


def forked(source: Manifest, fork: UUID, seq: Seq) -> Manifest:
    """The first manifest of a fork: all that the source's names, and of the log what lies behind it up to ``seq``."""
    tails = (*source.tails, Tail(source.collection, source.reached, seq)) if seq > source.reached else source.tails
    return replace(source, collection=fork, version=1, tails=tails)


def replay(manifest: Manifest, segments: Sequence[Segment], entries: Iterable[LogEntry], dimension: int | None) -> tuple[LiveState, Facts]:
    """The live state that the log leads to, and the facts it carries. Blocking.

    :raises CorruptionError: an entry is damaged, or names a row that is not there; names the collection and the seq.
    """
    live = LiveState(manifest, segments, dimension)
    facts = Facts(dimension=None, keys={})
    expected = manifest.flushed_seq + 1
    for entry in entries:
        name = f"log entry {entry.first} of collection {entry.collection}"
        if entry.first != expected:
            raise CorruptionError(f"{name} follows {expected - 1}: entries between them are missing", name)
        batch = decode(entry.body, name)
        victims = _victims(live, batch, name)
        live.apply([(batch, victims)])
        if batch.facts is not None:
            facts = facts.merge(batch.facts)
        expected = entry.last + 1
    live.publish()
    return live, facts


def _victims(live: LiveState, batch: LogBatch, name: str) -> Places:
    """Where the rows are that a batch replaces or deletes."""
    replacing = np.flatnonzero(batch.victims)
    ids = [batch.ids[row] for row in replacing.tolist()] + batch.deleted_ids
    if not ids:
        return Places(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))
    live.publish()
    places = live.version.find(ids)
    seqs = np.concatenate([batch.victims[replacing], batch.deleted])
    if not places.present.all() or (live.version.seqs_at(places) != seqs).any():
        raise CorruptionError(f"{name} replaces or deletes rows that are not there", name)
    return places


async def pending_facts(log: LogInventory) -> dict[UUID, Facts]:
    """What the log's tail says of each collection beyond its catalog row."""
    pending: dict[UUID, Facts] = {}
    for collection, _, body in await log.facts():
        facts = Facts.from_bytes(body)
        known = pending.get(collection)
        pending[collection] = facts if known is None else known.merge(facts)
    return pending
