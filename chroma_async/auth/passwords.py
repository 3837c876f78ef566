"""Passwords from an htpasswd file. bcrypt takes a third of a second for one, so checks run in threads and what was good is remembered."""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from collections.abc import Mapping
from hashlib import blake2b
from secrets import token_bytes

from chroma_async.auth.caller import Caller
from chroma_async.auth.credential import Password
from chroma_async.errors import RateLimitError
from chroma_async.threads import Run

#: Passwords that are remembered to be good, as digests whose key is drawn at each start.
_REMEMBERED = 1024
#: Passwords that are checked or wait for it at the most; they would hold up the requests of others.
_CHECKS = 64
#: bcrypt looks at no more of a password, and its library refuses to.
_BCRYPT_BYTES = 72
_LINE = re.compile(r"([^:\s]+):(\$2[abxy]\$(?:0[4-9]|[12]\d|3[01])\$[./A-Za-z0-9]{53})")


class Passwords:
    """Whose passwords are good."""

    def __init__(self, hashes: Mapping[str, bytes], run: Run) -> None:
        """:param hashes: user -> bcrypt hash; at least one. :param run: a way to a thread."""
        self._hashes = hashes
        self._run = run
        self._key = token_bytes(32)
        self._good: OrderedDict[bytes, None] = OrderedDict()
        self._checks: dict[bytes, asyncio.Future[bool]] = {}

    async def caller(self, shown: Password) -> Caller | None:
        """Who shows it, or ``None``. An unknown user takes as long as a wrong password; one that many show at once is checked once.

        :raises RateLimitError: too many wait to be checked.
        """
        digest = blake2b(f"{shown.user}:{shown.text}".encode(), key=self._key).digest()
        if digest in self._good:
            self._good.move_to_end(digest)
            return Caller(shown.user)
        check = self._checks.get(digest)
        if check is None:
            if len(self._checks) >= _CHECKS:
                raise RateLimitError("too many passwords are being checked")
            check = self._checks[digest] = asyncio.ensure_future(self._check(shown))
            check.add_done_callback(lambda _: self._checks.pop(digest))
        # Whoever began it may leave; the others go on to wait.
        if not await asyncio.shield(check):
            return None
        self._good[digest] = None
        if len(self._good) > _REMEMBERED:
            self._good.popitem(last=False)
        return Caller(shown.user)

    async def _check(self, shown: Password) -> bool:
        known = self._hashes.get(shown.user)
        decoy = next(iter(self._hashes.values()))
        good = await self._run(_matches, shown.text, decoy if known is None else known)
        return good and known is not None


def read_passwords(text: str, run: Run) -> Passwords:
    """Passwords from the lines of an htpasswd file, ``user:hash``, made with ``htpasswd -B``. Empty lines and comments are none.

    :raises ValueError: a line is none, its hash is not bcrypt's, or there is no bcrypt here; the message holds no hash.
    """
    try:
        import bcrypt  # noqa: F401
    except ImportError:
        raise ValueError("passwords need bcrypt: install chroma-async[server]") from None
    hashes: dict[str, bytes] = {}
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        found = _LINE.fullmatch(stripped)
        if found is None:
            raise ValueError(f"line {number} is none of an htpasswd file with bcrypt hashes (htpasswd -B)")
        if found[1] in hashes:
            raise ValueError(f"line {number}: the user {found[1]!r} is there twice")
        hashes[found[1]] = found[2].encode()
    if not hashes:
        raise ValueError("there is no user in it")
    return Passwords(hashes, run)


def _matches(password: str, hashed: bytes) -> bool:
    import bcrypt

    return bcrypt.checkpw(password.encode()[:_BCRYPT_BYTES], hashed)
