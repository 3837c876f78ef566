"""How much of the log must stay: what a collection has not flushed itself, and what its forks still read of it.

A fork begins with the manifest of its source and a *tail*: the entries of the source's log behind that manifest. Until the fork has flushed
once, those entries stay, also when the source has flushed or was deleted.
"""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from chroma_async.storage.base.log import Log
from chroma_async.storage.base.manifests import TailRow
from chroma_async.types import Seq


class Retention:
    """The one caller of ``Log.trim``. Belongs to one event loop."""

    def __init__(self, log: Log, tails: Iterable[TailRow]) -> None:
        """:param tails: what the catalog says at opening."""
        self._log = log
        self._after: dict[UUID, dict[UUID, Seq]] = {}
        #: How far each source would be trimmed but for its forks.
        self._wanted: dict[UUID, Seq] = {}
        for tail in tails:
            self.hold(tail)

    def hold(self, tail: TailRow) -> None:
        """Keep the source's entries behind ``tail.after`` for the fork."""
        forks = self._after.setdefault(tail.source, {})
        forks[tail.collection] = min(tail.after, forks.get(tail.collection, tail.after))

    async def release(self, fork: UUID) -> None:
        """The fork needs its tails no longer: it has flushed, or it is gone."""
        for source in [source for source, forks in self._after.items() if fork in forks]:
            forks = self._after[source]
            del forks[fork]
            if not forks:
                del self._after[source]
            if source in self._wanted:
                await self.trim(source, self._wanted[source])

    async def trim(self, collection: UUID, upto: Seq) -> None:
        """Forget entries up to ``upto``, except what forks need."""
        forks = self._after.get(collection)
        if forks:
            self._wanted[collection] = max(upto, self._wanted.get(collection, 0))
            upto = min(upto, *forks.values())
        else:
            self._wanted.pop(collection, None)
        await self._log.trim(collection, upto)
