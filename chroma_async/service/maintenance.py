"""What an operator asks of a whole store, beyond the API: rebuilding, flushing, sweeping."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from chroma_async.errors import NotFoundError
from chroma_async.service.verbs import Verbs

if TYPE_CHECKING:
    from chroma_async.engine.collection import Collection


class MaintenanceVerbs(Verbs):
    """Each works on collections one after the other; one that is deleted meanwhile is passed over."""

    async def rebuild_graphs(self, name: str | None = None) -> list[tuple[str, int]]:
        """Build all graphs anew, of the collections of that name in any database, or of all.

        :returns: for each collection its name and how many graphs it now has.
        :raises NotFoundError: none has the name.
        """
        rebuilt: list[tuple[str, int]] = []
        async for collection in self._each():
            if name is None or collection.row.name == name:
                await collection.rebuild_graphs()
                rebuilt.append((collection.row.name, sum(segment.graph is not None for segment in collection.manifest.segments)))
        if name is not None and not rebuilt:
            raise NotFoundError(f"Collection [{name}] does not exist")
        return sorted(rebuilt)

    async def log_lags(self) -> tuple[list[tuple[str, int]], int]:
        """How many rows of each collection are in the log alone, those that have any; and the bytes of the log."""
        lags = [(collection.row.name, collection.seq - collection.manifest.flushed_seq) async for collection in self._each()]
        return sorted(lag for lag in lags if lag[1]), await self._log_bytes()

    async def flush_all(self) -> tuple[int, int]:
        """Put every row into files; how many collections had any to put, and the bytes of the log then."""
        flushed = 0
        async for collection in self._each():
            if collection.seq != collection.manifest.flushed_seq:
                await collection.flush()
                flushed += 1
        return flushed, await self._log_bytes()

    async def sweep(self) -> int:
        """Delete files that nothing names; how many."""
        return await self.engine.ticker.sweep()

    async def load_all(self) -> None:
        """Have every collection in memory, so that statistics count it."""
        async for _ in self._each():
            pass

    async def _each(self) -> AsyncIterator[Collection]:
        engine = self.engine
        for id in await engine.context.backends.catalog.collection_ids():
            try:
                async with engine.registry.holding(id) as collection:
                    yield collection
            except NotFoundError:
                continue  # deleted since

    async def _log_bytes(self) -> int:
        return await self.engine.context.backends.log.size_bytes()
