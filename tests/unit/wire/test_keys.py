from __future__ import annotations

import json

import pytest

from chroma_async.errors import InvalidArgumentError, ProtocolError, UnprocessableError
from chroma_async.wire.keys import (
    CreateKey,
    KeyInfo,
    decode_keys,
    decode_made_key,
    encode_create_key,
    encode_keys,
    encode_made_key,
    parse_create_key,
)

INFO = KeyInfo("ab12", "ann", "reader", "acme", ["prod"], 5.0, 9.5)


def test_a_wish_for_a_key_is_read_as_it_was_written() -> None:
    for wanted in (CreateKey("ann"), CreateKey("ann", "reader", "acme", ("prod", "test-*"), 9.5)):
        assert parse_create_key(encode_create_key(wanted)) == wanted
    assert parse_create_key(b'{"user": "ann"}') == CreateKey("ann")


@pytest.mark.parametrize(
    ("body", "error", "said"),
    [
        ({}, UnprocessableError, "user"),
        ({"user": 5}, UnprocessableError, "user"),
        ({"user": ""}, InvalidArgumentError, "user: texts of 1 to 512"),
        ({"user": "a\nb"}, InvalidArgumentError, "user: texts"),
        ({"user": "x" * 513}, InvalidArgumentError, "user: texts"),
        ({"user": "ann", "role": 5}, UnprocessableError, "role"),
        ({"user": "ann", "tenant": ""}, InvalidArgumentError, "tenant: texts"),
        ({"user": "ann", "databases": []}, InvalidArgumentError, "databases: texts"),
        ({"user": "ann", "databases": "prod"}, UnprocessableError, "databases"),
        ({"user": "ann", "expires_at": "tomorrow"}, UnprocessableError, "expires_at"),
        ({"user": "ann", "expires_at": True}, UnprocessableError, "expires_at"),
    ],
)
def test_a_wish_that_is_none_is_refused_by_its_member(body: dict[str, object], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        parse_create_key(json.dumps(body).encode())


def test_answers_are_read_as_they_were_written() -> None:
    lasting = KeyInfo("cd34", "bob", None, "*", ["*"], 6.0, None)
    assert decode_keys(encode_keys([INFO, lasting])) == [INFO, lasting]
    assert decode_made_key(encode_made_key(INFO, "the key")) == (INFO, "the key")
    assert "the key" not in encode_keys([INFO]).decode()


@pytest.mark.parametrize("raw", [b"", b"{}", b"5", b'[{"id": "x"}]'])
def test_rubbish_is_no_answer(raw: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode_keys(raw if raw != b"{}" else b'{"a": 1}')
    with pytest.raises(ProtocolError):
        decode_made_key(raw)
