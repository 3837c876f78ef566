from __future__ import annotations

import json

import pytest

from chroma_async import errors
from chroma_async.wire.errors import decode_error, encode_error


@pytest.mark.parametrize(
    "kind",
    [
        errors.InvalidArgumentError,
        errors.UnprocessableError,
        errors.PayloadTooLargeError,
        errors.UnsupportedMediaTypeError,
        errors.AuthorizationError,
        errors.ChromaAuthError,
        errors.NotFoundError,
        errors.UniqueConstraintError,
        errors.StaleReadError,
        errors.RateLimitError,
        errors.InternalError,
        errors.UnimplementedError,
        errors.UnavailableError,
    ],
)
def test_a_failure_crosses_the_wire_as_the_same_class(kind: type[errors.ChromaError]) -> None:
    sent = kind("why it failed")
    received = decode_error(sent.code(), encode_error(sent.wire_name, sent.message()))
    assert type(received) is kind
    assert received.message() == "why it failed"


def test_a_refused_reset_is_told_from_a_refused_caller() -> None:
    assert type(decode_error(403, encode_error("ChromaError", "Reset is disabled by config"))) is errors.ResetDisabledError
    assert type(decode_error(403, encode_error("ChromaError", "Permission denied."))) is errors.ChromaAuthError


def test_headers_become_attributes() -> None:
    error = decode_error(429, encode_error("ChromaError", "slow down"), url="http://x", trace_id="0a" * 16, retry_after="7")
    assert (error.url, error.trace_id, error.retry_after_s, error.retryable) == ("http://x", "0a" * 16, 7.0, True)
    assert decode_error(503, b"{}", retry_after="Wed, 21 Oct 2026 07:28:00 GMT").retry_after_s is None


def test_a_body_that_is_not_chromas_is_kept_as_the_message() -> None:
    assert decode_error(413, b"Payload too large").message() == "Payload too large"
    assert type(decode_error(502, b"<html>bad gateway</html>")) is errors.UnavailableError
    assert type(decode_error(599, b"")) is errors.InternalError
    assert "status 599" in decode_error(599, b"").message()
    assert "\ufffd" in decode_error(500, b"\xff").message()


@pytest.mark.parametrize("status", [404, 405])
def test_a_route_that_does_not_exist_is_a_protocol_error(status: int) -> None:
    assert type(decode_error(status, b"")) is errors.ProtocolError


def test_a_name_of_an_unknown_kind_falls_back_to_the_status() -> None:
    assert type(decode_error(409, encode_error("Novelty", "x"))) is errors.UniqueConstraintError
    assert type(decode_error(418, encode_error("Novelty", "x"))) is errors.ChromaError
    assert type(decode_error(409, encode_error("IDAlreadyExists", "x"))) is errors.UniqueConstraintError


def test_text_without_a_utf8_form_is_still_an_error_body() -> None:
    assert json.loads(encode_error("ChromaError", "name \ud800"))["message"] == "name ?"
