"""Who may write a store."""

from __future__ import annotations

from typing import Protocol


class WriterLease(Protocol):
    """Who may write. Held from opening to closing."""

    epoch: int

    async def acquire(self) -> None:
        """
        :raises LockedError: another process holds it; names its pid.
        :raises ForeignDirectoryError: the place belongs to another program; nothing was touched.
        """

    def check(self) -> None:
        """Cheap; called before each append and commit.

        :raises FencedError: the lease was lost.
        :raises ForkedError: this process is a child of the one that acquired it.
        """

    async def release(self) -> None:
        """Give it up. Idempotent."""
