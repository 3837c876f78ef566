"""API keys: tokens that this server made. A key is shown once; what is kept is its digest, whose it is, and until when it counts."""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from secrets import token_hex, token_urlsafe

from chroma_async.auth.caller import Caller

#: Begins every key, so that one that leaked can be searched for.
KEY_PREFIX = "chroma"
#: The user and the id of the key that a first start makes.
INITIAL = "initial"
#: Random bytes of a secret: none of it can be guessed, so a fast digest does.
SECRET_BYTES = 32
#: A key: prefix, the id under which it is listed, its secret.
_KEY = re.compile(rf"{KEY_PREFIX}_([a-z0-9]{{1,32}})_([A-Za-z0-9_-]{{16,}})")


@dataclass(frozen=True, slots=True)
class Key:
    """What is kept of a key. ``digest`` is the SHA-256 of the whole; ``expires_s`` and ``created_s`` are seconds since 1970."""

    id: str
    digest: bytes
    caller: Caller
    created_s: float
    expires_s: float | None = None

    def has_expired(self, now_s: float) -> bool:
        """Whether its time is over."""
        return self.expires_s is not None and now_s >= self.expires_s


class Keys:
    """The keys of a server, by their ids."""

    def __init__(self, keys: Iterable[Key], clock_s: Callable[[], float]) -> None:
        """:param clock_s: seconds since 1970."""
        self._keys = {key.id: key for key in keys}
        self._clock_s = clock_s

    def __bool__(self) -> bool:
        return bool(self._keys)

    def __iter__(self) -> Iterator[Key]:
        return iter(self._keys.values())

    @property
    def is_initial_only(self) -> bool:
        """Whether the key of the first start is the only one."""
        return self._keys.keys() == {INITIAL}

    def caller(self, token: str) -> Caller | None:
        """Whose key it is; ``None``: it is none, was revoked, or has expired."""
        found = _KEY.fullmatch(token)
        key = None if found is None else self._keys.get(found[1])
        if key is None or not hmac.compare_digest(key.digest, sha256(token.encode()).digest()):
            return None
        return None if key.has_expired(self._clock_s()) else key.caller


def make_key(caller: Caller, now_s: float, expires_s: float | None = None, id: str = "") -> tuple[Key, str]:
    """A new key, and its text: the only time that it is known.

    :param id: lower-case letters and digits; drawn when it is empty.
    """
    id = id or token_hex(4)
    text = f"{KEY_PREFIX}_{id}_{token_urlsafe(SECRET_BYTES)}"
    return Key(id, sha256(text.encode()).digest(), caller, now_s, expires_s), text
