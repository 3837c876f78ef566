"""How many records a tenant has, counted once and kept true by what is written."""

from __future__ import annotations

import asyncio
from uuid import UUID

from chroma_async.api import ChromaAPI
from chroma_async.errors import NotFoundError
from chroma_async.types import Scope


class Usage:
    """Of one tenant. ``reserved`` records are about to be written.

    Expired records are counted until they are counted anew, so before a refusal everything is.

    :ivar turn: held by those who look first and create then.
    """

    def __init__(self, api: ChromaAPI, tenant: str) -> None:
        self._api = api
        self._tenant = tenant
        self._counts: dict[UUID, int] | None = None
        self.reserved = 0
        self.turn = asyncio.Lock()

    async def collections(self) -> int:
        """How many collections it has, in all its databases."""
        scopes = await self._scopes()
        return sum([await self._api.count_collections(scope) for scope in scopes])

    async def records(self, *, anew: bool = False) -> int:
        """How many records it has, those that are reserved too. :param anew: count every collection again."""
        if self._counts is None or anew:
            counts: dict[UUID, int] = {}
            for scope in await self._scopes():
                for info in await self._api.list_collections(scope):
                    counts[info.id] = await self._count(scope, info.id)
            self._counts = counts
        return sum(self._counts.values()) + self.reserved

    async def changed(self, scope: Scope, id: UUID) -> None:
        """Records of a collection were written or deleted, or it is gone."""
        if self._counts is not None:
            self._counts[id] = await self._count(scope, id)

    def forget(self) -> None:
        """Collections are gone, who knows which: the next to ask counts anew."""
        self._counts = None

    async def _scopes(self) -> list[Scope]:
        return [Scope(self._tenant, database.name) for database in await self._api.list_databases(self._tenant)]

    async def _count(self, scope: Scope, id: UUID) -> int:
        try:
            return await self._api.count(scope, id)
        except NotFoundError:
            return 0
