"""Record requests: JSON bytes -> types for the server (``parse_*``), types -> JSON bytes for the client (``encode_*``).

Parsing judges shape only. What depends on a collection, and the rules of ids and metadata, come after it (:mod:`chroma_async.api`).
"""

from __future__ import annotations

from typing import cast, get_args

import numpy as np

from chroma_async.errors import InvalidArgumentError, UnprocessableError
from chroma_async.types import DeleteRequest, GetRequest, IncludeField, Json, QueryRequest, ReadLevel, RecordBatch, SearchRequest, WriteKind
from chroma_async.wire.body import (
    Body,
    check_depth,
    dump_json,
    optional_objects,
    optional_strings,
    parse_body,
    required,
    strings,
    u32,
    unexpected,
)
from chroma_async.wire.embeddings import decode_optional_vectors, decode_vectors, encode_base64

INCLUDE_FIELDS: frozenset[str] = frozenset(get_args(IncludeField))
_GET_INCLUDE: tuple[IncludeField, ...] = ("documents", "metadatas")
_QUERY_INCLUDE: tuple[IncludeField, ...] = ("documents", "metadatas", "distances")
_DEFAULT_RESULTS = 10
_NUMBERS = (int, float)

_WRITE_FIELDS = ("ids", "embeddings", "documents", "uris", "metadatas", "expires_at")
_GET_FIELDS = ("ids", "where", "where_document", "limit", "offset", "include", "order_by", "cursor")
_QUERY_FIELDS = ("query_embeddings", "n_results", "ids", "where", "where_document", "include", "max_distance", "exact")
_COUNT_FIELDS = ("where", "where_document", "read_level")
_DELETE_FIELDS = ("ids", "where", "where_document", "limit")
_SEARCH_FIELDS = ("searches", "read_level")


def parse_write(raw: bytes, kind: WriteKind) -> RecordBatch:
    """The body of add, update or upsert. Lists may differ in length still; a list that is null counts as absent, but for ``expires_at``:
    absent, it changes no record's end; null and a number are said of every record.

    Embeddings come as number lists or base64; only update may leave them out, whole or by nulls.
    """
    body = parse_body(raw, _WRITE_FIELDS, vectors="embeddings")
    fields = body.fields
    ids = strings(required(body, "ids"), "ids")
    embeddings, present = None, None
    try:
        if kind is not WriteKind.UPDATE:
            embeddings = decode_vectors(required(body, "embeddings"), "embeddings", body.may_hold_booleans)
        elif fields.get("embeddings") is not None:
            embeddings, present = decode_optional_vectors(fields["embeddings"], "embeddings", body.may_hold_booleans)
    except UnprocessableError:
        check_depth(fields)
        raise
    return RecordBatch(
        ids=ids,
        embeddings=embeddings,
        present=present,
        documents=optional_strings(fields.get("documents"), "documents"),
        uris=optional_strings(fields.get("uris"), "uris"),
        metadatas=cast("list[Json]", optional_objects(fields.get("metadatas"), "metadatas")),
        expires_at=_expiry_indexes(fields["expires_at"], len(ids)) if "expires_at" in fields else None,
    )


def parse_get(raw: bytes) -> GetRequest:
    """The body of get."""
    body = parse_body(raw, _GET_FIELDS)
    fields = body.fields
    return GetRequest(
        ids=_optional_ids(body),
        where=fields.get("where"),
        where_document=fields.get("where_document"),
        limit=u32(fields.get("limit"), "limit"),
        offset=u32(fields.get("offset"), "offset") or 0,
        include=_include(body, _GET_INCLUDE),
        order_by=fields.get("order_by"),
        cursor=_optional(fields, "cursor", (str,), "a string"),
    )


def parse_query(raw: bytes) -> QueryRequest:
    """The body of query. Query vectors are number lists; base64 is refused here, as Chroma does.

    :raises InvalidDimensionException: query vectors of several lengths.
    """
    body = parse_body(raw, _QUERY_FIELDS, vectors="query_embeddings")
    fields = body.fields
    try:
        embeddings = decode_vectors(required(body, "query_embeddings"), "query_embeddings", body.may_hold_booleans, base64=False)
    except UnprocessableError:
        check_depth(fields)
        raise
    n_results = u32(fields.get("n_results"), "n_results")
    return QueryRequest(
        embeddings=embeddings,
        n_results=_DEFAULT_RESULTS if n_results is None else n_results,
        ids=_optional_ids(body),
        where=fields.get("where"),
        where_document=fields.get("where_document"),
        include=_include(body, _QUERY_INCLUDE),
        max_distance=_optional(fields, "max_distance", (int, float), "a number"),
        exact=_optional(fields, "exact", (bool,), "true or false") or False,
    )


def parse_delete(raw: bytes) -> DeleteRequest:
    """The body of delete."""
    body = parse_body(raw, _DELETE_FIELDS)
    fields = body.fields
    return DeleteRequest(
        ids=_optional_ids(body),
        where=fields.get("where"),
        where_document=fields.get("where_document"),
        limit=u32(fields.get("limit"), "limit"),
    )


def parse_count(raw: bytes) -> tuple[Json, Json, ReadLevel]:
    """The body of a count under a filter: ``where``, ``where_document`` and the read level."""
    fields = parse_body(raw, _COUNT_FIELDS).fields
    return fields.get("where"), fields.get("where_document"), _read_level(fields.get("read_level", ReadLevel.INDEX_AND_WAL.value))


def parse_search(raw: bytes) -> SearchRequest:
    """The body of search. What each search says is judged later, by :mod:`chroma_async.query_language.search_parse`."""
    body = parse_body(raw, _SEARCH_FIELDS)
    searches = required(body, "searches")
    if type(searches) is not list:
        raise unexpected("searches", "a list", searches)
    return SearchRequest(searches, _read_level(body.fields.get("read_level", ReadLevel.INDEX_AND_WAL.value)))


def encode_write(batch: RecordBatch, *, base64: bool) -> bytes:
    """The body that :func:`parse_write` reads; absent lists are left out. ``base64`` packs vectors a third as large as numbers."""
    fields: dict[str, Json] = {"ids": batch.ids}
    if batch.embeddings is not None:
        vectors = np.ascontiguousarray(batch.embeddings, dtype=np.float32)
        rows: list[Json] = list(encode_base64(vectors)) if base64 else list(vectors)
        if batch.present is not None:
            rows = [row if given else None for row, given in zip(rows, batch.present.tolist(), strict=True)]
        fields["embeddings"] = rows
    for name in ("documents", "uris", "metadatas", "expires_at"):
        if (column := getattr(batch, name)) is not None:
            fields[name] = column
    return dump_json(fields)


def encode_count(where: Json, where_document: Json, read_level: ReadLevel) -> bytes:
    """The body that :func:`parse_count` reads."""
    return dump_json({"where": where, "where_document": where_document, "read_level": read_level.value})


def encode_get(request: GetRequest) -> bytes:
    """The body that :func:`parse_get` reads: every field of Chroma's, and of ours those that say something."""
    ours = {name: value for name in ("order_by", "cursor") if (value := getattr(request, name)) is not None}
    return dump_json(
        ours
        | {
            "ids": request.ids,
            "where": request.where,
            "where_document": request.where_document,
            "limit": request.limit,
            "offset": request.offset,
            "include": request.include,
        }
    )


def encode_query(request: QueryRequest) -> bytes:
    """The body that :func:`parse_query` reads: every field of Chroma's, and of ours those that say something."""
    ours: dict[str, Json] = {} if request.max_distance is None else {"max_distance": request.max_distance}
    if request.exact:
        ours["exact"] = True
    return dump_json(
        ours
        | {
            "query_embeddings": list(np.ascontiguousarray(request.embeddings, dtype=np.float32)),
            "n_results": request.n_results,
            "ids": request.ids,
            "where": request.where,
            "where_document": request.where_document,
            "include": request.include,
        }
    )


def encode_delete(request: DeleteRequest) -> bytes:
    """The body that :func:`parse_delete` reads. ``limit`` is written only when set."""
    fields: dict[str, Json] = {"ids": request.ids, "where": request.where, "where_document": request.where_document}
    if request.limit is not None:
        fields["limit"] = request.limit
    return dump_json(fields)


def encode_search(request: SearchRequest) -> bytes:
    """The body that :func:`parse_search` reads."""
    return dump_json({"searches": request.searches, "read_level": request.read_level.value})


def _read_level(value: Json) -> ReadLevel:
    if type(value) is not str:
        # Chroma reads this name while it parses, so that anything but a string counts as a syntax error there.
        raise InvalidArgumentError(unexpected("read_level", "a string", value).message())
    try:
        return ReadLevel(value)
    except ValueError:
        raise UnprocessableError(f"read_level: expected one of {', '.join(ReadLevel)}, found {value!r:.40}") from None


def _expiry_indexes(value: Json, rows: int) -> list[float | None]:
    """``expires_at`` row by row; a number or null stands for all ``rows``."""
    if value is None or type(value) in _NUMBERS:
        return [value] * rows
    if type(value) is not list:
        raise unexpected("expires_at", "a number, null, or a list of these", value)
    for index, item in enumerate(value):
        if item is not None and type(item) not in _NUMBERS:
            raise unexpected(f"expires_at[{index}]", "a number or null", item)
    return value


def _optional(fields: dict[str, Json], name: str, kinds: tuple[type, ...], wanted: str) -> Json:
    value = fields.get(name)
    if value is not None and type(value) not in kinds:
        raise unexpected(name, wanted, value)
    return value


def _optional_ids(body: Body) -> list[str] | None:
    ids = body.fields.get("ids")
    return None if ids is None else strings(ids, "ids")


def _include(body: Body, default: tuple[IncludeField, ...]) -> tuple[IncludeField, ...]:
    if "include" not in body.fields:
        return default
    include = body.fields["include"]
    if type(include) is not list:
        raise unexpected("include", "a list", include)
    for index, item in enumerate(include):
        if type(item) is not str:
            # Chroma reads these names while it parses, so that anything but a string counts as a syntax error there.
            raise InvalidArgumentError(unexpected(f"include[{index}]", "a string", item).message())
        if item not in INCLUDE_FIELDS:
            raise UnprocessableError(f"include[{index}]: expected one of {', '.join(sorted(INCLUDE_FIELDS))}, found {item!r:.40}")
    return tuple(include)
