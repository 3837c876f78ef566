"""Deletion of collections and databases, and of everything: from the catalog first, then from memory, then from the log.

The files are garbage from then on. Each verb comes to its end also when its caller goes away.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from uuid import UUID

from chroma_async.engine.compaction.janitor import Janitor
from chroma_async.engine.context import Context
from chroma_async.engine.functions.attached_functions import AttachedFunctions
from chroma_async.engine.guard import Guard
from chroma_async.engine.registry import Registry
from chroma_async.errors import ChromaError, PoisonedError
from chroma_async.storage.refusals import collection_id_missing
from chroma_async.types import Scope

logger = logging.getLogger(__name__)

#: Higher than any seq.
END_OF_LOG = 2**63 - 1


class Removal:
    """What takes collections out of one store."""

    def __init__(self, context: Context, guard: Guard, registry: Registry, functions: AttachedFunctions, janitor: Janitor) -> None:
        self._context = context
        self._guard = guard
        self._registry = registry
        self._functions = functions
        self._janitor = janitor
        #: Collections that are gone and whose log could not be trimmed yet.
        self._unforgotten: set[UUID] = set()

    async def delete_collection(self, scope: Scope, key: str | UUID) -> None:
        """Delete the collection of a name, or of an id, with its records. :raises NotFoundError: it does not exist."""
        self._guard.check()
        await self._context.tasks.whole(self._delete_collection(scope, key), f"deletion of collection {key}")

    async def _delete_collection(self, scope: Scope, key: str | UUID) -> None:
        await self._drop([await self._context.backends.catalog.delete_collection(scope, key)])

    async def delete_database(self, scope: Scope) -> None:
        """Delete it with its collections. :raises NotFoundError: it does not exist."""
        self._guard.check()
        await self._context.tasks.whole(self._delete_database(scope), f"deletion of database {scope.database}")

    async def _delete_database(self, scope: Scope) -> None:
        await self._drop(await self._context.backends.catalog.delete_database(scope))

    async def reset(self) -> None:
        """Delete everything; only the default tenant and database are left, and what others create meanwhile."""
        self._guard.check()
        await self._context.tasks.whole(self._reset(), "reset")

    async def _reset(self) -> None:
        catalog, log = self._context.backends.catalog, self._context.backends.log
        before = await catalog.collection_ids()
        await catalog.reset()
        # In this order: what is not known by then was deleted, what was created since is.
        found = {*before, *self._registry.ids(), *await log.collections()}
        known = set(await catalog.collection_ids())
        await self._drop(found - known)
        await self._janitor.sweep()

    async def _drop(self, ids: Iterable[UUID]) -> None:
        """Unload collections that the catalog has just lost, tell their requests so, and forget their logs."""
        # All at once, before the first is waited for: a new collection may have one's name already, and then no write may reach the old.
        gone = {id: self._registry.withdraw(id, collection_id_missing(id)) for id in ids}
        for id in gone:
            self._functions.forget(id)
        for id, withdrawn in gone.items():
            collection = withdrawn or await self._registry.take_out(id)
            if collection is not None:
                await collection.aclose(flush=False, refusal=collection_id_missing(id))
            await self.forget(id)

    async def forget(self, id: UUID) -> None:
        """Forget the log of a collection that is gone."""
        self._registry.forget(id)
        self._context.store.litter = True
        try:
            await self._context.retention.release(id)
            await self._context.retention.trim(id, END_OF_LOG)
        except ChromaError as error:
            # It is gone whatever the log still holds; the next tick, or the next opening, tries again.
            logger.warning("the log of a deleted collection is kept for now: %s", error)
            self._unforgotten.add(id)
            if isinstance(error, PoisonedError):
                self._context.log_writer.poison(error)
        else:
            self._unforgotten.discard(id)

    async def forget_the_rest(self) -> None:
        """Try again what failed. Called about twice a second."""
        if self._context.log_writer.poisoned is None:
            for id in list(self._unforgotten):
                await self.forget(id)
