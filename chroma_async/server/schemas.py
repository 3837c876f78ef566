"""Component schemas of the OpenAPI document: the JSON of every body and answer, as data."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]


def _object(required: str = "", /, **properties: Schema) -> Schema:
    schema: Schema = {"type": "object", "properties": properties}
    if required:
        schema["required"] = required.split()
    return schema


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _or_null(schema: Schema) -> Schema:
    if "$ref" in schema:
        return {"oneOf": [schema, {"type": "null"}]}
    return {**schema, "type": [schema["type"], "null"]}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


_TEXT: Schema = {"type": "string"}
_BOOLEAN: Schema = {"type": "boolean"}
_UUID: Schema = {"type": "string", "format": "uuid"}
_U32: Schema = {"type": "integer", "format": "int64", "minimum": 0, "maximum": 4294967295}
_I64: Schema = {"type": "integer", "format": "int64"}
_VECTOR: Schema = _list({"type": "number", "format": "float"})
_BASE64: Schema = {"type": "string", "format": "byte", "description": "Little-endian float32 values in base64"}
_ANYTHING: Schema = {"type": "object"}
_FILTER: Schema = {"type": ["object", "null"]}
_TEXTS = _list(_TEXT)
_MAYBE_TEXTS = _or_null(_list(_or_null(_TEXT)))
_INCLUDE = _list({"type": "string", "enum": ["distances", "documents", "embeddings", "metadatas", "uris"]})
_MAYBE_METADATAS = _or_null(_list(_or_null(_ref("Metadata"))))
_EXPIRES_AT: Schema = {
    "oneOf": [{"type": ["number", "null"]}, _list({"type": ["number", "null"]})],
    "description": "Seconds since the epoch, of all records or of each; null for never. Left out, no record's end changes",
}


def _either_encoding(row: Schema, text: Schema) -> Schema:
    return {"oneOf": [_list(row), _list(text)], "description": "One encoding for the whole list"}


def _columns(nested: bool) -> dict[str, Schema]:
    wrap = _list if nested else (lambda column: column)
    return {
        "ids": wrap(_TEXTS),
        "embeddings": _or_null(wrap(_list(_VECTOR))),
        "documents": _or_null(wrap(_list(_or_null(_TEXT)))),
        "uris": _or_null(wrap(_list(_or_null(_TEXT)))),
        "metadatas": _or_null(wrap(_list(_or_null(_ref("Metadata"))))),
        "include": _INCLUDE,
    }


def _write(required: str, embeddings: Schema) -> Schema:
    return _object(
        required,
        ids=_TEXTS,
        embeddings=embeddings,
        documents=_MAYBE_TEXTS,
        uris=_MAYBE_TEXTS,
        metadatas=_MAYBE_METADATAS,
        expires_at=_EXPIRES_AT,
    )


_SECONDS: Schema = {"type": "number", "description": "Seconds since 1970"}
_KEY: dict[str, Schema] = {
    "id": _TEXT,
    "user": _TEXT,
    "role": _or_null(_TEXT),
    "tenant": _TEXT,
    "databases": _TEXTS,
    "created_at": _SECONDS,
    "expires_at": _or_null(_SECONDS),
}

SCHEMAS: dict[str, Schema] = {
    "Error": _object("error message", error=_TEXT, message=_TEXT),
    "Empty": _object(),
    "Text": _TEXT,
    "Boolean": _BOOLEAN,
    "Count": _U32,
    "Heartbeat": {"type": "object", "properties": {"nanosecond heartbeat": _I64}, "required": ["nanosecond heartbeat"]},
    "Health": _object("is_executor_ready is_log_client_ready", is_executor_ready=_BOOLEAN, is_log_client_ready=_BOOLEAN),
    "Preflight": _object("max_batch_size supports_base64_encoding", max_batch_size=_U32, supports_base64_encoding=_BOOLEAN),
    "Identity": _object("user_id tenant databases", user_id=_TEXT, tenant=_TEXT, databases=_TEXTS),
    "Tenant": _object("name", name=_TEXT, resource_name=_or_null(_TEXT)),
    "CreateTenant": _object("name", name=_TEXT),
    "UpdateTenant": _object("resource_name", resource_name=_TEXT),
    "Database": _object("id name tenant", id=_UUID, name=_TEXT, tenant=_TEXT),
    "Databases": _list(_ref("Database")),
    "CreateDatabase": _object("name", name=_TEXT),
    "Metadata": {
        "type": "object",
        "description": "Values are strings, numbers, booleans, lists of one of these types, or in records sparse vectors",
        "additionalProperties": {"type": ["string", "number", "boolean", "array", "object", "null"]},
    },
    "Configuration": _object(hnsw=_or_null(_ANYTHING), spann=_or_null(_ANYTHING), embedding_function=_or_null(_ANYTHING)),
    "IndexSchema": _object("defaults keys", defaults=_ANYTHING, keys=_ANYTHING, cmek=_or_null(_ANYTHING)),
    "Collection": _object(
        "id name configuration_json tenant database log_position version",
        id=_UUID,
        name=_TEXT,
        configuration_json=_ref("Configuration"),
        schema=_or_null(_ref("IndexSchema")),
        metadata=_or_null(_ref("Metadata")),
        dimension=_or_null(_U32),
        tenant=_TEXT,
        database=_TEXT,
        log_position=_I64,
        version=_I64,
    ),
    "Collections": _list(_ref("Collection")),
    "CreateCollection": _object(
        "name",
        name=_TEXT,
        metadata=_or_null(_ref("Metadata")),
        configuration=_or_null(_ref("Configuration")),
        schema=_or_null(_ref("IndexSchema")),
        get_or_create=_BOOLEAN,
    ),
    "ModifyCollection": _object(
        new_name=_or_null(_TEXT), new_metadata=_or_null(_ref("Metadata")), new_configuration=_or_null(_ref("Configuration"))
    ),
    "WriteRecords": _write("ids embeddings", _either_encoding(_VECTOR, _BASE64)),
    "UpdateRecords": _write("ids", {"oneOf": [{"type": "null"}, _either_encoding(_or_null(_VECTOR), _or_null(_BASE64))]}),
    "WriteResult": {**_object(inserted=_U32, updated=_U32), "description": "Empty for clients that did not ask for counts"},
    "Get": _object(
        ids=_or_null(_TEXTS),
        where=_FILTER,
        where_document=_FILTER,
        limit=_or_null(_U32),
        offset=_or_null(_U32),
        include=_INCLUDE,
        order_by=_ANYTHING,
        cursor=_or_null(_TEXT),
    ),
    "CountRecords": _object(where=_FILTER, where_document=_FILTER, read_level=_TEXT),
    "GetResult": _object("ids include", **_columns(nested=False), cursor=_TEXT),
    "ConditionalGet": _object(
        ids=_or_null(_TEXTS),
        where=_FILTER,
        where_document=_FILTER,
        limit=_or_null(_U32),
        offset=_or_null(_U32),
        include=_INCLUDE,
        read_token=_or_null(_I64),
    ),
    "ConditionalGetResult": _object("ids include read_token", **_columns(nested=False), read_token=_I64),
    "ConditionalCommit": _object(
        "read_token operations",
        read_token=_I64,
        read_ids=_TEXTS,
        operations=_list(_object("operation payload", operation=_TEXT, payload={"type": "object"})),
    ),
    "CommitOutcome": _object("first_inserted_record_offset record_count", first_inserted_record_offset=_or_null(_I64), record_count=_I64),
    "Query": _object(
        "query_embeddings",
        query_embeddings=_list(_VECTOR),
        n_results=_or_null(_U32),
        ids=_or_null(_TEXTS),
        where=_FILTER,
        where_document=_FILTER,
        include=_INCLUDE,
        max_distance=_or_null({"type": "number"}),
        exact=_or_null(_BOOLEAN),
    ),
    "QueryResult": _object(
        "ids include", **_columns(nested=True), distances=_or_null(_list(_list({"type": ["number", "null"], "format": "float"})))
    ),
    "Delete": _object(ids=_or_null(_TEXTS), where=_FILTER, where_document=_FILTER, limit=_or_null(_U32)),
    "DeleteResult": _object("deleted", deleted=_U32),
    "Rank": {
        "type": "object",
        "description": "One of $knn, $val, $sum, $mul, $max, $min, $sub, $div, $abs, $exp, $log",
        "minProperties": 1,
        "maxProperties": 1,
    },
    "SearchPayload": _object(
        filter=_FILTER,
        rank=_or_null(_ref("Rank")),
        group_by=_object(keys=_TEXTS, aggregate=_or_null(_ANYTHING)),
        limit=_object(offset=_U32, limit=_or_null(_U32)),
        select=_object(keys=_TEXTS),
    ),
    "Search": _object(
        "searches",
        searches=_list(_ref("SearchPayload")),
        read_level={"type": "string", "enum": ["index_and_wal", "index_only", "index_and_bounded_wal"]},
    ),
    "SearchResult": _object(
        "ids documents embeddings metadatas scores select",
        ids=_list(_TEXTS),
        documents=_list(_or_null(_list(_or_null(_TEXT)))),
        embeddings=_list(_or_null(_list(_VECTOR))),
        metadatas=_list(_or_null(_list(_or_null(_ref("Metadata"))))),
        scores=_list(_or_null(_list({"type": ["number", "null"], "format": "float"}))),
        select=_list(_TEXTS),
    ),
    "IndexingStatus": _object(
        "op_indexing_progress num_unindexed_ops num_indexed_ops total_ops",
        op_indexing_progress={"type": "number"},
        num_unindexed_ops=_I64,
        num_indexed_ops=_I64,
        total_ops=_I64,
    ),
    "Fork": _object("new_name", new_name=_TEXT),
    "SetAlias": _object("collection_id", collection_id=_TEXT),
    "Aliases": _list(_object("name collection_id", name=_TEXT, collection_id=_TEXT)),
    "CreateKey": _object(
        "user", user=_TEXT, role=_or_null(_TEXT), tenant=_or_null(_TEXT), databases=_or_null(_TEXTS), expires_at=_or_null(_SECONDS)
    ),
    "MadeKey": _object("id user role tenant databases created_at expires_at key", **_KEY, key=_TEXT),
    "Keys": _list(_object("id user role tenant databases created_at expires_at", **_KEY)),
    "ForkCount": _object("count", count=_U32),
    "AttachFunction": _object(
        "name function_id output_collection", name=_TEXT, function_id=_TEXT, output_collection=_TEXT, params=_or_null(_ANYTHING)
    ),
    "Attachment": _object(
        "attached_function created",
        attached_function=_object("id name function_name", id=_UUID, name=_TEXT, function_name=_TEXT),
        created=_BOOLEAN,
    ),
    "AttachedFunction": _object(
        "attached_function",
        attached_function=_object(
            "id name function_name input_collection_id output_collection output_collection_id completion_offset min_records_for_invocation",
            id=_UUID,
            name=_TEXT,
            function_name=_TEXT,
            input_collection_id=_UUID,
            output_collection=_TEXT,
            output_collection_id=_UUID,
            params=_or_null(_TEXT),
            tenant_id=_TEXT,
            database_id=_TEXT,
            completion_offset=_I64,
            min_records_for_invocation=_I64,
        ),
    ),
    "DetachFunction": _object(delete_output=_BOOLEAN),
    "DetachResult": _object("success", success=_BOOLEAN),
}
