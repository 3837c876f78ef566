"""Static tokens, as they are configured: bare ones, or Chroma's YAML of users that have some."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from secrets import token_bytes
from typing import Any

from chroma_async.auth.caller import ANONYMOUS, EVERY, Caller
from chroma_async.auth.credential import CREDENTIAL_CHARS

#: A line of an htpasswd file, which nobody means as a token.
_HTPASSWD = re.compile(r"[^:\s]+:\$2[abxy]\$\d\d\$\S+")
_USERS = re.compile(r"^[\s{]*[\"']?users[\"']?\s*:", re.MULTILINE)
_MEMBERS = {"id", "role", "tenant", "databases", "tokens"}


class Tokens:
    """What tokens stand for.

    Only digests are kept, under a key that is drawn at each start: how long a look takes says nothing of any token, and it takes no longer
    for ten thousand of them.
    """

    def __init__(self, callers: Mapping[str, Caller]) -> None:
        """:param callers: by their tokens."""
        self._key = token_bytes(32)
        self._callers = {self._digest(token): caller for token, caller in callers.items()}

    def __bool__(self) -> bool:
        return bool(self._callers)

    @property
    def have_roles(self) -> bool:
        """Whether some of them are of users with a role."""
        return any(caller.role is not None for caller in self._callers.values() if caller is not ANONYMOUS)

    def caller(self, token: str) -> Caller | None:
        """Whose token it is, or ``None``."""
        return self._callers.get(self._digest(token))

    def _digest(self, token: str) -> bytes:
        return blake2b(token.encode(), key=self._key, digest_size=32).digest()


def read_tokens(text: str) -> Tokens:
    """Tokens from text: one a line, each for :data:`ANONYMOUS`; or YAML ``users``, each with ``id``, ``tokens`` and, if it has such,
    ``role``, ``tenant``, ``databases``.

    :raises ValueError: it is neither; the message holds no token.
    """
    callers: dict[str, Caller] = {}
    for caller, token in _users(text) if _USERS.search(text) else _lines(text):
        if token in callers:
            raise ValueError(f"a token of {caller.user!r} is given twice")
        callers[token] = caller
    if not callers:
        raise ValueError("there is no token in it")
    return Tokens(callers)


def _lines(text: str) -> Iterator[tuple[Caller, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        token = line.strip()
        if not token:
            continue
        if _HTPASSWD.fullmatch(token):
            raise ValueError(f"line {number} is one of an htpasswd file: set the provider to basic")
        yield ANONYMOUS, _checked(token, f"line {number}")


def _users(text: str) -> Iterator[tuple[Caller, str]]:
    # Only a server that is given such credentials needs a YAML parser.
    import yaml

    try:
        content = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        # Its own words quote the text.
        mark = getattr(error, "problem_mark", None)
        raise ValueError(f"it is not YAML{'' if mark is None else f' (line {mark.line + 1})'}") from None
    users = content.get("users") if isinstance(content, dict) else None
    if not isinstance(users, list):
        raise ValueError("users: a list is expected")
    seen: set[str] = set()
    for number, user in enumerate(users):
        place = f"users[{number}]"
        caller = _caller(user, place)
        if caller.user in seen:
            raise ValueError(f"{place}.id: {caller.user!r} is there twice")
        seen.add(caller.user)
        tokens = user.get("tokens")
        if not isinstance(tokens, list) or not tokens:
            raise ValueError(f"{place}.tokens: a list of at least one token is expected")
        yield from ((caller, _checked(token, f"{place}.tokens[{index}]")) for index, token in enumerate(tokens))


def _caller(user: Any, place: str) -> Caller:
    """One entry of ``users``, its tokens left out."""
    if not isinstance(user, dict):
        raise ValueError(f"{place}: a mapping is expected")
    if unknown := [str(key) for key in user if key not in _MEMBERS]:
        raise ValueError(f"{place}: {unknown[0]!r:.40} is unknown; known are {', '.join(sorted(_MEMBERS))}")
    databases = user.get("databases") or [EVERY]
    if not isinstance(databases, list):
        raise ValueError(f"{place}.databases: a list is expected")
    role = user.get("role")
    names = [user.get("id"), user.get("tenant") or EVERY, *databases, *([] if role is None else [role])]
    if not all(isinstance(name, str) and name for name in names):
        raise ValueError(f"{place}: id, role, tenant and databases are texts that are not empty")
    return Caller(names[0], role, names[1], tuple(databases))


def _checked(token: Any, place: str) -> str:
    if not isinstance(token, str) or re.fullmatch(r"[!-~]+", token) is None:
        raise ValueError(f"{place}: a token has ASCII letters, digits and punctuation, and no spaces (in YAML, quote one of digits)")
    if len(token) > CREDENTIAL_CHARS:
        raise ValueError(f"{place}: a token has at most {CREDENTIAL_CHARS} characters")
    return token
