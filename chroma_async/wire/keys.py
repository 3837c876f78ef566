"""API keys: JSON bytes <-> types, both ways."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from chroma_async.errors import InvalidArgumentError
from chroma_async.types import Json
from chroma_async.wire.answers import read_answer
from chroma_async.wire.body import dump_json, optional_text, parse_body, required, strings, text, unexpected

#: Longest name of a user, role, tenant or database of a key.
_NAME_CHARS = 512
_EVERY = "*"


@dataclass(frozen=True, slots=True)
class CreateKey:
    """The body of a request for a key. ``expires_at`` is in seconds since 1970; globs stand for tenants and databases."""

    user: str
    role: str | None = None
    tenant: str = _EVERY
    databases: tuple[str, ...] = (_EVERY,)
    expires_at: float | None = None


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """What is told of a key: all but the key."""

    id: str
    user: str
    role: str | None
    tenant: str
    databases: Sequence[str]
    created_at: float
    expires_at: float | None


def parse_create_key(raw: bytes) -> CreateKey:
    """``{"user", "role", "tenant", "databases", "expires_at"}``; all but the user may be null or absent."""
    body = parse_body(raw, ("user", "role", "tenant", "databases", "expires_at"))
    tenant = optional_text(body.fields.get("tenant"), "tenant")
    databases = body.fields.get("databases")
    wanted = CreateKey(
        user=text(required(body, "user"), "user"),
        role=optional_text(body.fields.get("role"), "role"),
        tenant=_EVERY if tenant is None else tenant,
        databases=(_EVERY,) if databases is None else tuple(strings(databases, "databases")),
        expires_at=_time(body.fields.get("expires_at")),
    )
    for name, values in (
        ("user", [wanted.user]),
        ("role", [wanted.role or "none"]),
        ("tenant", [wanted.tenant]),
        ("databases", wanted.databases),
    ):
        if not values or not all(0 < len(value) <= _NAME_CHARS and value.isprintable() for value in values):
            raise InvalidArgumentError(f"{name}: texts of 1 to {_NAME_CHARS} printable characters are expected")
    return wanted


def encode_create_key(wanted: CreateKey) -> bytes:
    """The body that :func:`parse_create_key` reads."""
    return dump_json(
        {
            "user": wanted.user,
            "role": wanted.role,
            "tenant": wanted.tenant,
            "databases": list(wanted.databases),
            "expires_at": wanted.expires_at,
        }
    )


def encode_made_key(info: KeyInfo, key: str) -> bytes:
    """The answer to the making of a key: the only one that holds it."""
    return dump_json({**_json(info), "key": key})


def decode_made_key(raw: bytes) -> tuple[KeyInfo, str]:
    """The same, read. :raises ProtocolError: it is another."""
    return read_answer(raw, "a key", lambda value: (_info(value), str(value["key"])))


def encode_keys(infos: Sequence[KeyInfo]) -> bytes:
    """The answer to the list of keys."""
    return dump_json([_json(info) for info in infos])


def decode_keys(raw: bytes) -> list[KeyInfo]:
    """The same, read. :raises ProtocolError: it is another."""
    return read_answer(raw, "a list of keys", lambda value: [_info(item) for item in value])


def _json(info: KeyInfo) -> dict[str, Json]:
    return {
        "id": info.id,
        "user": info.user,
        "role": info.role,
        "tenant": info.tenant,
        "databases": list(info.databases),
        "created_at": info.created_at,
        "expires_at": info.expires_at,
    }


def _info(value: Json) -> KeyInfo:
    role, expires_at = value["role"], value["expires_at"]
    return KeyInfo(
        str(value["id"]),
        str(value["user"]),
        None if role is None else str(role),
        str(value["tenant"]),
        [str(name) for name in value["databases"]],
        float(value["created_at"]),
        None if expires_at is None else float(expires_at),
    )


def _time(value: Json) -> float | None:
    if value is None:
        return None
    if type(value) not in (int, float) or not math.isfinite(value):
        raise unexpected("expires_at", "a number of seconds since 1970, or null", value)
    return float(value)
