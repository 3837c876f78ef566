from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from chroma_async.auth.caller import Caller
from chroma_async.auth.signed_tokens import Claims, SignedTokens, signed_tokens_from
from chroma_async.auth.signing_keys import FixedKeys, read_jwks
from chroma_async.config.settings import Settings, SettingsError
from tests.fakes.issuer import AUDIENCE, NOW_S, Issuer, jwks

SECRET = "a-secret-of-more-than-thirty-two-bytes"


@pytest.fixture(scope="module", params=["RS256", "ES256"])
def issuer(request: pytest.FixtureRequest) -> Issuer:
    return Issuer(request.param)


@pytest.fixture(scope="module")
def stranger(issuer: Issuer) -> Issuer:
    """Another provider, whose key has the same name."""
    return Issuer(issuer.algorithm)


def tokens_of(*issuers: Issuer, claims: Claims | None = None, issuer: str = "", now_s: float = NOW_S) -> SignedTokens:
    keys = FixedKeys(read_jwks(jwks(*(each.jwk() for each in issuers))))
    return SignedTokens(keys, AUDIENCE, issuer, claims or Claims(), 30.0, lambda: now_s)


async def test_a_token_of_the_provider_stands_for_its_subject(issuer: Issuer) -> None:
    assert await tokens_of(issuer).caller(issuer.token()) == Caller("ann")
    assert await tokens_of(Issuer("ES256", "other"), issuer).caller(issuer.token()) == Caller("ann")


async def test_a_key_without_a_name_is_tried_and_a_token_that_names_none_tries_all(issuer: Issuer) -> None:
    nameless = Issuer(issuer.algorithm, None)
    assert await tokens_of(nameless).caller(nameless.token()) == Caller("ann")
    assert await tokens_of(issuer, nameless).caller(nameless.token()) == Caller("ann")
    assert await tokens_of(nameless).caller(nameless.token(headers={"kid": "whatever"})) == Caller("ann")


async def test_who_signs_otherwise_is_nobody(issuer: Issuer, stranger: Issuer) -> None:
    tokens = tokens_of(issuer)
    public = issuer.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    head, claims, signature = issuer.token().split(".")
    none = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').decode().rstrip("=")
    forged = base64.urlsafe_b64encode(json.dumps({"sub": "root", "aud": AUDIENCE, "exp": NOW_S + 60}).encode()).decode().rstrip("=")
    hmac_head = base64.urlsafe_b64encode(b'{"alg":"HS256","kid":"key-1"}').decode().rstrip("=")
    confused = base64.urlsafe_b64encode(hmac.digest(public, f"{hmac_head}.{forged}".encode(), hashlib.sha256)).decode().rstrip("=")
    for token in (
        stranger.token(),
        f"{none}.{forged}.",
        f"{none}.{forged}.{signature}",
        f"{hmac_head}.{forged}.{confused}",
        f"{head}.{forged}.{signature}",
        f"{head}.{claims}.",
        f"{head}.{claims}.{signature[:-4]}AAAA",
        issuer.token(headers={"kid": "unknown"}),
        "a.b.c",
        "..",
        "no token",
    ):
        assert await tokens.caller(token) is None, token


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "other"},
        {"aud": None},
        {"iss": "https://else.example"},
        {"iss": None},
        {"exp": None},
        {"exp": NOW_S - 31},
        {"nbf": NOW_S + 31},
        {"sub": None},
        {"sub": ""},
    ],
)
async def test_what_is_for_others_or_from_others_or_not_of_now_or_of_nobody_does_not_count(issuer: Issuer, claims: dict[str, Any]) -> None:
    tokens = tokens_of(issuer, issuer="https://id.example")
    assert await tokens.caller(issuer.token()) == Caller("ann")
    assert await tokens.caller(issuer.token(**claims)) is None


async def test_a_token_ends_at_its_time_but_for_what_clocks_may_differ_by(issuer: Issuer) -> None:
    token = issuer.token()
    assert [await tokens_of(issuer, now_s=NOW_S + after).caller(token) is not None for after in (0, 60, 89, 90, 1000)] == [
        True, True, True, False, False,
    ]  # fmt: skip
    assert await tokens_of(issuer).caller(issuer.token(nbf=NOW_S + 29)) is not None


async def test_claims_give_role_tenant_and_databases_where_they_are_named(issuer: Issuer) -> None:
    tokens = tokens_of(issuer, claims=Claims("email", "role", "org", "dbs"))
    given: dict[str, Any] = {"email": "ann@example", "role": "reader", "org": "acme", "dbs": ["prod", "test"]}
    assert await tokens.caller(issuer.token(**given)) == Caller("ann@example", "reader", "acme", ("prod", "test"))
    assert await tokens.caller(issuer.token(**{**given, "dbs": "prod"})) == Caller("ann@example", "reader", "acme", ("prod",))
    for name, value in (
        ("email", 5),
        ("role", ["reader"]),
        ("role", None),
        ("org", None),
        ("org", ""),
        ("dbs", None),
        ("dbs", []),
        ("dbs", [1]),
    ):
        assert await tokens.caller(issuer.token(**{**given, name: value})) is None, name


async def test_a_shared_secret_signs_too_and_its_tokens_count_for_nothing_else(issuer: Issuer) -> None:
    tokens = signed_tokens_from(Settings(jwt_secret=SECRET, jwt_audience=AUDIENCE), asyncio.to_thread)
    assert tokens is not None
    signed = issuer.token(key=SECRET, algorithm="HS256", exp=4e9)
    assert await tokens.caller(signed) == Caller("ann")
    assert await tokens.caller(issuer.token(key=SECRET + "x", algorithm="HS256", exp=4e9)) is None
    assert await tokens.caller(issuer.token(key=SECRET * 2, algorithm="HS512", exp=4e9)) is None
    assert await tokens.caller(issuer.token(exp=4e9)) is None
    assert await tokens_of(issuer).caller(signed) is None


async def test_a_file_of_keys_is_read(issuer: Issuer, tmp_path: Path) -> None:
    (tmp_path / "jwks.json").write_text(jwks(issuer.jwk()))
    tokens = signed_tokens_from(Settings(jwt_jwks=str(tmp_path / "jwks.json"), jwt_audience=AUDIENCE), asyncio.to_thread)
    assert tokens is not None
    assert await tokens.caller(issuer.token(exp=4e9)) == Caller("ann")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"jwt_secret": SECRET}, "jwt_audience = ''.*made for other services"),
        ({"jwt_secret": "short", "jwt_audience": "x"}, r"jwt_secret = '\*{8}' .*at least 32 bytes"),
        ({"jwt_secret": SECRET, "jwt_jwks": "x", "jwt_audience": "x"}, "jwt_secret is given too"),
        ({"jwt_jwks": "/nonexistent.json", "jwt_audience": "x"}, "No such file"),
        ({"jwt_jwks": "http://id.example/jwks", "jwt_audience": "x"}, "begins with https://"),
        ({"jwt_jwks": "ftp://id.example/jwks", "jwt_audience": "x"}, "begins with https://"),
        ({"jwt_jwks": "https://", "jwt_audience": "x"}, "begins with https://"),
    ],
)
def test_what_cannot_be_used_is_refused_at_start(settings: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError, match=said) as refused:
        signed_tokens_from(Settings(**settings), asyncio.to_thread)
    assert SECRET not in refused.value.message()


def test_without_keys_no_tokens_are_taken() -> None:
    assert signed_tokens_from(Settings(jwt_audience="x"), asyncio.to_thread) is None


def test_without_the_library_the_extra_that_has_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jwt", None)
    with pytest.raises(SettingsError, match=r"chroma-async\[server\]"):
        signed_tokens_from(Settings(jwt_secret=SECRET, jwt_audience="x"), asyncio.to_thread)
