"""A server at the end of a connection: :class:`~chroma_async.api.ChromaAPI`, verb for verb a request."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import TypeVar
from urllib.parse import quote
from uuid import UUID

from chroma_async.client.address import Address
from chroma_async.client.transport import Transport
from chroma_async.client.write_pieces import write_in_pieces
from chroma_async.costs import CHECK_ARGUMENT, READ_ANSWER_BYTE, WRITE_NUMBER, by_cost
from chroma_async.errors import NotFoundError, ProtocolError
from chroma_async.plain import walking_us
from chroma_async.schema.names import check_collection_name
from chroma_async.threads import Lane
from chroma_async.types import (
    Alias,
    Attachment,
    CollectionInfo,
    CommitOutcome,
    ConditionalCommit,
    Database,
    DeleteOperation,
    DeleteRequest,
    FunctionInfo,
    GetRequest,
    Health,
    Identity,
    IndexingStatus,
    Json,
    Neighbours,
    Preflight,
    QueryRequest,
    ReadLevel,
    RecordBatch,
    Records,
    Scope,
    SearchRequest,
    SearchRows,
    Tenant,
    WriteCounts,
    WriteKind,
)
from chroma_async.wire import collections as names
from chroma_async.wire import functions, requests, responses, transactions
from chroma_async.wire.answers import decode_acknowledgement
from chroma_async.wire.responses import encoding_us

T = TypeVar("T")

#: What servers take of a request line, with room for the rest of it, and what one character can come to.
_PATH_BYTES, _MOST_QUOTED = 60 * 1024, 12
#: A name that no collection has.
_LONG_NAME = 512


def _database(tenant: str, name: str | None = None) -> str:
    path = f"/tenants/{quote(tenant, safe='')}/databases"
    return path if name is None else f"{path}/{quote(name, safe='')}"


def _aliases(scope: Scope, *parts: str) -> str:
    return "/".join([_database(scope.tenant, scope.database), "aliases", *(quote(part, safe="") for part in parts)])


def _collections(scope: Scope, *rest: str) -> str:
    return "/".join((_database(scope.tenant, scope.database), "collections", *(quote(part, safe="") for part in rest)))


def _named(name: str, missing: str) -> str:
    """A name as a part of a path.

    :raises NotFoundError: the empty one, which nothing has and no route leads to, or one that no request line has room for; in a server's
        words.
    """
    if not name or (len(name) > _PATH_BYTES // _MOST_QUOTED and len(quote(name, safe="")) > _PATH_BYTES):
        raise NotFoundError(missing.replace("[]", f"[{name}]"))
    return name


def _window(limit: int | None, offset: int) -> dict[str, str]:
    return ({} if limit is None else {"limit": str(limit)}) | ({"offset": str(offset)} if offset else {})


class HttpAPI:
    """Chroma's API v2 by its routes. Made inside a running loop; requests of one object share a pool of connections.

    Failures of the way there are :class:`~chroma_async.errors.TransportError` subclasses that carry the ``url``.
    """

    def __init__(self, address: Address, *, lane: Lane, rng: random.Random | None = None) -> None:
        self._transport = Transport(address, rng=rng or random.Random())  # nosec B311 # for the wait before a retry
        self._lane = lane
        self._preflight: Preflight | None = None

    async def _get(self, path: str, decode: Callable[[bytes], T], query: Mapping[str, str] | None = None) -> T:
        return await self._read(path, decode, await self._transport.send("GET", path, query=query, idempotent=True))

    async def _post(self, path: str, body: bytes, decode: Callable[[bytes], T], *, writes: bool, idempotent: bool) -> T:
        raw = await self._transport.send("POST", path, body, writes=writes, idempotent=idempotent)
        return await self._read(path, decode, raw)

    async def _read(self, path: str, decode: Callable[[bytes], T], raw: bytes) -> T:
        try:
            return await by_cost(self._lane.run, READ_ANSWER_BYTE * len(raw), decode, raw)
        except ProtocolError as error:
            raise self._transport.not_chromas(path, error) from error

    async def _change(self, method: str, path: str, body: bytes | None = None, *, idempotent: bool = False) -> None:
        """A request whose answer says only that it was done."""
        raw = await self._transport.send(method, path, body, writes=True, idempotent=idempotent)
        return await self._read(path, decode_acknowledgement, raw)

    async def heartbeat(self) -> int:
        """The server's clock in nanoseconds since the epoch."""
        return await self._get("/heartbeat", names.decode_heartbeat)

    async def health(self) -> Health:
        """Whether reads and writes are served; a server that is not ready yet answers too."""
        raw = await self._transport.send("GET", "/healthcheck", idempotent=True, accept=(503,))
        return await self._read("/healthcheck", names.decode_health, raw)

    async def version(self) -> str:
        """What the server says of itself."""
        return await self._get("/version", names.decode_text)

    async def preflight(self) -> Preflight:
        """Batch limits and encodings; asked once."""
        if self._preflight is None:
            self._preflight = await self._get("/pre-flight-checks", names.decode_preflight)
        return self._preflight

    async def identity(self) -> Identity:
        """Who the caller is to the server."""
        return await self._get("/auth/identity", names.decode_identity)

    async def reset(self) -> bool:
        """Delete everything. :raises ResetDisabledError: not allowed."""
        return await self._read("/reset", names.decode_boolean, await self._transport.send("POST", "/reset", writes=True))

    async def create_tenant(self, name: str) -> None:
        """:raises InvalidArgumentError: shorter than 3 characters. :raises UniqueConstraintError: it exists."""
        await self._change("POST", "/tenants", names.encode_text_field_request("name", name))

    async def get_tenant(self, name: str) -> Tenant:
        """:raises NotFoundError:"""
        return await self._get(f"/tenants/{quote(_named(name, 'Tenant [] not found'), safe='')}", names.decode_tenant)

    async def update_tenant(self, name: str, resource_name: str) -> None:
        """Set its resource name."""
        body = names.encode_text_field_request("resource_name", resource_name)
        await self._change("PATCH", f"/tenants/{quote(name, safe='')}", body)

    async def create_database(self, name: str, tenant: str) -> None:
        """:raises InvalidArgumentError: the name breaks the rules. :raises UniqueConstraintError: it exists."""
        await self._change("POST", _database(tenant), names.encode_text_field_request("name", name))

    async def get_database(self, name: str, tenant: str) -> Database:
        """:raises NotFoundError:"""
        missing = f"Database [{name}] not found. Are you sure it exists?"
        return await self._get(_database(_named(tenant, missing), _named(name, missing)), names.decode_database)

    async def delete_database(self, name: str, tenant: str) -> None:
        """With its collections. :raises NotFoundError:"""
        await self._change("DELETE", _database(tenant, _named(name, "Database [] not found")))

    async def list_databases(self, tenant: str, limit: int | None = None, offset: int = 0) -> list[Database]:
        """By name."""
        return await self._get(_database(tenant), names.decode_databases, _window(limit, offset))

    async def create_collection(
        self,
        scope: Scope,
        name: str,
        *,
        metadata: Json = None,
        configuration: Json = None,
        schema: Json = None,
        get_or_create: bool = False,
    ) -> CollectionInfo:
        """:raises InvalidArgumentError, UnprocessableError, UniqueConstraintError:"""
        request = names.CreateCollection(name, metadata, configuration, schema, get_or_create)
        body = names.encode_create_collection_request(request)
        return await self._post(_collections(scope), body, names.decode_collection, writes=True, idempotent=get_or_create)

    async def get_collection(self, scope: Scope, name: str) -> CollectionInfo:
        """:raises NotFoundError:"""
        return await self._get(_collections(scope, _named(name, "Collection [] does not exist")), names.decode_collection)

    async def get_collection_by_id(self, scope: Scope, id: UUID) -> CollectionInfo:
        """:raises NotFoundError:"""
        return await self._get(_collections(scope, "by-id", str(id)), names.decode_collection)

    async def list_collections(self, scope: Scope, limit: int | None = None, offset: int = 0) -> list[CollectionInfo]:
        """By id."""
        return await self._get(_collections(scope), names.decode_collections, _window(limit, offset))

    async def count_collections(self, scope: Scope) -> int:
        """How many there are."""
        return await self._get(_database(scope.tenant, scope.database) + "/collections_count", names.decode_integer)

    async def modify_collection(
        self, scope: Scope, id: UUID, *, new_name: str | None = None, new_metadata: Json = None, new_configuration: Json = None
    ) -> None:
        """:raises NotFoundError, InvalidArgumentError, UnprocessableError, UniqueConstraintError:"""
        body = names.encode_modify_collection_request(names.ModifyCollection(new_name, new_metadata, new_configuration))
        await self._change("PUT", _collections(scope, str(id)), body)

    async def get_collection_by_crn(self, crn: str) -> CollectionInfo:
        """:raises InvalidArgumentError: it has not three parts. :raises NotFoundError:"""
        return await self._get(f"/collections/{quote(crn, safe='')}", names.decode_collection)

    async def fork_collection(self, scope: Scope, id: UUID, new_name: str) -> CollectionInfo:
        """:raises NotFoundError, InvalidArgumentError, UniqueConstraintError:"""
        body = names.encode_text_field_request("new_name", new_name)
        return await self._post(_collections(scope, str(id), "fork"), body, names.decode_collection, writes=True, idempotent=False)

    async def fork_count(self, scope: Scope, id: UUID) -> int:
        """:raises NotFoundError:"""
        return await self._get(_collections(scope, str(id), "fork_count"), names.decode_count)

    async def indexing_status(self, scope: Scope, id: UUID) -> IndexingStatus:
        """:raises NotFoundError:"""
        return await self._get(_collections(scope, str(id), "indexing_status"), names.decode_indexing_status)

    async def delete_collection(self, scope: Scope, name: str) -> None:
        """:raises NotFoundError:"""
        await self._change("DELETE", _collections(scope, _named(name, "Collection [] does not exist")))

    async def set_alias(self, scope: Scope, alias: str, collection: UUID) -> None:
        """:raises InvalidArgumentError, NotFoundError, UniqueConstraintError:"""
        if not alias or len(alias) > _LONG_NAME:
            check_collection_name(alias, "alias")  # refuses it as a server would, which no path with such a name reaches
        body = names.encode_text_field_request("collection_id", str(collection))
        await self._change("PUT", _aliases(scope, alias), body, idempotent=True)

    async def delete_alias(self, scope: Scope, alias: str) -> None:
        """:raises NotFoundError:"""
        await self._change("DELETE", _aliases(scope, _named(alias, "Alias [] does not exist")))

    async def list_aliases(self, scope: Scope) -> list[Alias]:
        """By name."""
        return await self._get(_aliases(scope), names.decode_aliases)

    async def attach_function(
        self, scope: Scope, id: UUID, name: str, function_id: str, output_collection: str, params: dict[str, Json] | None = None
    ) -> Attachment:
        """Sent again when the connection breaks, it may say that it was attached already."""
        body = functions.encode_attach_function(functions.AttachFunction(name, function_id, output_collection, params))
        path = _collections(scope, str(id), "functions", "attach")
        return await self._post(path, body, functions.decode_attachment, writes=True, idempotent=True)

    async def get_attached_function(self, scope: Scope, id: UUID, name: str) -> FunctionInfo:
        """:raises NotFoundError:"""
        return await self._get(
            _collections(scope, str(id), "functions", _named(name, "Attached function [] does not exist")), functions.decode_function
        )

    async def detach_function(self, scope: Scope, id: UUID, name: str, delete_output: bool = False) -> bool:
        """:raises NotFoundError:"""
        path = _collections(scope, str(id), "attached_functions", _named(name, "Attached function [] does not exist"), "detach")
        body = functions.encode_detach_function(delete_output)
        return await self._post(path, body, functions.decode_detached, writes=True, idempotent=False)

    async def write(self, scope: Scope, id: UUID, kind: WriteKind, batch: RecordBatch) -> WriteCounts:
        """Durable when it returns; a large one is sent in pieces (:func:`~chroma_async.client.write_pieces.write_in_pieces`). An update or
        upsert may be sent twice when the connection breaks; an add never is."""
        advice = await self.preflight()
        path = _collections(scope, str(id), kind.value)

        async def encode(piece: RecordBatch) -> bytes:
            base64 = advice.supports_base64_encoding
            return await by_cost(self._lane.run, encoding_us(piece), requests.encode_write, piece, base64=base64)

        async def send(body: bytes) -> WriteCounts:
            return await self._post(path, body, names.decode_write_counts, writes=True, idempotent=kind is not WriteKind.ADD)

        return await write_in_pieces(batch, max(1, advice.max_batch_size), encode, send)

    async def delete(self, scope: Scope, id: UUID, request: DeleteRequest) -> int:
        """What Chroma counts. Only a deletion by ids alone may be sent twice: its count is the same."""
        by_ids = request.where is None and request.where_document is None
        body = await by_cost(self._lane.run, _asking_us(request), requests.encode_delete, request)
        return await self._post(_collections(scope, str(id), "delete"), body, names.decode_deleted, writes=True, idempotent=by_ids)

    async def get(self, scope: Scope, id: UUID, request: GetRequest) -> Records:
        """In order of first insertion."""
        body = await by_cost(self._lane.run, _asking_us(request), requests.encode_get, request)
        return await self._post(_collections(scope, str(id), "get"), body, responses.decode_records, writes=False, idempotent=True)

    async def conditional_get(self, scope: Scope, id: UUID, request: GetRequest, read_token: int | None = None) -> tuple[Records, int]:
        """A read whose outcome a commit can depend on, and its token. :raises StaleReadError: the token is not held any longer."""
        body = await by_cost(self._lane.run, _asking_us(request), transactions.encode_conditional_get, request, read_token)
        path, decode = _collections(scope, str(id), "conditional", "get"), transactions.decode_conditional_records
        return await self._post(path, body, decode, writes=False, idempotent=True)

    async def conditional_commit(self, scope: Scope, id: UUID, commit: ConditionalCommit) -> CommitOutcome:
        """All operations or none; never sent twice. :raises ConditionalWriteConflictError: a record that was read has changed."""
        base64 = (await self.preflight()).supports_base64_encoding
        body = await by_cost(self._lane.run, _committing_us(commit), transactions.encode_conditional_commit, commit, base64=base64)
        path = _collections(scope, str(id), "conditional", "commit")
        return await self._post(path, body, transactions.decode_outcome, writes=True, idempotent=False)

    async def query(self, scope: Scope, id: UUID, request: QueryRequest) -> Neighbours:
        """min(n_results, matching rows) rows per query, nearest first."""
        cost_us = _asking_us(request) + WRITE_NUMBER * request.embeddings.size
        body = await by_cost(self._lane.run, cost_us, requests.encode_query, request)
        return await self._post(_collections(scope, str(id), "query"), body, responses.decode_neighbours, writes=False, idempotent=True)

    async def search(self, scope: Scope, id: UUID, request: SearchRequest) -> list[SearchRows]:
        """One answer for each search of the request."""
        body = await by_cost(self._lane.run, walking_us(request.searches), requests.encode_search, request)
        return await self._post(_collections(scope, str(id), "search"), body, responses.decode_searches, writes=False, idempotent=True)

    async def count(
        self,
        scope: Scope,
        id: UUID,
        read_level: ReadLevel = ReadLevel.INDEX_AND_WAL,
        *,
        where: Json = None,
        where_document: Json = None,
    ) -> int:
        """How many records there are, or how many of them match."""
        if where is not None or where_document is not None:
            body = requests.encode_count(where, where_document, read_level)
            return await self._post(_collections(scope, str(id), "count"), body, names.decode_integer, writes=False, idempotent=True)
        return await self._get(_collections(scope, str(id), "count"), names.decode_integer, {"read_level": read_level.value})

    async def aclose(self) -> None:
        """Let requests under way finish, for ``grace_s`` at most. Idempotent."""
        await self._transport.aclose()


def _asking_us(request: GetRequest | QueryRequest | DeleteRequest) -> float:
    """What writing ids and filters as JSON costs in microseconds."""
    return CHECK_ARGUMENT * len(request.ids or ()) + walking_us(request.where) + walking_us(request.where_document)


def _committing_us(commit: ConditionalCommit) -> float:
    """What writing a transaction as JSON costs in microseconds."""
    return sum(CHECK_ARGUMENT * len(one.ids) if isinstance(one, DeleteOperation) else encoding_us(one.batch) for one in commit.operations)
