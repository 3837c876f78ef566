"""The live state: the present of one collection. Everything that changes it happens here, one step at a time, and ends with a new Version.

Whoever calls a method holds the turn meanwhile, so that what a group of writes was resolved against is still what it is applied to. Readers
take :attr:`LiveState.version` and need no turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

import numpy as np

from chroma_async.engine.snapshot.frozen import FlushedChunk, Frozen, Vacuumed, appended, chunk_alive
from chroma_async.engine.snapshot.memtable import Memtable, MemtableView
from chroma_async.engine.snapshot.segment import Segment
from chroma_async.engine.snapshot.version import Places, SegmentView, Version
from chroma_async.errors import InternalError
from chroma_async.format.bitmap import Bitmap
from chroma_async.format.logbatch import LogBatch
from chroma_async.format.manifest import Manifest
from chroma_async.types import Ints, Seq


class LiveState:
    """Segments, memtables and alive bits as of the last acknowledged write.

    :ivar turn: held by the one who changes it, or needs it to stay.
    """

    def __init__(self, manifest: Manifest, segments: Sequence[Segment], dimension: int | None) -> None:
        """
        :param segments: what the manifest names, opened.
        :param dimension: the collection's dimension, also when no row of it is flushed yet.
        """
        self.turn = asyncio.Lock()
        self.manifest = manifest
        self.segments = tuple(segments)
        self.dimension = dimension
        self.seq: Seq = manifest.flushed_seq
        self.frozen: list[Frozen] = []
        self.active = Memtable()
        self._alive: dict[str, Bitmap] = {segment.key: segment.alive for segment in segments}
        #: Whether applying a write failed midway. Then the version that was published last stays the present for good.
        self.broken = False
        self.version = self._published(None)

    @property
    def dirty(self) -> bool:
        """Whether the active memtable holds anything that no manifest and no frozen memtable holds."""
        return self.seq > (self.frozen[-1].seq if self.frozen else self.manifest.flushed_seq)

    # ------------------------------------------------------------------------------------------------------------------------- writes

    def apply(self, changes: Iterable[tuple[LogBatch, Places]]) -> None:
        """Add batches that are durable. Does not publish, so it may run in a worker thread.

        :param changes: each batch with its victims, as places of the current version.
        """
        try:
            self._apply(changes)
        except BaseException:
            self.broken = True
            raise

    def _apply(self, changes: Iterable[tuple[LogBatch, Places]]) -> None:
        dead: dict[int, list[Ints]] = {}
        for batch, victims in changes:
            self.active.append(batch)
            self.seq = batch.last
            if batch.facts is not None and batch.facts.dimension is not None:
                self.dimension = batch.facts.dimension
            for number in np.unique(victims.part).tolist():
                dead.setdefault(number, []).append(victims.position[victims.part == number])
        for number, rows in dead.items():
            part = self.version.parts[number]
            if isinstance(part, MemtableView):
                part.memtable.kill(np.concatenate(rows))
            else:
                key = part.segment.key
                self._alive[key] = self._alive[key].without(np.concatenate(rows))

    def publish(self) -> None:
        """Let readers see what was applied."""
        if not self.broken:
            self.version = self._published(self.version)

    def freeze(self) -> Frozen:
        """Set the active memtable aside to be flushed, and begin a new one."""
        views = {id(view.memtable): view for view in self.version.memtables}
        frozen = Frozen(
            memtable=self.active,
            seq=self.seq,
            view=views[id(self.active)],
            alive=dict(self._alive),
            older={id(earlier.memtable): views[id(earlier.memtable)].alive for earlier in self.frozen},
        )
        self.frozen.append(frozen)
        self.active = Memtable()
        self.publish()
        return frozen

    def release(self) -> None:
        """Let go of all files and rows; only readers that hold a version keep theirs. Nothing else is called afterwards."""
        self.segments, self.frozen, self.active, self._alive = (), [], Memtable(), {}
        self.version = Version(self.seq, self.dimension)

    # ------------------------------------------------------------------------------------------------------------------------ installs

    def install_flush(self, frozen: Frozen, flushed: FlushedChunk, manifest: Manifest, segments: Sequence[Segment]) -> None:
        """The oldest frozen memtable has become the last chunk of a segment (or had no live row).

        :raises InternalError: there is an older one; nothing was changed.
        """
        if self.frozen[0] is not frozen:
            raise InternalError("memtables are flushed in the order in which they were frozen")
        key = next((segment.key for segment in manifest.segments if flushed.entry in segment.chunks), "")
        memtable = id(frozen.memtable)
        if flushed.entry is not None:
            now = frozen.memtable.view().alive
            self._alive[key] = appended(self._alive.get(key), chunk_alive(flushed, now))
        for later in self.frozen[1:]:
            then = later.older.pop(memtable)
            if flushed.entry is not None:
                later.alive[key] = appended(later.alive.get(key), chunk_alive(flushed, then))
        del self.frozen[0]
        self.install(manifest, segments)

    def install_vacuum(self, key: str, vacuumed: Vacuumed, manifest: Manifest, segments: Sequence[Segment]) -> None:
        """Segment ``key`` was rewritten; alive bits move to the new positions."""
        for alive in (self._alive, *(frozen.alive for frozen in self.frozen)):
            if key in alive:
                alive[key] = vacuumed.moved(alive[key])
        self.install(manifest, segments)

    def install(self, manifest: Manifest, segments: Sequence[Segment]) -> None:
        """A new manifest is committed whose segments keep their positions."""
        self.manifest = manifest
        self.segments = tuple(segments)
        present = {segment.key for segment in segments}
        for alive in (self._alive, *(frozen.alive for frozen in self.frozen)):
            for gone in alive.keys() - present:
                del alive[gone]
        self.publish()

    def _published(self, before: Version | None) -> Version:
        same = {view.segment.key: view for view in before.segments} if before is not None else {}
        views: list[SegmentView] = []
        for segment in self.segments:
            alive = self._alive[segment.key]
            view = same.get(segment.key)
            views.append(view if view is not None and view.segment is segment and view.alive is alive else SegmentView(segment, alive))
        return Version(
            seq=self.seq,
            dimension=self.dimension,
            segments=tuple(views),
            memtables=tuple(memtable.view() for memtable in (*(frozen.memtable for frozen in self.frozen), self.active)),
        )
