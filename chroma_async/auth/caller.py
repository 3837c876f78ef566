"""Who sends a request, once that is known."""

from __future__ import annotations

from dataclasses import dataclass

#: Stands for every tenant, and for every database.
EVERY = "*"


@dataclass(frozen=True, slots=True)
class Caller:
    """A user: ``role`` names what it may do, ``tenant`` and ``databases`` where; :data:`EVERY` is no bound."""

    user: str
    role: str | None = None
    tenant: str = EVERY
    databases: tuple[str, ...] = (EVERY,)


#: Whoever shows a token that stands for no particular user.
ANONYMOUS = Caller("anonymous", "anonymous")
