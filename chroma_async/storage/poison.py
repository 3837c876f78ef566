"""Whether a durable write of a store has failed in doubt."""

from __future__ import annotations

from chroma_async.errors import PoisonedError


class Poison:
    """Shared by all that write to one store, in whatever thread: a failed sync of one file proves nothing good about the disk under the
    others. Once raised it stays until the store is opened again.
    """

    __slots__ = ("reason",)

    def __init__(self) -> None:
        #: What failed first; ``None`` while nothing has.
        self.reason: str | None = None

    def begin(self, reason: str) -> PoisonedError:
        """Refuse all later writes; the error for the one that failed."""
        if self.reason is None:
            self.reason = reason
        return PoisonedError(reason)

    def check(self) -> None:
        """:raises PoisonedError: writes are refused."""
        if self.reason is not None:
            raise PoisonedError(f"writes are refused until the store is reopened: {self.reason}")
