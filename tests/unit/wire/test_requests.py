from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from chroma_async.errors import InvalidArgumentError, UnprocessableError
from chroma_async.types import DeleteRequest, GetRequest, QueryRequest, ReadLevel, RecordBatch, SearchRequest, WriteKind
from chroma_async.wire.collections import (
    CreateCollection,
    ModifyCollection,
    encode_create_collection_request,
    encode_modify_collection_request,
    encode_text_field_request,
    parse_create_collection,
    parse_modify_collection,
    parse_text_field,
)
from chroma_async.wire.requests import (
    encode_delete,
    encode_get,
    encode_query,
    encode_search,
    encode_write,
    parse_delete,
    parse_get,
    parse_query,
    parse_search,
    parse_write,
)

U32 = 2**32 - 1


def body(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


def test_get_has_chromas_defaults() -> None:
    assert parse_get(b"{}") == GetRequest(include=("documents", "metadatas"))
    assert parse_get(body(ids=None, where=None, where_document=None, limit=None, offset=None)) == GetRequest()


@pytest.mark.parametrize("kind", list(WriteKind))
def test_an_end_that_is_absent_null_or_a_number_are_three_things(kind: WriteKind) -> None:
    two = {"ids": ["a", "b"], "embeddings": [[1], [2]]}
    assert parse_write(body(**two), kind).expires_at is None
    assert parse_write(body(**two, expires_at=None), kind).expires_at == [None, None]
    assert parse_write(body(**two, expires_at=5), kind).expires_at == [5, 5]
    assert parse_write(body(**two, expires_at=[None, 5.5]), kind).expires_at == [None, 5.5]
    for wrong, place in (("5", "expires_at"), (True, "expires_at"), ([5, True], r"expires_at\[1\]"), ({}, "expires_at")):
        with pytest.raises(UnprocessableError, match=f"^{place}: expected"):
            parse_write(body(**two, expires_at=wrong), kind)


@pytest.mark.parametrize("ends", [None, [None, None], [5.0, None]])
def test_ends_go_through_the_wire_as_they_are(ends: list[float | None] | None) -> None:
    batch = RecordBatch(["a", "b"], np.ones((2, 1), dtype=np.float32), expires_at=ends)
    assert parse_write(encode_write(batch, base64=True), WriteKind.UPSERT).expires_at == ends


def test_query_has_chromas_defaults_and_echo_order() -> None:
    for fields in ({}, {"n_results": None, "ids": None}):
        request = parse_query(body(query_embeddings=[[1, 2]], **fields))
        assert (request.n_results, request.ids) == (10, None)
        assert request.include == ("documents", "metadatas", "distances")


@pytest.mark.parametrize("name", ["limit", "offset"])
@pytest.mark.parametrize("value", [-1, 1.5, 1.0, "1", U32 + 1, True, [], 2**70])
def test_a_page_bound_that_is_no_u32_is_a_shape_error(name: str, value: object) -> None:
    with pytest.raises(UnprocessableError, match=f"{name}: expected an integer from 0 to 4294967295"):
        parse_get(body(**{name: value}))


def test_page_bounds_reach_to_the_last_u32() -> None:
    request = parse_get(body(limit=U32, offset=U32))
    assert (request.limit, request.offset) == (U32, U32)
    assert parse_get(body(limit=0)).limit == 0


@pytest.mark.parametrize("value", [-1, 1.5, "x"])
def test_n_results_and_delete_limit_follow_the_same_rule(value: object) -> None:
    with pytest.raises(UnprocessableError, match="n_results"):
        parse_query(body(query_embeddings=[], n_results=value))
    with pytest.raises(UnprocessableError, match="limit"):
        parse_delete(body(limit=value))


@pytest.mark.parametrize("include", [None, "documents", ["data"], ["Documents"], {}])
def test_an_include_of_unknown_things_is_a_shape_error(include: object) -> None:
    for parse, fields in ((parse_get, {}), (parse_query, {"query_embeddings": []})):
        with pytest.raises(UnprocessableError, match="include"):
            parse(body(include=include, **fields))


@pytest.mark.parametrize("include", [[1], [None], [["documents"]], ["documents", True]])
def test_an_include_of_anything_but_strings_is_a_bad_request(include: object) -> None:
    for parse, fields in ((parse_get, {}), (parse_query, {"query_embeddings": []})):
        with pytest.raises(InvalidArgumentError, match="include"):
            parse(body(include=include, **fields))


def test_include_is_kept_as_asked_repeats_and_distances_too() -> None:
    include = ["uris", "distances", "uris", "embeddings"]
    assert parse_get(body(include=include)).include == tuple(include)
    assert parse_get(body(include=[])).include == ()


@pytest.mark.parametrize("ids", ["a", [1], [None], {}, 5])
def test_ids_that_are_no_list_of_strings_are_a_shape_error(ids: object) -> None:
    for parse in (parse_get, parse_delete):
        with pytest.raises(UnprocessableError, match="ids"):
            parse(body(ids=ids))
    with pytest.raises(UnprocessableError, match="ids"):
        parse_write(body(ids=ids, embeddings=[[1]]), WriteKind.ADD)


@pytest.mark.parametrize("kind", [WriteKind.ADD, WriteKind.UPSERT])
@pytest.mark.parametrize("fields", [{}, {"embeddings": None}, {"embeddings": [None]}, {"embeddings": {}}])
def test_add_and_upsert_want_embeddings_without_nulls(kind: WriteKind, fields: dict[str, Any]) -> None:
    with pytest.raises(UnprocessableError, match="embeddings"):
        parse_write(body(ids=["a"], **fields), kind)


def test_a_write_without_ids_is_a_shape_error() -> None:
    for kind in WriteKind:
        with pytest.raises(UnprocessableError, match="ids: the field is missing"):
            parse_write(body(embeddings=[[1]]), kind)


def test_update_may_leave_out_everything_but_ids() -> None:
    assert parse_write(body(ids=["a"]), WriteKind.UPDATE) == RecordBatch(["a"], None)
    assert parse_write(body(ids=["a"], embeddings=None, documents=None, uris=None, metadatas=None), WriteKind.UPDATE).embeddings is None


@pytest.mark.parametrize(
    ("name", "value", "path"),
    [
        ("documents", [5], r"documents\[0\]: expected a string or null, found an integer"),
        ("documents", "x", "documents: expected a list or null, found a string"),
        ("uris", ["u", {}], r"uris\[1\]"),
        ("metadatas", [[1]], r"metadatas\[0\]: expected an object or null, found a list"),
        ("metadatas", {}, "metadatas: expected a list or null"),
    ],
)
def test_columns_of_the_wrong_type_name_the_place(name: str, value: object, path: str) -> None:
    with pytest.raises(UnprocessableError, match=path):
        parse_write(body(ids=["a"], embeddings=[[1]], **{name: value}), WriteKind.ADD)


def test_filters_pass_as_they_are() -> None:
    clauses: tuple[Any, ...] = ({}, [], 5, {"a": {"$gt": "x"}})
    for where in clauses:
        assert parse_get(body(where=where, where_document=where)) == GetRequest(where=where, where_document=where)


def test_an_integer_literal_beyond_64_bits_becomes_a_float() -> None:
    batch = parse_write(b'{"ids": ["a"], "metadatas": [{"n": 123456789012345678901234567890}]}', WriteKind.UPDATE)
    assert batch.metadatas == [{"n": 123456789012345678901234567890.0}]


def test_every_record_request_reads_back_as_it_was_written() -> None:
    get = GetRequest(["a", "ü"], {"n": 1}, {"$contains": "x"}, 5, 2, ("uris", "embeddings"))
    assert parse_get(encode_get(get)) == get
    delete = DeleteRequest(["a"], {"n": {"$in": [1, 2]}}, None, 3)
    assert parse_delete(encode_delete(delete)) == delete
    query = QueryRequest(np.array([[0.1, -2.5]], dtype=np.float32), 3, ["a"], {"n": 1}, None, ("distances",))
    back = parse_query(encode_query(query))
    assert back.embeddings.tobytes() == query.embeddings.tobytes()
    assert (back.n_results, back.ids, back.where, back.include) == (3, ["a"], {"n": 1}, ("distances",))
    batch = RecordBatch(["a", "b"], None, None, ["d", None], [None, "u"], [{"k": None}, None])
    assert parse_write(encode_write(batch, base64=True), WriteKind.UPDATE) == batch


def test_delete_writes_a_limit_only_when_it_has_one() -> None:
    assert "limit" not in json.loads(encode_delete(DeleteRequest(["a"])))
    assert json.loads(encode_delete(DeleteRequest(["a"], {"n": 1}, limit=0)))["limit"] == 0


def test_collection_requests_read_back_as_they_were_written() -> None:
    create = CreateCollection("name", {"a": 1}, {"hnsw": {"space": "ip"}}, None, True)
    assert parse_create_collection(encode_create_collection_request(create)) == create
    modify = ModifyCollection(new_metadata={"a": None})
    assert parse_modify_collection(encode_modify_collection_request(modify)) == modify
    assert parse_modify_collection(b"{}") == ModifyCollection()
    assert parse_text_field(encode_text_field_request("name", "x"), "name") == "x"


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"name": None},
        {"name": 5},
        {"name": "abc", "get_or_create": None},
        {"name": "abc", "metadata": []},
        {"name": "abc", "schema": 5},
    ],
)
def test_a_malformed_creation_is_a_shape_error(fields: dict[str, Any]) -> None:
    with pytest.raises(UnprocessableError):
        parse_create_collection(body(**fields))


@pytest.mark.parametrize("fields", [{"new_name": 5}, {"new_metadata": []}, {"new_configuration": "x"}])
def test_a_malformed_change_is_a_shape_error(fields: dict[str, Any]) -> None:
    with pytest.raises(UnprocessableError, match=next(iter(fields))):
        parse_modify_collection(body(**fields))


@pytest.mark.parametrize("fields", [{}, {"searches": None}, {"searches": {}}])
def test_a_search_without_searches_is_a_shape_error(fields: dict[str, Any]) -> None:
    with pytest.raises(UnprocessableError, match="searches"):
        parse_search(body(**fields))


def test_a_search_request_reads_back_as_it_was_written() -> None:
    request = SearchRequest([{"rank": {"$val": 1.5}}, {}], ReadLevel.INDEX_ONLY)
    assert parse_search(encode_search(request)) == request
    assert parse_search(body(searches=[])) == SearchRequest([], ReadLevel.INDEX_AND_WAL)


@pytest.mark.parametrize(("level", "error"), [("x", UnprocessableError), (None, InvalidArgumentError), (5, InvalidArgumentError)])
def test_an_unknown_read_level_is_a_shape_error_and_one_that_is_no_string_a_syntax_error(level: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="read_level"):
        parse_search(body(searches=[], read_level=level))
