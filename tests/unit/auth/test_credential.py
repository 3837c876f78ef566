from __future__ import annotations

import base64

import pytest

from chroma_async.auth.credential import CREDENTIAL_CHARS, Password, Token, TokenHeader, read_credential
from chroma_async.errors import AuthorizationError

ANY, AUTHORIZATION, X_CHROMA_TOKEN = TokenHeader
SECRET = "s3cret-token"


def basic(text: str | bytes) -> str:
    return "Basic " + base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


@pytest.mark.parametrize("header", [ANY, AUTHORIZATION])
@pytest.mark.parametrize("value", [f"Bearer {SECRET}", f"bearer  {SECRET} ", f"BEARER {SECRET}"])
def test_a_bearer_token_is_read_from_authorization(header: TokenHeader, value: str) -> None:
    assert read_credential([value], [], header, passwords=False) == Token(SECRET)


@pytest.mark.parametrize("header", [ANY, X_CHROMA_TOKEN])
def test_a_bare_token_is_read_from_chromas_own_header(header: TokenHeader) -> None:
    assert read_credential([], [SECRET], header, passwords=False) == Token(SECRET)


def test_a_password_is_read_where_passwords_are_taken_and_may_hold_colons() -> None:
    assert read_credential([basic("ann:p:äß")], [], ANY, passwords=True) == Password("ann", "p:äß")


def test_a_credential_of_the_proxy_in_front_does_not_count_where_another_is_expected() -> None:
    for front in (basic("proxy:word"), "Bearer other", "Negotiate abc"):
        assert read_credential([front], [SECRET], X_CHROMA_TOKEN, passwords=False) == Token(SECRET)
    assert read_credential([basic("proxy:word")], [SECRET], ANY, passwords=False) == Token(SECRET)
    assert read_credential([f"Bearer {SECRET}"], ["other"], AUTHORIZATION, passwords=False) == Token(SECRET)


def test_the_same_token_in_both_headers_is_one_credential() -> None:
    assert read_credential([f"Bearer {SECRET}"], [SECRET], ANY, passwords=False) == Token(SECRET)


@pytest.mark.parametrize(
    ("authorization", "chroma_token", "header", "said"),
    [
        ([], [], ANY, "a credential is needed: send Authorization: Bearer <token> or X-Chroma-Token: <token>"),
        ([], [], AUTHORIZATION, "a credential is needed: send Authorization: Bearer <token>"),
        ([], [], X_CHROMA_TOKEN, "a credential is needed: send X-Chroma-Token: <token>"),
        ([f"Bearer {SECRET}"], [], X_CHROMA_TOKEN, "not where it is expected: send X-Chroma-Token"),
        ([], [SECRET], AUTHORIZATION, "not where it is expected: send Authorization: Bearer"),
        ([basic(f"ann:{SECRET}")], [], ANY, "not where it is expected: send Authorization: Bearer"),
        ([f"Bearer {SECRET}", f"Bearer {SECRET}"], [], ANY, "given twice"),
        ([], [SECRET, SECRET], ANY, "given twice"),
        ([f"Bearer {SECRET}"], [SECRET + "x"], ANY, "two credentials"),
        (["Bearer"], [], ANY, "the token is malformed"),
        (["Bearer "], [], ANY, "the token is malformed"),
        ([f"Bearer {SECRET} more"], [], ANY, "the token is malformed"),
        ([f"Bearer {SECRET}ä"], [], ANY, "the token is malformed"),
        ([f"Bearer {SECRET}\x00"], [], ANY, "the token is malformed"),
        ([], [""], ANY, "the token is malformed"),
        ([], [f"Bearer {SECRET}"], ANY, "the token is malformed"),
        ([SECRET], [], ANY, "Authorization is malformed"),
        ([f"Digest {SECRET}"], [], ANY, "Authorization is malformed"),
        ([""], [], AUTHORIZATION, "Authorization is malformed"),
        ([f"Bearer {SECRET * CREDENTIAL_CHARS}"], [], ANY, f"over {CREDENTIAL_CHARS} characters"),
        ([], [SECRET * CREDENTIAL_CHARS], ANY, f"over {CREDENTIAL_CHARS} characters"),
    ],
)
def test_what_is_no_single_well_formed_credential_is_refused_without_its_text(
    authorization: list[str], chroma_token: list[str], header: TokenHeader, said: str
) -> None:
    with pytest.raises(AuthorizationError) as refused:
        read_credential(authorization, chroma_token, header, passwords=False)
    assert said in refused.value.message()
    assert SECRET not in refused.value.message()


@pytest.mark.parametrize(
    "value", ["Basic", "Basic !!!", "Basic YW5u", basic(":word"), basic("ann:wo\nrd"), basic(b"ann:\xff"), "Basic YW5uOngä"]
)
def test_a_malformed_password_is_refused(value: str) -> None:
    with pytest.raises(AuthorizationError, match=r"Basic is malformed"):
        read_credential([value], [], ANY, passwords=True)


def test_where_passwords_are_taken_the_refusal_says_so() -> None:
    with pytest.raises(AuthorizationError, match="or Authorization: Basic"):
        read_credential([], [], ANY, passwords=True)


def test_a_credential_does_not_show_its_secret_when_it_is_printed() -> None:
    assert SECRET not in f"{Token(SECRET)!r} {Password('ann', SECRET)!r}"
