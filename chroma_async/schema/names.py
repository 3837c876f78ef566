"""What collections, databases and tenants may be called."""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address

from chroma_async.errors import InvalidArgumentError
from chroma_async.schema.text import check_text

NAME_LENGTH = (3, 512)
TENANT_MIN_LENGTH = 3

# 3 to 512 characters: one at each end and 1 to 510 between.
_PATTERN = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{1,510}[a-zA-Z0-9]")
#: Of a name that is too long, so much is shown.
_SHOWN_CHARS = 64
#: Joins a topology to the name proper, as in ``west+films``.
_JOINT = "+"


def check_collection_name(name: str, field: str = "name") -> None:
    """:param field: the member of the request that holds it; it prefixes the message.

    :raises InvalidArgumentError: the name breaks the rules.
    """
    _check(name, f"Validation error: {field}: ")


def check_database_name(name: str) -> None:
    """The rules of collection names, without a prefix in the message. :raises InvalidArgumentError: the name breaks them."""
    _check(name, "")


def check_tenant_name(name: str) -> None:
    """:raises InvalidArgumentError: shorter than 3 characters, or not valid text. Anything else may name a tenant."""
    if len(name) < TENANT_MIN_LENGTH:
        raise InvalidArgumentError(f"Validation error: name: a tenant name needs at least {TENANT_MIN_LENGTH} characters, got '{name}'")
    check_text(name, "tenant name")


def _check(name: str, prefix: str) -> None:
    parts = name.split(_JOINT)
    if len(parts) > 2:
        raise InvalidArgumentError(f"{prefix}Expected a name to contain at most one topology, that is one '{_JOINT}'. Got {len(parts) - 1}")
    for part in parts:
        _check_part(part, prefix)
    if len(name) > NAME_LENGTH[1]:
        raise InvalidArgumentError(f"{prefix}Expected a name containing {NAME_LENGTH[0]}-{NAME_LENGTH[1]} characters. Got {len(name)}")


def _check_part(part: str, prefix: str) -> None:
    if not _PATTERN.fullmatch(part):
        raise InvalidArgumentError(
            f"{prefix}Expected a name containing {NAME_LENGTH[0]}-{NAME_LENGTH[1]} characters from [a-zA-Z0-9._-], "
            f"starting and ending with a character in [a-zA-Z0-9]. Got: {_readable(part)}"
        )
    if ".." in part:
        raise InvalidArgumentError(f"{prefix}Expected a name that does not contain two consecutive periods (..). Got {part}")
    if _is_ipv4(part):
        raise InvalidArgumentError(f"{prefix}Expected a name that is not a valid ip address. Got {part}")


def _readable(part: str) -> str:
    """A bad name as a refusal shows it: valid text, and of a long one the beginning."""
    text = part.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= NAME_LENGTH[1] else f"{text[:_SHOWN_CHARS]}... ({len(part)} characters)"


def _is_ipv4(text: str) -> bool:
    try:
        IPv4Address(text)
    except AddressValueError:
        return False
    return True
