"""AsyncClient: chromadb's async client over any :class:`~chroma_async.api.ChromaAPI`, with an end to its life."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, cast
from uuid import UUID

from chroma_async.api import ChromaAPI
from chroma_async.client.admin import AsyncAdminClient
from chroma_async.client.collection import AsyncCollection
from chroma_async.client.configuration_keys import warn_of_differences
from chroma_async.client.embedding import (
    AnyFunction,
    DataLoader,
    as_dict,
    check_conflict,
    check_function,
    functions_in,
    settings_to_create,
)
from chroma_async.client.loop_guard import LoopGuard
from chroma_async.client.metadata import check_collection_metadata
from chroma_async.client.results import UserIdentity
from chroma_async.client.validate import check_flag, check_name, check_window
from chroma_async.costs import by_cost
from chroma_async.embedding.pool import FunctionPool
from chroma_async.errors import ValidationTypeError
from chroma_async.plain import shown, walking_us
from chroma_async.refusing import guarded, refusing
from chroma_async.threads import Lane
from chroma_async.types import DEFAULT_DATABASE, DEFAULT_TENANT, CollectionInfo, Scope

if TYPE_CHECKING:
    from chroma_async.encryption.encryption import Encryption

logger = logging.getLogger(__name__)

#: Threads for callers' functions and for what is too much for the event loop.
WORKERS = 4
#: How long a client that closes waits for a caller's function in a thread, which may wait for this very client.
PATIENCE_S = 5.0


class AsyncClient:
    """Made by a factory of :mod:`chroma_async.client`, or directly over an API that is already open; it closes that API.

    It belongs to the event loop it is made in and to this process. ``async with``, or ``aclose``, ends it; a client that is forgotten
    warns with a ResourceWarning.

    :param settings: what :meth:`get_settings` gives back.
    :param lane: where embedding functions, data loaders and the conversion of large batches run; the client closes it.
    """

    _loop_guard: LoopGuard | None = None

    def __init__(
        self,
        api: ChromaAPI,
        *,
        tenant: str = DEFAULT_TENANT,
        database: str = DEFAULT_DATABASE,
        settings: Any = None,
        lane: Lane | None = None,
        encryption: Encryption | None = None,
    ) -> None:
        self.tenant = tenant
        self.database = database
        self.lane = lane or Lane("client", WORKERS)
        self.functions = FunctionPool()
        self._settings = settings
        self._api = api if encryption is None else _encrypted(api, encryption, self.lane)
        self._max_batch_size: int | None = None
        self._loop_guard = LoopGuard(f"this {type(self).__name__}")
        self.admin = AsyncAdminClient(api, self._loop_guard)

    @property
    def api(self) -> ChromaAPI:
        """The verbs on typed data, below this class. :raises ClosedError, WrongLoopError, ForkedError: it cannot be used from here."""
        assert self._loop_guard is not None
        self._loop_guard.check()
        return self._api

    @property
    def scope(self) -> Scope:
        """Where collections are looked up. :raises ValidationTypeError: tenant or database is no text."""
        return Scope(check_name(self.tenant, "tenant"), check_name(self.database, "database"))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} tenant={self.tenant!r} database={self.database!r}>"

    async def connect(self) -> Self:
        """Ask who the caller is, and whether tenant and database exist. The factories call it.

        :raises NotFoundError: one of them does not. :raises TransportError: no answer. :raises AuthorizationError, ChromaAuthError:
        """
        identity = await self.get_user_identity()
        if getattr(self._settings, "chroma_overwrite_singleton_tenant_database_access_from_auth", False):
            if identity.tenant and identity.tenant != "*":
                self.tenant = identity.tenant
            if identity.databases and len(identity.databases) == 1 and identity.databases[0] != "*":
                self.database = identity.databases[0]
        await self._check_scope(self.tenant, self.database)
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End the connection or the engine's use. Idempotent. :raises WrongLoopError, ForkedError: it cannot be closed from here."""
        if self._loop_guard is None or self._loop_guard.closed:
            return
        self._loop_guard.check()
        self._loop_guard.closed = True
        try:
            await self._api.aclose()
        finally:
            try:
                await self.functions.aclose()
            finally:
                if not await self.lane.aclose(PATIENCE_S):
                    logger.warning("a function still runs in a thread of the client that was closed; what it gives is dropped")

    async def close(self) -> None:
        """As :meth:`aclose`."""
        await self.aclose()

    def __del__(self) -> None:
        # A finalizer may run on any thread and after the loop has ended, so it says what was forgotten and does nothing about it.
        if self._loop_guard is not None and not self._loop_guard.closed:
            warnings.warn(f"{self!r} was never closed; use `async with`, or await aclose()", ResourceWarning, stacklevel=1, source=self)

    def get_settings(self) -> Any:
        """The settings that the client was made with."""
        return self._settings

    @staticmethod
    def clear_system_cache() -> None:
        """Nothing: no client outlives its ``aclose`` in a cache. It is here because tests written for chromadb call it."""

    async def heartbeat(self) -> int:
        """The store's clock in nanoseconds since the epoch."""
        return await self.api.heartbeat()

    async def get_version(self) -> str:
        """The API's version."""
        return await self.api.version()

    async def get_max_batch_size(self) -> int:
        """How many records the store advises to write in one request. Advice: :meth:`AsyncCollection.add` and its like take any number."""
        if self._max_batch_size is None:
            self._max_batch_size = (await self.api.preflight()).max_batch_size
        return self._max_batch_size

    async def get_user_identity(self) -> UserIdentity:
        """Who the caller is to the store."""
        identity = await self.api.identity()
        return UserIdentity(user_id=identity.user_id, tenant=identity.tenant, databases=list(identity.databases))

    async def reset(self) -> bool:
        """Delete everything. :raises ResetDisabledError: the store does not allow it."""
        return await self.api.reset()

    async def set_tenant(self, tenant: str, database: str = DEFAULT_DATABASE) -> None:
        """Look up collections there from now on. :raises NotFoundError: nothing changes."""
        with refusing("set_tenant"):
            scope = Scope(check_name(tenant, "tenant"), check_name(database, "database"))
        await self._check_scope(scope.tenant, scope.database)
        self.tenant, self.database = scope.tenant, scope.database

    async def set_database(self, database: str) -> None:
        """Look up collections there from now on. :raises NotFoundError: nothing changes."""
        with refusing("set_database"):
            own_name = check_name(database, "database")
        await self._check_scope(self.tenant, own_name)
        self.database = own_name

    async def _check_scope(self, tenant: str, database: str) -> None:
        await self.admin.get_tenant(tenant)
        await self.admin.get_database(database, tenant)

    async def list_collections(self, limit: int | None = None, offset: int | None = None) -> list[AsyncCollection]:
        """Ordered by id. They embed with what their configuration names."""
        with refusing("list_collections"):
            window = check_window(limit, "limit"), check_window(offset, "offset") or 0
        return [AsyncCollection(self, info, None, None) for info in await self.api.list_collections(self.scope, *window)]

    async def count_collections(self) -> int:
        """How many the database has."""
        return await self.api.count_collections(self.scope)

    async def create_collection(
        self,
        name: str,
        schema: Any = None,
        configuration: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
        embedding_function: AnyFunction | None = None,
        data_loader: DataLoader | None = None,
        get_or_create: bool = False,
    ) -> AsyncCollection:
        """A new collection, or with ``get_or_create`` the one of that name, unchanged, with a warning of index options that differ.

        ``schema`` is a :class:`~chroma_async.builders.schema.Schema`, chromadb's, or JSON. Without an embedding function here, in the
        configuration or in the schema, every write and query brings embeddings.

        :raises ValidationError, ValidationTypeError, InvalidArgumentError, UnprocessableError: the arguments.
        :raises UniqueConstraintError: the name is taken.
        """
        with refusing("create_collection"):
            own_name, existing_too = check_name(name, "collection"), check_flag(get_or_create, "get_or_create")
            own_metadata = await by_cost(self.lane.run, walking_us(metadata), check_collection_metadata, metadata)
            sent, schema_json, function = settings_to_create(schema, configuration, own_metadata, check_function(embedding_function))
            for brought in functions_in(schema):
                self.functions.adopt(brought)
        info = await self.api.create_collection(
            self.scope, own_name, metadata=own_metadata, configuration=sent, schema=schema_json, get_or_create=existing_too
        )
        collection = self._collection("create_collection", info, function, data_loader)
        if existing_too:
            warn_of_differences(info, as_dict(configuration), own_metadata, schema_json)
        return collection

    async def get_or_create_collection(
        self,
        name: str,
        schema: Any = None,
        configuration: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
        embedding_function: AnyFunction | None = None,
        data_loader: DataLoader | None = None,
    ) -> AsyncCollection:
        """As :meth:`create_collection` with ``get_or_create``."""
        return await self.create_collection(
            name, schema, configuration, metadata, embedding_function, data_loader=data_loader, get_or_create=True
        )

    async def get_collection(
        self, name: str, embedding_function: AnyFunction | None = None, data_loader: DataLoader | None = None
    ) -> AsyncCollection:
        """:raises NotFoundError: :raises ValidationError: it was made with an embedding function of another name."""
        with refusing("get_collection"):
            own_name = check_name(name, "collection")
            function = check_function(embedding_function)
        return self._collection("get_collection", await self.api.get_collection(self.scope, own_name), function, data_loader)

    async def get_collection_by_id(
        self, id: UUID, embedding_function: AnyFunction | None = None, data_loader: DataLoader | None = None
    ) -> AsyncCollection:
        """:raises NotFoundError: :raises ValidationError: no UUID, or it was made with an embedding function of another name."""
        with refusing("get_collection_by_id"):
            try:
                key = id if isinstance(id, UUID) else UUID(check_name(id, "id"))
            except (ValueError, TypeError):
                raise ValidationTypeError(f"id: expected a UUID, got {shown(id)}") from None
            function = check_function(embedding_function)
        return self._collection("get_collection_by_id", await self.api.get_collection_by_id(self.scope, key), function, data_loader)

    async def set_alias(self, alias: str, collection: AsyncCollection | UUID) -> None:
        """Let ``alias`` stand for a collection, in one step also when it stood for another; ``get_collection(alias)`` follows it.

        So data can be embedded anew under another name while the old collection serves, and then be switched to. Beyond chromadb's API.

        :raises NotFoundError: no such collection. :raises UniqueConstraintError: a collection has that name.
        """
        with refusing("set_alias"):
            own_name = check_name(alias, "alias")
            id = collection.id if isinstance(collection, AsyncCollection) else collection
            if not isinstance(id, UUID):
                raise ValidationTypeError(f"collection: expected a collection or its UUID, got {shown(collection)}")
        await self.api.set_alias(self.scope, own_name, id)

    async def delete_alias(self, alias: str) -> None:
        """The collection stays. :raises NotFoundError:"""
        with refusing("delete_alias"):
            own_name = check_name(alias, "alias")
        await self.api.delete_alias(self.scope, own_name)

    async def list_aliases(self) -> dict[str, UUID]:
        """The id of the collection that each alias stands for."""
        return {alias.name: alias.collection for alias in await self.api.list_aliases(self.scope)}

    async def delete_collection(self, name: str) -> None:
        """With its records. :raises NotFoundError:"""
        with refusing("delete_collection"):
            own_name = check_name(name, "collection")
        await self.api.delete_collection(self.scope, own_name)

    def _collection(
        self, method: str, info: CollectionInfo, function: AnyFunction | None, data_loader: DataLoader | None
    ) -> AsyncCollection:
        with refusing(method):
            check_conflict(info, function)
            self.functions.adopt(function)
        return AsyncCollection(self, info, function, data_loader)


@guarded
def _encrypted(api: ChromaAPI, encryption: Any, lane: Lane) -> ChromaAPI:
    """:raises ValidationTypeError: ``encryption`` is none."""
    # Imported when it is first used: it needs an extra of its own.
    from chroma_async.encryption.encrypted_api import EncryptedAPI
    from chroma_async.encryption.encryption import Encryption

    if not isinstance(encryption, Encryption):
        raise ValidationTypeError(f"encryption: expected an Encryption or None, got {shown(encryption)}")
    return cast("ChromaAPI", EncryptedAPI(api, encryption, lane))
