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
        raise InvalidArgumentError(f"{prefix}a name may hold at most one topology, that is one '{_JOINT}'; got {len(parts) - 1}")
    for part in parts:
        _check_part(part, prefix)
    if len(name) > NAME_LENGTH[1]:
        raise InvalidArgumentError(f"{prefix}a name holds {NAME_LENGTH[0]}-{NAME_LENGTH[1]} characters, this one {len(name)}")


def _check_part(part: str, prefix: str) -> None:
    if not _PATTERN.fullmatch(part):
        shown = part.encode("utf-8", "backslashreplace").decode()
        raise InvalidArgumentError(
            f"{prefix}a name holds {NAME_LENGTH[0]}-{NAME_LENGTH[1]} characters from [a-zA-Z0-9._-] and starts and ends with one "
            f"from [a-zA-Z0-9]; got '{shown}'"
        )
    if ".." in part:
        raise InvalidArgumentError(f"{prefix}a name may not hold two consecutive periods (..); got '{part}'")
    if _is_ipv4(part):
        raise InvalidArgumentError(f"{prefix}a name may not be a valid ip address; got '{part}'")


def _is_ipv4(text: str) -> bool:
    try:
        IPv4Address(text)
    except AddressValueError:
        return False
    return True
