"""Answers that are right are read, and rubbish is refused by one class with what is wrong and how it begins."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from chroma_async.errors import ProtocolError, UnprocessableError
from chroma_async.wire.answers import configuration, decode_acknowledgement, flag, read_answer, schema, whole


@pytest.mark.parametrize(
    ("raw", "wrong"),
    [
        (b"<html>", "line 1 column 1 (char 0)"),
        (b"[]", "TypeError: list indices must be integers or slices, not str"),
        (b"{}", "the field 'count' is missing"),
        (b'{"count": "x"}', "count: expected an integer, found a string"),
    ],
)
def test_a_refusal_says_what_was_expected_what_is_wrong_and_how_the_answer_begins(raw: bytes, wrong: str) -> None:
    with pytest.raises(ProtocolError) as refusal:
        read_answer(raw, "a count", lambda value: whole(value["count"], "count"))
    assert wrong in str(refusal.value)
    assert str(refusal.value).startswith("the answer is not a count: ")
    assert str(refusal.value).endswith(f"; it begins {raw!r}")


def test_a_refusal_of_a_long_answer_is_short() -> None:
    with pytest.raises(ProtocolError) as refusal:
        read_answer(orjson.dumps({"x" * 100_000: 1}), "a count", lambda value: {}[next(iter(value))])
    assert len(str(refusal.value)) < 400


def test_a_fault_of_the_reader_itself_is_not_taken_for_rubbish() -> None:
    def broken(_: Any) -> None:
        raise NameError("a fault of ours")

    with pytest.raises(NameError):
        read_answer(b"{}", "a count", broken)


@pytest.mark.parametrize("raw", [b"", b"{}", b"null", b'{"more": 5}'])
def test_an_acknowledgement_is_an_object_null_or_nothing(raw: bytes) -> None:
    decode_acknowledgement(raw)


@pytest.mark.parametrize("raw", [b"OK", b"<html>", b"[]", b"true", b'"done"'])
def test_anything_else_is_no_acknowledgement(raw: bytes) -> None:
    with pytest.raises(ProtocolError, match="the answer is not an acknowledgement"):
        decode_acknowledgement(raw)


def test_a_flag_is_a_boolean_and_nothing_like_it() -> None:
    assert flag(True, "created") is True
    with pytest.raises(UnprocessableError, match="created: expected a boolean, found an integer"):
        flag(1, "created")


def test_a_configuration_and_a_schema_that_are_null_are_empty() -> None:
    assert configuration(None) == schema(None) == {}


def test_what_a_later_release_adds_to_a_schema_is_let_through() -> None:
    later = {"defaults": {"string": {"new_index": {"enabled": True}}, "blob": 5}, "keys": {"k": {"blob": [1]}}, "revision": 7}
    assert schema(later) == later


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ([], "schema"),
        ({"keys": 5}, "schema.keys"),
        ({"keys": {"k": 5}}, "schema.keys.k"),
        ({"defaults": {"int": [1]}}, "schema.defaults.int"),
        ({"keys": {"k": {"int": {"int_inverted_index": True}}}}, "schema.keys.k.int.int_inverted_index"),
        ({"keys": {"k": {"sparse_vector": {"i": {"config": 1}}}}}, "schema.keys.k.sparse_vector.i.config"),
        ({"keys": {"k": {"sparse_vector": {"i": {"config": {"source_key": 1}}}}}}, "schema.keys.k.sparse_vector.i.config.source_key"),
        ({"keys": {"k": {"sparse_vector": {"i": {"config": {"embedding_function": "x"}}}}}}, "config.embedding_function"),
    ],
)
def test_a_schema_of_the_wrong_shape_is_refused_with_the_place(value: Any, place: str) -> None:
    with pytest.raises(UnprocessableError, match=f"{place}: expected"):
        schema(value)
