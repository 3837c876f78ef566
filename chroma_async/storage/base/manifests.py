"""What is stored of a collection: its manifest, and the commit that replaces it. The only commit point of stored data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from chroma_async.storage.base.collections import CollectionRow
from chroma_async.types import Json, Seq


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
    others' logs. The tree that it joins has ``max_forks`` forks at the most.
    """

    row: CollectionRow
    source: UUID
    body: bytes
    files: frozenset[str]
    tails: tuple[TailRow, ...]
    max_forks: int


class Manifests(Protocol):
    """The manifests of collections. Each method is one atomic step; what it committed is durable and visible when it returns.

    :raises UnavailableError: of any method: nothing was committed, and it may be tried again.
    :raises PoisonedError: of any commit: it may or may not be durable; the store takes no more writes.
    """

    async def load_manifest(self, collection: UUID) -> ManifestRow:
        """Version 0 and an empty body for a collection that was never committed.

        :raises CorruptionError: it is not what was written; names the collection.
        """

    async def commit_manifest(self, commit: ManifestCommit) -> None:
        """The only commit point of stored data. Durable when it returns; all or nothing.

        :raises FencedError: the stored version is not ``expected_version``.
        :raises NotFoundError: the collection is gone.
        """

    async def fork_collection(self, commit: ForkCommit) -> None:
        """Create a collection with its first manifest (version 1) and its tails, in one step.

        :raises UniqueConstraintError: the database has a collection of that name.
        :raises NotFoundError: the source is gone.
        :raises InvalidArgumentError: the tree of forks is full.
        """

    async def fork_count(self, collection: UUID) -> int:
        """How many forks there are in the whole tree that the collection belongs to, whichever of them it is.

        :raises NotFoundError: the collection is gone.
        """
