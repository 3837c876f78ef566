"""What a client knows of a collection without asking: its name, metadata, configuration and schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from chroma_async.api import ChromaAPI
from chroma_async.client.embedding import AnyFunction, DataLoader, Embedder, check_conflict
from chroma_async.client.sparse import SparseEmbedder
from chroma_async.errors import UnavailableError
from chroma_async.threads import Lane
from chroma_async.types import CollectionInfo, Json, Scope

if TYPE_CHECKING:
    from chroma_async.builders.schema import Schema
    from chroma_async.client.client import AsyncClient


class CollectionView:
    """``name``, ``metadata``, ``configuration`` and ``schema`` are what the store said when this object was made, or last modified through
    it; other clients may have changed them since.
    """

    def __init__(self, client: AsyncClient, info: CollectionInfo, function: AnyFunction | None, data_loader: DataLoader | None) -> None:
        check_conflict(info, function)
        self._client = client
        self._info = info
        self._embedder = Embedder(info, function, client.functions, client.lane)
        self._sparse = SparseEmbedder(info.schema, client.functions.sparse, client.lane)
        self._data_loader = data_loader

    @property
    def id(self) -> UUID:
        """Never changes."""
        return self._info.id

    @property
    def name(self) -> str:
        """Unique in its database."""
        return self._info.name

    @property
    def metadata(self) -> dict[str, Any] | None:
        """The collection's own metadata."""
        return self._info.metadata

    @property
    def tenant(self) -> str:
        """Whose it is."""
        return self._info.tenant

    @property
    def database(self) -> str:
        """Where it is."""
        return self._info.database

    @property
    def configuration(self) -> dict[str, Any]:
        """As :attr:`configuration_json`, with the embedding function itself (or ``None``) in the place of its description."""
        return {**self._info.configuration, "embedding_function": self._embedder.known()}

    @property
    def configuration_json(self) -> dict[str, Json]:
        """Index parameters and the description of the embedding function."""
        return self._info.configuration

    @property
    def schema(self) -> Schema:
        """Which indexes exist for which metadata keys, with the functions that it names. Changing it changes nothing in the store."""
        try:
            # Imported when it is first used: its many classes are a tenth of what importing the client would cost.
            from chroma_async.builders.schema import Schema
        except OSError as error:
            raise UnavailableError(f"schemas cannot be loaded now: {error.strerror or error}") from error

        functions = self._client.functions
        return Schema.read(self._info.schema, functions.dense, functions.sparse)

    def get_model(self) -> CollectionInfo:
        """All that is known of the collection."""
        return self._info

    def __repr__(self) -> str:
        return f"Collection(name={self.name})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CollectionView):
            return NotImplemented
        mine, theirs = self._info, other._info
        names = ("id", "name", "tenant", "database", "metadata", "configuration", "schema")
        return (
            all(getattr(mine, name) == getattr(theirs, name) for name in names)
            and self._embedder.function == other._embedder.function
            and self._data_loader == other._data_loader
        )

    def __hash__(self) -> int:
        return hash(self._info.id)

    @property
    def api(self) -> ChromaAPI:
        """The store or server behind the client, for what this class has no method for."""
        return self._client.api

    @property
    def lane(self) -> Lane:
        """Where the client works on large arguments."""
        return self._client.lane

    @property
    def place(self) -> tuple[Scope, UUID]:
        """How the store names the collection."""
        return self._scope, self.id

    @property
    def _scope(self) -> Scope:
        return Scope(self._info.tenant, self._info.database)
