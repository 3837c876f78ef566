"""Tenants, databases, collections and the facts about a server, both directions.

``parse_*`` reads a request on the server, ``encode_*_request`` writes it on the client; ``encode_*`` writes an answer, ``decode_*`` reads
one and raises :class:`~chroma_async.errors.ProtocolError` when it is not the one Chroma gives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from chroma_async.types import Alias, CollectionInfo, Database, Health, Identity, IndexingStatus, Json, Preflight, Tenant, WriteCounts
from chroma_async.wire.answers import configuration, flag, read_answer, schema, whole
from chroma_async.wire.body import dump_json, optional_object, optional_text, parse_body, required, strings, text, unexpected

_CREATE_FIELDS = ("name", "metadata", "configuration", "schema", "get_or_create")
#: Clients read a version as a signed 32-bit integer.
_MOST_VERSION = 2**31 - 1
_MODIFY_FIELDS = ("new_name", "new_metadata", "new_configuration")


@dataclass(frozen=True, slots=True)
class CreateCollection:
    """The request to create a collection; ``metadata``, ``configuration`` and ``schema`` are objects of raw JSON or ``None``."""

    name: str
    metadata: Json = None
    configuration: Json = None
    schema: Json = None
    get_or_create: bool = False


@dataclass(frozen=True, slots=True)
class ModifyCollection:
    """The request to change a collection; ``None`` leaves a thing as it is."""

    new_name: str | None = None
    new_metadata: Json = None
    new_configuration: Json = None


def parse_create_collection(raw: bytes) -> CreateCollection:
    """The body of a collection's creation."""
    body = parse_body(raw, _CREATE_FIELDS)
    fields = body.fields
    get_or_create = fields.get("get_or_create", False)
    if type(get_or_create) is not bool:
        raise unexpected("get_or_create", "a boolean", get_or_create)
    return CreateCollection(
        name=text(required(body, "name"), "name"),
        metadata=optional_object(fields.get("metadata"), "metadata"),
        configuration=optional_object(fields.get("configuration"), "configuration"),
        schema=optional_object(fields.get("schema"), "schema"),
        get_or_create=get_or_create,
    )


def parse_modify_collection(raw: bytes) -> ModifyCollection:
    """The body of a collection's change."""
    fields = parse_body(raw, _MODIFY_FIELDS).fields
    new_name = fields.get("new_name")
    return ModifyCollection(
        new_name=None if new_name is None else text(new_name, "new_name"),
        new_metadata=optional_object(fields.get("new_metadata"), "new_metadata"),
        new_configuration=optional_object(fields.get("new_configuration"), "new_configuration"),
    )


def parse_text_field(raw: bytes, name: str) -> str:
    """The one string of a body such as ``{"name": "x"}``."""
    return text(required(parse_body(raw, (name,)), name), name)


def encode_create_collection_request(request: CreateCollection) -> bytes:
    """The body that :func:`parse_create_collection` reads."""
    return dump_json(
        {
            "name": request.name,
            "metadata": request.metadata,
            "configuration": request.configuration,
            "schema": request.schema,
            "get_or_create": request.get_or_create,
        }
    )


def encode_modify_collection_request(request: ModifyCollection) -> bytes:
    """The body that :func:`parse_modify_collection` reads."""
    changes = {"new_name": request.new_name, "new_metadata": request.new_metadata, "new_configuration": request.new_configuration}
    return dump_json({name: value for name, value in changes.items() if value is not None})


def encode_text_field_request(name: str, value: str) -> bytes:
    """The body that :func:`parse_text_field` reads."""
    return dump_json({name: value})


def encode_collection(info: CollectionInfo) -> bytes:
    """A collection as JSON."""
    return dump_json(_collection_fields(info))


def encode_collections(infos: Sequence[CollectionInfo]) -> bytes:
    """A list of collections."""
    return dump_json([_collection_fields(info) for info in infos])


def decode_collection(raw: bytes) -> CollectionInfo:
    """The answer to create, get and by-id."""
    return read_answer(raw, "a collection", _collection)


def decode_collections(raw: bytes) -> list[CollectionInfo]:
    """The answer to a list of collections."""
    return read_answer(raw, "a list of collections", lambda value: [_collection(item) for item in value])


def encode_tenant(tenant: Tenant) -> bytes:
    """A tenant as JSON."""
    return dump_json({"name": tenant.name, "resource_name": tenant.resource_name})


def decode_tenant(raw: bytes) -> Tenant:
    """The answer to get tenant."""
    return read_answer(raw, "a tenant", _tenant)


def encode_database(database: Database) -> bytes:
    """A database as JSON."""
    return dump_json(_database_fields(database))


def encode_databases(databases: Sequence[Database]) -> bytes:
    """A list of databases."""
    return dump_json([_database_fields(database) for database in databases])


def decode_database(raw: bytes) -> Database:
    """The answer to get database."""
    return read_answer(raw, "a database", _database)


def decode_databases(raw: bytes) -> list[Database]:
    """The answer to list databases."""
    return read_answer(raw, "a list of databases", lambda value: [_database(item) for item in value])


def encode_identity(identity: Identity) -> bytes:
    """Who the caller is."""
    return dump_json({"user_id": identity.user_id, "tenant": identity.tenant, "databases": list(identity.databases)})


def decode_identity(raw: bytes) -> Identity:
    """The answer to auth/identity."""
    return read_answer(raw, "an identity", _identity)


def encode_preflight(preflight: Preflight) -> bytes:
    """Batch limits and encodings."""
    return dump_json({"max_batch_size": preflight.max_batch_size, "supports_base64_encoding": preflight.supports_base64_encoding})


def decode_preflight(raw: bytes) -> Preflight:
    """The answer to pre-flight-checks. A server that says nothing of base64 is taken not to read it."""
    return read_answer(
        raw, "pre-flight facts", lambda value: Preflight(int(value["max_batch_size"]), bool(value.get("supports_base64_encoding")))
    )


def encode_health(health: Health) -> bytes:
    """Readiness."""
    return dump_json({"is_executor_ready": health.is_executor_ready, "is_log_client_ready": health.is_log_client_ready})


def decode_health(raw: bytes) -> Health:
    """The answer to healthcheck, with status 200 or 503."""
    return read_answer(raw, "readiness", lambda value: Health(bool(value["is_executor_ready"]), bool(value["is_log_client_ready"])))


def encode_heartbeat(nanoseconds: int) -> bytes:
    """The server's clock."""
    return dump_json({"nanosecond heartbeat": nanoseconds})


def decode_heartbeat(raw: bytes) -> int:
    """The answer to heartbeat, in nanoseconds since the epoch."""
    return read_answer(raw, "a heartbeat", lambda value: int(value["nanosecond heartbeat"]))


def encode_aliases(aliases: Sequence[Alias]) -> bytes:
    """A list of aliases."""
    return dump_json([{"name": alias.name, "collection_id": str(alias.collection)} for alias in aliases])


def decode_aliases(raw: bytes) -> list[Alias]:
    """The answer to a list of aliases."""
    return read_answer(raw, "a list of aliases", lambda value: [Alias(str(item["name"]), UUID(item["collection_id"])) for item in value])


def encode_indexing_status(status: IndexingStatus) -> bytes:
    """How far indexing is."""
    return dump_json(
        {
            "op_indexing_progress": status.op_indexing_progress,
            "num_unindexed_ops": status.num_unindexed_ops,
            "num_indexed_ops": status.num_indexed_ops,
            "total_ops": status.total_ops,
        }
    )


def decode_indexing_status(raw: bytes) -> IndexingStatus:
    """The answer to indexing_status."""
    return read_answer(raw, "an indexing status", _indexing_status)


def encode_count(count: int) -> bytes:
    """How many forks there are."""
    return dump_json({"count": count})


def decode_count(raw: bytes) -> int:
    """The answer to fork_count."""
    return read_answer(raw, "a count", lambda value: int(value["count"]))


def encode_write_counts(counts: WriteCounts) -> bytes:
    """What a write did, for a client that asked."""
    return dump_json({"inserted": counts.inserted, "updated": counts.updated})


def decode_write_counts(raw: bytes) -> WriteCounts:
    """The answer to add, update and upsert; a server that does not count answers ``{}``, which reads as zeros."""
    return read_answer(raw, "counts of a write", lambda value: WriteCounts(int(value.get("inserted", 0)), int(value.get("updated", 0))))


def encode_deleted(count: int) -> bytes:
    """How many records a delete took."""
    return dump_json({"deleted": count})


def decode_deleted(raw: bytes) -> int:
    """The answer to delete. Servers before 1.5 answer null; that reads as 0."""
    return read_answer(raw, "a number of deleted records", lambda value: int(value["deleted"]) if isinstance(value, dict) else 0)


def decode_integer(raw: bytes) -> int:
    """The answer to count and collections_count."""
    return read_answer(raw, "an integer", lambda value: whole(value, ""))


def decode_text(raw: bytes) -> str:
    """The answer to version."""
    return read_answer(raw, "a string", lambda value: text(value, ""))


def decode_boolean(raw: bytes) -> bool:
    """The answer to reset."""
    return read_answer(raw, "a boolean", lambda value: flag(value, ""))


def _collection_fields(info: CollectionInfo) -> dict[str, Json]:
    return {
        "id": info.id,
        "name": info.name,
        "configuration_json": info.configuration,
        "schema": info.schema,
        "metadata": info.metadata,
        "dimension": info.dimension,
        "tenant": info.tenant,
        "database": info.database,
        "log_position": info.log_position,
        "version": min(info.version, _MOST_VERSION),
    }


def _collection(value: Json) -> CollectionInfo:
    return CollectionInfo(
        id=UUID(value["id"]),
        name=text(value["name"], "name"),
        tenant=text(value["tenant"], "tenant"),
        database=text(value["database"], "database"),
        metadata=optional_object(value.get("metadata"), "metadata"),
        configuration=configuration(value.get("configuration_json")),
        schema=schema(value.get("schema")),
        dimension=None if value.get("dimension") is None else whole(value["dimension"], "dimension"),
        log_position=int(value.get("log_position") or 0),
        version=int(value.get("version") or 0),
    )


def _tenant(value: Json) -> Tenant:
    return Tenant(text(value["name"], "name"), optional_text(value.get("resource_name"), "resource_name"))


def _identity(value: Json) -> Identity:
    return Identity(text(value["user_id"], "user_id"), text(value["tenant"], "tenant"), strings(value["databases"], "databases"))


def _indexing_status(value: Json) -> IndexingStatus:
    return IndexingStatus(int(value["num_indexed_ops"]), int(value["num_unindexed_ops"]))


def _database_fields(database: Database) -> dict[str, Json]:
    return {"id": database.id, "name": database.name, "tenant": database.tenant}


def _database(value: Json) -> Database:
    return Database(UUID(value["id"]), text(value["name"], "name"), text(value["tenant"], "tenant"))
