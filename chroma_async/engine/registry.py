"""The registry: which collections are loaded, and what the log knows of those that are not. They are loaded on first use."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from uuid import UUID

from chroma_async.engine.collection import Collection
from chroma_async.engine.context import Context
from chroma_async.engine.guard import Guard
from chroma_async.engine.write.live_row import with_facts, with_keys
from chroma_async.errors import ChromaError, CorruptionError
from chroma_async.format.json_columns import dump, load
from chroma_async.format.logbatch import Facts
from chroma_async.storage.base.collections import CollectionRow, Collections
from chroma_async.storage.refusals import collection_id_missing
from chroma_async.types import Json, Scope, Seq


class Use:
    """A collection that is loaded from the beginning of an ``async with`` block to its end. See :meth:`Registry.using`.

    A class, as every request enters one: a generator with ``asynccontextmanager`` takes 3 microseconds longer.
    """

    __slots__ = ("_collection", "_id", "_registry", "_scope")

    def __init__(self, registry: Registry, scope: Scope | None, id: UUID) -> None:
        self._registry = registry
        self._scope = scope
        self._id = id

    async def __aenter__(self) -> Collection:
        self._collection = await self._registry.find(self._scope, self._id)
        # Nothing else comes between: it would be unloaded if nobody used it.
        self._collection.users += 1
        return self._collection

    async def __aexit__(self, *_: object) -> None:
        self._collection.users -= 1


class Registry:
    """The collections of one store.

    :ivar context: what those share that are loaded from now on.
    :ivar loaded: those that are in memory, the longest unused first.
    :ivar loading: those that are about to be.
    :ivar damaged: those that could not be loaded when they were last asked for, as a file or an entry of the log is damaged.
    """

    def __init__(self, context: Context, guard: Guard, facts: Mapping[UUID, Facts], logged: Mapping[UUID, Seq]) -> None:
        """
        :param facts: what the log said of collections at the opening.
        :param logged: the last operation that it then held of each.
        """
        self.loaded: OrderedDict[UUID, Collection] = OrderedDict()
        self.loading: dict[UUID, asyncio.Task[Collection]] = {}
        self.damaged: set[UUID] = set()
        self.context = context
        self._guard = guard
        self._collections: Collections = context.backends.catalog
        self._facts = dict(facts)
        self._logged = dict(logged)

    def using(self, scope: Scope, id: UUID) -> Use:
        """A collection, loaded, and kept loaded until the end of the ``async with`` block.

        :raises NotFoundError: it does not exist in this scope.
        :raises CorruptionError: it cannot be opened; names the file.
        """
        return Use(self, scope, id)

    def holding(self, id: UUID) -> Use:
        """As :meth:`using`, whatever its scope: for the store's own work, never for a request."""
        return Use(self, None, id)

    async def find(self, scope: Scope | None, id: UUID) -> Collection:
        """A collection, loaded for now; without a scope whatever its own is. :raises: as :meth:`using`."""
        self._guard.check()
        while (collection := self.loaded.get(id)) is None:
            stored = self._collections.find_collection(id) if scope is None else self._collections.get_collection_by_id(scope, id)
            await self._load(await stored)
        if scope is not None:
            if collection.scope != scope:
                raise collection_id_missing(id)
            collection.last_used = self.context.monotonic()
            self.loaded.move_to_end(id)
        return collection

    def described(self, row: CollectionRow) -> CollectionRow:
        """A row of the catalog with what the log knows besides; the caller may change what it consists of. Its seq is that of the last
        operation that counts as indexed.

        What callers change is as the row says: the loaded collection hears of a change a moment later than those who read the catalog, and
        may also know of one that was made after the row was read.
        """
        collection = self.loaded.get(row.id)
        if collection is not None:
            return replace(
                with_keys(row, _copied(collection.row.schema["keys"])), dimension=collection.row.dimension, seq=collection.indexed_seq
            )
        # What is unloaded has been flushed; what was not loaded yet will find in the log what an opening has found there.
        known = replace(row, seq=max(row.seq, self._logged.get(row.id, 0)))
        facts = self._facts.get(row.id)
        return known if facts is None else with_facts(known, facts)

    def ids(self) -> set[UUID]:
        """What is loaded or about to be."""
        return {*self.loaded, *self.loading}

    def withdraw(self, id: UUID, refusal: ChromaError) -> Collection | None:
        """As :meth:`take_out`, at once, of a collection that is loaded. It takes no more writes: ``refusal`` is what they are told."""
        collection = self.loaded.pop(id, None)
        if collection is not None:
            collection.refuse(refusal)
        return collection

    async def take_out(self, id: UUID) -> Collection | None:
        """A collection that the catalog has just lost, if it was loaded; nobody can load it again. It is for the caller to close."""
        loading = self.loading.get(id)
        if loading is not None:
            await asyncio.wait([loading])
        return self.loaded.pop(id, None)

    def forget(self, id: UUID) -> None:
        """The log has nothing more to say of a collection."""
        self._facts.pop(id, None)
        self._logged.pop(id, None)
        self.damaged.discard(id)

    async def settled(self) -> None:
        """Until nothing is being loaded."""
        for task in list(self.loading.values()):
            await asyncio.wait([task])

    async def _load(self, row: CollectionRow) -> None:
        task = self.loading.get(row.id)
        if task is None:
            task = self.loading[row.id] = self.context.tasks.begin(self._load_once(row), f"loading of {row.id}")
        # A caller that goes away leaves the loading to the others.
        await self.context.tasks.shared(task)

    async def _load_once(self, row: CollectionRow) -> Collection:
        try:
            collection = await self._opened(row)
            try:
                # It may have been deleted since its row was read: what is not in the catalog must not take writes.
                await self._collections.find_collection(row.id)
                self._guard.check()
            except BaseException:
                await collection.aclose(flush=False)
                raise
            self.loaded[row.id] = collection
            self.damaged.discard(row.id)
            return collection
        finally:
            del self.loading[row.id]

    async def _opened(self, row: CollectionRow) -> Collection:
        try:
            return await Collection.load(row, self.context)
        except CorruptionError:
            # Files that are missing are those of a collection that was just deleted.
            await self._collections.find_collection(row.id)
            self.damaged.add(row.id)
            raise


def _copied(value: Json) -> Json:
    """The same JSON in objects of its own."""
    return load(dump(value))
