from __future__ import annotations

import asyncio
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from chroma_async.auth.signing_keys import JWKS_BYTES, FetchedKeys, fetching, read_jwks
from chroma_async.errors import UnavailableError
from tests.fakes.issuer import Issuer, jwks

RSA, EC = Issuer("RS256", "r"), Issuer("ES256", "e")


def names(keys: Any) -> list[tuple[str, str | None]]:
    return [(algorithm, kid) for algorithm, _key, kid in keys]


def test_a_set_gives_the_keys_that_sign_each_for_its_own_algorithm() -> None:
    others = [RSA.jwk(use="enc"), RSA.jwk(alg="RS512"), EC.jwk(crv="P-384"), {"kty": "oct", "k": "c2VjcmV0", "kid": "s"}, {"kty": "new"}]
    assert names(read_jwks(jwks(*others, RSA.jwk(), EC.jwk()))) == [("RS256", "r"), ("ES256", "e")]


@pytest.mark.parametrize("text", ["", "{}", "[]", "5", '{"keys": 5}', '{"keys": [5]}', '{"keys": [{"kty": "RSA", "n": "!"}]}'])
def test_what_is_no_set_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="it is no JWKS"):
        read_jwks(text)


def test_a_set_without_a_key_that_signs_is_refused() -> None:
    with pytest.raises(ValueError, match="there is no key"):
        read_jwks(jwks({"kty": "oct", "k": "c2VjcmV0"}))


class Provider:
    """Gives what it is told to, and counts."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.asked = 0
        self.text: str | Exception = jwks(RSA.jwk())

    def fetch(self) -> str:
        self.asked += 1
        if isinstance(self.text, Exception):
            raise self.text
        return self.text

    def keys(self) -> FetchedKeys:
        return FetchedKeys(self.fetch, asyncio.to_thread, 300.0, lambda: self.now_s)


async def settled(keys: FetchedKeys) -> None:
    while keys._fetching is not None:
        await keys._fetching


async def test_keys_are_fetched_once_for_all_who_need_them_at_first() -> None:
    provider = Provider()
    keys = provider.keys()
    found = await asyncio.gather(*(keys.candidates("r") for _ in range(20)))
    assert [names(each) for each in found] == [[("RS256", "r")]] * 20
    assert provider.asked == 1


async def test_a_key_that_is_not_known_is_looked_for_but_not_again_and_again() -> None:
    provider = Provider()
    keys = provider.keys()
    await keys.candidates("r")
    provider.text = jwks(EC.jwk())
    for provider.now_s in (5.0, 9.0):
        assert await keys.candidates("e") == []
    assert provider.asked == 1
    provider.now_s = 11.0
    assert names(await keys.candidates("e")) == [("ES256", "e")]
    assert await keys.candidates("r") == []
    assert provider.asked == 2


async def test_old_keys_are_fetched_again_and_serve_meanwhile_and_when_that_fails() -> None:
    provider = Provider()
    keys = provider.keys()
    await keys.candidates("r")
    provider.now_s, provider.text = 301.0, OSError("no route to host")
    assert names(await keys.candidates("r")) == [("RS256", "r")]
    await settled(keys)
    assert names(await keys.candidates("r")) == [("RS256", "r")]
    provider.now_s, provider.text = 700.0, jwks(RSA.jwk(), EC.jwk())
    assert names(await keys.candidates("r")) == [("RS256", "r")]
    await settled(keys)
    assert names(await keys.candidates("e")) == [("ES256", "e")]
    assert provider.asked == 3


async def test_without_any_keys_nothing_can_be_told_and_the_next_try_is_later() -> None:
    provider = Provider()
    provider.text = ValueError("the answer has status 500")
    keys = provider.keys()
    for _ in range(3):
        with pytest.raises(UnavailableError, match="cannot be had"):
            await keys.candidates("r")
    assert provider.asked == 1
    provider.now_s, provider.text = 11.0, jwks(RSA.jwk())
    assert names(await keys.candidates("r")) == [("RS256", "r")]


@contextmanager
def answering(status: int, body: bytes, headers: dict[str, str] | None = None) -> Iterator[str]:
    """The address of a server that gives one answer to all."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.path == "/keys?v=1"
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/keys?v=1"
        finally:
            server.shutdown()
            thread.join()


def test_the_text_at_an_address_is_fetched() -> None:
    with answering(200, b"the text") as url:
        assert fetching(url)() == "the text"


@pytest.mark.parametrize(
    ("status", "body", "headers", "said"),
    [
        (404, b"x", {}, "status 404"),
        (302, b"", {"Location": "http://127.0.0.1:1/elsewhere"}, "status 302"),
        (200, b"x" * (JWKS_BYTES + 1), {}, f"{JWKS_BYTES + 1} bytes"),
        (200, b"\xff", {}, "utf-8"),
    ],
)
def test_another_answer_is_none(status: int, body: bytes, headers: dict[str, str], said: str) -> None:
    with answering(status, body, headers) as url, pytest.raises(ValueError, match=said):
        fetching(url)()


@pytest.mark.parametrize("url", ["http://id.example/keys", "http://10.0.0.1/keys", "file:///etc/passwd", "https:///keys", "id.example"])
def test_only_what_nobody_can_change_on_its_way_is_fetched(url: str) -> None:
    with pytest.raises(ValueError, match="https://"):
        fetching(url)
