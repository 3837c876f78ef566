"""Authentication by others: what installed packages offer for it. Nothing is imported that is not installed under the group's name."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any, Protocol

from chroma_async.auth.caller import Caller

#: Entry points of this group are providers, by the names that ``auth_provider`` may have.
GROUP = "chroma_async.authentication"


class TokenJudge(Protocol):
    """Knows whose a token is."""

    async def caller(self, token: str) -> Caller | None:
        """Whose token it is; ``None``: nobody's who is known to it."""


def plugin_named(name: str) -> Callable[[str], TokenJudge] | None:
    """What makes a judge out of the configured credentials, which may be empty; ``None``: no installed package has a provider of that name.

    :raises ValueError: it cannot be loaded, or there are several of that name.
    """
    found = list(entry_points(group=GROUP, name=name))
    if not found:
        return None
    if len({point.value for point in found}) > 1:
        raise ValueError(f"several installed packages have a provider of that name: {', '.join(sorted(point.value for point in found))}")
    try:
        make: Any = found[0].load()
    except Exception as error:
        raise ValueError(f"{found[0].value} cannot be loaded: {error}") from error
    if not callable(make):
        raise ValueError(f"{found[0].value} is no function")
    return make  # type: ignore[no-any-return]
