"""The manifest commit: the only commit point of a collection. Whatever no manifest names is garbage.

Every job of compaction makes its files off to the side and ends here. One at a time, each change is applied to the manifest as it then is,
made durable in the catalog, and only then shown to readers. A crash before the catalog's commit leaves files that the next opening deletes;
a crash behind it leaves a manifest whose files were all synced before it was written.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TypeAlias

from chroma_async.engine.context import Context
from chroma_async.engine.snapshot.segment import Segment
from chroma_async.engine.write.live_row import LiveRow
from chroma_async.engine.write.live_state import LiveState
from chroma_async.format.manifest import Manifest, SegmentEntry
from chroma_async.storage.base.manifests import ManifestCommit, Manifests
from chroma_async.types import Seq

#: What a job makes of the manifest as it is when its turn comes; ``None``: the job no longer makes sense. Blocking.
Change: TypeAlias = Callable[[Manifest], Manifest | None]
#: Puts a committed manifest and its opened segments into the live state. Blocking, called within the turn.
Install: TypeAlias = Callable[[Manifest, Sequence[Segment]], None]


class Committer:
    """Commits manifests of one collection. Belongs to one event loop."""

    def __init__(self, live: LiveState, row: LiveRow, context: Context) -> None:
        """:param row: the facts that a commit folds into the catalog."""
        self._live = live
        self._row = row
        self._context = context
        self._manifests: Manifests = context.backends.catalog
        self._one_at_a_time = asyncio.Lock()
        #: Set at each commit; whoever waits for one clears it first.
        self.committed = asyncio.Event()

    async def commit(self, change: Change, install: Install) -> bool:
        """Apply a change to the present manifest, make it durable, then let readers see it; whether there was anything to commit.

        No step waits for the background lane: a build for another collection may keep that busy for minutes, and flushes wait for this
        commit, writers for its turn.

        :raises UnavailableError: nothing was committed; may be tried again.
        :raises PoisonedError: it may or may not be durable.
        :raises FencedError: another process owns the store.
        """
        threads = self._context.threads
        async with self._one_at_a_time:
            prepared = await threads.flush(self._prepare, change)
            if prepared is None:
                return False
            manifest, segments = prepared
            drops_files = not self._live.manifest.files() <= manifest.files()
            await self._make_durable(manifest)
            async with self._live.turn:
                await threads.write(install, manifest, segments)
        self.committed.set()
        if drops_files:
            self._context.store.litter = True
        return True

    @asynccontextmanager
    async def at_rest(self) -> AsyncIterator[tuple[Manifest, Seq]]:
        """The manifest and the last acknowledged seq; no manifest is committed, and so no log trimmed, before the end of the block."""
        async with self._one_at_a_time:
            yield self._live.manifest, self._live.version.seq

    def _prepare(self, change: Change) -> tuple[Manifest, list[Segment]] | None:
        """The next manifest with its segments opened; those that do not change stay open. Blocking."""
        changed = change(self._live.manifest)
        if changed is None:
            return None
        manifest = replace(changed, version=self._live.manifest.version + 1)
        present = {segment.key: segment for segment in self._live.segments}
        return manifest, [self._opened(entry, present.get(entry.key)) for entry in manifest.segments]

    def _opened(self, entry: SegmentEntry, present: Segment | None) -> Segment:
        return present if present is not None and present.entry == entry else self._context.opener.open(entry)

    async def _make_durable(self, manifest: Manifest) -> None:
        """The commit itself: one transaction of the catalog, refused unless the manifest before it is the one that we know."""
        async with self._row.catalog_turn:
            self._context.backends.lease.check()
            row = self._row.row
            await self._manifests.commit_manifest(
                ManifestCommit(
                    collection=row.id,
                    expected_version=manifest.version - 1,
                    body=manifest.to_bytes(),
                    files=manifest.files(),
                    dimension=row.dimension,
                    schema=row.schema,
                    seq=manifest.reached,
                    keeps_tails=bool(manifest.tails),
                )
            )
