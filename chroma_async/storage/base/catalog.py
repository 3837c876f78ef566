"""What a store knows of its tenants and collections, and the commit point of stored data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from chroma_async.types import Alias, Database, Json, Scalar, Scope, Seq, Tenant


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
class ManifestRow:
    """A collection's current manifest: opaque bytes, and the version that the next commit must expect (0 = none committed yet)."""

    version: int
    body: bytes


@dataclass(frozen=True, slots=True)
class ManifestCommit:
    """One atomic step of one collection: manifest, the files it names, and the facts it folds into the catalog row."""

    collection: UUID
    expected_version: int
    body: bytes
    #: Every stored file that the new manifest names, old ones included.
    files: frozenset[str]
    dimension: int | None
    schema: dict[str, Json]
    #: The last operation that the new manifest accounts for.
    seq: Seq
    #: Whether the new manifest still reads the log of the collection that it was forked from.
    keeps_tails: bool = False


@dataclass(frozen=True, slots=True)
class TailRow:
    """A fork, ``collection``, still reads entries of ``source``'s log behind seq ``after``."""

    collection: UUID
    source: UUID
    after: Seq


@dataclass(frozen=True, slots=True)
class ForkCommit:
    """A new collection that shares the files of another: its row (with the seq of its manifest), its first manifest, and what it reads of
    others' logs.
    """

    row: CollectionRow
    source: UUID
    body: bytes
    files: frozenset[str]
    tails: tuple[TailRow, ...]


@dataclass(frozen=True, slots=True)
class FunctionRow:
    """A function attached to ``collection``, and how far it has come: what it made of the records as of seq ``completed`` is in the
    collection ``output``.
    """

    id: UUID
    collection: UUID
    name: str
    function: str
    output: UUID
    params: dict[str, Json]
    completed: Seq
    #: Operations after which it is due again at once.
    min_records: int


class Catalog(Protocol):
    """Tenants, databases, collections and manifests. Each method is one atomic, durable step; a 2xx may be sent when it returns."""

    async def create_tenant(self, name: str) -> None:
        """:raises UniqueConstraintError: it exists."""

    async def get_tenant(self, name: str) -> Tenant:
        """:raises NotFoundError: it does not exist."""

    async def find_tenant(self, resource_name: str) -> Tenant:
        """:raises NotFoundError: no tenant has that resource name."""

    async def set_resource_name(self, tenant: str, resource_name: str) -> None:
        """Give a tenant its resource name, once. Does nothing for an unknown tenant.

        :raises UniqueConstraintError: it has another one, or another tenant has this one.
        """

    async def create_database(self, database: Database) -> None:
        """The tenant need not exist (as in Chroma). :raises UniqueConstraintError: the tenant has a database of that name."""

    async def get_database(self, scope: Scope) -> Database:
        """:raises NotFoundError: it does not exist."""

    async def list_databases(self, tenant: str, limit: int | None, offset: int) -> list[Database]:
        """By name; nothing for an unknown tenant."""

    async def delete_database(self, scope: Scope) -> list[UUID]:
        """Delete it with its collections and their manifests; the ids of those. :raises NotFoundError: it does not exist."""

    async def create_collection(self, row: CollectionRow) -> None:
        """
        :raises UniqueConstraintError: the database has a collection of that name.
        :raises InvalidArgumentError: the database does not exist ("Database [x] does not exist").
        """

    async def get_collection(self, scope: Scope, name: str) -> CollectionRow:
        """By its name, or by an alias. :raises NotFoundError: "Collection [name] does not exist"."""

    async def get_collection_by_id(self, scope: Scope, id: UUID) -> CollectionRow:
        """:raises NotFoundError: no such collection in this scope ("Collection [id] does not exist.")."""

    async def list_collections(self, scope: Scope, limit: int | None, offset: int) -> list[CollectionRow]:
        """By id, compared as UUIDs; nothing for an unknown scope."""

    async def count_collections(self, scope: Scope) -> int:
        """0 for an unknown scope."""

    async def update_collection(
        self,
        scope: Scope,
        id: UUID,
        *,
        name: str | None,
        metadata: dict[str, Scalar] | None,
        replace_metadata: bool,
        configuration: dict[str, Json] | None,
        schema: dict[str, Json] | None,
    ) -> CollectionRow:
        """Change what is given (``metadata`` only when ``replace_metadata``); the row as it then is.

        :raises NotFoundError: no such collection in this scope.
        :raises UniqueConstraintError: the new name is another collection's.
        """

    async def delete_collection(self, scope: Scope, name: str) -> UUID:
        """Delete row and manifest; the id it had. An alias is no name here.

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

    async def attach_function(self, row: FunctionRow, output: CollectionRow) -> None:
        """Create the output collection and attach the function, in one step. It ends when either of its collections is deleted.

        :raises UniqueConstraintError: the collection has a function already, or the output's name is taken.
        :raises NotFoundError: the collection is gone.
        """

    async def detach_function(self, id: UUID) -> None:
        """The output collection stays. Does nothing for one that is gone."""

    async def complete_function(self, id: UUID, completed: Seq) -> None:
        """Set ``completed``. Does nothing for one that is gone."""

    async def list_functions(self) -> list[FunctionRow]:
        """Of all collections of all tenants."""

    async def find_collection(self, id: UUID) -> CollectionRow:
        """Whatever its scope; for the store's own work, never for a request. :raises NotFoundError: no such collection."""

    async def collection_ids(self) -> list[UUID]:
        """All collections of all tenants."""

    async def load_manifest(self, collection: UUID) -> ManifestRow:
        """Version 0 and an empty body for a collection that was never committed."""

    async def commit_manifest(self, commit: ManifestCommit) -> None:
        """The only commit point of stored data. Durable when it returns; all or nothing.

        :raises FencedError: the stored version is not ``expected_version``.
        :raises NotFoundError: the collection is gone.
        """

    async def fork_collection(self, commit: ForkCommit) -> None:
        """Create a collection with its first manifest (version 1) and its tails, in one step.

        :raises UniqueConstraintError: the database has a collection of that name.
        :raises NotFoundError: the source is gone.
        """

    async def fork_count(self, collection: UUID) -> int:
        """How many forks there are in the whole tree that the collection belongs to, whichever of them it is."""

    async def tails(self) -> list[TailRow]:
        """Of all forks that have not flushed yet."""

    async def named_files(self) -> set[str]:
        """Every file that any collection's manifest names. What is not in here, pinned, or being made is garbage."""

    async def reset(self) -> None:
        """Delete everything; recreate the default tenant and the default database (nil UUID)."""

    async def aclose(self) -> None:
        """Release what is held. Idempotent."""

    async def abandon(self) -> None:
        """As ``aclose``, from another event loop than it was opened in, which was closed: waits for none of its tasks. What they had not
        committed is undone.
        """
