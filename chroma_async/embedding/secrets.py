"""Keys, where they may be sent, and what keeps them out of configurations that are stored.

A collection's configuration is readable by all who can read the collection, and writable by all who can write it. So a key is stored as the
name of an environment variable only; and a function that was built from a stored configuration sends texts and keys to the service that
its name stands for, and to no other address unless the application has named it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from yarl import URL

from chroma_async.errors import ValidationError

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_SECRET_HEADER = re.compile(r"authorization|cookie|api[-_]?key|token|secret|password|credential", re.IGNORECASE)
_SECRET_PARAMETER = re.compile(r"key|token|secret|password|signature|credential", re.IGNORECASE)

_trusted: set[str] = set()


def origin(url: str) -> str:
    """Scheme, host and port of an address. :raises ValidationError: it is no http or https address."""
    try:
        parsed = URL(url)
        found = str(parsed.origin())
    except ValueError:
        raise ValidationError(f"expected an http or https address, got {url!r}") from None
    if parsed.scheme not in ("http", "https"):
        raise ValidationError(f"expected an http or https address, got {url!r}")
    return found


def trust_embedding_origins(*urls: str) -> None:
    """Let functions that are built from what collections say send texts and keys to these addresses (scheme, host and port count).

    :raises ValidationError: one is no http or https address; none is added.
    """
    _trusted.update([origin(url) for url in urls])


def is_trusted(url: str) -> bool:
    """Whether the application has named the address."""
    return origin(url) in _trusted


def checked_url(field: str, url: str) -> str:
    """``url``, which will be stored. :raises ValidationError: it is no http or https address, or holds a password or a key."""
    if not isinstance(url, str):
        raise ValidationError(f"{field}: expected an address, got {url!r}")
    origin(url)
    parsed = URL(url)
    if parsed.user is not None or parsed.password is not None:
        raise ValidationError(
            f"{field}: an address with a user name or a password is not taken, because it would be stored with collections"
        )
    if any(_SECRET_PARAMETER.search(name) for name in parsed.query):
        raise ValidationError(f"{field}: an address with a key in it is not taken, because it would be stored with collections")
    return url


def refuse_secret_headers(headers: Mapping[str, str] | None) -> None:
    """:raises ValidationError: a header that holds a secret by its name; the message does not show its value."""
    found = sorted(name for name in headers or {} if _SECRET_HEADER.search(name))
    if found:
        raise ValidationError(
            f"default_headers holds {', '.join(found)}, which would be stored with the collection for all its readers; "
            "put the key into an environment variable and name it with api_key_env_var"
        )


class ApiKey:
    """A key by the name of the environment variable that holds it, or given directly. It is read anew for each request.

    :param variable: looked at first. :param usual: the names that the service's own tools use; looked at when that is not set.
    """

    def __init__(self, variable: str | None, usual: tuple[str, ...] = (), given: str | None = None) -> None:
        if variable is not None and not _VARIABLE.fullmatch(variable):
            # The value is not shown: somebody may have put the key itself here.
            raise ValidationError("api_key_env_var: expected the name of an environment variable, not the key itself")
        self.variable = variable
        self._usual = usual
        self._given = given

    @property
    def is_given(self) -> bool:
        """Whether it was given directly, so that nobody who reads the configuration can find it again."""
        return self._given is not None

    def __repr__(self) -> str:
        return f"<ApiKey ${self.variable}{', given directly' if self.is_given else ''}>"

    def read(self) -> str | None:
        """The key, or ``None`` when there is none."""
        if self._given is not None:
            return self._given
        names = ((self.variable,) if self.variable is not None else ()) + self._usual
        return next((value.strip() for name in names if (value := os.environ.get(name, "")).strip()), None)

    def require(self) -> str:
        """:raises ValidationError: none of the variables is set."""
        key = self.read()
        if key is None:
            names = dict.fromkeys(((self.variable,) if self.variable else ()) + self._usual)
            raise ValidationError(f"no API key: set the environment variable {' or '.join(names)}")
        return key

    def redact(self, text: str) -> str:
        """``text`` without the key, should the service have quoted it."""
        key = self.read()
        return text.replace(key, "[key]") if key else text
