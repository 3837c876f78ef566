"""The catalog: all that a store knows of its collections besides their records."""

from __future__ import annotations

from typing import Protocol
from uuid import UUID

from chroma_async.storage.base.collections import Collections
from chroma_async.storage.base.functions import FunctionStore
from chroma_async.storage.base.manifests import Manifests, TailRow
from chroma_async.storage.base.tenancy import Tenancy


class Inventory(Protocol):
    """What there is in the whole store. Asked by a process that has the store to itself: when it opens one, and when it sweeps."""

    async def collection_ids(self) -> list[UUID]:
        """All collections of all tenants."""

    async def tails(self) -> list[TailRow]:
        """Of all forks that have not flushed yet."""

    async def named_files(self) -> set[str]:
        """Every file that any collection's manifest names. What is not in here, pinned, or being made is garbage."""


class Catalog(Tenancy, Collections, Manifests, FunctionStore, Inventory, Protocol):
    """All of it, of one store: a step that concerns several of the parts, as the deletion of a database does, is one atomic step too.

    Whoever needs a part takes its protocol; the whole is for those who open, reset and close a store.
    """

    async def reset(self) -> None:
        """Delete everything; recreate the default tenant and the default database (nil UUID)."""

    async def aclose(self) -> None:
        """Release what is held. Idempotent."""

    async def abandon(self) -> None:
        """As ``aclose``, from another event loop than it was opened in, which was closed: waits for none of its tasks. What they had not
        committed is undone.
        """
