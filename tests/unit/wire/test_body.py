from __future__ import annotations

import json

import pytest

from chroma_async.errors import InvalidArgumentError, UnprocessableError
from chroma_async.types import WriteKind
from chroma_async.wire.body import NESTING_LIMIT, dump_json, parse_body
from chroma_async.wire.requests import parse_get, parse_query, parse_write


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"{} x",
        b'{"limit": NaN}',
        b'{"limit": Infinity}',
        b'{"limit": 1e400}',
        b"\xef\xbb\xbf{}",
        b'{"ids": ["\\ud800"]}',
        b'{"ids": ["\xff"]}',
        b"\x1f\x8b\x08\x00",
    ],
)
def test_text_that_is_not_json_is_a_syntax_error(raw: bytes) -> None:
    with pytest.raises(InvalidArgumentError, match="not JSON"):
        parse_get(raw)


@pytest.mark.parametrize("raw", [b"[]", b'"x"', b"5", b"null", b"true", b"[[[1]]]"])
def test_json_that_is_no_object_is_a_shape_error(raw: bytes) -> None:
    with pytest.raises(UnprocessableError, match="the body: expected an object"):
        parse_get(raw)


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


@pytest.mark.parametrize("field", ["unknown", "where"])
def test_nesting_is_allowed_up_to_one_level_below_the_limit(field: str) -> None:
    parse_get(f'{{"{field}": {nested(NESTING_LIMIT - 2)}}}'.encode())
    with pytest.raises(InvalidArgumentError, match="nests 128 levels"):
        parse_get(f'{{"{field}": {nested(NESTING_LIMIT - 1)}}}'.encode())


def test_sixty_three_levels_of_and_are_one_too_many() -> None:
    def where(levels: int) -> bytes:
        clause: object = {"a": 1}
        for _ in range(levels):
            clause = {"$and": [clause]}
        return json.dumps({"where": clause}).encode()

    parse_get(where(62))
    with pytest.raises(InvalidArgumentError, match="nests"):
        parse_get(where(63))


@pytest.mark.parametrize("opening", ["[", "[ ", "[1, [", '{"a": ['])
def test_deep_vectors_are_a_syntax_error_and_shallow_ones_a_shape_error(opening: str) -> None:
    closing = opening.replace('{"a": [', "]}").replace("[", "]").replace("1, ", "")
    for levels, error in ((2, UnprocessableError), (200, InvalidArgumentError)):
        vectors = "[" + opening * levels + "1" + closing * levels + "]"
        with pytest.raises(error):
            parse_query(f'{{"query_embeddings": {vectors}}}'.encode())
        with pytest.raises(error):
            parse_write(f'{{"ids": ["a"], "embeddings": {vectors}}}'.encode(), WriteKind.ADD)


def test_brackets_inside_strings_do_not_count_as_nesting() -> None:
    document = "[{" * 500
    assert parse_write(dump_json({"ids": ["a"], "embeddings": [[1]], "documents": [document]}), WriteKind.ADD).documents == [document]


@pytest.mark.parametrize(
    "raw",
    [
        b'{"ids": ["a"], "limit": 1, "ids": ["b"]}',
        b'{"ids": ["a"], "ids" : null}',
        b'{"where": {"ids": 1}, "ids": ["a"], "ids": ["a"]}',
    ],
)
def test_a_known_field_given_twice_is_a_shape_error(raw: bytes) -> None:
    with pytest.raises(UnprocessableError, match="ids: the field is given twice"):
        parse_get(raw)


def test_a_repeated_vector_field_is_seen_although_the_search_looks_past_numbers() -> None:
    with pytest.raises(UnprocessableError, match="twice"):
        parse_query(b'{"query_embeddings": [[1]], "n_results": 1, "query_embeddings": [[2]]}')


@pytest.mark.parametrize(
    "raw",
    [
        b'{"ids": ["a"], "where": {"ids": {"$in": ["ids", "limit"]}}, "limit": 1}',
        b'{"x": 1, "x": 2, "ids": ["ids"]}',
        b'{"ids": ["\\"ids\\": []"]}',
    ],
)
def test_a_field_name_elsewhere_in_the_body_is_no_repeat(raw: bytes) -> None:
    assert parse_get(raw).ids


def test_a_repeated_key_inside_metadata_keeps_the_last_value() -> None:
    batch = parse_write(b'{"ids": ["a"], "embeddings": [[1]], "metadatas": [{"k": 1, "k": 2}]}', WriteKind.ADD)
    assert batch.metadatas == [{"k": 2}]


def test_unknown_fields_are_let_through() -> None:
    assert parse_body(b'{"x": [1], "y": null}', ("ids",)).fields == {"x": [1], "y": None}


@pytest.mark.parametrize("value", [{"a": 1 << 65}, {"a": "\ud800"}, {"a": object()}, {1: 2}])
def test_what_has_no_json_form_is_refused_before_it_is_sent(value: object) -> None:
    with pytest.raises(InvalidArgumentError, match="cannot be written as JSON"):
        dump_json(value)
