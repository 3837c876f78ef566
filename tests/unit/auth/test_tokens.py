from __future__ import annotations

import pytest

from chroma_async.auth.caller import ANONYMOUS, Caller
from chroma_async.auth.tokens import read_tokens

USERS = """
users:
  - id: ann
    role: admin
    tokens: [ann-1, "12345678"]
  - id: bob
    role: reader
    tenant: acme
    databases: [prod]
    tokens:
      - bob-1
"""


def test_a_bare_token_stands_for_the_anonymous_user() -> None:
    tokens = read_tokens("one-token\n")
    assert tokens.caller("one-token") == ANONYMOUS
    assert [tokens.caller(other) for other in ("one-toke", "one-token ", "ONE-TOKEN", "")] == [None] * 4


def test_several_tokens_stand_one_a_line() -> None:
    tokens = read_tokens("\nold-token\n  new-token:with#signs  \r\n")
    assert tokens.caller("old-token") == tokens.caller("new-token:with#signs") == ANONYMOUS


def test_users_have_tokens_of_their_own_a_role_and_a_place() -> None:
    tokens = read_tokens(USERS)
    assert tokens.caller("ann-1") == tokens.caller("12345678") == Caller("ann", "admin", "*", ("*",))
    assert tokens.caller("bob-1") == Caller("bob", "reader", "acme", ("prod",))
    assert tokens.caller("ann") is None


def test_users_in_json_are_read_too() -> None:
    assert read_tokens('{"users": [{"id": "ann", "tokens": ["t-1"]}]}').caller("t-1") == Caller("ann")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\n \n", "no token"),
        ("good\nsecret word", "line 2: a token has ASCII"),
        ("sécret", "line 1"),
        ("secret\nsecret", "given twice"),
        ("s" * 9000, "at most"),
        ("ann:$2b$12$abcdefghijklmnopqrstuv", "htpasswd"),
        ("users: [", "it is not YAML"),
        ("users: secret", "users: a list"),
        ("users: []", "no token"),
        ("users: [secret]", "users[0]: a mapping"),
        ("users: [{id: ann}]", "users[0].tokens"),
        ("users: [{id: ann, tokens: []}]", "users[0].tokens"),
        ("users: [{id: ann, tokens: [123]}]", "quote one of digits"),
        ("users: [{tokens: [secret]}]", "users[0]: id"),
        ("users: [{id: ann, role: 5, tokens: [secret]}]", "users[0]: id, role"),
        ("users: [{id: ann, databases: prod, tokens: [secret]}]", "users[0].databases"),
        ("users: [{id: ann, token: [secret]}]", "'token' is unknown"),
        ("users: [{id: ann, tokens: [a]}, {id: ann, tokens: [b]}]", "'ann' is there twice"),
        ("users: [{id: ann, tokens: [secret]}, {id: bob, tokens: [secret]}]", "a token of 'bob' is given twice"),
    ],
)
def test_what_cannot_be_read_is_refused_without_any_token(text: str, said: str) -> None:
    with pytest.raises(ValueError) as refused:
        read_tokens(text)
    assert said in str(refused.value)
    assert "secret" not in str(refused.value)


def test_a_table_of_tokens_holds_none_of_them() -> None:
    assert "one-token" not in repr(vars(read_tokens("one-token")))
