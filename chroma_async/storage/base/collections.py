"""Which collections there are, by which names, and what they are allowed to be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from chroma_async.types import Alias, Json, Scalar, Scope, Seq


@dataclass(frozen=True, slots=True)
class CollectionRow:
    """What the catalog keeps of a collection besides its manifest. JSON members are stored and returned verbatim."""

    id: UUID
    name: str
    tenant: str
    database: str
    metadata: dict[str, Scalar] | None
    configuration: dict[str, Json]
    schema: dict[str, Json]
    dimension: int | None
    created_ns: int
    #: The last operation that its manifest accounts for.
    seq: Seq = 0


@dataclass(frozen=True, slots=True)
class CollectionChange:
    """What is changed of a collection's row; what is left out stays. ``metadata`` counts with ``replace_metadata`` only."""

    name: str | None = None
    metadata: dict[str, Scalar] | None = None
    replace_metadata: bool = False
    configuration: dict[str, Json] | None = None
    schema: dict[str, Json] | None = None


class Collections(Protocol):
    """The rows of collections, and aliases, which are second names. An alias and a collection of one database never share a name.

    Each method is one atomic step, and a write is durable and visible to all who ask later when it returns.

    :raises UnavailableError: of any method: nothing was changed, and it may be tried again.
    :raises PoisonedError: of any write: it may or may not be durable; the store takes no more writes.
    :raises CorruptionError: of any method that gives rows: one is not what was written; names the collection.
    """

    async def create_collection(self, row: CollectionRow, *, or_get: bool = False) -> CollectionRow:
        """The new collection; with ``or_get`` the one that has its name or is found by it as an alias, if there is one.

        :raises UniqueConstraintError: the database has a collection or an alias of that name.
        :raises InvalidArgumentError: the database does not exist ("Database [x] does not exist").
        """

    async def get_collection(self, scope: Scope, name: str) -> CollectionRow:
        """By its name, or by an alias. :raises NotFoundError: "Collection [name] does not exist"."""

    async def get_collection_by_id(self, scope: Scope, id: UUID) -> CollectionRow:
        """:raises NotFoundError: no such collection in this scope ("Collection [id] does not exist.")."""

    async def find_collection(self, id: UUID) -> CollectionRow:
        """Whatever its scope; for the store's own work, never for a request. :raises NotFoundError: no such collection."""

    async def list_collections(self, scope: Scope, limit: int | None, offset: int) -> list[CollectionRow]:
        """By id, compared as UUIDs; nothing for an unknown scope."""

    async def count_collections(self, scope: Scope) -> int:
        """0 for an unknown scope."""

    async def update_collection(self, scope: Scope, id: UUID, change: CollectionChange) -> CollectionRow:
        """Change it, all or nothing; the row as it then is.

        :raises NotFoundError: no such collection in this scope.
        :raises UniqueConstraintError: the new name is another collection's.
        """

    async def delete_collection(self, scope: Scope, key: str | UUID) -> UUID:
        """Delete row and manifest of the collection of a name, or of an id; the id it had. An alias is no name here.

        :raises NotFoundError: it does not exist.
        :raises UniqueConstraintError: an alias stands for it.
        """

    async def set_alias(self, scope: Scope, alias: str, collection: UUID) -> None:
        """Make an alias, or move it to another collection: whoever asks by it gets the old one or the new one.

        :raises NotFoundError: no such collection in this scope.
        :raises UniqueConstraintError: a collection has that name.
        """

    async def delete_alias(self, scope: Scope, alias: str) -> None:
        """:raises NotFoundError: it does not exist."""

    async def list_aliases(self, scope: Scope) -> list[Alias]:
        """By name; nothing for an unknown scope."""
