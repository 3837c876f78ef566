"""What a request shows: one credential, out of two headers. No message of this module holds any part of it."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from chroma_async.errors import AuthorizationError

#: Longest credential that is looked at. Tokens have tens of characters, those of an identity provider up to a few thousand.
CREDENTIAL_CHARS = 8192

_TOKEN = re.compile(r"[!-~]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class TokenHeader(StrEnum):
    """Where a token is expected."""

    ANY = "any"
    AUTHORIZATION = "authorization"
    X_CHROMA_TOKEN = "x-chroma-token"


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token: whoever has it is let in."""

    text: str = field(repr=False)

    @property
    def whole(self) -> str:
        """All that tells it from others."""
        return self.text


@dataclass(frozen=True, slots=True)
class Password:
    """A user's name and password."""

    user: str
    text: str = field(repr=False)

    @property
    def whole(self) -> str:
        """All that tells it from others."""
        return f"{self.user}:{self.text}"


def read_credential(authorization: Sequence[str], chroma_token: Sequence[str], header: TokenHeader, *, passwords: bool) -> Token | Password:
    """The credential of a request.

    A header that is not expected is not read: a proxy in front may have its own credential there.

    :param authorization: the values of the header ``Authorization``, and ``chroma_token`` those of ``X-Chroma-Token``.
    :param header: where tokens are expected. :param passwords: whether ``Authorization: Basic`` is taken.
    :raises AuthorizationError: there is none, there are several, or it is malformed, too long, or in a header where none is expected.
    """
    if len(authorization) > 1 or len(chroma_token) > 1:
        raise AuthorizationError("a header with a credential is given twice; send one credential")
    if any(len(value) > CREDENTIAL_CHARS for value in (*authorization, *chroma_token)):
        raise AuthorizationError(f"the credential has over {CREDENTIAL_CHARS} characters")
    found: list[Token | Password] = []
    if chroma_token and header is not TokenHeader.AUTHORIZATION:
        found.append(_token(chroma_token[0]))
    if authorization:
        shown = _authorization(authorization[0], header, passwords=passwords, alone=not found)
        if shown is not None:
            found.append(shown)
    if not found:
        raise AuthorizationError(_missing(header, passwords=passwords, misplaced=bool(authorization or chroma_token)))
    if len(found) > 1 and found[0] != found[1]:
        raise AuthorizationError("Authorization and X-Chroma-Token hold two credentials; send one")
    return found[0]


def _authorization(value: str, header: TokenHeader, *, passwords: bool, alone: bool) -> Token | Password | None:
    """The credential in ``Authorization``; ``None`` if it is of a kind that is not expected there."""
    scheme, _, rest = value.strip().partition(" ")
    match scheme.lower():
        case "bearer" if header is not TokenHeader.X_CHROMA_TOKEN:
            return _token(rest.strip())
        case "basic" if passwords:
            return _password(rest.strip())
        case "bearer" | "basic":
            return None
    if alone and header is not TokenHeader.X_CHROMA_TOKEN:
        raise AuthorizationError("Authorization is malformed: a scheme is expected, Bearer or Basic, then the credential")
    return None


def _token(value: str) -> Token:
    if _TOKEN.fullmatch(value) is None:
        raise AuthorizationError("the token is malformed: it has ASCII letters, digits and punctuation, at least one, and no spaces")
    return Token(value)


def _password(value: str) -> Password:
    try:
        text = base64.b64decode(value, validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        text = ""
    user, colon, password = text.partition(":")
    if not colon or not user or _CONTROL.search(text):
        raise AuthorizationError("Authorization: Basic is malformed: user:password in base64 is expected")
    return Password(user, password)


def _missing(header: TokenHeader, *, passwords: bool, misplaced: bool) -> str:
    ways = {
        TokenHeader.ANY: ["Authorization: Bearer <token>", "X-Chroma-Token: <token>"],
        TokenHeader.AUTHORIZATION: ["Authorization: Bearer <token>"],
        TokenHeader.X_CHROMA_TOKEN: ["X-Chroma-Token: <token>"],
    }[header]
    expected = " or ".join([*ways, *(["Authorization: Basic <user:password in base64>"] if passwords else [])])
    return f"the credential is not where it is expected: send {expected}" if misplaced else f"a credential is needed: send {expected}"
