"""Who sends a request, once that is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chroma_async.types import Identity

#: Stands for every tenant, and for every database.
EVERY = "*"


@dataclass(frozen=True, slots=True)
class Caller:
    """A user: ``role`` names what it may do, ``tenant`` and ``databases`` where; :data:`EVERY` is no bound."""

    user: str
    role: str | None = None
    tenant: str = EVERY
    databases: Sequence[str] = (EVERY,)

    @property
    def identity(self) -> Identity:
        """What the caller is told of itself."""
        return Identity(self.user, self.tenant, self.databases)


#: Whoever shows a token that stands for no particular user.
ANONYMOUS = Caller("anonymous")
