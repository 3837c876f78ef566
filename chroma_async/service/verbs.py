"""What all verbs stand on: an engine of this process, on lease."""

from __future__ import annotations

from chroma_async.config.settings import Settings
from chroma_async.engine.engine import Engine
from chroma_async.query_language.filter_ast import Filter
from chroma_async.service.filters import condition
from chroma_async.service.observed import Watch
from chroma_async.service.sharing import Lease
from chroma_async.storage.base.catalog import Catalog
from chroma_async.storage.base.collections import CollectionRow, Collections
from chroma_async.storage.base.manifests import Manifests
from chroma_async.storage.base.tenancy import Tenancy
from chroma_async.threads import Threads
from chroma_async.types import Json


class Verbs:
    """The part of a :class:`~chroma_async.service.local.LocalAPI` that each of its groups of verbs sees."""

    def __init__(self, lease: Lease) -> None:
        self._lease = lease
        context = lease.engine().context
        #: Who is told of each verb that has ended.
        self.watch = Watch(context.spans, context.settings.slow_operation_s)

    @property
    def engine(self) -> Engine:
        """The engine, possibly shared with other clients of this process. :raises ClosedError: this client was closed."""
        return self._lease.engine()

    @property
    def settings(self) -> Settings:
        """What the store was opened with."""
        return self.engine.context.settings

    @property
    def _catalog(self) -> Catalog:
        engine = self.engine
        engine.guard.check()
        return engine.context.backends.catalog

    @property
    def _tenancy(self) -> Tenancy:
        return self._catalog

    @property
    def _collections(self) -> Collections:
        return self._catalog

    @property
    def _manifests(self) -> Manifests:
        return self._catalog

    @property
    def _threads(self) -> Threads:
        return self.engine.context.threads

    async def _filter(self, row: CollectionRow, where: Json, where_document: Json) -> Filter | None:
        return await condition(row.schema, where, where_document, self.settings.max_pattern_chars, self._threads.run)
